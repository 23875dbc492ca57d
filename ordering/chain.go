package ordering

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Every namespace has a chain of hashes over all that it ever got, one link for each leaf. Who has followed a
// namespace and computed its chain has missed nothing if its head is the one under the ChainRoot of a
// commit that it trusts.

// ChainRefresh is how many commits a namespace's head may stand unwritten: commits write the heads of the namespaces
// that they touch, and those of others that were written so long ago. So the last ChainRefresh commits hold all
// heads.
const ChainRefresh = min(256, dag.ValidityWindow/2)

// maxChains is how many namespaces can have a chain: those of the registry, which forgets none, and that of controls.
const maxChains = dag.MaxNamespaces + 1

// ChainStart is the hash at the beginning of a namespace's chain.
func ChainStart(network crypto.Digest, ns dag.Namespace) crypto.Digest {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], uint64(ns))
	return crypto.Hash(crypto.DomainNamespaceRun, network[:], raw[:])
}

// ChainHasher computes links. Not safe for concurrent use.
type ChainHasher struct {
	hasher *crypto.Hasher
	before crypto.Digest // scratch, so that no link allocates
	place  [8 + 4 + 1]byte
}

// NewChainHasher returns a hasher of links.
func NewChainHasher() *ChainHasher {
	return &ChainHasher{hasher: crypto.NewHasher(crypto.DomainNamespaceRun)}
}

// Next is the hash behind a leaf of a commit: of the hash before it; commit 8, index 4, leg 1; id.
func (h *ChainHasher) Next(before crypto.Digest, commit dag.CommitIndex, l *NamespaceLeaf) crypto.Digest {
	h.before = before
	binary.BigEndian.PutUint64(h.place[:], uint64(commit))
	binary.BigEndian.PutUint32(h.place[8:], l.Index)
	h.place[12] = l.Leg
	return h.hasher.Sum(h.before[:], h.place[:], l.ID[:])
}

// ChainStep is what a commit did to a namespace's chain. Where the commit has nothing of the namespace, which is
// only written again, Before is After.
type ChainStep struct {
	Namespace     dag.Namespace
	Before, After crypto.Digest
}

// ChainHead is the end of a namespace's chain.
type ChainHead struct {
	Namespace dag.Namespace
	Hash      crypto.Digest
}

// Chains holds the heads of all namespaces that ever got something, by namespace. Not safe for concurrent use.
type Chains struct {
	network crypto.Digest
	heads   []ChainHead
	written []dag.CommitIndex // the newest commit that wrote a head, by place
	tree    *ChainTree
	hasher  *ChainHasher
}

// NewChains returns the chains of a network before its first commit.
func NewChains(network crypto.Digest) *Chains {
	return &Chains{network: network, tree: NewChainTree(nil), hasher: NewChainHasher()}
}

// Extend takes the next commit with its leaves, as Derive returned them, and sets its Chains and ChainRoot.
func (x *Chains) Extend(c *Commit, leaves []NamespaceLeaf) {
	steps := x.link(c.Index, leaves)
	c.Chains = x.refresh(c.Index, steps)
	c.ChainRoot = x.tree.Root()
}

// link makes a link for each leaf.
func (x *Chains) link(commit dag.CommitIndex, leaves []NamespaceLeaf) []ChainStep {
	var steps []ChainStep
	before := len(x.heads)
	for i := 0; i < len(leaves); {
		ns := leaves[i].Namespace
		at := x.place(ns)
		head := &x.heads[at]
		step := ChainStep{Namespace: ns, Before: head.Hash}
		for ; i < len(leaves) && leaves[i].Namespace == ns; i++ {
			head.Hash = x.hasher.Next(head.Hash, commit, &leaves[i])
		}
		step.After, x.written[at] = head.Hash, commit
		steps = append(steps, step)
		if len(x.heads) == before {
			x.tree.Set(at, *head)
		}
	}
	if len(x.heads) != before {
		x.tree = NewChainTree(x.heads)
	}
	return steps
}

// refresh adds the heads that no commit has written for long to those that this one writes.
func (x *Chains) refresh(commit dag.CommitIndex, steps []ChainStep) []ChainStep {
	touched := len(steps)
	for at, h := range x.heads {
		if x.written[at]+ChainRefresh <= commit {
			steps = append(steps, ChainStep{h.Namespace, h.Hash, h.Hash})
			x.written[at] = commit
		}
	}
	if len(steps) > touched {
		slices.SortFunc(steps, func(a, b ChainStep) int { return cmp.Compare(a.Namespace, b.Namespace) })
	}
	return steps
}

