package dag_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// namesOf is the text of vertices of a picture.
func namesOf(s *dagtest.Signed, vertices []*dag.Vertex) string {
	var out []string
	for _, v := range vertices {
		out = append(out, s.Names[v.Ref()].String())
	}
	return strings.Join(out, " ")
}

func refNames(s *dagtest.Signed, refs []dag.Ref) string {
	var out []string
	for _, r := range refs {
		out = append(out, s.Names[r].String())
	}
	return strings.Join(out, " ")
}

func TestAddStatus(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: *\n2: *\n3: *; D.1 -> [D2 C2 B2]; D.2 -> [D2 C2 A2]; D.3 -> [D2 A2 B2]; D.4 -> [D2 A2 C2]\n4: A -> [A3 B3 C3 D3.4]; B\n")
	graph := dag.New(s.Committee)
	steps := []struct {
		block    string
		status   dag.Status
		accepted string
		missing  string
		evidence string
	}{
		{"A2", dag.Suspended, "", "A1 B1 C1 D1", ""},
		{"A2", dag.Known, "", "A1 B1 C1 D1", ""},  // whoever sends it again has them, too
		{"B3", dag.Suspended, "", "B2 C2 D2", ""}, // A2 waits already
		{"A1", dag.Accepted, "A1", "", ""},
		{"A1", dag.Known, "", "", ""},
		{"B1", dag.Accepted, "B1", "", ""},
		{"C1", dag.Accepted, "C1", "", ""},
		{"D1", dag.Accepted, "D1 A2", "", ""},
		{"B2", dag.Accepted, "B2", "", ""},
		{"C2", dag.Accepted, "C2", "", ""},
		{"D2", dag.Accepted, "D2 B3", "", ""},
		{"D3", dag.Accepted, "D3", "", ""},
		{"D3.1", dag.Accepted, "D3.1", "", "D3 D3.1"},
		{"D3.2", dag.Accepted, "D3.2", "", ""},    // proven already
		{"D3.3", dag.Refused, "", "", ""},         // nobody asks for it
		{"A3", dag.Accepted, "A3", "", ""},        //
		{"C3", dag.Accepted, "C3", "", ""},        //
		{"A4", dag.Suspended, "", "D3.4", ""},     // refers to a twin that was never seen
		{"D3.4", dag.Accepted, "D3.4 A4", "", ""}, // and so makes it wanted
		{"B4", dag.Accepted, "B4", "", ""},
	}
	for i, step := range steps {
		added := graph.Add(s.Named(step.block), 9)
		var evidence []string
		for _, e := range added.Evidence {
			evidence = append(evidence, refNames(s, []dag.Ref{e.First.Ref(), e.Second.Ref()}))
			if e.Slot() != e.Second.Slot() {
				t.Errorf("evidence of two slots: %v, %v", e.First.Ref(), e.Second.Ref())
			}
		}
		got := []any{added.Status, namesOf(s, added.Accepted), refNames(s, added.Missing), strings.Join(evidence, ", ")}
		want := []any{step.status, step.accepted, step.missing, step.evidence}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("step %d, %s (-want +got):\n%s", i, step.block, diff)
		}
	}
	if graph.Waiting() != 0 || len(graph.Wanted()) != 0 {
		t.Errorf("%d blocks wait, wanted %v", graph.Waiting(), graph.Wanted())
	}
}

// TestMembersHoldWhatLiesBelow: whoever sends a block holds its ancestors, so that each new sender can be
// asked for all that is missing under blocks that wait.
func TestMembersHoldWhatLiesBelow(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: *\n2: *\n3: *\n4: *\n")
	graph := dag.New(s.Committee)
	for _, step := range []struct {
		block   string
		from    uint32
		missing string
	}{
		{"A2", 0, "A1 B1 C1 D1"},
		{"B3", 0, "B2 C2 D2"}, // of what A2 lacks it has been said already
		{"B3", 1, "A1 B1 C1 D1 B2 C2 D2"},
		{"B3", 1, ""},
		{"A4", 2, "A1 B1 C1 D1 B2 C2 D2 A3 C3 D3"},
		{"A4", 9, "A3 C3 D3"}, // a stranger may have forgotten the rest
	} {
		added := graph.Add(s.Named(step.block), step.from)
		missing := slices.Compact(slices.SortedFunc(slices.Values(added.Missing), dag.Ref.Compare))
		if got := refNames(s, missing); got != step.missing {
			t.Errorf("%s from %d lacks %q, want %q", step.block, step.from, got, step.missing)
		}
	}
}

