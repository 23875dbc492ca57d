package sim

import (
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// TestTwinsStayHidden looks at who has seen the twins with which a hiding adversary deceives its
// target: at most f nodes that it means to, in every size.
func TestTwinsStayHidden(t *testing.T) {
	for _, n := range []int{4, 7, 10} {
		seen := 0
		for seed := range uint64(6) {
			s := plan(t, seed, Options{Validators: n, Rounds: 100, Topology: LAN, Profile: "none", Adversaries: []string{"hide"}})
			w := newWorld(&s, digestOnly)
			w.play()
			if w.check.violation != nil {
				t.Fatalf("n=%d, seed %d: %+v", n, seed, *w.check.violation)
			}
			if len(w.plot.members) != faulty(n) {
				t.Errorf("n=%d: %d members of the plot", n, len(w.plot.members))
			}
			for _, x := range w.nodes {
				if x == nil || x.engine.Status().Exposed == 0 {
					continue
				}
				seen++
				if !slices.Contains(w.plot.exposed, x.self) {
					t.Errorf("n=%d, seed %d: %v has seen twins, meant for %v", n, seed, x.self, w.plot.exposed)
				}
			}
			if len(w.plot.exposed) > faulty(n) {
				t.Errorf("n=%d, seed %d: twins were meant for %v", n, seed, w.plot.exposed)
			}
		}
		if seen < 4 {
			t.Errorf("n=%d: %d nodes have seen twins in 6 runs", n, seen)
		}
	}
}

// TestBareQuorumWithoutVoters holds what a block of the plot refers to against who may be told of it.
func TestBareQuorumWithoutVoters(t *testing.T) {
	s := plan(t, 1, Options{Validators: 7, Rounds: 10, Topology: LAN, Profile: "none", Adversaries: []string{"hide"}})
	w := newWorld(&s, digestOnly)
	a := w.plot.members[0]
	d := draft{block: dag.Block{Round: 5, Author: a.self}}
	d.block.Parents = []dag.Ref{{Round: 4, Author: a.self}}
	for x := range dag.Author(7) {
		if x != a.self {
			d.block.Parents = append(d.block.Parents, dag.Ref{Round: 4, Author: x})
		}
	}
	honest := w.plot.honest()
	voters := w.plot.with(honest[:3])
	w.plot.prefer(a, &d, func(x dag.Author) bool { return !slices.Contains(voters, x) })
	if len(d.block.Parents) != 5 || d.block.Parents[0].Author != a.self {
		t.Fatalf("parents %v", d.block.Parents)
	}
	for i, p := range d.block.Parents[1:] {
		switch voted := slices.Contains(honest[:3], p.Author); {
		case w.nodes[p.Author] == nil:
			t.Errorf("refers to another member, %v", p)
		case voted != (i >= 2):
			t.Errorf("refers to %v at place %d, want those first who have not voted", p, i)
		}
	}
}
