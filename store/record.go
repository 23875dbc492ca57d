package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/dunlin-network/dunlin/dag"
)

// A record of the log, integers big-endian:
//
//	length 4 (of the payload) | crc32c 4 | synced 4 | kind 1 | payload
//
// The checksum covers everything but itself and starts from a seed that is the segment's own, so
// that what a reused file still holds of its former life never passes for a record. Synced is the
// offset of this segment up to which data was known to be on disk when the record was written: a
// bad record below a later record's mark is damage, one above it an unfinished write.
// A header of zeros ends the records.
const (
	recordHeader = 4 + 4 + 4 + 1
	maxRecord    = dag.RefSize + dag.MaxBlockBytes // largest payload
)

type recordKind uint8

// kindBlock is a block: its ref, then its encoding.
const kindBlock recordKind = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errRecordEnd = errors.New("end of records")
	errRecordBad = errors.New("not a record")
)

// record is one decoded record; its payload shares the bytes it was read from.
type record struct {
	kind    recordKind
	synced  uint32
	crc     uint32
	payload []byte
}

func (r *record) size() int { return recordHeader + len(r.payload) }

// ref and block split the payload of a kindBlock record.
func (r *record) ref() dag.Ref  { return dag.DecodeRef(r.payload) }
func (r *record) block() []byte { return r.payload[dag.RefSize:] }

// appendBlockRecord appends the record of a block and returns its checksum beside it.
func appendBlockRecord(b []byte, seed, synced uint32, block *dag.Verified) ([]byte, uint32) {
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(dag.RefSize+len(block.Bytes())))
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, synced)
	b = append(b, byte(kindBlock))
	b = block.Ref().Append(b)
	b = append(b, block.Bytes()...)
	crc := recordChecksum(b[at:], seed)
	binary.BigEndian.PutUint32(b[at+4:], crc)
	return b, crc
}

func recordChecksum(encoded []byte, seed uint32) uint32 {
	crc := crc32.Update(seed, castagnoli, encoded[:4])
	return crc32.Update(crc, castagnoli, encoded[8:])
}

// decodeRecord reads the record at the front of b. It gives errRecordEnd where the records end as
// they should and errRecordBad for anything else that is no record.
func decodeRecord(b []byte, seed uint32) (record, error) {
	head := b[:min(len(b), recordHeader)]
	if len(bytes.TrimLeft(head, "\x00")) == 0 {
		return record{}, errRecordEnd
	}
	if len(b) < recordHeader {
		return record{}, errRecordBad
	}
	length := binary.BigEndian.Uint32(b)
	if length <= dag.RefSize || length > maxRecord || recordHeader+int(length) > len(b) || recordKind(b[12]) != kindBlock {
		return record{}, errRecordBad
	}
	whole := b[:recordHeader+int(length)]
	crc := binary.BigEndian.Uint32(b[4:])
	if recordChecksum(whole, seed) != crc {
		return record{}, errRecordBad
	}
	return record{kind: kindBlock, synced: binary.BigEndian.Uint32(b[8:]), crc: crc, payload: whole[recordHeader:]}, nil
}

// tail says how the records of a segment end.
type tail struct {
	end     int    // offset behind the last good record
	lastCRC uint32 // of the last good record; 0 for none
	torn    int    // bytes behind end that an unfinished write left there; 0 for a clean end
	damage  string // not empty: bytes behind end had been on disk and are no longer what they were
}

// scanRecords walks the records of a segment from offset start and looks behind the last one for
// what should not be there. An error is visit's.
func scanRecords(data []byte, start int, seed uint32, visit func(record) error) (tail, error) {
	t := tail{end: start}
	var stop error
	for {
		r, err := decodeRecord(data[t.end:], seed)
		if err != nil {
			stop = err
			break
		}
		if err := visit(r); err != nil {
			return t, err
		}
		t.lastCRC = r.crc
		t.end += r.size()
	}
	last := t.end // end of what an unfinished write left
	if errors.Is(stop, errRecordBad) {
		last = min(len(data), t.end+recordHeader)
	}
	for at := nextCandidate(data, t.end+1); at >= 0; {
		r, err := decodeRecord(data[at:], seed)
		if err != nil {
			at = nextCandidate(data, at+1)
			continue
		}
		if int(r.synced) > t.end {
			t.damage = "record with a bad checksum, with later synced records behind it"
			return t, nil
		}
		last = at + r.size()
		at = nextCandidate(data, last)
	}
	t.torn = last - t.end
	return t, nil
}

// nextCandidate is the next offset from at on where a record might begin, -1 for none. It passes over
// zeros quickly: most of a young segment is zeros.
func nextCandidate(data []byte, at int) int {
	const kindOffset = recordHeader - 1
	for at+kindOffset < len(data) {
		skip := bytes.IndexByte(data[at+kindOffset:], byte(kindBlock))
		if skip < 0 {
			return -1
		}
		if at += skip; data[at] == 0 {
			return at
		}
		at++
	}
	return -1
}