func TestClockJumpsOverWholeRounds(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: A B C\n1: D\n2: A B C -> [* D1]\n3: A B C\n4: A B C\n5: A\n")
	graph := dag.New(s.Committee)
	for _, name := range []string{"A1", "B1"} {
		graph.Add(s.Named(name), 0)
	}
	if graph.Clock() != 1 {
		t.Errorf("clock %d with two of three in round 1, want 1", graph.Clock())
	}
	graph.Add(s.Named("C1"), 0)
	if graph.Clock() != 2 {
		t.Errorf("clock %d with a quorum of round 1, want 2", graph.Clock())
	}
	for _, b := range s.Blocks {
		if b.Round() > 1 {
			if got := graph.Add(b, 0); got.Status != dag.Suspended {
				t.Fatalf("%v: status %d, want Suspended", b.Ref(), got.Status)
			}
		}
	}
	if added := graph.Add(s.Named("D1"), 0); len(added.Accepted) != 11 || graph.Clock() != 5 || graph.Highest() != 5 {
		t.Errorf("%d blocks joined, clock %d, highest %d, want 11, 5, 5", len(added.Accepted), graph.Clock(), graph.Highest())
	}
	// One block can complete several rounds where a quorum above it is held already.
	graph = dag.New(s.Committee)
	for _, r := range []dag.Round{3, 2, 1} {
		for a := range dag.Author(3) {
			graph.Insert(dag.Ref{Round: r, Author: a}, nil)
		}
	}
	if graph.Clock() != 4 {
		t.Errorf("clock %d with quorums of rounds 1 to 3, want 4", graph.Clock())
	}
}

func TestFarBlocksAreRefused(t *testing.T) {
	p := dagtest.Random(rand.New(rand.NewPCG(1, 1)), dagtest.Shape{Authors: 4, Rounds: dag.MaxAhead + 2})
	s, err := dagtest.Sign(p, func(picture.Name, *dag.Block) {})
	if err != nil {
		t.Fatal(err)
	}
	graph := dag.New(s.Committee)
	for _, test := range []struct {
		round dag.Round
		want  dag.Status
	}{{dag.MaxAhead + 1, dag.Suspended}, {dag.MaxAhead + 2, dag.TooFar}} {
		if got := graph.Add(s.Block(picture.Name{Round: test.round}), 0); got.Status != test.want {
			t.Errorf("round %d at clock 1: status %d, want %d", test.round, got.Status, test.want)
		}
	}
}

func TestSetFloor(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: *\n2: *\n3: A B C -> [-D2]; D\n4: *\n5: *\n6: *\n")
	graph := dag.New(s.Committee)
	for _, b := range s.Blocks {
		if b.Slot() != (dag.Slot{Round: 2, Author: 3}) && b.Round() < 6 {
			graph.Add(b, uint32(b.Author()))
		}
	}
	if got := refNames(s, graph.Wanted()); got != "D2" || !graph.Wants(s.Named("D2").Ref()) {
		t.Fatalf("wanted %s, want D2", got)
	}
	waiting := graph.Waiting()
	if waiting != 9 { // D3 and all above, which refer to it
		t.Fatalf("%d blocks wait, want 9", waiting)
	}
	if added := graph.SetFloor(1); len(added.Accepted) != 0 || graph.At(dag.Slot{Round: 1}) != nil {
		t.Errorf("a floor of 1 let %s join", namesOf(s, added.Accepted))
	}
	if graph.Get(s.Named("A2").Ref()).Parents() != nil && len(graph.Get(s.Named("A2").Ref()).Parents()[0].Parents()) > 0 {
		t.Error("collected blocks hold on to their ancestors")
	}
	added := graph.SetFloor(2)
	if got := namesOf(s, added.Accepted); got != "D3 A4 B4 C4 D4 A5 B5 C5 D5" {
		t.Errorf("a floor of 2 let %s join, want what waited for D2", got)
	}
	if graph.Waiting() != 0 || graph.Floor() != 2 || graph.Clock() != 6 {
		t.Errorf("waiting %d, floor %d, clock %d", graph.Waiting(), graph.Floor(), graph.Clock())
	}
	for block, want := range map[string]dag.Status{"D2": dag.Stale, "A2": dag.Stale, "A3": dag.Known, "A6": dag.Accepted} {
		if got := graph.Add(s.Named(block), 0); got.Status != want {
			t.Errorf("%s above a floor of 2: status %d, want %d", block, got.Status, want)
		}
	}
	if graph.SetFloor(1); graph.Floor() != 2 {
		t.Error("the floor went back")
	}
	if graph.SetFloor(100); graph.Clock() != 101 || graph.Highest() != 100 || len(graph.Arrived(6)) != 0 {
		t.Errorf("clock %d, highest %d above a floor of 100", graph.Clock(), graph.Highest())
	}
}

