package crypto

import "fmt"

// A Merkle tree over digests has the shape of RFC 6962: a left subtree is the largest complete
// one. Leaves and inner nodes are hashed under domains of their own, so that neither can pass for
// the other.

// MerkleRoot is the root over leaves in their order. No leaves have a fixed root of their own.
func MerkleRoot(leaves []Digest) Digest {
	if len(leaves) == 0 {
		return Hash(DomainMerkleLeaf)
	}
	level, nodes := hashLeaves(leaves), NewHasher(DomainMerkleNode)
	for len(level) > 1 {
		level = nodes.parents(level)
	}
	return level[0]
}

// MerkleProof is what VerifyMerkle needs beside leaf i: the siblings on the way to the root, the
// lowest first. It panics unless 0 <= i < len(leaves).
func MerkleProof(leaves []Digest, i int) []Digest {
	if i < 0 || i >= len(leaves) {
		panic(fmt.Sprintf("crypto: proof of leaf %d of %d", i, len(leaves)))
	}
	var proof []Digest
	level, nodes := hashLeaves(leaves), NewHasher(DomainMerkleNode)
	for ; len(level) > 1; i /= 2 {
		if sibling := i ^ 1; sibling < len(level) {
			proof = append(proof, level[sibling])
		}
		level = nodes.parents(level)
	}
	return proof
}

// VerifyMerkle reports whether leaf is number i of the n leaves under root. All arguments may come
// from outside.
func VerifyMerkle(root, leaf Digest, i, n int, proof []Digest) bool {
	if i < 0 || i >= n {
		return false
	}
	node, nodes := Hash(DomainMerkleLeaf, leaf[:]), NewHasher(DomainMerkleNode)
	last := n - 1 // the last index of the level on which node has index i
	for k := range proof {
		for i == last && i%2 == 0 && last > 0 { // no sibling: the node moves up as it is
			i, last = i/2, last/2
		}
		if last == 0 {
			return false
		}
		if i%2 == 1 {
			node = nodes.Sum(proof[k][:], node[:])
		} else {
			node = nodes.Sum(node[:], proof[k][:])
		}
		i, last = i/2, last/2
	}
	return last == 0 && node == root
}

func hashLeaves(leaves []Digest) []Digest {
	h := NewHasher(DomainMerkleLeaf)
	level := make([]Digest, len(leaves))
	for i := range leaves {
		level[i] = h.Sum(leaves[i][:])
	}
	return level
}

// parents hashes neighbours together, in place. An odd one out moves up as it is.
func (h *Hasher) parents(level []Digest) []Digest {
	n := 0
	for i := 0; i+1 < len(level); i += 2 {
		level[n] = h.Sum(level[i][:], level[i+1][:])
		n++
	}
	if len(level)%2 == 1 {
		level[n] = level[len(level)-1]
		n++
	}
	return level[:n]
}
