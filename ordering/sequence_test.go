package ordering

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// observer is an engine that only follows, with what it has emitted.
type observer struct {
	t       testing.TB
	engine  *Engine
	commits []*Commit
	kept    []*dag.Verified
}

func testRegistry(t testing.TB) *dag.Registry {
	t.Helper()
	r, err := dag.NewRegistry([]dag.NamespaceRule{{ID: testNamespace, Name: "test", Scheme: dag.SchemeOpen}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newObserver(t testing.TB, c *dag.Committee, r Restored) *observer {
	t.Helper()
	e, err := NewEngine(Config{Committee: c, Registry: testRegistry(t), Self: Observer}, r)
	if err != nil {
		t.Fatal(err)
	}
	o := &observer{t: t, engine: e}
	o.take()
	return o
}

func (o *observer) take() {
	r := o.engine.Ready()
	if r.Fault != nil {
		o.t.Fatal(r.Fault)
	}
	o.commits, o.kept = append(o.commits, r.Commits...), append(o.kept, r.Persist...)
}

// feed gives blocks to the engine, with a Ready after every one or every few.
func (o *observer) feed(blocks []*dag.Verified, every int) {
	for i, b := range blocks {
		o.engine.Step(BlockReceived{From: Peer(b.Author()), Block: b})
		if i%every == 0 {
			o.take()
		}
	}
	o.take()
}

// restored is what the disk of a node with these commits and blocks holds.
func (o *observer) restored() Restored {
	n := len(o.commits)
	if n == 0 {
		return Restored{Blocks: o.kept}
	}
	head := o.commits[n-1]
	r := Restored{Head: head, Window: o.commits[max(0, n-dag.ValidityWindow):]}
	for _, b := range o.kept {
		if b.Round() > gcRound(head.Round, GCDepth) {
			r.Blocks = append(r.Blocks, b)
		}
	}
	return r
}

// digests is a commit sequence as far as all nodes must agree on it.
func digests(commits []*Commit) []string {
	out := []string{}
	for _, c := range commits {
		out = append(out, fmt.Sprintf("%d r%d %s", c.Index, c.Round, c.Digest))
	}
	return out
}

// withItems gives about every third block a transaction, many of which are the same.
func withItems(random *rand.Rand, network crypto.Digest) dagtest.Fill {
	hasher := dag.NewItemHasher(network)
	return func(_ picture.Name, b *dag.Block) {
		for range random.IntN(3) {
			tx := dag.Transaction{Namespace: testNamespace, ValidUntil: dag.CommitIndex(random.IntN(120)), Payload: []byte{byte(random.IntN(200))}}
			item, err := tx.Encode(hasher)
			if err != nil {
				panic(err)
			}
			b.Items = append(b.Items, item)
		}
	}
}

func reorder(blocks []*dag.Verified, order []int) []*dag.Verified {
	out := make([]*dag.Verified, len(order))
	for i, at := range order {
		out[i] = blocks[at]
	}
	return out
}

// checkSequence holds one commit sequence against what every sequence promises.
func checkSequence(t interface {
	Fatalf(string, ...any)
	Helper()
}, commits []*Commit,
) {
	t.Helper()
	slots, ids := make(map[dag.Slot]dag.CommitIndex), make(map[crypto.Digest]dag.CommitIndex)
	for i, c := range commits {
		switch {
		case c.Index != dag.CommitIndex(i+1):
			t.Fatalf("commit %d has index %d", i+1, c.Index)
		case i > 0 && (c.Previous != commits[i-1].Digest || c.Round <= commits[i-1].Round || c.Time < commits[i-1].Time):
			t.Fatalf("commit %d does not follow the one before", c.Index)
		case c.Digest != c.ComputeDigest() || len(c.Bodies) != len(c.Blocks):
			t.Fatalf("commit %d: digest or bodies", c.Index)
		}
		for _, r := range c.Blocks {
			if at, taken := slots[r.Slot()]; taken {
				t.Fatalf("slot %v is ordered by commits %d and %d", r.Slot(), at, c.Index)
			}
			slots[r.Slot()] = c.Index
		}
		for _, a := range c.Accepted {
			if at, taken := ids[a.ID]; taken && c.Index <= at+dag.ValidityWindow {
				t.Fatalf("item %v is accepted by commits %d and %d", a.ID.Short(), at, c.Index)
			}
			ids[a.ID] = c.Index
		}
	}
}

// TestTwoEnginesAgree feeds one DAG to engines in different orders, one of which is stopped in the
// middle and restored from what its disk holds.
func TestTwoEnginesAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 5))
		shape := drawShape(rt)
		shape.Rounds = rapid.IntRange(5, 40).Draw(rt, "long")
		p := dagtest.Random(random, shape)
		s, err := dagtest.Sign(p, withItems(random, dagtest.Committee(p.Authors).Network()))
		if err != nil {
			rt.Fatal(err)
		}
		a, b := newObserver(t, s.Committee, Restored{}), newObserver(t, s.Committee, Restored{})
		a.feed(s.Blocks, 1)
		order := reorder(s.Blocks, dagtest.Shuffle(random, p, rapid.IntRange(0, 12).Draw(rt, "delay")))
		cut := rapid.IntRange(0, len(order)).Draw(rt, "cut")
		b.feed(order[:cut], 1+random.IntN(5))
		checkSequence(rt, b.commits)
		again := newObserver(t, s.Committee, b.restored())
		b.feed(order[cut:], 1+random.IntN(5))
		again.feed(order[cut:], 1+random.IntN(5))
		checkSequence(rt, a.commits)
		if diff := cmp.Diff(digests(a.commits), digests(b.commits)); diff != "" {
			rt.Fatalf("engines differ (-first +second):\n%s", diff)
		}
		resumed := append(b.commits[:len(b.commits)-len(again.commits)], again.commits...)
		if diff := cmp.Diff(digests(b.commits), digests(resumed)); diff != "" {
			rt.Fatalf("the restored engine differs (-running +restored):\n%s", diff)
		}
	})
}

