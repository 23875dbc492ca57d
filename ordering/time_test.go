package ordering

import (
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// timed seals a block with a clock.
func timed(t *testing.T, c *cluster, a dag.Author, r dag.Round, clock uint64, parents []dag.Ref) *dag.Verified {
	t.Helper()
	own := ownFirst(parents, a)
	b, err := dag.Seal(c.committee, dag.Block{Round: r, Author: a, Time: clock, Parents: own}, c.keys[a])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ownFirst is the references with a's own in front.
func ownFirst(refs []dag.Ref, a dag.Author) []dag.Ref {
	out := make([]dag.Ref, 1, len(refs))
	for _, r := range refs {
		if r.Author == a {
			out[0] = r
		} else {
			out = append(out, r)
		}
	}
	return out
}

// Commit time is the lower median of the clocks of the anchor's parents in the round before.
func TestMedianTime(t *testing.T) {
	for _, test := range []struct {
		name   string
		clocks []uint64
		cited  int
		want   uint64
	}{
		{"of four the lower of the middle two", []uint64{40, 10, 30, 20}, 4, 20},
		{"of three the middle one", []uint64{40, 10, 30, 20}, 3, 30},
		{"one clock that shows anything moves nothing", []uint64{1 << 63, 10, 11, 12}, 4, 11},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, 4, 1)
			graph := dag.New(c.committee)
			var genesis, first []dag.Ref
			for a := range dag.Author(4) {
				genesis = append(genesis, c.committee.Genesis(a))
			}
			for a := range dag.Author(4) {
				b := timed(t, c, a, 1, test.clocks[a], genesis)
				graph.Add(b, 0)
				first = append(first, b.Ref())
			}
			anchor := graph.Add(timed(t, c, 0, 2, 7, first[:test.cited]), 0).Accepted[0]
			if got := medianTime(anchor); got != test.want {
				t.Errorf("median %d, want %d", got, test.want)
			}
		})
	}
}

// Commit time never goes back, whatever the clocks show.
func TestTimeIsMonotone(t *testing.T) {
	const late = 1 << 60
	c := newCluster(t, 4, 1)
	c.nodes[0].engine.headTime = late
	c.run(time.Second)
	if len(c.nodes[0].commits) == 0 {
		t.Fatal("no commit")
	}
	for _, commit := range c.nodes[0].commits {
		if commit.Time != late {
			t.Fatalf("commit %d at %d follows one at %d", commit.Index, commit.Time, uint64(late))
		}
	}
}

// An equivocation is handed out once, with both blocks.
func TestEvidenceIsHandedOut(t *testing.T) {
	c := newCluster(t, 4, 1)
	e := c.nodes[0].engine
	var genesis []dag.Ref
	for a := range dag.Author(4) {
		genesis = append(genesis, c.committee.Genesis(a))
	}
	e.Step(Tick{Now: time.Second, Wall: 1})
	for clock := range uint64(2) {
		e.Step(BlockReceived{From: 1, Block: timed(t, c, 1, 1, clock, genesis)})
	}
	if got := e.Ready().Evidence; len(got) != 1 || got[0].Slot() != (dag.Slot{Round: 1, Author: 1}) {
		t.Errorf("evidence %v, want the one of %v", got, dag.Slot{Round: 1, Author: 1})
	}
	if got := e.Ready().Evidence; len(got) != 0 {
		t.Errorf("evidence once more: %v", got)
	}
}
