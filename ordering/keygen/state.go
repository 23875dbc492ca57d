package keygen

import (
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
)

// Why Apply did not take a message in. All are the fault of its author or of a message that came
// too late; none says anything about the block.
var (
	// ErrMalformed wraps bytes that are no message of this network's key generation.
	ErrMalformed = errors.New("malformed key generation message")
	// ErrOutOfPlace wraps a message for a run or phase that is not the present one.
	ErrOutOfPlace = errors.New("key generation message out of place")
	// ErrRepeated wraps a second message of an author where only the first counts.
	ErrRepeated = errors.New("key generation message repeated")
	// ErrExcluded wraps a deal of an author that was proven to cheat.
	ErrExcluded = errors.New("dealer is excluded")
	// ErrBadDeal wraps a deal that everybody sees to be bad. Its author deals no more in this run.
	ErrBadDeal = errors.New("bad deal")
	// ErrCandidates wraps an acknowledgement of other candidates than the log gives.
	ErrCandidates = errors.New("acknowledgement of other candidates")
)

// Phase is where the key generation stands.
type Phase uint8

// The phases. A failed attempt goes back to Dealing.
const (
	Dealing       Phase = iota + 1 // deals are awaited
	Acknowledging                  // the candidates are fixed, acknowledgements are awaited
	Ready                          // there is a key and nothing to do
)

// String is the phase's name in the API.
func (p Phase) String() string {
	switch p {
	case Dealing:
		return "DEALING"
	case Acknowledging:
		return "ACKNOWLEDGING"
	case Ready:
		return "READY"
	}
	return fmt.Sprintf("Phase(%d)", uint8(p))
}

// State is the key generation of one committee for one purpose, as a function of the committed log. Give it every system
// message of every commit in order by Apply, and the end of every commit by Close.
type State struct {
	committee *dag.Committee
	purpose   Purpose
	excluded  dag.AuthorSet // proven to cheat, in any run
	keys      []*run        // ready, oldest first; the last one serves
	current   *run          // nil while nothing is to be made
	changed   bool          // since cached was computed
	cached    crypto.Digest
}

// New is the state before the first commit of the committee's epoch. It fails where a KEM key is no
// group element, which a checked genesis rules out.
func New(c *dag.Committee, purpose Purpose) (*State, error) {
	s := &State{committee: c, purpose: purpose, changed: true}
	var err error
	if s.current, err = s.newRun(firstKey(c), 0); err != nil {
		return nil, fmt.Errorf("start key generation: %w", err)
	}
	return s, nil
}

// firstKey is the id of the committee's first key; every further key has the next id, whatever the attempts.
func firstKey(c *dag.Committee) uint64 { return uint64(c.Epoch())*keysPerEpoch + 1 }

// Apply takes in one system message of a block of author, an index of the committee, that commit at
// ordered. Messages of other kinds are passed over. An error says why the message does not count;
// the state is right whether or not it is looked at. It does not keep the payload.
func (s *State) Apply(at dag.CommitIndex, author dag.Author, m dag.SystemMessage) error {
	switch m.Kind {
	case s.purpose.Deal:
		return s.applyDeal(at, author, m.Payload)
	case s.purpose.Ack:
		return s.applyAck(author, m.Payload)
	}
	return nil
}

func (s *State) applyDeal(at dag.CommitIndex, author dag.Author, payload []byte) error {
	switch {
	case s.current == nil || s.current.phase() != Dealing:
		return fmt.Errorf("%w: no deals are awaited", ErrOutOfPlace)
	case s.excluded.Has(author):
		return fmt.Errorf("%w: %v", ErrExcluded, author)
	case s.current.spent.Has(author):
		return fmt.Errorf("%w: deal of %v", ErrRepeated, author)
	}
	err := s.current.deal(at, author, payload)
	if s.current.spent.Has(author) {
		s.changed = true
	}
	return err
}

func (s *State) applyAck(author dag.Author, payload []byte) error {
	a, err := decodeAck(payload, s.committee.Size())
	if err != nil {
		return err
	}
	r := s.acknowledged(a)
	switch {
	case r == nil:
		return fmt.Errorf("%w: acknowledgement for key %d, attempt %d", ErrOutOfPlace, a.key, a.attempt)
	case r.acked.Has(author):
		return fmt.Errorf("%w: acknowledgement of %v", ErrRepeated, author)
	case r.digest != a.candidates:
		return fmt.Errorf("%w: by %v", ErrCandidates, author)
	}
	s.changed = true
	r.acked.Add(author)
	if !s.judge(r, author, a.complaints) {
		r.flagged.Add(author)
	}
	return nil
}

// acknowledged is the run that a belongs to: the present one, or the one whose key serves.
func (s *State) acknowledged(a *ack) *run {
	if s.current != nil && s.current.phase() == Acknowledging && s.current.matches(a) {
		return s.current
	}
	if r := s.serving(); r != nil && r.matches(a) {
		return r
	}
	return nil
}

// judge excludes the dealers that the complaints prove to cheat, and reports whether all complaints
// were true. It stops at the first that is false: an honest validator makes none, so that what follows
// does not matter, and one judgement is all that a liar gets.
func (s *State) judge(r *run, accuser dag.Author, complaints []complaint) bool {
	for i := range complaints {
		dealer := complaints[i].dealer
		switch {
		case !r.candidates.Has(dealer):
			return false
		case s.excluded.Has(dealer) || r.deals[dealer] == nil:
			continue
		case r.maths.Judge(r.deals[dealer].Deal, int(accuser), complaints[i].opened) != dkg.DealerGuilty:
			return false
		}
		s.excluded.Add(dealer)
	}
	return true
}

// serving is the run of the newest key, nil before the first.
func (s *State) serving() *run {
	if len(s.keys) == 0 {
		return nil
	}
	return s.keys[len(s.keys)-1]
}
