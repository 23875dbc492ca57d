package rollupapi

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// item is one position of the order as the API tells it, whole. It shares the item's bytes.
func (s *Server) item(c *ordering.Commit, p placed, sc scope) *pb.Item {
	m := &pb.Item{
		Commit: uint64(c.Index), Index: p.index, TxId: p.item.ID[:], Namespace: uint64(p.item.Namespace), Kind: pb.Kind(p.item.Kind),
		ValidUntilCommit: uint64(p.item.ValidUntil), Cursor: encodeCursor(s.network, sc, p.behind(c.Index)),
	}
	switch p.item.Kind {
	case dag.KindTransaction:
		t := p.item.Transaction()
		m.Payload, m.Sender, m.Signature = t.Payload, t.Sender, t.Signature
	case dag.KindBundle:
		b := p.item.Bundle()
		m.Sender, m.Signature = b.Sender, b.Signature
		m.Legs = legs(b.Legs)
	case dag.KindSealed:
		sealed := p.item.Sealed()
		m.Sender, m.Signature, m.Ciphertext, m.Legs = sealed.Sender, sealed.Signature, sealed.Ciphertext, legs(p.legs)
		for _, ns := range sealed.Namespaces {
			m.Namespaces = append(m.Namespaces, uint64(ns))
		}
		m.Verdict = p.verdict()
		if p.outcome != nil && (p.outcome.Verdict == reveal.Opened || p.outcome.Verdict == reveal.ContentInvalid) {
			m.Opening = p.outcome.Opening[:]
		}
	}
	return m
}

func legs(of []dag.Leg) []*pb.Leg {
	var out []*pb.Leg
	for i := range of {
		out = append(out, &pb.Leg{Namespace: uint64(of[i].Namespace), Payload: of[i].Payload})
	}
	return out
}

// verdict is what became of a sealed item, if that was asked for.
func (p *placed) verdict() pb.Verdict {
	if p.outcome == nil {
		return pb.Verdict_VERDICT_UNSPECIFIED
	}
	return pb.Verdict(p.outcome.Verdict)
}

// idItems is the same without content and cursor, for readers that count or compare.
func idItems(c *ordering.Commit, items []placed) []*pb.Item {
	messages, out := make([]pb.Item, len(items)), make([]*pb.Item, len(items))
	for i := range items {
		m, p := &messages[i], &items[i]
		m.Commit, m.Index, m.TxId = uint64(c.Index), p.index, p.item.ID[:]
		m.Namespace, m.Kind, m.Verdict = uint64(p.item.Namespace), pb.Kind(p.item.Kind), p.verdict()
		out[i] = m
	}
	return out
}

// commitHeader is a commit's header without its blocks.
func commitHeader(c *ordering.Commit) *pb.CommitHeader {
	return &pb.CommitHeader{
		Index: uint64(c.Index), Epoch: uint64(c.Epoch), Round: uint64(c.Round), Previous: c.Previous[:], TimeUnixMs: c.Time,
		Anchors: blockRefs(c.Anchors), DagRoot: c.DAGRoot[:], OrderRoot: c.OrderRoot[:], NamespaceRoot: c.NamespaceRoot[:],
		ChainRoot: c.ChainRoot[:], StateDigest: c.StateDigest[:], Digest: c.Digest[:], Items: c.Items, Legs: c.Legs, Dropped: uint32(len(c.Dropped)),
	}
}

func blockRefs(refs []dag.Ref) []*pb.BlockRef {
	out := make([]*pb.BlockRef, len(refs))
	for i := range refs {
		out[i] = &pb.BlockRef{Round: uint64(refs[i].Round), Author: uint32(refs[i].Author), Digest: refs[i].Digest[:]}
	}
	return out
}
