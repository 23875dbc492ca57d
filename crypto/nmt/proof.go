package nmt

import (
	"errors"
	"math/bits"
)

// Proof shows what leaves a tree has at places [Start, End): the roots of the largest subtrees beside
// them, from left to right. Where End is Start it shows that the tree has nothing of a namespace: with
// Beside, the leaf at Start, which is the first of a higher namespace; without, because the namespace lies outside
// the root's own, or the tree is empty.
type Proof struct {
	Start, End int
	Path       []Node
	Beside     *Node
}

// MaxPath is how many nodes a Proof's path can have: two for each level of a tree of 2^32 leaves.
const MaxPath = 2 * 32

// ErrProof says that a proof does not show what it should.
var ErrProof = errors.New("proof does not hold")

// Prove shows leaves[start:end]. It panics unless 0 <= start < end <= len(leaves).
func Prove(leaves []Node, start, end int) Proof {
	if start < 0 || start >= end || end > len(leaves) {
		panic("nmt: proof of a range that the tree does not have")
	}
	return Proof{Start: start, End: end, Path: appendPath(nil, leaves, 0, start, end)}
}

// ProveNamespace shows all that the tree has of a namespace, or that it has nothing.
func ProveNamespace(leaves []Node, namespace uint64) Proof {
	start := 0
	for start < len(leaves) && leaves[start].Max() < namespace {
		start++
	}
	end := start
	for end < len(leaves) && leaves[end].Max() == namespace {
		end++
	}
	switch {
	case end > start:
		return Prove(leaves, start, end)
	case start == 0 || start == len(leaves):
		return Proof{}
	}
	beside := leaves[start]
	return Proof{Start: start, End: start, Path: appendPath(nil, leaves, 0, start, start+1), Beside: &beside}
}

// appendPath appends the roots beside [start, end) of the subtree whose first leaf is number at.
func appendPath(path, leaves []Node, at, start, end int) []Node {
	switch {
	case at >= end || at+len(leaves) <= start:
		return append(path, Root(append([]Node(nil), leaves...)))
	case len(leaves) == 1:
		return path
	}
	k := split(len(leaves))
	path = appendPath(path, leaves[:k], at, start, end)
	return appendPath(path, leaves[k:], at+k, start, end)
}

// split is the size of the left subtree of n leaves, n > 1.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// Verify checks that the tree of total leaves under root has leaves at p's places. Everything may come from
// outside but root and total. Errors are ErrProof.
func (p *Proof) Verify(root Node, total int, leaves []Node) error {
	if p.Start < 0 || p.Start >= p.End || p.End > total || len(leaves) != p.End-p.Start || p.Beside != nil {
		return ErrProof
	}
	return p.fold(root, total, walk{leaves: leaves, end: p.End})
}

// VerifyNamespace checks that leaves are all that the tree of total leaves under root has of a namespace:
// none, if there are none. Everything may come from outside but root and total. Errors are ErrProof.
func (p *Proof) VerifyNamespace(root Node, total int, namespace uint64, leaves []Node) error {
	for i := range leaves {
		if leaves[i].Min() != namespace || leaves[i].Max() != namespace {
			return ErrProof
		}
	}
	switch {
	case len(leaves) > 0:
		if p.Start < 0 || p.Start >= p.End || p.End > total || len(leaves) != p.End-p.Start || p.Beside != nil {
			return ErrProof
		}
		return p.fold(root, total, walk{leaves: leaves, end: p.End, alone: true, namespace: namespace})
	case p.End != p.Start || p.Start < 0:
		return ErrProof
	case p.Beside == nil:
		outside := total == 0 && root == Empty() || total > 0 && (namespace < root.Min() || namespace > root.Max())
		if len(p.Path) > 0 || p.Start != 0 || !outside {
			return ErrProof
		}
		return nil
	case p.Start >= total || p.Beside.Min() <= namespace || p.Beside.Min() != p.Beside.Max():
		return ErrProof
	}
	return p.fold(root, total, walk{leaves: []Node{*p.Beside}, end: p.Start + 1, alone: true, namespace: namespace})
}

// fold computes the root from the walk's leaves at [p.Start, w.end) and p's path, and compares it.
func (p *Proof) fold(root Node, total int, w walk) error {
	if len(p.Path) > MaxPath {
		return ErrProof
	}
	w.start, w.path = p.Start, p.Path
	if got := w.node(0, total); w.failed || len(w.path) > 0 || got != root {
		return ErrProof
	}
	return nil
}

// walk goes down a tree whose shape its size gives, and takes leaves and subtrees from the left.
type walk struct {
	start, end int
	leaves     []Node
	path       []Node
	failed     bool

	// With alone, the subtrees on the left must end below the namespace and those on the right begin above it.
	// Inside a subtree the order is the word of the tree's maker, as is the root.
	alone     bool
	namespace uint64
}

// node is the root of the n leaves from number at on. It visits only subtrees that hold some of [start, end)
// and their siblings.
func (w *walk) node(at, n int) Node {
	switch {
	case w.failed:
		return Node{}
	case at >= w.end || at+n <= w.start:
		return w.beside(at < w.start)
	case n == 1:
		leaf := w.leaves[0]
		w.leaves = w.leaves[1:]
		return leaf
	}
	k := split(n)
	left := w.node(at, k)
	right := w.node(at+k, n-k)
	if left.Max() > right.Min() {
		w.failed = true
	}
	return join(&left, &right)
}

// beside takes the next node of the path.
func (w *walk) beside(left bool) Node {
	if len(w.path) == 0 {
		w.failed = true
		return Node{}
	}
	n := w.path[0]
	w.path = w.path[1:]
	if w.alone && (left && n.Max() >= w.namespace || !left && n.Min() <= w.namespace) {
		w.failed = true
	}
	return n
}
