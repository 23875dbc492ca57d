package client

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/nmt"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// headerOf is the header in a message.
func headerOf(c *pb.CommitHeader) (ordering.CommitHeader, error) {
	h := ordering.CommitHeader{
		Index: dag.CommitIndex(c.GetIndex()), Epoch: dag.Epoch(c.GetEpoch()), Round: dag.Round(c.GetRound()), Time: c.GetTimeUnixMs(),
		Items: c.GetItems(), Legs: c.GetLegs(),
	}
	for _, part := range []struct {
		into []byte
		raw  []byte
	}{
		{h.Previous[:], c.GetPrevious()},
		{h.DAGRoot[:], c.GetDagRoot()},
		{h.OrderRoot[:], c.GetOrderRoot()},
		{h.NamespaceRoot[:], c.GetNamespaceRoot()},
		{h.ChainRoot[:], c.GetChainRoot()},
		{h.StateDigest[:], c.GetStateDigest()},
	} {
		if len(part.raw) != len(part.into) {
			return h, fmt.Errorf("%w: the header of commit %d has a root of %d bytes, want %d", ErrProof, h.Index, len(part.raw), len(part.into))
		}
		copy(part.into, part.raw)
	}
	if len(c.GetDigest()) != crypto.DigestSize {
		return h, fmt.Errorf("%w: the header of commit %d has a digest of %d bytes", ErrProof, h.Index, len(c.GetDigest()))
	}
	return h, nil
}

// pathOf is the proof of a namespace's legs, of which there are so many.
func pathOf(n *pb.NamespaceProof, legs int) (nmt.Proof, error) {
	p := nmt.Proof{Start: int(n.GetStart()), End: int(n.GetStart()) + legs}
	if len(n.GetPath()) > nmt.MaxPath {
		return p, fmt.Errorf("%w: path of %d nodes", ErrProof, len(n.GetPath()))
	}
	for _, raw := range n.GetPath() {
		if len(raw) != nmt.NodeSize {
			return p, fmt.Errorf("%w: node of %d bytes", ErrProof, len(raw))
		}
		p.Path = append(p.Path, nmt.Node(raw))
	}
	if raw := n.GetBeside(); len(raw) > 0 {
		if len(raw) != nmt.NodeSize {
			return p, fmt.Errorf("%w: node of %d bytes", ErrProof, len(raw))
		}
		beside := nmt.Node(raw)
		p.Beside = &beside
	}
	return p, nil
}

// chainOf is the proof of a chain's head.
func chainOf(c *pb.ChainProof) (proof.ChainProof, error) {
	p := proof.ChainProof{Heads: c.GetHeads()}
	for _, place := range c.GetPlaces() {
		if len(place.GetHash()) != crypto.DigestSize {
			return p, fmt.Errorf("%w: hash of %d bytes", ErrProof, len(place.GetHash()))
		}
		out := proof.ChainPlace{Place: place.GetPlace(), Namespace: dag.Namespace(place.GetNamespace()), Hash: crypto.Digest(place.GetHash())}
		for _, raw := range place.GetPath() {
			if len(raw) != crypto.DigestSize {
				return p, fmt.Errorf("%w: hash of %d bytes", ErrProof, len(raw))
			}
			out.Path = append(out.Path, crypto.Digest(raw))
		}
		p.Places = append(p.Places, out)
	}
	return p, nil
}
