package rollupapi

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// statuses is the Connect service Status.
type statuses struct{ server *Server }

// Get says what this node knows of one id.
func (g *statuses) Get(_ context.Context, r *pb.GetRequest) (*pb.GetResponse, error) {
	if len(r.GetId()) != crypto.DigestSize {
		return nil, g.server.fail(refuse(ReasonRequestMalformed, "id of %d bytes, want %d", len(r.GetId()), crypto.DigestSize).at("id"))
	}
	answer, err := g.server.transaction(crypto.Digest(r.GetId()))
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

// transaction is the status of one id with what it is.
func (s *Server) transaction(id crypto.Digest) (*pb.GetResponse, error) {
	r, e, err := s.status(id)
	if err == nil && r.state == pb.State_STATE_UNKNOWN {
		err = s.synced() // it may be in what the node lacks
	}
	if err != nil {
		return nil, err
	}
	answer := &pb.GetResponse{Id: id[:], Kind: pb.Kind(e.kind), State: r.state, Namespace: uint64(e.ns), Watermarks: s.watermarks()}
	var commit *ordering.Commit
	if placedState(r.state) {
		if commit, err = s.tellPlace(answer, &r); err != nil {
			return nil, err
		}
	}
	if r.refused != nil {
		answer.Error = r.refused.info()
	}
	answer.History = s.changes(&e, &r, commit)
	return answer, nil
}

// tellPlace puts into the status of a committed item where it stands and what it is. The commit is nil if it
// is pruned: then the place is known, the content is not.
func (s *Server) tellPlace(answer *pb.GetResponse, r *result) (*ordering.Commit, error) {
	answer.Commit, answer.Index = uint64(r.at.Commit), r.at.Index
	commit, ok, err := s.backend.History.Commit(r.at.Commit)
	if err != nil {
		return nil, fmt.Errorf("read commit %d: %w", r.at.Commit, err)
	}
	if ok && int(r.at.Index) < len(commit.Accepted) { // else pruned: the place is known, the content is not
		item, err := commit.Item(int(r.at.Index))
		if err != nil {
			return nil, err
		}
		answer.Kind, answer.Namespace = pb.Kind(item.Kind), uint64(item.Namespace)
		answer.Control = controlResult(commit, r.at.Index)
	}
	if answer.Kind == pb.Kind_KIND_SEALED {
		err = s.tellReveal(answer, r)
	}
	if !ok {
		commit = nil
	}
	return commit, err
}

// tellReveal puts into the status of a committed sealed item what its opening came to or waits for.
func (s *Server) tellReveal(answer *pb.GetResponse, r *result) error {
	if err := s.reveal(r); err != nil {
		return err
	}
	answer.State = r.state
	if r.state == pb.State_STATE_COMMITTED {
		answer.Reveal = s.revealProgress(r.at.Commit)
	}
	return nil
}

// Watch tells what becomes of some ids.
func (g *statuses) Watch(ctx context.Context, r *pb.WatchRequest, out *connect.ServerStream[pb.WatchResponse]) error {
	ids, err := watchIDs(r.GetIds())
	if err != nil {
		return g.server.fail(err)
	}
	control := controlOf(ctx)
	err = g.server.watch(ctx, ids, heartbeat(r.GetHeartbeatMs()), func(m *pb.WatchResponse) error {
		return pushedBack(g.server.writeInTime(control, func() error { return out.Send(m) }), "")
	})
	if err != nil {
		return g.server.fail(err)
	}
	return nil
}

// reads is the Connect service Read.
type reads struct{ server *Server }

// GetInfo says what this node speaks, serves and allows.
func (g *reads) GetInfo(context.Context, *pb.GetInfoRequest) (*pb.GetInfoResponse, error) {
	return g.server.info(), nil
}

// GetNode says how this node is doing.
func (g *reads) GetNode(context.Context, *pb.GetNodeRequest) (*pb.GetNodeResponse, error) {
	n := g.server.nodeStatus()
	m := &pb.NodeStatus{
		Name: n.Name, NetworkId: n.NetworkID.String(), Chain: n.Chain, Version: n.Version, Role: string(n.Role), Author: n.Author,
		Epoch: uint64(n.Epoch), Round: uint64(n.Round), Commit: uint64(n.Commit), CommitDigest: n.CommitDigest.String(),
		Peers: uint32(n.Peers), Proposing: n.Proposing, Reason: n.Reason, PoolItems: uint64(n.PoolItems), PoolBytes: uint64(n.PoolBytes),
		StartedUnixMs: uint64(n.Started), UptimeMs: uint64(n.Uptime), Behind: uint64(n.Behind),
		LatencyP50Ms: n.LatencyP50, LatencyP99Ms: n.LatencyP99, Equivocators: uint32(n.Equivocators), EtaMs: uint64(n.ETA), Archive: string(n.Archive),
	}
	for _, p := range n.PeerList {
		m.PeerList = append(m.PeerList, &pb.PeerStatus{Name: p.Name, Connected: p.Connected, Lagging: p.Lagging})
	}
	m.Sealing, m.Revealed, m.Reveal = g.server.keyGeneration(), uint64(n.Revealed), g.server.oldestReveal(n.Revealed)
	return &pb.GetNodeResponse{Node: m, Watermarks: g.server.watermarks()}, nil
}

// GetNetwork says who orders and which namespaces exist.
func (g *reads) GetNetwork(context.Context, *pb.GetNetworkRequest) (*pb.GetNetworkResponse, error) {
	return g.server.networkInfo(), nil
}

// GetCommit is the header of one commit.
func (g *reads) GetCommit(_ context.Context, r *pb.GetCommitRequest) (*pb.GetCommitResponse, error) {
	commit, err := g.server.commitOrNewest(dag.CommitIndex(r.GetIndex()))
	if err != nil {
		return nil, g.server.fail(err)
	}
	header := commitHeader(commit)
	header.Blocks = blockRefs(commit.Blocks)
	return &pb.GetCommitResponse{Commit: header, Watermarks: g.server.watermarks()}, nil
}

// Range reads a piece of the order and answers at once.
func (g *reads) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	answer, err := g.server.readRange(r)
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

// Stream follows the order from a cursor.
func (g *reads) Stream(ctx context.Context, r *pb.StreamRequest, out *connect.ServerStream[pb.StreamResponse]) error {
	options, err := g.server.streamOptions(r)
	if err != nil {
		return g.server.fail(err)
	}
	sink := &messageSink{server: g.server, options: options, out: out, control: controlOf(ctx)}
	if err := g.server.stream(ctx, options, sink); err != nil {
		return g.server.fail(err)
	}
	return nil
}

func (s *Server) info() *pb.GetInfoResponse {
	return &pb.GetInfoResponse{
		NetworkId: s.network.String(), GenesisHash: s.network.String(), Version: s.backend.Version, ProtocolVersion: dag.ProtocolVersion,
		EarliestCommit: uint64(s.backend.History.Heads().Earliest),
		Limits: &pb.Limits{
			TransactionBytes: dag.MaxTransactionBytes, SubmitItems: maxSubmitItems, SubmitItemsJson: maxSubmitItemsJSON, SubmitBytes: maxSubmitBytes,
			BundleLegs: dag.MaxBundleLegs, BundleNamespaces: dag.MaxBundleNamespaces,
			RangeItems: maxRangeItems, RangeBytes: maxRangeBytes, RangeCommits: maxRangeCommits,
			StreamNamespaces: maxNamespaces, Streams: uint32(cap(s.streams)), ValidityWindow: dag.ValidityWindow, RpcBatch: maxRPCBatch,
			IdempotencyKeyBytes: maxIdempotencyKey, WatchIds: maxWatched, Behind: maxBehind,
			RequestBytes: maxBodyBytes, RequestsPerSecond: uint32(s.gate.Each().RequestsPerSecond), KibPerSecond: uint32(s.gate.Each().KiBPerSecond),
			ClientStreams: uint32(s.clientStreams()), ClientConnections: maxClientConnections,
			SubmitSealed: maxSubmitSealed, CiphertextBytes: seal.MaxCiphertextSize, Unrevealed: maxUnrevealed,
		},
		Features:   []string{"submit", "bundle", "sealed", "certificates", "status", "watch", "receipt", "range", "stream", "sse", "proof", "dag", "dependencies", "eth_rpc"},
		Watermarks: s.watermarks(),
		Sealing:    s.keyGeneration(),
	}
}

func (s *Server) networkInfo() *pb.GetNetworkResponse {
	c := s.backend.Committee
	m := &pb.GetNetworkResponse{NetworkId: s.network.String(), Chain: s.backend.Chain, Epoch: uint64(c.Epoch()), Watermarks: s.watermarks()}
	for i := range c.Size() {
		v := c.Validator(dag.Author(i))
		m.Validators = append(m.Validators, &pb.ValidatorInfo{Author: dag.Author(i).String(), Name: v.Name, Identity: v.Identity.String(), Kem: v.KEM.String()})
	}
	registry := s.backend.Registry.Registry()
	for _, r := range registry.All() {
		m.Namespaces = append(m.Namespaces, namespaceInfo(&r))
	}
	m.Admin = adminInfo(registry)
	return m
}

// nodeStatus is the node's word with the latencies that this server measured, and how sealing is doing.
func (s *Server) nodeStatus() NodeStatus {
	n := s.backend.Node.Status()
	p50, p99 := s.tracker.latency()
	n.LatencyP50, n.LatencyP99 = milliseconds(p50), milliseconds(p99)
	heads := s.backend.History.Heads()
	n.Sealing, n.Revealed, n.Certified = newKeyGenerationForm(s.keyGeneration()), heads.Revealed, heads.Certified
	n.Reveal = newRevealForm(s.oldestReveal(n.Revealed))
	if n.PeerList == nil {
		n.PeerList = []PeerStatus{}
	}
	return n
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// newestCommit is commit, unless this node cannot tell which is the newest.
func (s *Server) newestCommit() (*ordering.Commit, error) {
	if err := s.synced(); err != nil {
		return nil, err
	}
	return s.commit(s.backend.History.Heads().Committed)
}

// commitOrNewest is commit, or newestCommit for 0.
func (s *Server) commitOrNewest(index dag.CommitIndex) (*ordering.Commit, error) {
	if index == 0 {
		return s.newestCommit()
	}
	return s.commit(index)
}

// commit reads one commit, or refuses because it is not there.
func (s *Server) commit(index dag.CommitIndex) (*ordering.Commit, error) {
	heads := s.backend.History.Heads()
	switch {
	case heads.Committed == 0:
		return nil, refuse(ReasonNotFound, "nothing is committed yet").at("index")
	case index == 0 || index > heads.Committed:
		return nil, refuse(ReasonNotFound, "commit %d is not there, the newest is %d", index, heads.Committed).at("index")
	case index < heads.Earliest:
		return nil, over(ReasonPruned, int(heads.Earliest), "commit %d is no longer kept, the oldest is %d", index, heads.Earliest).at("index")
	}
	commit, ok, err := s.backend.History.Commit(index)
	if err != nil {
		return nil, fmt.Errorf("read commit %d: %w", index, err)
	}
	if !ok {
		return nil, reachableOr(s.backend.History.Heads(), after(index), index)
	}
	return commit, nil
}

// readRange reads from the cursor on until a limit or the head is reached.
func (s *Server) readRange(r *pb.RangeRequest) (*pb.RangeResponse, error) {
	sc, err := s.scopeOf(r.GetNamespaces())
	if err != nil {
		return nil, err
	}
	at, err := s.start(sc, r.GetCursor(), cursorGenesis)
	if err != nil {
		return nil, err
	}
	state, err := minState(r.GetMinState(), pb.MinState_MIN_STATE_REVEALED)
	if err != nil {
		return nil, err
	}
	return s.fillRange(s.newReader(sc, at, state), r)
}

// fillRange reads on with rd.
func (s *Server) fillRange(rd *reader, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	opened := 0
	most, room := limitOr(r.GetMaxItems(), maxRangeItems), limitOr(r.GetMaxBytes(), maxRangeBytes)
	answer := &pb.RangeResponse{Watermarks: s.watermarks()}
	for range maxRangeCommits {
		commit, items, err := rd.next()
		if err != nil {
			return nil, err
		}
		if commit == nil {
			return s.endRange(rd, r, answer)
		}
		begun, whole := rd.at, len(answer.Items)
		for _, p := range items {
			room -= len(p.item.Raw)
			if len(answer.Items) == most || opened == maxRangeOpened || (room < 0 && len(answer.Items) > 0) {
				if answer.More = true; r.GetWithProofs() && whole > 0 {
					rd.at, answer.Items = begun, answer.Items[:whole]
				}
				return s.endRange(rd, r, answer)
			}
			if p.outcome != nil {
				if err := s.open(&p, Location{commit.Index, p.index}); err != nil {
					return nil, err
				}
				opened++
			}
			rd.at = p.behind(commit.Index)
			answer.Items = append(answer.Items, s.item(commit, p, rd.scope))
		}
		rd.pass(commit, items)
		if r.GetWithProofs() && len(rd.scope) > 0 {
			shown, err := s.proveCommit(commit, rd.scope)
			if err != nil {
				return nil, err
			}
			answer.Proofs = append(answer.Proofs, shown)
		}
	}
	answer.More = rd.at.commit < rd.head(s.backend.History.Heads())
	return s.endRange(rd, r, answer)
}

// endRange ends an answer where the reader stands.
func (s *Server) endRange(rd *reader, r *pb.RangeRequest, answer *pb.RangeResponse) (*pb.RangeResponse, error) {
	answer.NextCursor = s.cursor(rd)
	if !r.GetWithProofs() || len(rd.scope) == 0 {
		return answer, nil
	}
	last, err := s.provePosition(rd.at, rd.scope)
	if err == nil && last != nil {
		answer.Proofs = append(answer.Proofs, last)
	}
	return answer, err
}

func (s *Server) cursor(r *reader) string { return encodeCursor(s.network, r.scope, r.at) }

// scopeOf is the scope of namespaces that a client names, all of which must be registered.
func (s *Server) scopeOf(ids []uint64) (scope, error) {
	namespaces := make([]dag.Namespace, len(ids))
	for i, id := range ids {
		namespaces[i] = dag.Namespace(id)
		if _, err := s.admission.rule(namespaces[i]); err != nil {
			return nil, err
		}
	}
	return newScope(namespaces)
}

// limitOr is what a client asks for, 0 meaning the limit, and never more than it.
func limitOr(asked uint32, limit int) int {
	if asked == 0 || int64(asked) > int64(limit) {
		return limit
	}
	return int(asked)
}
