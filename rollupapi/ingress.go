package rollupapi

import (
	"context"
	"strings"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/receipt"
)

// ingress is the Connect service Ingress.
type ingress struct{ server *Server }

// Submit takes one or many transactions of one namespace.
func (g *ingress) Submit(ctx context.Context, r *pb.SubmitRequest) (*pb.SubmitResponse, error) {
	s := g.server
	w, err := newWait(r.GetWait(), r.GetTimeoutMs())
	if err != nil {
		return nil, s.fail(err)
	}
	limit := maxSubmitItems
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok && strings.Contains(info.RequestHeader().Get("Content-Type"), "json") {
		limit = maxSubmitItemsJSON
	}
	sub := &Submission{
		Namespace: dag.Namespace(r.GetNamespace()), Payloads: r.GetPayloads(), ValidUntil: dag.CommitIndex(r.GetValidUntilCommit()),
		Sender: r.GetSender(), Signatures: r.GetSignatures(),
	}
	a, err := s.takeTransactions(ctx, sub, limit, terms{w, r.GetIdempotencyKey()})
	if err != nil {
		return nil, s.fail(err)
	}
	return &pb.SubmitResponse{Items: submitResults(a.results), Watermarks: s.watermarks(), Receipt: receiptMessage(a.receipt)}, nil
}

// SubmitBundle takes several payloads for one position of the order.
func (g *ingress) SubmitBundle(ctx context.Context, r *pb.SubmitBundleRequest) (*pb.SubmitBundleResponse, error) {
	s := g.server
	w, err := newWait(r.GetWait(), r.GetTimeoutMs())
	if err != nil {
		return nil, s.fail(err)
	}
	if r.GetMode() > pb.BundleMode_BUNDLE_MODE_INCLUSION {
		return nil, s.fail(refuse(ReasonBundleMalformed, "bundle mode %d is unknown", r.GetMode()).at("mode"))
	}
	b := &dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: dag.CommitIndex(r.GetValidUntilCommit()), Sender: r.GetSender(), Signature: r.GetSignature()}
	for _, l := range r.GetLegs() {
		b.Legs = append(b.Legs, dag.Leg{Namespace: dag.Namespace(l.GetNamespace()), Payload: l.GetPayload()})
	}
	a, err := s.takeBundle(ctx, b, terms{w, r.GetIdempotencyKey()})
	if err != nil {
		return nil, s.fail(err)
	}
	return &pb.SubmitBundleResponse{Result: submitResults(a.results)[0], Watermarks: s.watermarks(), Receipt: receiptMessage(a.receipt)}, nil
}

// SubmitSealed takes one or many ciphertexts.
func (g *ingress) SubmitSealed(ctx context.Context, r *pb.SubmitSealedRequest) (*pb.SubmitSealedResponse, error) {
	s := g.server
	w, err := newWait(r.GetWait(), r.GetTimeoutMs())
	if err != nil {
		return nil, s.fail(err)
	}
	items := make([]dag.Sealed, len(r.GetItems()))
	for i, m := range r.GetItems() {
		items[i] = dag.Sealed{
			ValidUntil: dag.CommitIndex(m.GetValidUntilCommit()), Sender: m.GetSender(), Signature: m.GetSignature(), Ciphertext: m.GetCiphertext(),
		}
		for _, ns := range m.GetNamespaces() {
			items[i].Namespaces = append(items[i].Namespaces, dag.Namespace(ns))
		}
	}
	a, err := s.takeSealed(ctx, items, terms{w, r.GetIdempotencyKey()})
	if err != nil {
		return nil, s.fail(err)
	}
	return &pb.SubmitSealedResponse{Items: submitResults(a.results), Watermarks: s.watermarks(), Receipt: receiptMessage(a.receipt)}, nil
}

// GetEncryptionKey is the key that users seal with.
func (g *ingress) GetEncryptionKey(_ context.Context, r *pb.GetEncryptionKeyRequest) (*pb.GetEncryptionKeyResponse, error) {
	answer, err := g.server.encryptionKey(r)
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

// fail is an error as Connect tells it.
func (s *Server) fail(err error) error { return s.refusal(err).connectError() }

// submitResults turns results into their messages, with few allocations for many.
func submitResults(results []result) []*pb.SubmitResult {
	messages, out := make([]pb.SubmitResult, len(results)), make([]*pb.SubmitResult, len(results))
	ids := make([]byte, 0, len(results)*crypto.DigestSize)
	for i := range results {
		r, m := &results[i], &messages[i]
		m.State = r.state
		if !r.id.IsZero() {
			ids = append(ids, r.id[:]...)
			m.TxId = ids[len(ids)-crypto.DigestSize : len(ids) : len(ids)]
		}
		if placedState(r.state) {
			m.Commit, m.Index = uint64(r.at.Commit), r.at.Index
		}
		if r.refused != nil {
			m.Error = r.refused.info()
		}
		out[i] = m
	}
	return out
}

func receiptMessage(r *receipt.Receipt) *pb.Receipt {
	if r == nil {
		return nil
	}
	return &pb.Receipt{NodeId: r.Node[:], IdsRoot: r.IDsRoot[:], Ids: r.IDs, SeenRound: r.SeenRound, Signature: r.Signature[:]}
}

// placedState reports whether an item in the state has its place in the order.
func placedState(s pb.State) bool {
	return s == pb.State_STATE_COMMITTED || s == pb.State_STATE_REVEALED || s == pb.State_STATE_REVEAL_FAILED
}

func (s *Server) watermarks() *pb.Watermarks {
	h := s.backend.History.Heads()
	return &pb.Watermarks{Committed: uint64(h.Committed), Revealed: uint64(h.Revealed), Certified: uint64(h.Certified), Epoch: uint64(h.Epoch)}
}