// TestUnorderedFeed gives an engine the blocks in an order in which children come before parents.
func TestUnorderedFeed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 6))
		p := dagtest.Random(random, drawShape(rt))
		s, err := dagtest.Sign(p, withItems(random, dagtest.Committee(p.Authors).Network()))
		if err != nil {
			rt.Fatal(err)
		}
		a, b := newObserver(t, s.Committee, Restored{}), newObserver(t, s.Committee, Restored{})
		a.feed(s.Blocks, 1)
		blocks := slices.Clone(s.Blocks)
		random.Shuffle(len(blocks), func(i, k int) { blocks[i], blocks[k] = blocks[k], blocks[i] })
		b.feed(blocks, 1)
		for range 3 {
			b.feed(blocks, 1) // what a limit on twins refused comes again
		}
		if diff := cmp.Diff(digests(a.commits), digests(b.commits)); diff != "" {
			rt.Fatalf("engines differ (-causal +shuffled):\n%s", diff)
		}
	})
}

// TestLongDagInManyOrders feeds 6,000 rounds with equivocators in 100 random orders.
func TestLongDagInManyOrders(t *testing.T) {
	rounds, orders := 6000, 100
	if testing.Short() {
		rounds, orders = 600, 10
	}
	random := rand.New(rand.NewPCG(2026, 4))
	shape := dagtest.Wild(4, rounds)
	p := dagtest.Random(random, shape)
	s, err := dagtest.Sign(p, func(picture.Name, *dag.Block) {})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for k := range orders {
		o := newObserver(t, s.Committee, Restored{})
		o.feed(reorder(s.Blocks, dagtest.Shuffle(random, p, 1+k%40)), 1+k%7)
		got := digests(o.commits)
		if k == 0 {
			checkSequence(t, o.commits)
			want = got
		}
		if !slices.Equal(want, got) {
			t.Fatalf("order %d gives another sequence:\n%s", k, cmp.Diff(want, got))
		}
	}
	if len(want) < rounds*9/10-10 {
		t.Errorf("%d commits in %d rounds", len(want), rounds)
	}
	t.Logf("%d blocks, %d commits, %d orders", len(s.Blocks), len(want), orders)
}

// TestCollectionBoundary cites a block of round 1 for the first time in round r: 60 rounds below the
// commit before, it is still ordered, one round more and it never is, whenever it arrives.
func TestCollectionBoundary(t *testing.T) {
	for _, test := range []struct {
		round   int
		ordered bool
	}{{GCDepth, true}, {GCDepth + 1, true}, {GCDepth + 2, false}, {GCDepth + 3, false}} {
		for _, early := range []string{"early", "late"} {
			t.Run(fmt.Sprint(test.round, early), func(t *testing.T) {
				text := "n=4\n1: A B C\n"
				if early == "early" {
					text += "1: D -> [D0 A0 B0]\n2: A -> [A1 B1 C1]; B C -> [-D1]\n"
				} else {
					text += "2: A B C\n"
				}
				for r := 3; r <= test.round+4; r++ {
					if r == test.round && early == "late" {
						text += "1: D -> [D0 A0 B0]\n"
					}
					if r == test.round {
						text += fmt.Sprintf("%d: A -> [* D1]; B C\n", r)
					} else {
						text += fmt.Sprintf("%d: A B C\n", r)
					}
				}
				s := dagtest.Build(t, text)
				o := newObserver(t, s.Committee, Restored{})
				o.feed(s.Blocks, 1)
				checkSequence(t, o.commits)
				at := dag.Round(0)
				for _, c := range o.commits {
					if slices.Contains(c.Blocks, s.Named("D1").Ref()) {
						at = c.Round
					}
				}
				want := dag.Round(0)
				if test.ordered {
					want = dag.Round(test.round)
				}
				if at != want || o.commits[len(o.commits)-1].Round < dag.Round(test.round+1) {
					t.Errorf("D1 is ordered by the commit of round %d, want %d (0 is never); newest commit of round %d", at, want, o.commits[len(o.commits)-1].Round)
				}
			})
		}
	}
}
