package rollupapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/nmt"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// proofBook keeps what was proven of the newest commits: many readers of a namespace ask for the same. It is safe
// for concurrent use.
type proofBook struct {
	mu   sync.Mutex
	kept []*provenCommit // the newest made last
}

// keptProofs is of how many commits proofs are kept: a commit of 8,000 legs takes some 800 KiB.
const keptProofs = 16

// provenCommit is the tree of one commit and what was proven of it.
type provenCommit struct {
	index  dag.CommitIndex
	leaves []ordering.NamespaceLeaf
	nodes  []nmt.Node

	mu   sync.Mutex
	made map[dag.Namespace]*pb.NamespaceProof
}

func newProofBook() *proofBook { return &proofBook{} }

// of is the tree of a commit, whose bodies must be there.
func (b *proofBook) of(c *ordering.Commit) (*provenCommit, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.kept, func(p *provenCommit) bool { return p.index == c.Index }); i >= 0 {
		return b.kept[i], nil
	}
	leaves, err := c.Leaves()
	if err != nil {
		return nil, err
	}
	p := &provenCommit{index: c.Index, leaves: leaves, nodes: ordering.Nodes(leaves), made: map[dag.Namespace]*pb.NamespaceProof{}}
	b.kept = append(b.kept, p)
	if len(b.kept) > keptProofs {
		b.kept = b.kept[1:]
	}
	return p, nil
}

// namespace proves all that the commit has of a namespace. The proof is shared and must not be changed.
func (p *provenCommit) namespace(ns dag.Namespace) *pb.NamespaceProof {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.made[ns]; m != nil {
		return m
	}
	found := nmt.ProveNamespace(p.nodes, uint64(ns))
	m := &pb.NamespaceProof{Namespace: uint64(ns), Start: uint32(found.Start)}
	for i := range found.Path {
		m.Path = append(m.Path, found.Path[i][:])
	}
	if found.Beside != nil {
		m.Beside = found.Beside[:]
	}
	for _, l := range p.leaves[found.Start:found.End] {
		m.Legs = append(m.Legs, &pb.ProvenLeg{Index: l.Index, Leg: uint32(l.Leg), TxId: l.ID[:]})
	}
	p.made[ns] = m
	return m
}

// proofHead is a proof that shows nothing yet.
func proofHead(c *ordering.Commit) *pb.Proof {
	return &pb.Proof{Commit: uint64(c.Index), Digest: c.Digest[:], Header: c.CommitHeader.Append(nil)}
}

// proveCommit proves what a commit has for each namespace of a scope.
func (s *Server) proveCommit(c *ordering.Commit, sc scope) (*pb.Proof, error) {
	tree, err := s.proofs.of(c)
	if err != nil {
		return nil, err
	}
	m := proofHead(c)
	for _, ns := range sc {
		m.Namespaces = append(m.Namespaces, tree.namespace(ns))
	}
	return m, nil
}

// proveChains adds the heads of the scope's chains after the proof's commit; nothing where that is too old for this
// node to know.
func (s *Server) proveChains(m *pb.Proof, sc scope) error {
	state, err := s.chains.state(dag.CommitIndex(m.GetCommit()))
	if errors.Is(err, errHeadsPruned) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, ns := range sc {
		m.Chains = append(m.Chains, newChainProof(ns, proof.ProveChain(state.heads, state.tree, ns)))
	}
	return nil
}

func newChainProof(ns dag.Namespace, p proof.ChainProof) *pb.ChainProof {
	m := &pb.ChainProof{Namespace: uint64(ns), Heads: p.Heads}
	for _, place := range p.Places {
		m.Places = append(m.Places, &pb.ChainPlace{
			Place: place.Place, Namespace: uint64(place.Namespace), Hash: place.Hash[:], Path: digestBytes(place.Path),
		})
	}
	return m
}

func digestBytes(digests []crypto.Digest) [][]byte {
	out := make([][]byte, len(digests))
	for i := range digests {
		out[i] = digests[i][:]
	}
	return out
}

// chainEvery is with every how many commits a stream shows how far the chains reach: what was passed over shows no later.
const chainEvery = 64

// proveStream is what a stream shows with a commit that r has read to its end. Near the tip that is also how far the chains
// reach; for older commits, where it costs a walk through others, with every so many.
func (s *Server) proveStream(c *ordering.Commit, r *reader) (*pb.Proof, error) {
	m, err := s.proveCommit(c, r.scope)
	if r.unchained++; r.unchained < chainEvery && c.Index+ordering.ChainRefresh <= s.backend.History.Heads().Committed {
		return m, err
	}
	r.unchained = 0
	if err == nil {
		err = s.proveChains(m, r.scope)
	}
	return m, err
}