// place finds a namespace's place, which it makes for one that comes for the first time.
func (x *Chains) place(ns dag.Namespace) int {
	at, known := slices.BinarySearchFunc(x.heads, ns, func(h ChainHead, ns dag.Namespace) int { return cmp.Compare(h.Namespace, ns) })
	if !known {
		x.heads = slices.Insert(x.heads, at, ChainHead{ns, ChainStart(x.network, ns)})
		x.written = slices.Insert(x.written, at, 0)
	}
	return at
}

// restore takes the heads out of the newest commits, of which the last is the one that names their root.
func (x *Chains) restore(newest []*Commit, root crypto.Digest) error {
	for _, c := range newest[max(0, len(newest)-ChainRefresh):] {
		for _, s := range c.Chains {
			at := x.place(s.Namespace)
			x.heads[at].Hash, x.written[at] = s.After, c.Index
		}
		if len(x.heads) > maxChains {
			return fmt.Errorf("%w: the newest commits write chains of more than %d namespaces", ErrCommit, maxChains)
		}
	}
	x.tree = NewChainTree(x.heads)
	if x.tree.Root() != root {
		return fmt.Errorf("%w: the heads of the namespaces' chains that were kept are not those of the newest commit", ErrCommit)
	}
	return nil
}

// ChainHeads are the heads after the last of the given commits, by namespace: the last ChainRefresh commits, or
// all from the first on if there are fewer, oldest first. The error wraps ErrCommit if they are not those that
// the last one names.
func ChainHeads(network crypto.Digest, newest []*Commit) ([]ChainHead, error) {
	x := NewChains(network)
	if len(newest) == 0 {
		return nil, nil
	}
	err := x.restore(newest, newest[len(newest)-1].ChainRoot)
	return x.heads, err
}

// ChainTree is the Merkle tree over the heads of all chains, by namespace. Its leaves are filled up to a power of
// two with zeros; its root covers their number, so that absence shows too. Not safe for concurrent use.
type ChainTree struct {
	heads  int
	size   int             // leaves, a power of two
	nodes  []crypto.Digest // 1 is the top, leaves from size on
	hasher *crypto.Hasher
}

// NewChainTree returns the tree over heads, ascending by namespace.
func NewChainTree(heads []ChainHead) *ChainTree {
	t := &ChainTree{heads: len(heads), size: chainSize(len(heads)), hasher: crypto.NewHasher(crypto.DomainChainHeads)}
	t.nodes = make([]crypto.Digest, 2*t.size)
	for i := range heads {
		t.nodes[t.size+i] = heads[i].leaf(t.hasher)
	}
	for i := t.size - 1; i > 0; i-- {
		t.nodes[i] = t.hasher.Sum(t.nodes[2*i][:], t.nodes[2*i+1][:])
	}
	return t
}

// chainSize is how many leaves the tree of n heads has.
func chainSize(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }

func (h *ChainHead) leaf(hasher *crypto.Hasher) crypto.Digest {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], uint64(h.Namespace))
	return hasher.Sum(raw[:], h.Hash[:])
}

// Set changes the head at a place.
func (t *ChainTree) Set(at int, head ChainHead) {
	i := t.size + at
	t.nodes[i] = head.leaf(t.hasher)
	for i >>= 1; i > 0; i >>= 1 {
		t.nodes[i] = t.hasher.Sum(t.nodes[2*i][:], t.nodes[2*i+1][:])
	}
}

// Root is the ChainRoot: the digest of the number of heads and the top of the tree.
func (t *ChainTree) Root() crypto.Digest { return chainRoot(t.hasher, t.heads, t.nodes[1]) }

func chainRoot(hasher *crypto.Hasher, heads int, top crypto.Digest) crypto.Digest {
	var count [4]byte
	binary.BigEndian.PutUint32(count[:], uint32(heads))
	return hasher.Sum(count[:], top[:])
}

// Path is the siblings of the head at a place, the lowest first.
func (t *ChainTree) Path(at int) []crypto.Digest {
	var path []crypto.Digest
	for i := t.size + at; i > 1; i >>= 1 {
		path = append(path, t.nodes[i^1])
	}
	return path
}

// VerifyChainHead reports whether head is number at of the heads under root. Everything but root may come from
// outside.
func VerifyChainHead(root crypto.Digest, head ChainHead, at, heads int, path []crypto.Digest) bool {
	if at < 0 || at >= heads || heads > 1<<31 || len(path) != bits.Len(uint(heads-1)) {
		return false
	}
	hasher := crypto.NewHasher(crypto.DomainChainHeads)
	node := head.leaf(hasher)
	for _, sibling := range path {
		if at%2 == 1 {
			node = hasher.Sum(sibling[:], node[:])
		} else {
			node = hasher.Sum(node[:], sibling[:])
		}
		at /= 2
	}
	return chainRoot(hasher, heads, node) == root
}