// TestAnyOrderGivesOneGraph feeds blocks in any order, children first too: in the end the same blocks
// stand there, each after its parents.
func TestAnyOrderGivesOneGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		p := dagtest.Random(random, dagtest.Wild(rapid.IntRange(4, 7).Draw(t, "authors"), rapid.IntRange(1, 15).Draw(t, "rounds")))
		s, err := dagtest.Sign(p, func(picture.Name, *dag.Block) {})
		if err != nil {
			t.Fatal(err)
		}
		graph := dag.New(s.Committee)
		left := slices.Clone(s.Blocks)
		accepted := make(map[dag.Ref]bool)
		evidence := make(map[dag.Slot]int)
		for range 4 { // a limit on twins may refuse what is asked for only later
			random.Shuffle(len(left), func(i, k int) { left[i], left[k] = left[k], left[i] })
			for _, b := range left {
				added := graph.Add(b, 0)
				for _, v := range added.Accepted {
					for _, parent := range v.Verified().Block().Parents {
						if parent.Round > 0 && !accepted[parent] {
							t.Fatalf("%v joined before its parent %v", v.Ref(), parent)
						}
					}
					accepted[v.Ref()] = true
				}
				for _, e := range added.Evidence {
					evidence[e.Slot()]++
				}
				for _, r := range added.Missing {
					if graph.Get(r) != nil || !graph.Wants(r) {
						t.Fatalf("%v is missing and not wanted", r)
					}
				}
			}
		}
		if len(accepted) != len(s.Blocks) || graph.Waiting() != 0 || len(graph.Wanted()) != 0 {
			t.Fatalf("%d of %d blocks joined, %d wait", len(accepted), len(s.Blocks), graph.Waiting())
		}
		for r := dag.Round(1); r <= graph.Highest(); r++ {
			for a := range dag.Author(p.Authors) {
				slot := dag.Slot{Round: r, Author: a}
				if want := min(max(len(graph.At(slot))-1, 0), 1); evidence[slot] != want {
					t.Fatalf("%d pieces of evidence for %d blocks of %v", evidence[slot], len(graph.At(slot)), slot)
				}
			}
		}
	})
}

func TestVote(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: *; D.1 -> [D0 C0 B0]\n2: A -> [* D1.1]; B -> [-D1 -D1.1]; C\n")
	graph := dag.New(s.Committee)
	dagtest.Feed(graph, s.Blocks)
	for _, test := range []struct{ voter, want string }{{"A2", "D1.1"}, {"C2", "D1"}, {"B2", ""}} {
		got := ""
		if v := graph.Get(s.Named(test.voter).Ref()).Vote(dag.Slot{Round: 1, Author: 3}); v != nil {
			got = s.Names[v.Ref()].String()
		}
		if got != test.want {
			t.Errorf("%s votes for %q, want %q", test.voter, got, test.want)
		}
	}
}

func TestAuthorSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (dag.AuthorSet, map[dag.Author]bool) {
			var s dag.AuthorSet
			m := make(map[dag.Author]bool)
			for _, a := range rapid.SliceOf(rapid.Uint16Range(0, dag.MaxCommittee-1)).Draw(t, name) {
				s.Add(dag.Author(a))
				m[dag.Author(a)] = true
			}
			return s, m
		}
		a, inA := draw("a")
		b, inB := draw("b")
		sets := []dag.AuthorSet{a.Union(b), a.Intersect(b), a.Minus(b)}
		var sizes [3]int
		for x := range dag.Author(dag.MaxCommittee) {
			for i, want := range []bool{inA[x] || inB[x], inA[x] && inB[x], inA[x] && !inB[x]} {
				if sets[i].Has(x) != want {
					t.Fatalf("operation %d: %v is in %v, want %v", i, x, sets[i].Has(x), want)
				}
				if want {
					sizes[i]++
				}
			}
		}
		for i := range sets {
			if sets[i].Len() != sizes[i] {
				t.Fatalf("operation %d: %d members, want %d", i, sets[i].Len(), sizes[i])
			}
		}
	})
}
