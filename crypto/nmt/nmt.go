// Package nmt is a namespaced Merkle tree: every node names the lowest and the highest namespace
// below it, so that a path can show not only what a tree holds but all that it holds of a namespace,
// or that it holds nothing. Nodes and roots are those of celestiaorg/nmt with 8-byte namespaces,
// SHA-256 and no ignored namespace; the tests hold this package against that one.
//
// The package is pure and imports nothing but the standard library's hash.
package nmt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

const (
	// NamespaceSize is the size of a namespace in bytes, big-endian.
	NamespaceSize = 8
	// NodeSize is the size of a node in bytes.
	NodeSize = 2*NamespaceSize + sha256.Size

	leafPrefix = 0
	nodePrefix = 1
	stackLeaf  = 128 // leaves up to this size are hashed without an allocation
)

// Node is a leaf, an inner node or a root: lowest namespace, highest namespace, hash. Nodes that come
// from outside may hold anything; Verify's functions find out.
type Node [NodeSize]byte

// Min is the lowest namespace below n.
func (n *Node) Min() uint64 { return binary.BigEndian.Uint64(n[:]) }

// Max is the highest namespace below n.
func (n *Node) Max() uint64 { return binary.BigEndian.Uint64(n[NamespaceSize:]) }

// String is the whole node in lower-case hex.
func (n Node) String() string { return hex.EncodeToString(n[:]) }

// Leaf is the leaf of data in a namespace: SHA-256 of 0, the namespace and data.
func Leaf(namespace uint64, data []byte) Node {
	var stack [1 + NamespaceSize + stackLeaf]byte
	stack[0] = leafPrefix
	binary.BigEndian.PutUint64(stack[1:], namespace)
	var out Node
	copy(out[:], stack[1:1+NamespaceSize])
	copy(out[NamespaceSize:], stack[1:1+NamespaceSize])
	sum := sha256.Sum256(append(stack[:1+NamespaceSize], data...))
	copy(out[2*NamespaceSize:], sum[:])
	return out
}

// join is the parent of two neighbours: SHA-256 of 1 and both.
func join(left, right *Node) Node {
	var in [1 + 2*NodeSize]byte
	in[0] = nodePrefix
	copy(in[1:], left[:])
	copy(in[1+NodeSize:], right[:])
	var out Node
	copy(out[:NamespaceSize], left[:NamespaceSize])
	copy(out[NamespaceSize:2*NamespaceSize], right[NamespaceSize:2*NamespaceSize])
	sum := sha256.Sum256(in[:])
	copy(out[2*NamespaceSize:], sum[:])
	return out
}

// Empty is the root of a tree without leaves.
func Empty() Node {
	var out Node
	sum := sha256.Sum256(nil)
	copy(out[2*NamespaceSize:], sum[:])
	return out
}

// Root is the root over leaves, which must stand in ascending order of their namespaces. The tree has the
// shape of RFC 6962: a left subtree is the largest complete one. It overwrites leaves.
func Root(leaves []Node) Node {
	if len(leaves) == 0 {
		return Empty()
	}
	for level := leaves; len(level) > 1; {
		n := 0
		for i := 0; i+1 < len(level); i += 2 {
			level[n] = join(&level[i], &level[i+1])
			n++
		}
		if len(level)%2 == 1 {
			level[n] = level[len(level)-1]
			n++
		}
		level = level[:n]
	}
	return leaves[0]
}

// MarshalText encodes n as hex.
func (n Node) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (n *Node) UnmarshalText(text []byte) error {
	if len(text) != 2*NodeSize {
		return fmt.Errorf("node of %d hex digits, want %d", len(text), 2*NodeSize)
	}
	_, err := hex.Decode(n[:], text)
	return err
}
