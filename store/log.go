package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

const (
	// defaultSegment is the size of a segment in bytes: large enough that starting one is rare,
	// small enough that the log's tail is read in a moment at open.
	defaultSegment = 64 << 20
	// minSegment holds a few of the largest blocks; maxSegment keeps offsets in 31 bits.
	minSegment = 4 << 20
	maxSegment = 1 << 30
)

// keptSegments is how many full segments stay behind the one being written, whatever Badger has:
// at 64 MiB each, 128 MiB of margin for what a power cut takes out of Badger.
const keptSegments = 2

// blockLog is the append-only log: the truth for what is recent and the high-water record of what
// this node signed. Its methods are for one goroutine at a time, but for confirm.
type blockLog struct {
	files   filesystem
	dir     string
	size    int64 // of a segment, in bytes
	self    dag.Author
	current file
	header  header
	offset  int64 // where the next record goes
	synced  int64 // up to where the current segment is on disk
	lastCRC uint32
	own     dag.Round // highest own round in the log
	buffer  []byte

	appended  uint64        // blocks appended since the log was opened
	confirmed atomic.Uint64 // of these, how many Badger has safely
	full      []fullSegment // closed segments, oldest first
	spare     string        // a segment to write over; empty for none
}

type fullSegment struct {
	sequence uint64
	last     uint64 // value of appended when it was closed
}

// beginLog writes the first segment of a new log into dir, which is made.
func beginLog(files filesystem, dir string, size int64, network crypto.Digest, self dag.Author, from origin) (*blockLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	if err := syncParent(dir); err != nil {
		return nil, err
	}
	l := &blockLog{files: files, dir: dir, size: size, self: self}
	h := header{network: network, author: self, sequence: 1, origin: from}
	if _, err := rand.Read(h.logID[:]); err != nil {
		return nil, fmt.Errorf("draw log id: %w", err)
	}
	if err := l.begin(h); err != nil {
		return nil, err
	}
	return l, nil
}

// begin makes the segment of h durable under its name and goes on in it.
func (l *blockLog) begin(h header) error {
	work := filepath.Join(l.dir, spareName)
	f, err := l.files.Open(work, l.size)
	if err != nil {
		return fmt.Errorf("make log segment %d: %w", h.sequence, err)
	}
	start := append(h.encode(), make([]byte, recordHeader)...)
	if _, err = f.WriteAt(start, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.files.Rename(work, segmentPath(l.dir, h.sequence))
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("begin log segment %d: %w", h.sequence, err)
	}
	l.spare = ""
	l.current, l.header, l.offset, l.synced, l.lastCRC = f, h, segmentHeader, segmentHeader, 0
	return l.mark(0)
}

// resumeLog goes on behind the last record of a log that scanLog found in order.
func resumeLog(files filesystem, dir string, size int64, self dag.Author, found *foundLog) (*blockLog, error) {
	l := &blockLog{files: files, dir: dir, size: size, self: self, own: found.ownRound}
	last := found.segments[len(found.segments)-1]
	for _, s := range found.segments[:len(found.segments)-1] {
		l.full = append(l.full, fullSegment{sequence: s.header.sequence})
	}
	f, err := files.Open(segmentPath(dir, last.header.sequence), size)
	if err != nil {
		return nil, fmt.Errorf("open log segment %d: %w", last.header.sequence, err)
	}
	l.current, l.header, l.lastCRC = f, last.header, last.tail.lastCRC
	l.offset = int64(last.tail.end)
	l.synced = l.offset
	if err := errors.Join(l.clean(last.tail.torn, last.size), l.mark(0)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return l, nil
}

// clean writes zeros over what an unfinished write left, so that nothing of it can come back, and
// makes sure that what is kept is on disk.
func (l *blockLog) clean(torn int, size int64) error {
	const chunk = 1 << 20
	zeros := make([]byte, chunk)
	if torn > 0 {
		for at := l.offset; at < size; at += chunk {
			if _, err := l.current.WriteAt(zeros[:min(chunk, size-at)], at); err != nil {
				return fmt.Errorf("clear torn tail: %w", err)
			}
		}
	}
	if err := l.current.Sync(); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	return nil
}

// append writes blocks with one system call, or two where a segment ends. They are not durable yet.
func (l *blockLog) append(blocks []*dag.Verified) error {
	l.buffer = l.buffer[:0]
	for _, b := range blocks {
		size := int64(recordHeader + dag.RefSize + len(b.Bytes()))
		if l.offset+int64(len(l.buffer))+size > l.size {
			if err := l.flush(); err != nil {
				return err
			}
			if err := l.rotate(); err != nil {
				return err
			}
		}
		l.buffer, l.lastCRC = appendBlockRecord(l.buffer, l.header.seed(), uint32(l.synced), b)
		l.appended++
		if b.Author() == l.self {
			l.own = max(l.own, b.Round())
		}
	}
	return l.flush()
}

// flush writes the buffer and, behind it, the header of zeros that ends the records.
func (l *blockLog) flush() error {
	if len(l.buffer) == 0 {
		return nil
	}
	n := int64(len(l.buffer))
	end := min(recordHeader, l.size-l.offset-n)
	l.buffer = append(l.buffer, make([]byte, end)...)
	if _, err := l.current.WriteAt(l.buffer, l.offset); err != nil {
		return fmt.Errorf("write log segment %d: %w", l.header.sequence, err)
	}
	l.offset += n
	l.buffer = l.buffer[:0]
	return nil
}

// sync makes everything appended so far durable.
func (l *blockLog) sync() error {
	if l.synced == l.offset {
		return nil
	}
	if err := l.current.Sync(); err != nil {
		return fmt.Errorf("sync log segment %d: %w", l.header.sequence, err)
	}
	l.synced = l.offset
	return nil
}

// rotate goes on in a new segment. The old one is on disk before the new one exists, so that only
// the last segment can end in an unfinished write.
func (l *blockLog) rotate() error {
	if err := l.sync(); err != nil {
		return err
	}
	if err := l.current.Close(); err != nil {
		return fmt.Errorf("close log segment %d: %w", l.header.sequence, err)
	}
	l.full = append(l.full, fullSegment{l.header.sequence, l.appended})
	if err := l.recycle(); err != nil {
		return err
	}
	return l.begin(l.header.next(l.offset, l.lastCRC, l.own))
}

// recycle gives up the oldest segments that Badger has safely: one becomes the spare that the next
// segment is written over (its disk blocks are already in place), the others go.
func (l *blockLog) recycle() error {
	confirmed := l.confirmed.Load()
	for len(l.full) > keptSegments && l.full[0].last <= confirmed {
		old := segmentPath(l.dir, l.full[0].sequence)
		l.full = l.full[1:]
		var err error
		if l.spare == "" {
			l.spare = filepath.Join(l.dir, spareName)
			err = l.files.Rename(old, l.spare)
		} else {
			err = os.Remove(old)
		}
		if err != nil {
			return fmt.Errorf("recycle log segment: %w", err)
		}
	}
	return nil
}

// confirm says that Badger has the first n blocks appended since open safely. For any goroutine.
func (l *blockLog) confirm(n uint64) { l.confirmed.Store(n) }

func (l *blockLog) close() error {
	if err := l.sync(); err != nil {
		_ = l.current.Close()
		return err
	}
	if err := l.current.Close(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return l.mark(l.offset)
}
