package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// The header of a segment, integers big-endian:
//
//	magic 8 | version 4 | network 32 | author 2 | log id 16 | sequence 8 | origin 1 | own round 8 |
//	previous end 8 | chain 32 | crc32c 4
const (
	segmentMagic   = "DUNLINLG"
	segmentVersion = 1
	segmentHeader  = 8 + 4 + crypto.DigestSize + 2 + logIDSize + 8 + 1 + 8 + 8 + crypto.DigestSize + 4
	logIDSize      = 16
	segmentSuffix  = ".seg"
	spareName      = "spare"
)

// domainSegment chains each segment to the one before it.
const domainSegment crypto.Domain = "dunlin/log-segment/1"

// origin says what a log knows of its node's past signatures.
type origin uint8

const (
	// originFresh is a log that Create began: nothing was signed before it.
	originFresh origin = 1
	// originMissing and originDamaged are logs begun in place of a lost one: before their first own
	// block, this node may have signed what it does not remember.
	originMissing origin = 2
	originDamaged origin = 3
)

// header is what a segment says about itself.
type header struct {
	network     crypto.Digest
	author      dag.Author // ordering.Observer for an observer
	logID       [logIDSize]byte
	sequence    uint64
	origin      origin
	ownRound    dag.Round // highest own round in the log before this segment; 0 for none
	previousEnd uint64    // where the records of the segment before end; 0 for the first
	chain       crypto.Digest
}

func (h *header) encode() []byte {
	b := append(make([]byte, 0, segmentHeader), segmentMagic...)
	b = binary.BigEndian.AppendUint32(b, segmentVersion)
	b = append(b, h.network[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(h.author))
	b = append(b, h.logID[:]...)
	b = binary.BigEndian.AppendUint64(b, h.sequence)
	b = append(b, byte(h.origin))
	b = binary.BigEndian.AppendUint64(b, uint64(h.ownRound))
	b = binary.BigEndian.AppendUint64(b, h.previousEnd)
	b = append(b, h.chain[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeHeader(b []byte) (header, error) {
	var h header
	if len(b) < segmentHeader {
		return h, fmt.Errorf("header cut short: %d bytes, want %d", len(b), segmentHeader)
	}
	body := b[:segmentHeader-4]
	if string(b[:8]) != segmentMagic {
		return h, errors.New("not a log segment")
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != segmentVersion {
		return h, fmt.Errorf("log version %d, this node reads %d", v, segmentVersion)
	}
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[segmentHeader-4:]) {
		return h, errors.New("header with a bad checksum")
	}
	r := body[12:]
	h.network, r = crypto.Digest(r[:32]), r[32:]
	h.author, r = dag.Author(binary.BigEndian.Uint16(r)), r[2:]
	h.logID, r = [logIDSize]byte(r[:logIDSize]), r[logIDSize:]
	h.sequence, r = binary.BigEndian.Uint64(r), r[8:]
	h.origin, r = origin(r[0]), r[1:]
	h.ownRound, r = dag.Round(binary.BigEndian.Uint64(r)), r[8:]
	h.previousEnd, r = binary.BigEndian.Uint64(r), r[8:]
	h.chain = crypto.Digest(r)
	if h.origin < originFresh || h.origin > originDamaged {
		return h, fmt.Errorf("origin %d is unknown", h.origin)
	}
	return h, nil
}

// next is the header of the segment that follows one with header h, records up to end and last
// record checksum lastCRC.
func (h *header) next(end int64, lastCRC uint32, ownRound dag.Round) header {
	n := *h
	n.sequence++
	n.ownRound = ownRound
	n.previousEnd = uint64(end)
	n.chain = h.link(end, lastCRC)
	return n
}

// link is what the following segment's chain must hold.
func (h *header) link(end int64, lastCRC uint32) crypto.Digest {
	var fixed [12]byte
	binary.BigEndian.PutUint64(fixed[:], uint64(end))
	binary.BigEndian.PutUint32(fixed[8:], lastCRC)
	return crypto.Hash(domainSegment, h.encode(), fixed[:])
}

// seed is where the checksums of the segment's records start from.
func (h *header) seed() uint32 {
	var sequence [8]byte
	binary.BigEndian.PutUint64(sequence[:], h.sequence)
	return crc32.Update(crc32.Checksum(h.logID[:], castagnoli), castagnoli, sequence[:])
}

func segmentPath(dir string, sequence uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%012d%s", sequence, segmentSuffix))
}

// listSegments gives the sequence numbers of the segments in dir, ascending.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	var sequences []uint64
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		if !isSegment {
			continue
		}
		n, err := strconv.ParseUint(name, 10, 64)
		if err != nil || segmentPath(dir, n) != filepath.Join(dir, e.Name()) {
			return nil, &CorruptError{File: filepath.Join(dir, e.Name()), Offset: -1, Detail: "not the name of a log segment", Next: "move it out of " + dir}
		}
		sequences = append(sequences, n)
	}
	slices.Sort(sequences)
	return sequences, nil
}
