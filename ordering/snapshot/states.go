package snapshot

import (
	"slices"

	"github.com/dunlin-network/dunlin/ordering"
)

// States takes the answer to AskStates for a head.
type States struct {
	head  *ordering.Commit
	found []ordering.State
}

// NewStates waits for the states that head names.
func NewStates(head *ordering.Commit) *States { return &States{head: head} }

// Query asks for them; false if the head carries none that was ever written.
func (s *States) Query() (Query, bool) {
	for _, ref := range s.head.StateRefs() {
		if ref.Commit > 0 {
			return Query{Kind: AskStates, At: s.head.Index}, true
		}
	}
	return Query{}, false
}

// Take notes the next record. Errors wrap ErrSnapshot.
func (s *States) Take(record []byte) error {
	if len(record) < 2 || record[0] != recordState {
		return wrong("record out of place among carried states")
	}
	kind := ordering.StateKind(record[1])
	if !s.missing(kind) {
		return wrong("%v that commit %d does not carry, or twice", kind, s.head.Index)
	}
	s.found = append(s.found, ordering.State{Kind: kind, Encoded: append([]byte(nil), record[2:]...)})
	return nil
}

// missing reports whether the head carries a state of a kind that has not come yet: each may be large, and all are held
// until the last is there.
func (s *States) missing(kind ordering.StateKind) bool {
	has := func(state ordering.State) bool { return state.Kind == kind }
	carries := func(ref ordering.StateRef) bool { return ref.Kind == kind && ref.Commit > 0 }
	return slices.ContainsFunc(s.head.StateRefs(), carries) && !slices.ContainsFunc(s.found, has)
}

// Empty reports whether the peer gave nothing: it does not have them, which is no fault.
func (s *States) Empty() bool { return len(s.found) == 0 }

// Finish holds the states against the head. cfg says which network it is. Errors wrap ErrSnapshot: the
// states are not those of the head, or the head's Resume, which Window proves, is not what it was.
func (s *States) Finish(cfg ordering.Config) ([]ordering.State, error) {
	if err := ordering.CheckStates(cfg, s.head, s.found); err != nil {
		return nil, wrong("%w", err)
	}
	return s.found, nil
}
