package sim

import (
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// TestControlsAct: changes of the registry come to all results that the registrant provokes, and a network that
// crashes, loses disks and has adversaries keeps one registry.
func TestControlsAct(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 4
	}
	results, closed := make(map[dag.ControlResult]int), 0
	for seed := range seeds {
		s := plan(t, seed, Options{Validators: 4 + 3*int(seed%2), Rounds: 100, Topology: LAN})
		s.ControlEvery = Duration(20 * time.Millisecond)
		w := newWorld(&s, digestOnly)
		w.play()
		if w.check.violation != nil {
			t.Fatalf("seed %d: %+v", seed, *w.check.violation)
		}
		for _, n := range w.nodes {
			if n == nil || n.engine == nil {
				continue
			}
			for _, c := range n.disk.commits {
				for _, r := range c.Controls {
					results[r.Result]++
				}
				for _, d := range c.Dropped {
					if d.Reason.String() == "NAMESPACE_CLOSED" {
						closed++
					}
				}
			}
			break
		}
	}
	t.Logf("results %v, %d items of closed namespaces", results, closed)
	for _, r := range []dag.ControlResult{dag.Applied, dag.ControlMalformed, dag.ControlVersion, dag.ControlTaken, dag.ControlForbidden, dag.ControlClosed, dag.ControlFull} {
		if results[r] == 0 {
			t.Errorf("no control came to %v", r)
		}
	}
	if closed == 0 {
		t.Error("no item was for a closed namespace")
	}
}
