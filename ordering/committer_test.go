package ordering

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// names is the text of a vertex that came out of a picture.
type names map[dag.Ref]string

func namesOf(p *picture.Picture) names {
	out := make(names, len(p.Blocks))
	for _, b := range p.Blocks {
		out[dag.Ref{Round: b.Name.Round, Author: b.Name.Author, Digest: picture.Digest(b.Name)}] = b.Name.String()
	}
	return out
}

func (n names) of(v *dag.Vertex) string { return n[v.Ref()] }

func (n names) lines(decisions []Decision) []string {
	out := []string{}
	for _, d := range decisions {
		out = append(out, show(d, n.of))
	}
	return out
}

// verdict is one without how it was found: that may differ between views, and between early and
// late evaluation.
func (n names) verdicts(decisions []Decision) []string {
	out := []string{}
	for _, d := range decisions {
		d.Direct = true
		out = append(out, show(d, n.of))
	}
	return out
}

// rotated is k of n anchors a round, rotated.
func rotated(n, k int) Schedule {
	all := make([]dag.Author, n)
	for a := range all {
		all[a] = dag.Author(a)
	}
	whole := Rotate(all)
	return func(r dag.Round) []dag.Author { return whole(r)[:k] }
}

// drain takes all rounds that are decided.
func drain(c *Committer) ([]Decision, error) {
	var out []Decision
	for {
		d, ok, err := c.Next()
		if err != nil || !ok {
			return out, err
		}
		out = append(out, d.Decisions...)
	}
}

// prefixOf reports whether a is a prefix of b.
func prefixOf(a, b []string) bool { return len(a) <= len(b) && slices.Equal(a, b[:len(a)]) }

func drawShape(t *rapid.T) dagtest.Shape {
	n := rapid.SampledFrom([]int{4, 5, 6, 7, 10}).Draw(t, "authors")
	s := dagtest.Wild(n, rapid.IntRange(3, 16).Draw(t, "rounds"))
	s.Bare = rapid.SampledFrom([]int{0, 30, 100}).Draw(t, "bare")
	s.Split = rapid.SampledFrom([]int{0, 40, 100}).Draw(t, "split")
	return s
}

// TestCommitterAgreesWithTheRule adds a random DAG block by block, takes what is decided after
// each, and compares with the recursive rule at the end and on the way.
func TestCommitterAgreesWithTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		shape := drawShape(t)
		p := dagtest.Random(random, shape)
		p = dagtest.Reordered(p, dagtest.Shuffle(random, p, rapid.IntRange(0, 8).Draw(t, "delay")))
		schedule := rotated(p.Authors, rapid.IntRange(1, p.Authors).Draw(t, "anchors"))
		graph, n := dag.New(dagtest.Committee(p.Authors)), namesOf(p)
		c, o := NewCommitter(graph, schedule, 0), &oracle{graph, schedule}
		emitted := []string{}
		every := rapid.IntRange(1, 12).Draw(t, "every")
		for i := range p.Blocks {
			one := picture.Picture{Authors: p.Authors, Blocks: p.Blocks[i : i+1]}
			c.Add(one.Insert(graph)[0])
			if i%every > 0 && i < len(p.Blocks)-1 {
				continue
			}
			got, err := drain(c)
			if err != nil {
				t.Fatalf("%v\n%s", err, p)
			}
			emitted = append(emitted, n.verdicts(got)...)
			want, err := o.sequence(0)
			if err != nil {
				t.Fatalf("oracle: %v\n%s", err, p)
			}
			pending, err := c.Pending()
			if err != nil {
				t.Fatal(err)
			}
			whole := append(slices.Clone(emitted), n.verdicts(pending)...)
			if end := slices.IndexFunc(pending, func(d Decision) bool { return d.Verdict == SlotUndecided }); end >= 0 {
				whole = whole[:len(emitted)+end]
			}
			if diff := cmp.Diff(n.verdicts(want), whole); diff != "" {
				t.Fatalf("after %d blocks the committer differs from the rule (-rule +committer):\n%s\n%s", i+1, diff, p)
			}
		}
	})
}

