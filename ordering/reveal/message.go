package reveal

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// Limits of shares that come before the commit that they are for: their authors have committed it
// already.
const (
	maxEarlyCommits = 1024    // how far ahead a share may be
	maxEarlyBytes   = 1 << 20 // of one author; what is beyond is fetched from its blocks later
	earlyOverhead   = 128     // bytes that keeping one takes beside the share
)

const messageHeader = 8 + 2

// message is one share on its way: commit index 8, part 2, then the share as package seal encodes it.
type message struct {
	author dag.Author // whose block carried it
	commit dag.CommitIndex
	part   int
	share  []byte
}

func (m message) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, messageHeader+len(m.share)), uint64(m.commit))
	b = binary.BigEndian.AppendUint16(b, uint16(m.part))
	return append(b, m.share...)
}

// decodeMessage reads the header; the share is read when its batch is known. It shares payload.
func decodeMessage(author dag.Author, payload []byte) (message, error) {
	if len(payload) <= messageHeader {
		return message{}, fmt.Errorf("%w: %d bytes", ErrShare, len(payload))
	}
	return message{
		author: author, commit: dag.CommitIndex(binary.BigEndian.Uint64(payload)),
		part: int(binary.BigEndian.Uint16(payload[8:])), share: payload[messageHeader:],
	}, nil
}

// ShareCommit is the commit that a share message names; ok is false where it is none.
func ShareCommit(payload []byte) (i dag.CommitIndex, ok bool) {
	m, err := decodeMessage(0, payload)
	return m.commit, err == nil
}

// keepEarly keeps a share until its commit is there.
func (t *Tracker) keepEarly(m message) error {
	if m.commit > t.head+maxEarlyCommits {
		return fmt.Errorf("%w: for commit %d, the newest is %d", ErrShare, m.commit, t.head)
	}
	cost := m.cost()
	if t.byAuthor[m.author]+cost > maxEarlyBytes {
		return fmt.Errorf("%w: %v has %d bytes waiting, limit %d", ErrShare, m.author, t.byAuthor[m.author], maxEarlyBytes)
	}
	t.byAuthor[m.author] += cost
	m.share = slices.Clone(m.share) // the block that it came in is larger
	t.early[m.commit] = append(t.early[m.commit], m)
	return nil
}

// cost is what keeping m counts for.
func (m message) cost() int { return earlyOverhead + len(m.share) }

func (t *Tracker) forgetEarly(i dag.CommitIndex) {
	for _, m := range t.early[i] {
		t.byAuthor[m.author] -= m.cost()
	}
	delete(t.early, i)
}
