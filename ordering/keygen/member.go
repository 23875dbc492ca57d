package keygen

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
)

// Member is a validator's own part in one key generation: it holds the KEM secret, which State does not.
type Member struct {
	self   dag.Author
	secret *crypto.KEMKey
	made   []message // what Messages returned last
}

// message is one message with what it was made for.
type message struct {
	run *run
	dag.SystemMessage
}

// NewMember is the part of the validator self, whose KEM key is secret.
func NewMember(self dag.Author, secret *crypto.KEMKey) *Member {
	return &Member{self: self, secret: secret}
}

// Messages is what the validator's next block should carry: until the log shows them, the same ones with the
// same bytes, also after a restart. At most one deal and two acknowledgements (one of them late) are due at
// a time. Making one takes, with 100 validators,
// some 10 ms for the sealing key and 150 ms for the certificate key; asking again takes nothing. The caller must not
// change the payloads.
func (m *Member) Messages(s *State) []dag.SystemMessage {
	var due []message
	if r := s.serving(); r != nil && !r.acked.Has(m.self) {
		due = append(due, m.make(s, r, s.purpose.Ack))
	}
	if r := s.current; r != nil {
		switch {
		case r.phase() == Dealing && !r.spent.Has(m.self) && !s.excluded.Has(m.self):
			due = append(due, m.make(s, r, s.purpose.Deal))
		case r.phase() == Acknowledging && !r.acked.Has(m.self):
			due = append(due, m.make(s, r, s.purpose.Ack))
		}
	}
	m.made = due
	var out []dag.SystemMessage
	for i := range due {
		out = append(out, due[i].SystemMessage)
	}
	return out
}

func (m *Member) make(s *State, r *run, kind dag.SystemKind) message {
	for _, known := range m.made {
		if known.run == r && known.Kind == kind {
			return known
		}
	}
	out := message{run: r, SystemMessage: dag.SystemMessage{Kind: kind}}
	if kind == s.purpose.Deal {
		out.Payload = r.maths.MakeDeal(int(m.self), m.secret)
	} else {
		out.Payload = m.acknowledge(r).encode()
	}
	return out
}

// acknowledge checks the own share of every candidate and complains about bad ones, whether or not the
// dealer is excluded by now: the acknowledgement depends on the candidates alone.
func (m *Member) acknowledge(r *run) *ack {
	c := r.maths.Context()
	a := &ack{key: c.Key, attempt: c.Attempt, candidates: r.digest}
	for _, d := range r.held(r.candidates) {
		if r.maths.CheckShare(d, int(m.self), m.secret) != nil {
			a.complaints = append(a.complaints, complaint{dag.Author(d.Dealer()), r.maths.Complain(d, int(m.self), m.secret)})
		}
	}
	return a
}

// Share is the validator's share of a ready key, from the deals that the state holds and the KEM secret
// alone: a lost disk loses no share. With 100 validators it
// takes 30 ms for the sealing key and 150 ms for the certificate key, so keep it. Errors wrap dkg.ErrShare
// where a dealer gave this validator a bad share and has not been found out in time.
func (m *Member) Share(s *State, key uint64) (dkg.Share, error) {
	r := s.find(key)
	if r == nil {
		return dkg.Share{}, fmt.Errorf("share of key %d: %w", key, ErrNoKey)
	}
	share, err := r.maths.OwnShare(r.held(r.qualified), int(m.self), m.secret)
	if err != nil {
		return dkg.Share{}, fmt.Errorf("share of key %d: %w", key, err)
	}
	return share, nil
}
