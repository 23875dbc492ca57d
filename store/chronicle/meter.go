package chronicle

import (
	"encoding/binary"
	"io"

	"github.com/dunlin-network/dunlin/dag"
)

// Progress is how far an export has come.
type Progress struct {
	Commits, Of dag.CommitIndex
	Bytes       int64
}

// Meter passes a file on while it is written, and tells after every commit how far it has come. It trusts
// its input: it is for the output of Export.
type Meter struct {
	out  io.Writer
	of   dag.CommitIndex
	tell func(Progress)
	seen Progress

	head []byte // of a record that has not come in full
	skip int64  // bytes of the preamble or of a payload that are still to come
}

// NewMeter makes a meter of an export of so many commits in front of out. tell is called by Write.
func NewMeter(out io.Writer, of dag.CommitIndex, tell func(Progress)) *Meter {
	return &Meter{out: out, of: of, tell: tell, skip: int64(preamble)}
}

// Write passes p on.
func (m *Meter) Write(p []byte) (int, error) {
	n, err := m.out.Write(p)
	m.count(p[:n])
	return n, err
}

func (m *Meter) count(p []byte) {
	m.seen.Bytes += int64(len(p))
	commits := m.seen.Commits
	for len(p) > 0 {
		if m.skip > 0 {
			n := min(m.skip, int64(len(p)))
			m.skip, p = m.skip-n, p[n:]
			continue
		}
		n := min(recordHead-len(m.head), len(p))
		m.head, p = append(m.head, p[:n]...), p[n:]
		if len(m.head) < recordHead {
			return
		}
		if m.head[0] == kindCommit {
			m.seen.Commits++
		}
		m.skip, m.head = int64(binary.BigEndian.Uint32(m.head[1:])), m.head[:0]
	}
	if m.seen.Commits > commits {
		m.seen.Of = max(m.of, m.seen.Commits)
		m.tell(m.seen)
	}
}
