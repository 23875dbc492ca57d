package keygen

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// Close ends commit at, after all its messages: it moves the windows. It returns the key that became
// ready with this commit, nil for none; that key serves from the next commit on.
func (s *State) Close(at dag.CommitIndex) *Key {
	switch {
	case s.current == nil:
		s.replace()
	case s.current.phase() == Dealing:
		s.closeDealing(at)
	default:
		return s.closeAcknowledging(at)
	}
	return nil
}

// replace starts a run for the next key when one of the dealers of the serving one was proven to cheat.
func (s *State) replace() {
	r := s.serving()
	if size(r.qualified.Intersect(s.excluded)) > 0 {
		s.start(r.maths.Context().Key+1, 0)
	}
}

func (s *State) start(key uint64, attempt uint32) {
	r, err := s.newRun(key, attempt)
	if err != nil {
		panic("keygen: the committee's keys were good before: " + err.Error())
	}
	s.current, s.changed = r, true
}

func (s *State) again() {
	c := s.current.maths.Context()
	s.start(c.Key, c.Attempt+1)
}

func (s *State) closeDealing(at dag.CommitIndex) {
	r := s.current
	dealers := r.dealers().Minus(s.excluded)
	if size(dealers) < s.committee.Quorum() {
		if r.closeAt != 0 { // a dealer was excluded by a late complaint about the serving key
			r.closeAt, s.changed = 0, true
		}
		return
	}
	if r.closeAt == 0 {
		r.closeAt, s.changed = at+DealWindow, true
	}
	everybody := size(r.spent.Union(s.excluded)) == s.committee.Size()
	if everybody || at >= r.closeAt {
		r.closeDealing(at, dealers)
		s.changed = true
	}
}

// closeAcknowledging ends the run when the window ends: with a key or with the next attempt. What too
// few dealers are left for need not wait.
func (s *State) closeAcknowledging(at dag.CommitIndex) *Key {
	r := s.current
	qualified := r.candidates.Minus(s.excluded)
	if mutant.Planted(mutant.CheatQualified) {
		qualified = r.candidates
	}
	if size(qualified) < r.maths.Threshold() {
		s.again()
		return nil
	}
	everybody := size(r.acked.Union(s.excluded)) == s.committee.Size()
	if !everybody && at < r.closedAt+AckWindow {
		return nil
	}
	if r.acked.Len() < s.committee.Quorum() || r.finish(at, qualified) != nil {
		s.again()
		return nil
	}
	s.keys, s.current, s.changed = append(s.keys, r), nil, true
	key := s.key(len(s.keys) - 1)
	return &key
}

func size(set dag.AuthorSet) int { return set.Len() }
