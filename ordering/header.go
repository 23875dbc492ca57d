package ordering

import (
	"encoding/binary"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/nmt"
	"github.com/dunlin-network/dunlin/dag"
)

// CommitHeader is what a commit's digest covers, of one size whatever the commit holds. Nodes that disagree
// about anything that was ordered, accepted or carried over disagree about the digest, and whoever trusts
// a digest can check any proof about the commit. All of it is known when the commit is: nothing waits for reveals.
type CommitHeader struct {
	Index         dag.CommitIndex
	Epoch         dag.Epoch
	Round         dag.Round     // the committed round
	Previous      crypto.Digest // digest of the commit before; zero for the first
	Time          uint64        // Unix milliseconds, monotone over commits
	DAGRoot       crypto.Digest // of the anchors and the ordered blocks
	OrderRoot     crypto.Digest // Merkle root (RFC 6962 shape) of the accepted ids in order
	NamespaceRoot nmt.Node      // root of the namespaced Merkle tree of the accepted items' legs
	ChainRoot     crypto.Digest // of the heads of all namespaces' chains after this commit
	StateDigest   crypto.Digest // digest of the ordering state after this commit
	Items         uint32        // accepted, which is the number of leaves under OrderRoot
	Legs          uint32        // the number of leaves under NamespaceRoot
}

// HeaderSize is the size of an encoded CommitHeader in bytes.
const HeaderSize = 3*8 + crypto.DigestSize + 8 + 2*crypto.DigestSize + nmt.NodeSize + 2*crypto.DigestSize + 2*4

// Ref names the commit whose header h is.
func (h *CommitHeader) Ref() dag.CommitRef {
	return dag.CommitRef{Index: h.Index, Digest: h.ComputeDigest()}
}

// ComputeDigest is the digest of the header, which chains to all commits before it.
func (h *CommitHeader) ComputeDigest() crypto.Digest {
	return crypto.Hash(crypto.DomainCommit, h.Append(nil))
}

// Append appends the header's one encoding of HeaderSize bytes, integers big-endian: index 8, epoch 8, round 8,
// previous 32, time 8, DAG root 32, order root 32, namespace root 48, chain root 32, state digest 32, items 4,
// legs 4.
func (h *CommitHeader) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(h.Index))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Round))
	b = append(b, h.Previous[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Time)
	b = append(b, h.DAGRoot[:]...)
	b = append(b, h.OrderRoot[:]...)
	b = append(b, h.NamespaceRoot[:]...)
	b = append(b, h.ChainRoot[:]...)
	b = append(b, h.StateDigest[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Items)
	return binary.BigEndian.AppendUint32(b, h.Legs)
}

// DecodeHeader reads what Append wrote. Errors wrap ErrCommit.
func DecodeHeader(raw []byte) (CommitHeader, error) {
	if len(raw) != HeaderSize {
		return CommitHeader{}, fmt.Errorf("%w: header of %d bytes, want %d", ErrCommit, len(raw), HeaderSize)
	}
	d := commitDecoder{rest: raw}
	return d.header(), nil
}

func (d *commitDecoder) header() CommitHeader {
	h := CommitHeader{
		Index: dag.CommitIndex(d.uint64()), Epoch: dag.Epoch(d.uint64()), Round: dag.Round(d.uint64()),
		Previous: d.digest(), Time: d.uint64(), DAGRoot: d.digest(), OrderRoot: d.digest(),
	}
	copy(h.NamespaceRoot[:], d.take(nmt.NodeSize))
	h.ChainRoot, h.StateDigest, h.Items, h.Legs = d.digest(), d.digest(), d.uint32(), d.uint32()
	return h
}

// DAGRoot is the digest of a commit's anchors in slot order and of the blocks that they bring in, in order: two
// parts, each a list of references of 42 bytes.
func DAGRoot(anchors, blocks []dag.Ref) crypto.Digest {
	return crypto.Hash(crypto.DomainOrderedDAG, appendAll(anchors), appendAll(blocks))
}

func appendAll(refs []dag.Ref) []byte {
	b := make([]byte, 0, len(refs)*dag.RefSize)
	for _, r := range refs {
		b = r.Append(b)
	}
	return b
}

// OrderRoot is the Merkle root over ids in their order.
func OrderRoot(accepted []Accepted) crypto.Digest { return crypto.MerkleRoot(acceptedIDs(accepted)) }

func acceptedIDs(accepted []Accepted) []crypto.Digest {
	ids := make([]crypto.Digest, len(accepted))
	for i := range accepted {
		ids[i] = accepted[i].ID
	}
	return ids
}
