package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// maxLines is how many of the last lines of a trace are kept for people.
const maxLines = 400

// trace digests everything that leaves an engine, with when. Two runs with the same digest did the
// same. Lines for people are kept only on request.
type trace struct {
	hash   hash.Hash
	buffer []byte
	lines  []string // ring
	next   int
	wanted linesWanted
}

// linesWanted says whether a trace keeps lines.
type linesWanted uint8

const (
	digestOnly linesWanted = iota
	withLines
)

func newTrace(wanted linesWanted) *trace { return &trace{hash: sha256.New(), wanted: wanted} }

// note adds one entry to the digest: a kind, when, who, and what.
func (t *trace) note(kind byte, at time.Duration, who dag.Author, number uint64, d crypto.Digest) {
	t.buffer = append(t.buffer, kind)
	t.buffer = binary.BigEndian.AppendUint64(t.buffer, uint64(at))
	t.buffer = binary.BigEndian.AppendUint16(t.buffer, uint16(who))
	t.buffer = binary.BigEndian.AppendUint64(t.buffer, number)
	t.buffer = append(t.buffer, d[:]...)
	if len(t.buffer) >= 4096 {
		t.hash.Write(t.buffer)
		t.buffer = t.buffer[:0]
	}
}

// say keeps a line for people, if they asked for them.
func (t *trace) say(at time.Duration, who dag.Author, format string, args ...any) {
	if t.wanted == digestOnly {
		return
	}
	line := fmt.Sprintf("%12.6fs %-4v ", at.Seconds(), who) + fmt.Sprintf(format, args...)
	if len(t.lines) < maxLines {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % maxLines
}

// last is the kept lines, oldest first.
func (t *trace) last() []string {
	return append(append([]string(nil), t.lines[t.next:]...), t.lines[:t.next]...)
}

// digest ends the trace.
func (t *trace) digest() crypto.Digest {
	t.hash.Write(t.buffer)
	t.buffer = nil
	return crypto.Digest(t.hash.Sum(nil))
}
