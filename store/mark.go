package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// logMark stands beside the segments and says which one is the newest, so that losing that one is
// noticed; and, while no process has the log open, where its records end. Integers big-endian:
//
//	magic 8 | log id 16 | sequence 8 | end 8 | crc32c 4
//
// A mark that is missing or cannot be read says nothing and is made again: what it would have
// warned of is a second damage.
type logMark struct {
	logID    [logIDSize]byte
	sequence uint64
	end      int64 // offset behind the last record; 0 while the log is open
}

const (
	markName  = "newest"
	markMagic = "DUNLINMK"
	markSize  = 8 + logIDSize + 8 + 8 + 4
)

func (m *logMark) encode() []byte {
	b := append(make([]byte, 0, markSize), markMagic...)
	b = append(b, m.logID[:]...)
	b = binary.BigEndian.AppendUint64(b, m.sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(m.end))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readMark gives the mark of a log directory, or false if there is none that can be read.
func readMark(dir string) (m logMark, ok bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("read log mark: %w", err)
	}
	if len(b) != markSize || string(b[:8]) != markMagic || crc32.Checksum(b[:markSize-4], castagnoli) != binary.BigEndian.Uint32(b[markSize-4:]) {
		return m, false, nil
	}
	r := b[8:]
	m.logID, r = [logIDSize]byte(r[:logIDSize]), r[logIDSize:]
	m.sequence, m.end = binary.BigEndian.Uint64(r), int64(binary.BigEndian.Uint64(r[8:]))
	return m, true, nil
}

// holdAgainst gives what the mark says is missing from the end of a log; empty for nothing.
func (m *logMark) holdAgainst(newest *foundSegment) string {
	switch {
	case m.logID != newest.header.logID:
		return "the mark beside it is that of another log"
	case newest.header.sequence < m.sequence:
		return fmt.Sprintf("segments %d to %d, the newest ones, are missing behind it", newest.header.sequence+1, m.sequence)
	case m.end > 0 && newest.header.sequence > m.sequence:
		return fmt.Sprintf("the log was closed with segment %d", m.sequence)
	case m.end > 0 && int64(newest.tail.end) != m.end:
		return fmt.Sprintf("its records end here, they ended at %d when the log was closed", m.end)
	case m.end > 0 && newest.tail.torn > 0:
		return "an unfinished write in a log that was closed in order"
	}
	return ""
}

// mark writes which segment is the newest; end is where its records end, or 0 while it is open.
func (l *blockLog) mark(end int64) error {
	m := logMark{logID: l.header.logID, sequence: l.header.sequence, end: end}
	if err := l.files.Replace(filepath.Join(l.dir, markName), m.encode()); err != nil {
		return fmt.Errorf("write log mark: %w", err)
	}
	return nil
}
