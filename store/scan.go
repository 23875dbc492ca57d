package store

import (
	"errors"
	"fmt"
	"os"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// foundSegment is one segment as it lies on disk.
type foundSegment struct {
	header header
	tail   tail
	size   int64 // of the file
}

// foundLog is what scanLog found.
type foundLog struct {
	segments []foundSegment
	ownRound dag.Round // highest own round that the log knows of
	damage   *CorruptError
}

// forgetful reports whether the log was begun after a loss and has no own block since: what this
// node signed before is still unknown to it.
func (f *foundLog) forgetful() (LogState, bool) {
	switch last := f.segments[len(f.segments)-1].header; {
	case f.ownRound > 0 || last.origin == originFresh:
		return LogWhole, false
	case last.origin == originMissing:
		return LogMissing, true
	default:
		return LogDamaged, true
	}
}

// logScan reads a log from its oldest segment to its newest.
type logScan struct {
	dir     string
	network crypto.Digest
	self    dag.Author
	visit   func(dag.Ref, []byte) error // every good record in order; bytes are valid during the call
}

// run gives what it found, damage included; the records before a damaged place have been visited.
// It gives nil if there is no log. Errors are the disk's or visit's.
func (s *logScan) run() (*foundLog, error) {
	sequences, err := listSegments(s.dir)
	if errors.Is(err, os.ErrNotExist) || (err == nil && len(sequences) == 0) {
		return nil, nil
	}
	found := &foundLog{}
	if errors.As(err, &found.damage) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	for i, sequence := range sequences {
		path := segmentPath(s.dir, sequence)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
		h, detail := s.admit(found, sequence, data)
		if detail != "" {
			found.damage = s.damaged(path, 0, detail)
			if h != (header{}) && (h.network != s.network || h.author != s.self) {
				found.damage.Next = nextAfterMixUp(s.dir)
			}
			return found, nil
		}
		found.ownRound = max(found.ownRound, h.ownRound)
		t, err := scanRecords(data, segmentHeader, h.seed(), func(r record) error {
			ref := r.ref()
			if ref.Author == s.self {
				found.ownRound = max(found.ownRound, ref.Round)
			}
			return s.visit(ref, r.block())
		})
		if err != nil {
			return nil, err
		}
		if t.damage != "" {
			found.damage = s.damaged(path, int64(t.end), t.damage)
			return found, nil
		}
		if i < len(sequences)-1 && t.torn > 0 {
			found.damage = s.damaged(path, int64(t.end), "unfinished write in a segment that is not the last")
			return found, nil
		}
		found.segments = append(found.segments, foundSegment{h, t, int64(len(data))})
	}
	return found, s.checkEnd(found)
}

// checkEnd holds the end of a log against the mark beside it.
func (s *logScan) checkEnd(found *foundLog) error {
	m, ok, err := readMark(s.dir)
	if err != nil || !ok {
		return err
	}
	newest := &found.segments[len(found.segments)-1]
	if detail := m.holdAgainst(newest); detail != "" {
		found.damage = s.damaged(segmentPath(s.dir, newest.header.sequence), int64(newest.tail.end), detail)
	}
	return nil
}

// admit checks a segment's header against this node and against the segment before it.
func (s *logScan) admit(found *foundLog, sequence uint64, data []byte) (header, string) {
	h, err := decodeHeader(data)
	switch {
	case err != nil:
		return h, err.Error()
	case h.network != s.network:
		return h, fmt.Sprintf("log of network %s, this is network %s", h.network.Short(), s.network.Short())
	case h.author != s.self:
		return h, fmt.Sprintf("log of validator %d, this is validator %d (%d is an observer)", h.author, s.self, ordering.Observer)
	case h.sequence != sequence:
		return h, fmt.Sprintf("segment %d under the name of segment %d", h.sequence, sequence)
	case len(data) > maxSegment:
		return h, fmt.Sprintf("segment of %d bytes, limit %d", len(data), maxSegment)
	case len(found.segments) == 0:
		return h, ""
	}
	previous := found.segments[len(found.segments)-1]
	if h.sequence != previous.header.sequence+1 {
		return h, fmt.Sprintf("segments %d to %d are missing before it", previous.header.sequence+1, h.sequence-1)
	}
	if end := uint64(previous.tail.end); h.previousEnd != end {
		return h, fmt.Sprintf("segment %d before it ends at offset %d, it ended at %d", previous.header.sequence, end, h.previousEnd)
	}
	if h.chain != previous.header.link(int64(previous.tail.end), previous.tail.lastCRC) {
		return h, "it does not continue the segment before it"
	}
	return h, ""
}

func (s *logScan) damaged(path string, offset int64, detail string) *CorruptError {
	return &CorruptError{File: path, Offset: offset, Detail: detail, Next: nextAfterLogDamage(s.dir)}
}
