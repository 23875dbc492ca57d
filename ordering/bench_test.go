package ordering

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// fullRounds is a DAG in which everybody refers to everybody.
func fullRounds(b *testing.B, n, rounds int) *dagtest.Signed {
	b.Helper()
	p := dagtest.Random(rand.New(rand.NewPCG(1, 1)), dagtest.Shape{Authors: n, Rounds: rounds})
	s, err := dagtest.Sign(p, func(picture.Name, *dag.Block) {})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

var benchSizes = []int{4, 16, 50, 100}

// benchRounds is how many rounds the signed DAG of a benchmark has.
const benchRounds = 70

// BenchmarkCommitter is Add and Next per block, without the DAG.
func BenchmarkCommitter(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			s := fullRounds(b, n, benchRounds)
			graph := dag.New(s.Committee)
			vertices := dagtest.Feed(graph, s.Blocks)
			b.ReportAllocs()
			var c *Committer
			for i := 0; b.Loop(); i++ {
				if i%len(vertices) == 0 {
					c = NewCommitter(graph, rotated(n, n), 0)
				}
				c.Add(vertices[i%len(vertices)])
				for {
					d, ok, err := c.Next()
					if err != nil {
						b.Fatal(err)
					}
					if !ok {
						break
					}
					c.Collect(gcRound(d.Round, 20))
				}
			}
		})
	}
}

// BenchmarkEngine is Step and Ready per block of an observer: DAG, committer, linearisation, digests.
func BenchmarkEngine(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			s := fullRounds(b, n, benchRounds)
			b.ReportAllocs()
			var o *observer
			for i := 0; b.Loop(); i++ {
				if i%len(s.Blocks) == 0 {
					b.StopTimer()
					o = newObserver(b, s.Committee, Restored{})
					b.StartTimer()
				}
				o.feed(s.Blocks[i%len(s.Blocks):i%len(s.Blocks)+1], 1)
			}
		})
	}
}

// BenchmarkHistory is what one more round costs after many: the figures must not grow.
func BenchmarkHistory(b *testing.B) {
	const step = 2500
	s := fullRounds(b, 4, 4*step)
	for k := range 4 {
		b.Run(fmt.Sprintf("round=%d", (k+1)*step), func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			for b.Loop() {
				b.StopTimer()
				o := newObserver(b, s.Committee, Restored{})
				o.feed(s.Blocks[:k*step*4], 4)
				b.StartTimer()
				o.feed(s.Blocks[k*step*4:(k+1)*step*4], 4)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*step*4), "ns/block")
		})
	}
}

// BenchmarkItems is what an item costs the engine of an observer: filters, duplicates and roots. Four authors with
// blocks of 50 transactions of 512 bytes in five namespaces.
func BenchmarkItems(b *testing.B) {
	const perBlock, size, spaces = 50, 512, 5
	var rules []dag.NamespaceRule
	for ns := range dag.Namespace(spaces) {
		rules = append(rules, dag.NamespaceRule{ID: ns + 1, Scheme: dag.SchemeOpen})
	}
	registry, err := dag.NewRegistry(rules)
	if err != nil {
		b.Fatal(err)
	}
	random, hasher := rand.New(rand.NewPCG(1, 1)), dag.NewItemHasher(dagtest.Committee(4).Network())
	p := dagtest.Random(rand.New(rand.NewPCG(1, 1)), dagtest.Shape{Authors: 4, Rounds: benchRounds})
	s, err := dagtest.Sign(p, func(_ picture.Name, block *dag.Block) {
		for range perBlock {
			t := dag.Transaction{Namespace: 1 + dag.Namespace(random.IntN(spaces)), ValidUntil: 1000, Payload: make([]byte, size)}
			for i := range t.Payload {
				t.Payload[i] = byte(random.Uint32())
			}
			item, err := t.Encode(hasher)
			if err != nil {
				b.Fatal(err)
			}
			block.Items = append(block.Items, item)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	items := 0
	for b.Loop() {
		e, err := NewEngine(Config{Committee: s.Committee, Registry: registry, Self: Observer}, Restored{})
		if err != nil {
			b.Fatal(err)
		}
		o := &observer{t: b, engine: e}
		o.feed(s.Blocks, 1)
		for _, c := range o.commits {
			items += len(c.Accepted)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(items), "ns/item")
}
