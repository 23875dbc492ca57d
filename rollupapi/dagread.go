package rollupapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// blockMessage is a block as the API tells it.
func blockMessage(b *dag.Verified) *pb.Block {
	content := b.Block()
	return &pb.Block{
		Ref: blockRefs([]dag.Ref{b.Ref()})[0], Epoch: uint64(content.Epoch), TimeUnixMs: content.Time, LastCommit: uint64(content.LastCommit.Index),
		Parents: blockRefs(content.Parents), Items: uint32(len(content.Items)), System: uint32(len(content.System)),
	}
}

// GetRound is the blocks of one round.
func (g *reads) GetRound(_ context.Context, r *pb.GetRoundRequest) (*pb.GetRoundResponse, error) {
	answer, err := g.server.round(dag.Round(r.GetRound()))
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

// round is the blocks of a round; of 0 those of the round in which this node is.
func (s *Server) round(round dag.Round) (*pb.GetRoundResponse, error) {
	if round == 0 {
		round = s.backend.Node.Status().Round
	}
	raws, err := s.backend.DAG.Round(round, maxRoundBytes)
	if err != nil {
		return nil, fmt.Errorf("read round %d: %w", round, err)
	}
	if len(raws) == 0 {
		return nil, refuse(ReasonNotFound, "this node has no block of round %d: it is pruned, or has not come yet", round).at("round")
	}
	answer := &pb.GetRoundResponse{Round: uint64(round), Watermarks: s.watermarks()}
	for _, raw := range raws {
		b, err := dag.Verify(s.backend.Committee, raw)
		if err != nil {
			return nil, fmt.Errorf("read round %d: %w", round, err)
		}
		answer.Blocks = append(answer.Blocks, blockMessage(b))
	}
	return answer, nil
}

// GetBlock is one block, whole and signed.
func (g *reads) GetBlock(_ context.Context, r *pb.GetBlockRequest) (*pb.GetBlockResponse, error) {
	ref := r.GetRef()
	if len(ref.GetDigest()) != crypto.DigestSize || ref.GetAuthor() >= dag.MaxCommittee {
		return nil, g.server.fail(refuse(ReasonRequestMalformed, "ref wants round, author below %d and a digest of %d bytes", dag.MaxCommittee, crypto.DigestSize).at("ref"))
	}
	answer, err := g.server.block(dag.Ref{Round: dag.Round(ref.GetRound()), Author: dag.Author(ref.GetAuthor()), Digest: crypto.Digest(ref.GetDigest())})
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

func (s *Server) block(ref dag.Ref) (*pb.GetBlockResponse, error) {
	raw, ok, err := s.backend.DAG.Block(ref)
	if err != nil {
		return nil, fmt.Errorf("read block %v: %w", ref, err)
	}
	if !ok {
		return nil, refuse(ReasonNotFound, "this node does not have block %v: it is pruned, or has not come yet", ref).at("ref")
	}
	b, err := dag.Verify(s.backend.Committee, raw)
	if err != nil {
		return nil, fmt.Errorf("read block %v: %w", ref, err)
	}
	m := blockMessage(b)
	m.Encoded = raw
	return &pb.GetBlockResponse{Block: m, Watermarks: s.watermarks()}, nil
}

// GetDependencies is what one commit ties together.
func (g *reads) GetDependencies(_ context.Context, r *pb.GetDependenciesRequest) (*pb.GetDependenciesResponse, error) {
	commit, err := g.server.commitOrNewest(dag.CommitIndex(r.GetCommit()))
	if err != nil {
		return nil, g.server.fail(err)
	}
	answer, err := g.server.dependencies(commit)
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

func (s *Server) dependencies(commit *ordering.Commit) (*pb.GetDependenciesResponse, error) {
	answer := &pb.GetDependenciesResponse{Commit: uint64(commit.Index), Watermarks: s.watermarks()}
	for i := range commit.Accepted {
		item, err := commit.Item(i)
		if err != nil {
			return nil, err
		}
		if d := dependency(commit.Index, uint32(i), item); d != nil {
			answer.Dependencies = append(answer.Dependencies, d)
		}
	}
	return answer, nil
}

// dependency is the tie that an item makes; nil for none.
func dependency(commit dag.CommitIndex, index uint32, item *dag.Item) *pb.Dependency {
	if item.Kind == dag.KindTransaction {
		return nil
	}
	namespaces := item.Namespaces()
	if len(namespaces) < 2 {
		return nil
	}
	d := &pb.Dependency{
		Kind: pb.DependencyKind_DEPENDENCY_KIND_BUNDLE, Commit: uint64(commit), Index: index, TxId: item.ID[:], Sealed: item.Kind == dag.KindSealed,
	}
	for _, ns := range namespaces {
		d.Namespaces = append(d.Namespaces, uint64(ns))
	}
	return d
}

// StreamDependencies follows the ties from a cursor.
func (g *reads) StreamDependencies(ctx context.Context, r *pb.StreamDependenciesRequest, out *connect.ServerStream[pb.StreamDependenciesResponse]) error {
	options, err := g.server.streamOptions(&pb.StreamRequest{
		Namespaces: r.GetNamespaces(), Cursor: r.GetCursor(), HeartbeatMs: r.GetHeartbeatMs(), Content: pb.Content_CONTENT_IDS,
	})
	if err != nil {
		return g.server.fail(err)
	}
	sink := &tieSink{server: g.server, scope: options.scope, beat: options.heartbeat, out: out, control: controlOf(ctx), sent: time.Now()}
	if err := g.server.stream(ctx, options, sink); err != nil {
		return g.server.fail(err)
	}
	return nil
}

// dependencyJSON is a Dependency in the JSON forms.
type dependencyJSON struct {
	Kind       string   `json:"kind"`
	Commit     uint64   `json:"commit"`
	Index      uint32   `json:"index"`
	TxID       string   `json:"tx_id"`
	Namespaces []uint64 `json:"namespaces"`
	Sealed     bool     `json:"sealed"`
}

func (s *Server) restDependencies(w http.ResponseWriter, r *http.Request) error {
	commit, err := s.commitNamed(r.PathValue("index"))
	if err != nil {
		return err
	}
	m, err := s.dependencies(commit)
	if err != nil {
		return err
	}
	answer := struct {
		Commit       uint64           `json:"commit"`
		Dependencies []dependencyJSON `json:"dependencies"`
		Watermarks   watermarksJSON   `json:"watermarks"`
	}{m.GetCommit(), []dependencyJSON{}, newWatermarksJSON(m.GetWatermarks())}
	for _, d := range m.GetDependencies() {
		answer.Dependencies = append(answer.Dependencies, dependencyJSON{"BUNDLE", d.GetCommit(), d.GetIndex(), hex.EncodeToString(d.GetTxId()), d.GetNamespaces(), d.GetSealed()})
	}
	return writeJSON(w, http.StatusOK, answer)
}

// blockJSON is a Block in the JSON forms. Refs are written like B3#9f2a in full length.
type blockJSON struct {
	Ref        string   `json:"ref"`
	Epoch      uint64   `json:"epoch"`
	Time       uint64   `json:"time_unix_ms"`
	LastCommit uint64   `json:"last_commit"`
	Parents    []string `json:"parents"`
	Items      uint32   `json:"items"`
	System     uint32   `json:"system"`
	Encoded    hexBytes `json:"encoded,omitempty"`
}

func newBlockJSON(b *pb.Block) blockJSON {
	return blockJSON{
		refNames([]*pb.BlockRef{b.GetRef()})[0], b.GetEpoch(), b.GetTimeUnixMs(), b.GetLastCommit(), refNames(b.GetParents()), b.GetItems(), b.GetSystem(), b.GetEncoded(),
	}
}

func (s *Server) restRound(w http.ResponseWriter, r *http.Request) error {
	text := r.PathValue("round")
	round := uint64(0)
	if text != "latest" {
		var err error
		if round, err = strconv.ParseUint(text, 10, 63); err != nil || round == 0 {
			return refuse(ReasonRequestMalformed, "%q is neither a round's number nor latest", clip(text)).at("round")
		}
	}
	m, err := s.round(dag.Round(round))
	if err != nil {
		return err
	}
	answer := struct {
		Round      uint64         `json:"round"`
		Blocks     []blockJSON    `json:"blocks"`
		Watermarks watermarksJSON `json:"watermarks"`
	}{Round: m.GetRound(), Watermarks: newWatermarksJSON(m.GetWatermarks())}
	for _, b := range m.GetBlocks() {
		answer.Blocks = append(answer.Blocks, newBlockJSON(b))
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (s *Server) restBlock(w http.ResponseWriter, r *http.Request) error {
	slot, err := dag.ParseSlot(r.PathValue("slot"))
	if err != nil {
		return refuse(ReasonRequestMalformed, "%s", clip(err.Error())).at("slot")
	}
	digest, err := crypto.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return refuse(ReasonRequestMalformed, "the block's digest wants 64 hex digits").at("digest")
	}
	m, err := s.block(dag.Ref{Round: slot.Round, Author: slot.Author, Digest: digest})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		blockJSON
		Watermarks watermarksJSON `json:"watermarks"`
	}{newBlockJSON(m.GetBlock()), newWatermarksJSON(m.GetWatermarks())})
}
