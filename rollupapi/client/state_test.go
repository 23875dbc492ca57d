package client

import "testing"

// TestReaches: which states end which wait for something sealed.
func TestReaches(t *testing.T) {
	order := []Wait{WaitNone, WaitIncluded, WaitCommitted, WaitRevealed}
	for state, most := range map[State]Wait{
		Received: WaitNone, Unknown: WaitNone, Included: WaitIncluded, Committed: WaitCommitted, Revealed: WaitRevealed, RevealFailed: WaitRevealed,
	} {
		reached := true
		for _, w := range order {
			if got := state.reaches(w); got != reached {
				t.Errorf("%s reaches wait %d: %t", state, w, got)
			}
			if w == most {
				reached = false
			}
		}
	}
}