// TestOneShotAgreesVerdictByVerdict compares all verdicts, undecided ones and how they were found,
// where committer and rule see the whole DAG at once.
func TestOneShotAgreesVerdictByVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		p := dagtest.Random(random, drawShape(t))
		schedule := rotated(p.Authors, rapid.IntRange(1, p.Authors).Draw(t, "anchors"))
		graph, n := dag.New(dagtest.Committee(p.Authors)), namesOf(p)
		c, o := NewCommitter(graph, schedule, 0), &oracle{graph, schedule}
		for _, v := range p.Insert(graph) {
			c.Add(v)
		}
		want, err := o.verdicts(0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Pending()
		if err != nil {
			t.Fatal(err)
		}
		for len(want) > len(got) && want[len(want)-1].Slot.Round == graph.Highest() {
			want = want[:len(want)-1] // the newest round has no voters
		}
		if diff := cmp.Diff(n.lines(want), n.lines(got)); diff != "" {
			t.Fatalf("verdicts differ (-rule +committer):\n%s\n%s", diff, p)
		}
		for _, d := range got {
			s := d.Slot
			perCandidate, perSlot, absent := o.skipsPerCandidate(s), o.skipsPerSlot(s), o.skipsAbsent(s)
			if (absent && !perSlot) || (perSlot && !perCandidate) {
				t.Fatalf("%v: skips by absence %v, per slot %v, per candidate %v: each implies the next", s, absent, perSlot, perCandidate)
			}
			if perCandidate && d.Verdict == SlotCommitted {
				t.Fatalf("%v is committed and skipped", s)
			}
		}
	})
}

// TestAnyOrderGivesOneSequence feeds one DAG in several orders, and parts of it: nothing that was
// emitted is ever taken back, and all sequences are prefixes of the longest.
func TestAnyOrderGivesOneSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		shape := drawShape(t)
		shape.Rounds += 10
		p := dagtest.Random(random, shape)
		schedule := rotated(p.Authors, p.Authors)
		n := namesOf(p)
		graph := dag.New(dagtest.Committee(p.Authors))
		p.Insert(graph)
		final, err := (&oracle{graph, schedule}).sequence(0)
		if err != nil {
			t.Fatal(err)
		}
		want := n.verdicts(final)
		for k := range 4 {
			q := dagtest.Reordered(p, dagtest.Shuffle(random, p, 1+k*k*3))
			graph := dag.New(dagtest.Committee(p.Authors))
			c := NewCommitter(graph, schedule, 0)
			var emitted []string
			for i := range q.Blocks {
				one := picture.Picture{Authors: q.Authors, Blocks: q.Blocks[i : i+1]}
				c.Add(one.Insert(graph)[0])
				got, err := drain(c)
				if err != nil {
					t.Fatal(err)
				}
				emitted = append(emitted, n.verdicts(got)...)
				if !prefixOf(emitted, want) {
					t.Fatalf("order %d, after %d blocks: emitted\n%v, want a prefix of\n%v\n%s", k, i+1, emitted, want, q)
				}
			}
			if len(want)-len(emitted) >= p.Authors && len(want) > 0 {
				t.Fatalf("order %d emitted %d verdicts of %d", k, len(emitted), len(want))
			}
		}
	})
}

// TestFaultIsSeen shows more than f faulty validators: f+1 twins certified for both halves.
func TestFaultIsSeen(t *testing.T) {
	p, err := picture.Parse(`n=4
1: *; A.1
2: * ; A.1 B.1 C.1 D.1 -> [* A1.1]
3: *; A.1 B.1 C.1 D.1 -> [A2.1 B2.1 C2.1 D2.1]
`)
	if err != nil {
		t.Fatal(err)
	}
	graph := dag.New(dagtest.Committee(4))
	c := NewCommitter(graph, rotated(4, 4), 0)
	for _, v := range p.Insert(graph) {
		c.Add(v)
	}
	if _, _, err := c.Next(); !errors.Is(err, ErrFault) {
		t.Errorf("error %v, want ErrFault", err)
	}
}
