// Package proof checks what a node shows of the order against the header of a commit, without a node: that an item
// stands at its place, that a list is all that a namespace got, that it got nothing, what legs a
// bundle has, and how far a namespace's chain reaches. docs/proofs.md has every format byte by byte.
//
// Whoever uses it must know the header's digest, by a certificate or from a source that it trusts. The package is
// pure and safe for concurrent use.
package proof

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/nmt"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// ErrProof is wrapped by every error about a proof that does not hold.
var ErrProof = errors.New("proof does not hold")

// Item checks that the item with an id has an index in the commit: path is the siblings on the way to the order
// root, the lowest first.
func Item(h *ordering.CommitHeader, index uint32, id crypto.Digest, path []crypto.Digest) error {
	if !crypto.VerifyMerkle(h.OrderRoot, id, int(index), int(h.Items), path) {
		return fmt.Errorf("%w: commit %d does not have %v as item %d of %d", ErrProof, h.Index, id.Short(), index, h.Items)
	}
	return nil
}

// Order checks that ids are all items of the commit, in order.
func Order(h *ordering.CommitHeader, ids []crypto.Digest) error {
	if len(ids) != int(h.Items) || crypto.MerkleRoot(ids) != h.OrderRoot {
		return fmt.Errorf("%w: these %d items are not the %d of commit %d in their order", ErrProof, len(ids), h.Items, h.Index)
	}
	return nil
}

// Siblings checks the outline of a bundle or sealed item at an index of the commit, and returns the outline with all
// legs: whoever has one leg sees by it which others stand at the same position. It is Item for the rest.
func Siblings(network crypto.Digest, h *ordering.CommitHeader, index uint32, outline []byte, path []crypto.Digest) (dag.ItemOutline, crypto.Digest, error) {
	o, id, err := dag.NewItemHasher(network).DecodeOutline(outline)
	if err != nil {
		return o, id, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return o, id, Item(h, index, id, path)
}

// Namespace checks that leaves, by index and leg, are all that the commit has of a namespace: none, if there are none.
func Namespace(h *ordering.CommitHeader, ns dag.Namespace, leaves []ordering.NamespaceLeaf, p *nmt.Proof) error {
	for i := range leaves {
		l := &leaves[i]
		if l.Namespace != ns || l.Index >= h.Items || i > 0 && !before(&leaves[i-1], l) {
			return fmt.Errorf("%w: leaf %d of namespace %d in commit %d is out of place", ErrProof, i, ns, h.Index)
		}
	}
	if err := p.VerifyNamespace(h.NamespaceRoot, int(h.Legs), uint64(ns), ordering.Nodes(leaves)); err != nil {
		return fmt.Errorf("%w: these %d are not all that commit %d has of namespace %d", ErrProof, len(leaves), h.Index, ns)
	}
	return nil
}

// Leg checks that the commit has one leaf; p proves a single place.
func Leg(h *ordering.CommitHeader, leaf ordering.NamespaceLeaf, p *nmt.Proof) error {
	if leaf.Index >= h.Items || p.Verify(h.NamespaceRoot, int(h.Legs), []nmt.Node{leaf.Node()}) != nil {
		return fmt.Errorf("%w: commit %d has no such leg of namespace %d", ErrProof, h.Index, leaf.Namespace)
	}
	return nil
}

func before(a, b *ordering.NamespaceLeaf) bool {
	return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Leg, b.Leg)) < 0
}

// ChainPlace is one head with its path to the chain root, the lowest sibling first.
type ChainPlace struct {
	Place     uint32          `json:"place"`
	Namespace dag.Namespace   `json:"namespace"`
	Hash      crypto.Digest   `json:"hash"`
	Path      []crypto.Digest `json:"path"`
}

// ChainProof shows the head of a namespace's chain, or that there is none: then the places are its neighbours',
// the lower first; only one at either end, and none if no namespace has a chain.
type ChainProof struct {
	Heads  uint32       `json:"heads"`
	Places []ChainPlace `json:"places"`
}

// Chain checks a chain proof against the commit and returns the hash behind all that the namespace got up to the
// commit's end.
func Chain(network crypto.Digest, h *ordering.CommitHeader, ns dag.Namespace, p *ChainProof) (crypto.Digest, error) {
	for i := range p.Places {
		c := &p.Places[i]
		if !ordering.VerifyChainHead(h.ChainRoot, ordering.ChainHead{Namespace: c.Namespace, Hash: c.Hash}, int(c.Place), int(p.Heads), c.Path) {
			return crypto.Digest{}, fmt.Errorf("%w: the head of namespace %d's chain is not under commit %d", ErrProof, c.Namespace, h.Index)
		}
	}
	if len(p.Places) == 1 && p.Places[0].Namespace == ns {
		return p.Places[0].Hash, nil
	}
	if !p.absent(h.ChainRoot, ns) {
		return crypto.Digest{}, fmt.Errorf("%w: neither a head of namespace %d's chain in commit %d nor that there is none", ErrProof, ns, h.Index)
	}
	return ordering.ChainStart(network, ns), nil
}

// absent reports whether the places, which are proven, leave no room for a namespace.
func (p *ChainProof) absent(root crypto.Digest, ns dag.Namespace) bool {
	switch len(p.Places) {
	case 0:
		return p.Heads == 0 && root == ordering.NewChainTree(nil).Root()
	case 1:
		only := &p.Places[0]
		return only.Place == 0 && ns < only.Namespace || only.Place == p.Heads-1 && ns > only.Namespace
	case 2:
		low, high := &p.Places[0], &p.Places[1]
		return low.Place+1 == high.Place && low.Namespace < ns && ns < high.Namespace
	}
	return false
}

// ProveChain is the proof of a namespace's chain among all heads, ascending by namespace, whose tree is given.
func ProveChain(heads []ordering.ChainHead, tree *ordering.ChainTree, ns dag.Namespace) ChainProof {
	at := 0
	for at < len(heads) && heads[at].Namespace < ns {
		at++
	}
	p := ChainProof{Heads: uint32(len(heads))}
	add := func(i int) {
		if i >= 0 && i < len(heads) {
			p.Places = append(p.Places, ChainPlace{uint32(i), heads[i].Namespace, heads[i].Hash, tree.Path(i)})
		}
	}
	if at < len(heads) && heads[at].Namespace == ns {
		add(at)
		return p
	}
	add(at - 1)
	add(at)
	return p
}

// Chained is where a reader of one namespace stands: it follows the chain over what it gets and compares. The zero
// value is of no use; it is not safe for concurrent use.
type Chained struct {
	Namespace dag.Namespace
	Hash      crypto.Digest
	hasher    *ordering.ChainHasher
}

// NewChained stands at a hash.
func NewChained(ns dag.Namespace, hash crypto.Digest) *Chained {
	return &Chained{Namespace: ns, Hash: hash, hasher: ordering.NewChainHasher()}
}

// Link goes on over one leaf of a commit.
func (c *Chained) Link(commit dag.CommitIndex, leaf *ordering.NamespaceLeaf) {
	c.Hash = c.hasher.Next(c.Hash, commit, leaf)
}

// Check compares the hash with the head that a commit proves: they differ if anything of the namespace up to the
// commit's end was left out, put in or exchanged.
func (c *Chained) Check(network crypto.Digest, h *ordering.CommitHeader, p *ChainProof) error {
	head, err := Chain(network, h, c.Namespace, p)
	if err == nil && head != c.Hash {
		err = fmt.Errorf("%w: what was read of namespace %d up to commit %d is not all that stands there", ErrProof, c.Namespace, h.Index)
	}
	return err
}
