package ordering

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/nmt"
	"github.com/dunlin-network/dunlin/dag"
)

// NamespaceLeaf is what one namespace gets at one position of a commit: a transaction, a leg of a bundle, or
// a sealed item in each namespace that it names.
type NamespaceLeaf struct {
	Namespace dag.Namespace
	Index     uint32 // of the item in the commit
	Leg       uint8  // of a bundle: the leg's place; of a sealed item: the place of the namespace in its list; else 0
	ID        crypto.Digest
}

const leafSize = 4 + 1 + crypto.DigestSize

// Node is the leaf's node in the namespaced Merkle tree; its data are index 4, leg 1, id 32.
func (l *NamespaceLeaf) Node() nmt.Node {
	var data [leafSize]byte
	binary.BigEndian.PutUint32(data[:], l.Index)
	data[4] = l.Leg
	copy(data[5:], l.ID[:])
	return nmt.Leaf(uint64(l.Namespace), data[:])
}

// AppendLeaves appends what the item at index has for each namespace.
func AppendLeaves(leaves []NamespaceLeaf, index uint32, item *dag.Item) []NamespaceLeaf {
	if item.Kind == dag.KindTransaction {
		return append(leaves, NamespaceLeaf{Namespace: item.Namespace, Index: index, ID: item.ID})
	}
	var room [dag.MaxBundleLegs]dag.Namespace
	for leg, ns := range item.LegNamespaces(room[:0]) {
		leaves = append(leaves, NamespaceLeaf{Namespace: ns, Index: index, Leg: uint8(leg), ID: item.ID})
	}
	return leaves
}

// Leaves is what the commit's namespaces got, in the order of the tree: by namespace, index and leg. The bodies
// must be there. The error wraps ErrCommit.
func (c *Commit) Leaves() ([]NamespaceLeaf, error) {
	leaves := make([]NamespaceLeaf, 0, len(c.Accepted)+len(c.Accepted)/8)
	for i := range c.Accepted {
		item, err := c.Item(i)
		if err != nil {
			return nil, err
		}
		leaves = AppendLeaves(leaves, uint32(i), item)
	}
	slices.SortStableFunc(leaves, func(a, b NamespaceLeaf) int { return cmp.Compare(a.Namespace, b.Namespace) })
	return leaves, nil
}

// Item is the accepted item with index i, 0 <= i < len(Accepted). The bodies must be there. The error wraps
// ErrCommit.
func (c *Commit) Item(i int) (*dag.Item, error) {
	a := &c.Accepted[i]
	if int(a.Block) >= len(c.Bodies) {
		return nil, fmt.Errorf("%w: item %d of commit %d is in block %d of %d", ErrCommit, i, c.Index, a.Block, len(c.Bodies))
	}
	items := c.Bodies[a.Block].Block().Items
	if int(a.Item) >= len(items) {
		return nil, fmt.Errorf("%w: item %d of commit %d is item %d of %d in its block", ErrCommit, i, c.Index, a.Item, len(items))
	}
	return &items[a.Item], nil
}

// Nodes are the leaves of the namespaced Merkle tree.
func Nodes(leaves []NamespaceLeaf) []nmt.Node {
	nodes := make([]nmt.Node, len(leaves))
	for i := range leaves {
		nodes[i] = leaves[i].Node()
	}
	return nodes
}

// Derive sets what the header says of anchors, blocks and accepted items, and returns the commit's leaves. It
// is for whoever makes a commit; ChainRoot, StateDigest and Digest are still to be set. The error wraps ErrCommit.
func (c *Commit) Derive() ([]NamespaceLeaf, error) {
	leaves, err := c.Leaves()
	if err != nil {
		return nil, err
	}
	c.DAGRoot = DAGRoot(c.Anchors, c.Blocks)
	c.OrderRoot = OrderRoot(c.Accepted)
	c.NamespaceRoot = nmt.Root(Nodes(leaves))
	c.Items, c.Legs = uint32(len(c.Accepted)), uint32(len(leaves))
	return leaves, nil
}
