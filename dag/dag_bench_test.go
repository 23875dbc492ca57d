package dag_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

const benchRounds = 70

func signedRounds(b *testing.B, n int) *dagtest.Signed {
	b.Helper()
	p := dagtest.Random(rand.New(rand.NewPCG(1, 1)), dagtest.Shape{Authors: n, Rounds: benchRounds})
	s, err := dagtest.Sign(p, func(picture.Name, *dag.Block) {})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkVerify is one block without payload: decoding, rules and signature.
func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{4, 16, 50, 100} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			s := signedRounds(b, n)
			raw := s.Blocks[len(s.Blocks)-1].Bytes()
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := dag.Verify(s.Committee, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAdd is one block that joins the DAG.
func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{4, 16, 50, 100} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			s := signedRounds(b, n)
			b.ReportAllocs()
			var graph *dag.DAG
			for i := 0; b.Loop(); i++ {
				v := s.Blocks[i%len(s.Blocks)]
				if i%len(s.Blocks) == 0 {
					graph = dag.New(s.Committee)
				}
				if got := graph.Add(v, 0); got.Status != dag.Accepted {
					b.Fatal(got.Status)
				}
				if v.Round() > 60 {
					graph.SetFloor(v.Round() - 60)
				}
			}
		})
	}
}