// provePosition is what a stream or range shows where there is nothing up to a position: how far the chains reach there.
// It is nil inside a commit, before the first, and where the commit is pruned.
func (s *Server) provePosition(at position, sc scope) (*pb.Proof, error) {
	if at.index != endOfCommit || at.commit == 0 {
		return nil, nil
	}
	record, ok, err := s.backend.History.Record(at.commit)
	if err != nil {
		return nil, fmt.Errorf("read commit %d: %w", at.commit, err)
	}
	if !ok {
		return nil, nil
	}
	m := proofHead(record)
	return m, s.proveChains(m, sc)
}

// GetProof shows where an item stands, and what namespaces got in a commit.
func (g *reads) GetProof(_ context.Context, r *pb.GetProofRequest) (*pb.GetProofResponse, error) {
	answer, err := g.server.prove(r)
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

func (s *Server) prove(r *pb.GetProofRequest) (*pb.GetProofResponse, error) {
	var sc scope
	if ns := r.GetNamespace(); ns != 0 {
		var err error
		if sc, err = s.scopeOf([]uint64{ns}); err != nil {
			return nil, err
		}
	}
	answer := &pb.GetProofResponse{NetworkId: s.network.String()}
	var err error
	switch {
	case len(r.GetId()) > 0:
		answer.Proofs, err = s.proveID(r.GetId(), sc)
	case len(sc) > 0:
		answer.Proofs, err = s.proveRange(sc, dag.CommitIndex(r.GetCommit()), dag.CommitIndex(r.GetToCommit()))
	default:
		err = refuse(ReasonRequestMalformed, "give an id, a namespace or both")
	}
	answer.Watermarks = s.watermarks()
	return answer, err
}

// proveID proves where an item stands, and with a scope what else its namespace has there.
func (s *Server) proveID(raw []byte, sc scope) ([]*pb.Proof, error) {
	if len(raw) != crypto.DigestSize {
		return nil, refuse(ReasonRequestMalformed, "id of %d bytes, want %d", len(raw), crypto.DigestSize).at("id")
	}
	id := crypto.Digest(raw)
	at, ok, err := s.backend.History.Lookup(id)
	if err != nil {
		return nil, fmt.Errorf("look up %v: %w", id.Short(), err)
	}
	if !ok {
		return nil, refuse(ReasonNotFound, "%v is not committed, as far as this node knows: ask for its status", id).at("id")
	}
	commit, err := s.commit(at.Commit)
	if err != nil {
		return nil, err
	}
	item, err := commit.Item(int(at.Index))
	if err != nil {
		return nil, err
	}
	m := proofHead(commit)
	if len(sc) > 0 {
		if m, err = s.proveWhole(commit, sc); err != nil {
			return nil, err
		}
	}
	ids := make([]crypto.Digest, len(commit.Accepted))
	for i := range ids {
		ids[i] = commit.Accepted[i].ID
	}
	m.Item = &pb.ItemProof{Index: at.Index, TxId: id[:], Path: digestBytes(crypto.MerkleProof(ids, int(at.Index)))}
	if item.Kind != dag.KindTransaction {
		m.Item.Outline = item.Outline()
	}
	return []*pb.Proof{m}, nil
}

// proveWhole proves what a commit has of a scope, and how far the chains reach.
func (s *Server) proveWhole(commit *ordering.Commit, sc scope) (*pb.Proof, error) {
	m, err := s.proveCommit(commit, sc)
	if err != nil {
		return nil, err
	}
	return m, s.proveChains(m, sc)
}

// proveRange proves what the commits from one to another have of a scope; to 0 for one commit alone, from 0 for
// the newest.
func (s *Server) proveRange(sc scope, from, to dag.CommitIndex) ([]*pb.Proof, error) {
	if from == 0 {
		newest, err := s.newestCommit()
		if err != nil {
			return nil, err
		}
		from = newest.Index
	}
	switch {
	case to == 0:
		to = from
	case to < from:
		return nil, refuse(ReasonRequestMalformed, "commits %d to %d are none", from, to).at("to_commit")
	case to-from >= maxProofCommits:
		return nil, over(ReasonTooManyItems, maxProofCommits, "%d commits, limit %d", to-from+1, maxProofCommits).at("to_commit")
	}
	var out []*pb.Proof
	for i := from; i <= to; i++ {
		commit, err := s.commit(i)
		if err != nil {
			return nil, err
		}
		m, err := s.proveWhole(commit, sc)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}
