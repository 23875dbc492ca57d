package nmt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	oracle "github.com/celestiaorg/nmt"
	"github.com/celestiaorg/nmt/namespace"
	"pgregory.net/rapid"
)

// forest is one tree in both programs.
type forest struct {
	spaces []uint64
	data   [][]byte
	leaves []Node
	other  *oracle.NamespacedMerkleTree
	root   Node
}

func grow(t testing.TB, spaces []uint64) *forest {
	t.Helper()
	slices.Sort(spaces)
	f := &forest{spaces: spaces, other: newOracle()}
	for i, ns := range spaces {
		data := binary.BigEndian.AppendUint32(nil, uint32(i))
		prefixed := append(binary.BigEndian.AppendUint64(nil, ns), data...)
		if err := f.other.Push(prefixed); err != nil {
			t.Fatal(err)
		}
		f.data, f.leaves = append(f.data, data), append(f.leaves, Leaf(ns, data))
	}
	f.root = Root(slices.Clone(f.leaves))
	return f
}

func newOracle() *oracle.NamespacedMerkleTree {
	return oracle.New(sha256.New(), oracle.NamespaceIDSize(NamespaceSize), oracle.IgnoreMaxNamespace(false))
}

func id(ns uint64) namespace.ID { return binary.BigEndian.AppendUint64(nil, ns) }

// foreign is p in the other program's form.
func foreign(p Proof, empty bool) oracle.Proof {
	var path [][]byte
	for i := range p.Path {
		path = append(path, p.Path[i][:])
	}
	switch {
	case empty:
		return oracle.NewEmptyRangeProof(false)
	case p.Beside != nil:
		return oracle.NewAbsenceProof(p.Start, p.Start+1, path, p.Beside[:], false)
	}
	return oracle.NewInclusionProof(p.Start, p.End, path, false)
}

func (f *forest) check(t testing.TB) {
	t.Helper()
	want, err := f.other.Root()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.root[:], want) {
		t.Fatalf("%d leaves: root %x, the other program has %x", len(f.leaves), f.root, want)
	}
}

// TestOracle: roots, proofs of inclusion, completeness and absence are those of celestiaorg/nmt, and each
// program accepts the other's.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		spaces := rapid.SliceOfN(rapid.Uint64Range(1, 12), 0, 40).Draw(rt, "namespaces")
		f := grow(t, spaces)
		f.check(t)
		for ns := range uint64(14) {
			f.checkNamespace(t, ns)
		}
		if len(f.leaves) > 0 {
			start := rapid.IntRange(0, len(f.leaves)-1).Draw(rt, "start")
			end := rapid.IntRange(start+1, len(f.leaves)).Draw(rt, "end")
			f.checkRange(t, start, end)
		}
	})
}

func (f *forest) checkNamespace(t testing.TB, ns uint64) {
	t.Helper()
	p := ProveNamespace(f.leaves, ns)
	var leaves []Node
	var data [][]byte
	for i, have := range f.spaces {
		if have == ns {
			leaves, data = append(leaves, f.leaves[i]), append(data, append(id(ns), f.data[i]...))
		}
	}
	if err := p.VerifyNamespace(f.root, len(f.leaves), ns, leaves); err != nil {
		t.Fatalf("namespace %d of %v: %v", ns, f.spaces, err)
	}
	got, err := f.other.ProveNamespace(id(ns))
	if err != nil {
		t.Fatal(err)
	}
	sameProof(t, p, got)
	if !foreign(p, p.End == 0).VerifyNamespace(sha256.New(), id(ns), data, f.root[:]) {
		t.Fatalf("namespace %d of %v: the other program refuses the proof", ns, f.spaces)
	}
}

func (f *forest) checkRange(t testing.TB, start, end int) {
	t.Helper()
	p := Prove(f.leaves, start, end)
	if err := p.Verify(f.root, len(f.leaves), f.leaves[start:end]); err != nil {
		t.Fatalf("leaves %d to %d of %d: %v", start, end, len(f.leaves), err)
	}
	got, err := f.other.ProveRange(start, end)
	if err != nil {
		t.Fatal(err)
	}
	sameProof(t, p, got)
}

func sameProof(t testing.TB, p Proof, got oracle.Proof) {
	t.Helper()
	nodes := got.Nodes()
	if len(nodes) != len(p.Path) {
		t.Fatalf("path of %d nodes, the other program has %d", len(p.Path), len(nodes))
	}
	for i := range nodes {
		if !bytes.Equal(nodes[i], p.Path[i][:]) {
			t.Fatalf("node %d of the path differs", i)
		}
	}
}

