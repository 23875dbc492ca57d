package ordering

import (
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// A second twin is not ordered, but what only it refers to is.
func TestReferencesOfATwinAreOrdered(t *testing.T) {
	graph := dag.New(newCluster(t, 4, 1).committee)
	block := func(a dag.Author, r dag.Round, mark byte, parents ...*dag.Vertex) *dag.Vertex {
		var refs []dag.Ref
		for _, p := range parents {
			refs = append(refs, p.Ref())
		}
		return graph.Insert(dag.Ref{Round: r, Author: a, Digest: [32]byte{mark, byte(r), byte(a)}}, refs)
	}
	a1, b1, c1, d1 := block(0, 1, 0), block(1, 1, 0), block(2, 1, 0), block(3, 1, 0)
	first, twin := block(0, 2, 0, a1, b1, c1), block(0, 2, 1, a1, b1, d1)
	b2, c2 := block(1, 2, 0, a1, b1, c1), block(2, 2, 0, a1, b1, c1)
	anchor := block(1, 3, 0, twin, b2, c2)
	got := Linearize(4, [][]*dag.Vertex{{first}, {anchor}}, GCDepth)
	holds := make(map[*dag.Vertex]bool)
	for _, v := range got[1] {
		holds[v] = true
	}
	if !holds[d1] || holds[twin] {
		t.Errorf("the second commit orders D1: %v, the twin: %v; want true, false", holds[d1], holds[twin])
	}
}

// The DAG keeps everything that the next commit may order, and no more.
func TestFloorIsTheCollectedRound(t *testing.T) {
	c := newCluster(t, 4, 1)
	c.run(12 * time.Second)
	e := c.nodes[0].engine
	if want := gcRound(e.headRound, GCDepth); e.graph.Floor() != want || want == 0 {
		t.Errorf("floor %d after a commit of round %d, want %d and more than 0", e.graph.Floor(), e.headRound, want)
	}
}

// Blocks that always come some rounds late are ordered all the same: weak references reach them.
func TestLateBlocksAreOrdered(t *testing.T) {
	const late = dag.Author(3)
	c := newCluster(t, 4, 1)
	c.delay = func(from, _ int) time.Duration {
		if from == int(late) {
			return 400 * time.Millisecond
		}
		return 2 * time.Millisecond
	}
	c.run(20 * time.Second)
	ordered := 0
	for _, commit := range c.nodes[0].commits[len(c.nodes[0].commits)/2:] {
		for _, r := range commit.Blocks {
			if r.Author == late {
				ordered++
			}
		}
	}
	if half := len(c.nodes[0].commits) / 4; ordered < half {
		t.Errorf("%d late blocks in %d commits, want %d", ordered, len(c.nodes[0].commits)/2, half)
	}
}
