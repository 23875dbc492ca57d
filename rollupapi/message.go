package rollupapi

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// item is one position of the order as the API tells it, whole. It shares the item's bytes.
func (s *Server) item(c *ordering.Commit, p placed, sc scope) *pb.Item {
	m := &pb.Item{
		Commit: uint64(c.Index), Index: p.index, TxId: p.item.ID[:], Namespace: uint64(p.item.Namespace), Kind: pb.Kind(p.item.Kind),
		ValidUntilCommit: uint64(p.item.ValidUntil), Cursor: encodeCursor(s.network, sc, position{c.Index, p.index}),
	}
	switch p.item.Kind {
	case dag.KindTransaction:
		t := p.item.Transaction()
		m.Payload, m.Sender, m.Signature = t.Payload, t.Sender, t.Signature
	case dag.KindBundle:
		b := p.item.Bundle()
		m.Sender, m.Signature = b.Sender, b.Signature
		for i := range b.Legs {
			m.Legs = append(m.Legs, &pb.Leg{Namespace: uint64(b.Legs[i].Namespace), Payload: b.Legs[i].Payload})
		}
	}
	return m
}

// idItems is the same without content and cursor, for readers that count or compare.
func idItems(c *ordering.Commit, items []placed) []*pb.Item {
	messages, out := make([]pb.Item, len(items)), make([]*pb.Item, len(items))
	for i, p := range items {
		m := &messages[i]
		m.Commit, m.Index, m.TxId = uint64(c.Index), p.index, p.item.ID[:]
		m.Namespace, m.Kind = uint64(p.item.Namespace), pb.Kind(p.item.Kind)
		out[i] = m
	}
	return out
}

// commitHeader is a commit's header without its blocks.
func commitHeader(c *ordering.Commit) *pb.CommitHeader {
	return &pb.CommitHeader{
		Index: uint64(c.Index), Epoch: uint64(c.Epoch), Round: uint64(c.Round), Previous: c.Previous[:], TimeUnixMs: c.Time,
		Anchors: blockRefs(c.Anchors), AcceptedRoot: c.AcceptedRoot[:], StateDigest: c.StateDigest[:], Digest: c.Digest[:],
		Items: uint32(len(c.Accepted)), Dropped: uint32(len(c.Dropped)),
	}
}

func blockRefs(refs []dag.Ref) []*pb.BlockRef {
	out := make([]*pb.BlockRef, len(refs))
	for i := range refs {
		out[i] = &pb.BlockRef{Round: uint64(refs[i].Round), Author: uint32(refs[i].Author), Digest: refs[i].Digest[:]}
	}
	return out
}