// TestProofsThatLie: no change of a proof, its leaves, its namespace or the number of leaves passes.
func TestProofsThatLie(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := grow(t, rapid.SliceOfN(rapid.Uint64Range(1, 9), 2, 30).Draw(rt, "namespaces"))
		ns := rapid.SampledFrom(f.spaces).Draw(rt, "namespace")
		p := ProveNamespace(f.leaves, ns)
		leaves := slices.Clone(f.leaves[p.Start:p.End])
		total := len(f.leaves)
		refused := func(what string, p Proof, total int, ns uint64, leaves []Node) {
			rt.Helper()
			if p.VerifyNamespace(f.root, total, ns, leaves) == nil {
				rt.Fatalf("%s passes: %v, namespace %d", what, f.spaces, ns)
			}
		}
		refused("nothing for something", Proof{}, total, ns, nil)
		for i := range leaves {
			refused("a leaf left out", Proof{Start: p.Start, End: p.End - 1, Path: p.Path}, total, ns, slices.Delete(slices.Clone(leaves), i, i+1))
		}
		if len(leaves) > 1 {
			refused("a proof of all but the first", Prove(f.leaves, p.Start+1, p.End), total, ns, leaves[1:])
			refused("a proof of all but the last", Prove(f.leaves, p.Start, p.End-1), total, ns, leaves[:len(leaves)-1])
		}
		changed := slices.Clone(leaves)
		changed[0][NodeSize-1] ^= 1
		refused("a changed leaf", p, total, ns, changed)
		if len(leaves) > 1 {
			changed = slices.Clone(leaves)
			changed[0], changed[1] = changed[1], changed[0]
			refused("two leaves exchanged", p, total, ns, changed)
		}
		if len(p.Path) > 0 {
			path := slices.Clone(p.Path)
			path[0][NodeSize-1] ^= 1
			refused("a changed path", Proof{Start: p.Start, End: p.End, Path: path}, total, ns, leaves)
			refused("a path cut short", Proof{Start: p.Start, End: p.End, Path: p.Path[1:]}, total, ns, leaves)
		}
		refused("a longer path", Proof{Start: p.Start, End: p.End, Path: append(slices.Clone(p.Path), f.root)}, total, ns, leaves)
		refused("places behind the end", Proof{Start: total, End: total + len(leaves), Path: p.Path}, total, ns, leaves)
		refused("another namespace", p, total, ns+1, leaves)
		for gap := range uint64(11) {
			if slices.Contains(f.spaces, gap) {
				refused("absence of what is there", ProveNamespace(f.leaves, gap+100), total, gap, nil)
				other := ProveNamespace(f.leaves, gap)
				if other.Start > 0 && other.End < total {
					beside := f.leaves[other.End]
					lie := Proof{Start: other.End, End: other.End, Path: Prove(f.leaves, other.End, other.End+1).Path, Beside: &beside}
					refused("absence before the leaf behind", lie, total, gap, nil)
				}
			}
		}
	})
}

func TestProveRefusesNonsense(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a range outside the tree is proven")
		}
	}()
	Prove(grow(t, []uint64{1, 2}).leaves, 1, 3)
}

// TestLeafOfAnySize: leaves beyond the stack's buffer are hashed alike.
func TestLeafOfAnySize(t *testing.T) {
	for _, size := range []int{0, stackLeaf, stackLeaf + 1, 5000} {
		data := bytes.Repeat([]byte{7}, size)
		tree := newOracle()
		if err := tree.Push(append([]byte(id(3)), data...)); err != nil {
			t.Fatal(err)
		}
		want, err := tree.Root()
		if err != nil {
			t.Fatal(err)
		}
		if got := Leaf(3, data); !bytes.Equal(got[:], want) {
			t.Errorf("leaf of %d bytes differs from the other program's", size)
		}
	}
}

// FuzzVerify: no proof from outside makes the check panic.
func FuzzVerify(f *testing.F) {
	f.Add(0, 1, 5, uint64(3), []byte("path"), []byte("leaf"))
	f.Fuzz(func(t *testing.T, start, end, total int, ns uint64, path, leaves []byte) {
		p := Proof{Start: start, End: end, Path: nodes(path)}
		total = max(0, total%(1<<32))
		root := Leaf(ns, path)
		_ = p.Verify(root, total, nodes(leaves))
		_ = p.VerifyNamespace(root, total, ns, nodes(leaves))
		if len(leaves) >= NodeSize {
			beside := Node(leaves[:NodeSize])
			p.Beside = &beside
			_ = p.VerifyNamespace(root, total, ns, nil)
		}
	})
}

func nodes(raw []byte) []Node {
	var out []Node
	for chunk := range slices.Chunk(raw, NodeSize) {
		var n Node
		copy(n[:], chunk)
		out = append(out, n)
	}
	return out
}

// BenchmarkRoot is what one leaf costs in a commit's tree: this package, and celestiaorg/nmt.
func BenchmarkRoot(b *testing.B) {
	const data = 37 // index, leg, id
	random := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{100, 1000, 8000} {
		spaces, content := make([]uint64, n), make([][]byte, n)
		for i := range n {
			spaces[i], content[i] = 1+random.Uint64N(5), make([]byte, NamespaceSize+data)
		}
		slices.Sort(spaces)
		for i := range n {
			binary.BigEndian.PutUint64(content[i], spaces[i])
		}
		leaves := make([]Node, n)
		b.Run(fmt.Sprintf("own/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for i := range n {
					leaves[i] = Leaf(spaces[i], content[i][NamespaceSize:])
				}
				Root(leaves)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/leaf")
		})
		b.Run(fmt.Sprintf("celestiaorg/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tree := oracle.New(sha256.New(), oracle.NamespaceIDSize(NamespaceSize), oracle.IgnoreMaxNamespace(false), oracle.InitialCapacity(n))
				for i := range n {
					if err := tree.Push(content[i]); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := tree.Root(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/leaf")
		})
	}
}
