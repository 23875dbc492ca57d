package ordering

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// window plays one window of commits in which each author's block is in time for so many percent of the
// others' blocks.
func window(r *reputation, percent []int) (changed bool) {
	n := len(percent)
	for c := 0; c == 0 || r.commits > 0; c++ {
		for voter := range n {
			b := dag.Block{Round: 10, Author: dag.Author(voter), Parents: []dag.Ref{{Round: 9, Author: dag.Author(voter)}}}
			var late []dag.Ref
			for k := range n {
				a := (voter + c + k) % n
				ref := dag.Ref{Round: 9, Author: dag.Author(a)}
				switch {
				case a == voter:
				case c%100 < percent[a]:
					b.Parents = append(b.Parents, ref)
				default:
					late = append(late, ref)
				}
			}
			b.Parents = append(b.Parents, late...)
			r.count(&b)
		}
		changed = r.turn()
	}
	return changed
}

func setOf(authors ...dag.Author) []dag.Author { return authors }

func TestReputationDemotesAndTakesBack(t *testing.T) {
	r := newReputation(dagtest.Committee(7))
	steps := []struct {
		name    string
		percent []int
		changed bool
		want    []dag.Author
	}{
		{"all in time", []int{100, 100, 100, 100, 100, 100, 100}, false, setOf(0, 1, 2, 3, 4, 5, 6)},
		{"one late", []int{100, 100, 0, 100, 100, 100, 100}, true, setOf(0, 1, 3, 4, 5, 6)},
		{"still late", []int{100, 100, 0, 100, 100, 100, 100}, false, setOf(0, 1, 3, 4, 5, 6)},
		{"in time again", []int{100, 100, 100, 100, 100, 100, 100}, true, setOf(0, 1, 2, 3, 4, 5, 6)},
		{"two late", []int{0, 100, 100, 100, 100, 100, 0}, true, setOf(1, 2, 3, 4, 5)},
		{"three late, f is two", []int{0, 0, 100, 0, 100, 100, 100}, true, nil},
	}
	for _, step := range steps {
		if changed := window(r, step.percent); changed != step.changed {
			t.Errorf("%s: changed %v, want %v", step.name, changed, step.changed)
		}
		if step.want == nil {
			if len(r.active) != 5 || !slices.Contains(r.active, 4) {
				t.Errorf("%s: active %v, want five with those in time among them", step.name, r.active)
			}
			continue
		}
		if diff := cmp.Diff(step.want, r.active); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

// TestReputationProperties: at most f lose their slots, only by scores far below the median, the set
// changes at the end of a window alone, and the state survives its encoding.
func TestReputationProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := dagtest.Committee(rapid.IntRange(1, 13).Draw(t, "n"))
		r := newReputation(c)
		for a := range r.scores {
			r.scores[a] = rapid.Uint32Range(0, 200).Draw(t, "score")
		}
		scores := slices.Clone(r.scores)
		before := slices.Clone(r.active)
		changed := r.turn()
		for r.commits > 0 {
			if changed || !slices.Equal(before, r.active) {
				t.Fatal("the set changed inside a window")
			}
			changed = r.turn()
		}
		if changed == slices.Equal(before, r.active) {
			t.Fatalf("changed %v from %v to %v", changed, before, r.active)
		}
		if len(r.active) < c.Size()-c.Faults() || !slices.IsSorted(r.active) {
			t.Fatalf("active %v of %d", r.active, c.Size())
		}
		ordered := slices.Clone(scores)
		slices.Sort(ordered)
		median := ordered[len(ordered)/2]
		for a, score := range scores {
			demoted := !slices.Contains(r.active, dag.Author(a))
			if demoted && score*100 >= median*demotePercent {
				t.Fatalf("author %d lost its slot with %d, the median is %d", a, score, median)
			}
		}
		if slices.Max(r.scores) != 0 || r.commits != 0 {
			t.Fatal("the next window does not begin at nothing")
		}
		r.commits, r.scores[0] = 17, 5
		again := newReputation(c)
		if err := again.decode(r.encode(nil)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again.scores, r.scores) || !slices.Equal(again.active, r.active) || again.commits != r.commits {
			t.Fatalf("decoded %+v, want %+v", again, r)
		}
	})
}

func TestReputationCountsWhoWasInTime(t *testing.T) {
	r := newReputation(dagtest.Committee(4)) // the first three parents are in time
	ref := func(round dag.Round, a dag.Author) dag.Ref { return dag.Ref{Round: round, Author: a} }
	r.count(&dag.Block{Round: 5, Author: 0, Parents: []dag.Ref{ref(4, 0), ref(4, 2), ref(3, 1), ref(4, 3)}})
	if diff := cmp.Diff([]uint32{0, 0, 1, 0}, r.scores); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
}

func TestReputationRefuses(t *testing.T) {
	c := dagtest.Committee(4)
	good := newReputation(c).encode(nil)
	for name, change := range map[string]func([]byte) []byte{
		"cut short":        func(b []byte) []byte { return b[:len(b)-1] },
		"bytes left":       func(b []byte) []byte { return append(b, 0) },
		"other committee":  func(b []byte) []byte { b[5] = 5; return b },
		"nobody active":    func(b []byte) []byte { b[4+2+16+1] = 0; return b[:4+2+16+2] },
		"too many active":  func(b []byte) []byte { b[4+2+16+1] = 5; return append(b, 0, 9) },
		"twice the same":   func(b []byte) []byte { b[len(b)-1] = 2; return b },
		"unknown author":   func(b []byte) []byte { b[len(b)-1] = 4; return b },
		"nothing":          func([]byte) []byte { return nil },
		"no active at all": func(b []byte) []byte { return b[:4+2+16] },
	} {
		if err := newReputation(c).decode(change(slices.Clone(good))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := newReputation(c).decode(good); err != nil {
		t.Error(err)
	}
}

// TestRotation: every active author has the first slot, for three rounds each.
func TestRotation(t *testing.T) {
	active := setOf(0, 2, 3)
	s := Rotate(active)
	active[0] = 9 // the schedule does not change with its argument
	firsts := make(map[dag.Author]int)
	for r := dag.Round(1); r <= 18; r++ {
		slots := s(r)
		firsts[slots[0]]++
		if want := setOf(0, 2, 3)[(r/3)%3]; slots[0] != want {
			t.Errorf("round %d: first slot %v, want %v", r, slots[0], want)
		}
		sorted := slices.Sorted(slices.Values(slots))
		if !slices.Equal(sorted, setOf(0, 2, 3)) {
			t.Errorf("round %d: slots %v", r, slots)
		}
	}
	// The chain of recovery r, r+3, r+6, ... meets everybody.
	met := make(map[dag.Author]bool)
	for r := dag.Round(7); r < 7+9; r += 3 {
		met[s(r)[0]] = true
	}
	if len(met) != 3 || len(firsts) != 3 {
		t.Errorf("recovery meets %d first slots, all rounds %d, want 3", len(met), len(firsts))
	}
	if Rotate(nil)(5) != nil {
		t.Error("nobody active, and somebody has a slot")
	}
}
