package ordering

import (
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// A block that was fetched, waited for its own ancestors and had to make room is no longer asked for,
// though others still wait for it. A node that gets no further asks again. Found by simulation: a flood
// of twins kept a validator at one round for good.
func TestEvictedBlockIsWantedAgain(t *testing.T) {
	c := newCluster(t, 4, 1)
	e := c.nodes[0].engine
	var genesis, first []dag.Ref
	for a := range dag.Author(4) {
		genesis = append(genesis, c.committee.Genesis(a))
	}
	for a := range dag.Author(4) {
		first = append(first, timed(t, c, a, 1, 1, genesis).Ref())
	}
	e.Step(Tick{Now: time.Second, Wall: 1})
	e.Step(PeerConnected{1})
	e.Step(BlockReceived{From: 1, Block: timed(t, c, 1, 2, 1, first)})
	e.Ready()
	e.sync.wants = newWants(4) // as if it had come and been dropped
	var asked []dag.Ref
	for now := 2 * time.Second; now <= 4*time.Second; now += 100 * time.Millisecond {
		e.Step(Tick{Now: now, Wall: 1})
		for _, f := range e.Ready().Fetches {
			asked = append(asked, f.Refs...)
		}
	}
	if !slices.Contains(asked, first[2]) {
		t.Errorf("asked for %v, want %v among them", asked, first[2])
	}
}
