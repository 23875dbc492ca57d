package keygen

import (
	"encoding/binary"
	"errors"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

var (
	// ErrState wraps everything that can be wrong with an encoded state.
	ErrState = errors.New("malformed key generation state")
	// ErrNoKey says that no ready key has the id.
	ErrNoKey = errors.New("no such key")
)

const domainState crypto.Domain = "dunlin/keygen-state/1"

// The encoding of a state, integers big-endian, sets as 4 words of 8 bytes:
//
//	version 1 | validators 2 | excluded 32 | ready keys 2 x run | present runs 1 (0 or 1) x run | deals
//
// A run is: key 8 | attempt 4 | close at 8 | closed at 8 | ready at 8 | spent 32 | candidates 32 | acked 32 |
// flagged 32 | qualified 32 | digest of the candidates 32 | dealers 32, and for each of those the commit 8
// and the digest 32 of its deal. The deals themselves follow in the same order, all of one length.
const (
	stateVersion = 1
	setSize      = dag.MaxCommittee / 8
)

// Digest is the digest of the state, for the digest of the ordering state: nodes that disagree about anything
// that Encode writes disagree about it. It changes only in commits that hold a message that counts or end a
// window, and costs nothing in others.
func (s *State) Digest() crypto.Digest {
	if s.changed {
		s.cached, s.changed = crypto.Hash(domainState, s.frame()), false
	}
	return s.cached
}

// Encode is the state with all deals that it needs, for a restart or a snapshot: some 0.7 MB per key with
// 100 validators, so write it when Digest has changed and not with every commit.
func (s *State) Encode() []byte {
	b := s.frame()
	for _, r := range s.runs() {
		for _, d := range r.deals {
			if d != nil {
				b = append(b, d.Bytes()...)
			}
		}
	}
	return b
}

// runs is all runs that the state holds, oldest first.
func (s *State) runs() []*run {
	out := append([]*run(nil), s.keys...)
	if s.current != nil {
		out = append(out, s.current)
	}
	return out
}

// frame is the encoding without the deals.
func (s *State) frame() []byte {
	b := []byte{stateVersion}
	b = binary.BigEndian.AppendUint16(b, uint16(s.committee.Size()))
	b = appendSet(b, s.excluded)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.keys)))
	for _, r := range s.keys {
		b = r.append(b)
	}
	if s.current == nil {
		return append(b, 0)
	}
	return s.current.append(append(b, 1))
}

func (r *run) append(b []byte) []byte {
	c := r.maths.Context()
	b = binary.BigEndian.AppendUint64(b, c.Key)
	b = binary.BigEndian.AppendUint32(b, c.Attempt)
	for _, at := range []dag.CommitIndex{r.closeAt, r.closedAt, r.readyAt} {
		b = binary.BigEndian.AppendUint64(b, uint64(at))
	}
	for _, set := range []dag.AuthorSet{r.spent, r.candidates, r.acked, r.flagged, r.qualified} {
		b = appendSet(b, set)
	}
	b = append(b, r.digest[:]...)
	b = appendSet(b, r.dealers())
	for _, d := range r.deals {
		if d != nil {
			digest := d.Digest()
			b = append(binary.BigEndian.AppendUint64(b, uint64(d.at)), digest[:]...)
		}
	}
	return b
}

func appendSet(b []byte, set dag.AuthorSet) []byte {
	for _, w := range set {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	return b
}
