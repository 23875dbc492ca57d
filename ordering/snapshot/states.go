package snapshot

import "github.com/dunlin-network/dunlin/ordering"

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
	if len(record) < 2 || record[0] != recordState || len(s.found) == maxStates {
		return wrong("record out of place among carried states")
	}
	s.found = append(s.found, ordering.State{Kind: ordering.StateKind(record[1]), Encoded: append([]byte(nil), record[2:]...)})
	return nil
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
