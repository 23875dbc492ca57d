package rollupapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/sequencing"
	"github.com/dunlin-network/dunlin/rollupapi/gen/sequencing/sequencingpbconnect"
)

// sequencer is the three services of Rollkit's sequencing interface. A rollup id is a namespace's name or number.
// A batch is what one commit holds of the namespace once it is revealed, or a part of that where it is larger than
// what was asked for, so that all nodes make the same batches for callers with the same limit.
type sequencer struct {
	server  *Server
	batches *batches
}

// handleSequencing puts the services on the port.
func (s *Server) handleSequencing(mux *http.ServeMux, options []connect.HandlerOption) {
	q := &sequencer{server: s, batches: newBatches()}
	mux.Handle(sequencingpbconnect.NewSequencerInputHandler(q, options...))
	mux.Handle(sequencingpbconnect.NewSequencerOutputHandler(q, options...))
	mux.Handle(sequencingpbconnect.NewBatchVerifierHandler(q, options...))
}

// SubmitRollupTransaction takes one transaction. The same one again is no error.
func (q *sequencer) SubmitRollupTransaction(ctx context.Context, r *sequencingpb.SubmitRollupTransactionRequest) (*sequencingpb.SubmitRollupTransactionResponse, error) {
	s := q.server
	rule, err := s.namespace(string(r.GetRollupId()))
	if err != nil {
		return nil, s.fail(err)
	}
	sub := &Submission{Namespace: rule.ID, Payloads: [][]byte{r.GetData()}}
	a, err := s.takeTransactions(ctx, sub, 1, terms{wait: waitFor{state: pb.Wait_WAIT_INCLUDED, timeout: defaultWait}})
	if err == nil && a.results[0].refused != nil {
		err = a.results[0].refused
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return &sequencingpb.SubmitRollupTransactionResponse{}, nil
}

// GetNextBatch is the first batch behind the one that is named.
func (q *sequencer) GetNextBatch(ctx context.Context, r *sequencingpb.GetNextBatchRequest) (*sequencingpb.GetNextBatchResponse, error) {
	answer, err := q.nextBatch(ctx, r)
	if err != nil {
		return nil, q.server.fail(err)
	}
	return answer, nil
}

func (q *sequencer) nextBatch(ctx context.Context, r *sequencingpb.GetNextBatchRequest) (*sequencingpb.GetNextBatchResponse, error) {
	rule, err := q.server.namespace(string(r.GetRollupId()))
	if err != nil {
		return nil, err
	}
	name, err := newBatchName(rule.ID, r.GetMaxBytes(), r.GetLastBatchHash())
	if err != nil {
		return nil, err
	}
	at, found, err := q.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, refuse(ReasonNotFound, "no batch of namespace %d has the hash %x: begin with an empty last_batch_hash, and keep max_bytes the same", rule.ID, name.hash[:4]).at("last_batch_hash")
	}
	b, err := q.read(q.reader(rule.ID, at), name.limit)
	if err != nil {
		return nil, err
	}
	if len(b.transactions) == 0 {
		q.batches.put(name, b.end) // so that what holds nothing is not read again
	} else {
		hash := b.hash()
		q.batches.put(batchName{rule.ID, name.limit, hash}, b.end)
		q.batches.put(batchName{rule.ID, anyLimit, hash}, b.end)
	}
	return &sequencingpb.GetNextBatchResponse{Batch: b.message(), Timestamp: timestamppb.New(b.time)}, nil
}

// VerifyBatch says whether a batch that was cut by the largest limit, or that this node has given out, is of the order.
func (q *sequencer) VerifyBatch(ctx context.Context, r *sequencingpb.VerifyBatchRequest) (*sequencingpb.VerifyBatchResponse, error) {
	rule, err := q.server.namespace(string(r.GetRollupId()))
	if err != nil {
		return nil, q.server.fail(err)
	}
	if len(r.GetBatchHash()) == 0 {
		return nil, q.server.fail(refuse(ReasonRequestMalformed, "batch_hash is empty, want %d bytes", crypto.DigestSize).at("batch_hash"))
	}
	name, err := newBatchName(rule.ID, 0, r.GetBatchHash())
	if err != nil {
		return nil, q.server.fail(err)
	}
	_, found := q.batches.find(batchName{rule.ID, anyLimit, name.hash})
	if !found {
		_, found, err = q.find(ctx, name)
	}
	if err != nil {
		return nil, q.server.fail(err)
	}
	return &sequencingpb.VerifyBatchResponse{Status: found}, nil
}

// find is where the named batch ends.
func (q *sequencer) find(ctx context.Context, name batchName) (position, bool, error) {
	if at, known := q.batches.find(name); known {
		return at, true, nil
	}
	if name.hash == (crypto.Digest{}) {
		return after(0), true, nil
	}
	release, ok := q.batches.begin(clientOf(ctx))
	if !ok {
		return position{}, false, refuse(ReasonBusy, "other batches are being looked for: retry later")
	}
	defer release()
	return q.search(ctx, name)
}

// search walks on through the batches of the history until it meets the named one, comes to the end, or has done what
// one call may cost: then the next call goes on from there.
func (q *sequencer) search(ctx context.Context, name batchName) (position, bool, error) {
	walk, first := name.walk(), after(0)
	if earliest := q.server.backend.History.Heads().Earliest; earliest > 0 {
		first = after(earliest - 1)
	}
	rd := q.reader(name.ns, q.batches.walked(walk, first))
	for range maxBatchSearch {
		if ctx.Err() != nil {
			break
		}
		b, err := q.read(rd, name.limit)
		if err != nil {
			return position{}, false, err
		}
		q.batches.walk(walk, b.end)
		switch {
		case len(b.transactions) > 0:
			hash := b.hash()
			q.batches.put(batchName{name.ns, name.limit, hash}, b.end)
			if hash == name.hash {
				return b.end, true, nil
			}
		case b.more:
		case !q.batches.again(walk, first):
			return position{}, false, nil
		default:
			rd = q.reader(name.ns, first)
		}
	}
	return position{}, false, refuse(ReasonBusy, "the batch is being looked for in the history, commit %d is reached: retry", rd.at.commit)
}

// reader reads a namespace's revealed items from a position on.
func (q *sequencer) reader(ns dag.Namespace, at position) *reader {
	return q.server.newReader(scope{ns}, at, pb.MinState_MIN_STATE_REVEALED)
}

// read reads the next batch and leaves rd behind it.
func (q *sequencer) read(rd *reader, limit int) (*batch, error) {
	for range maxRangeCommits {
		commit, items, err := rd.next()
		if err != nil {
			return nil, err
		}
		if commit == nil {
			return q.empty(rd.at)
		}
		b := &batch{time: time.UnixMilli(int64(commit.Time)), more: true}
		room := limit
		for i := range items {
			p := &items[i]
			if err := q.server.open(p, Location{commit.Index, p.index}); err != nil {
				return nil, err
			}
			payloads := p.payloadsOf(rd.scope[0])
			for _, t := range payloads {
				room -= len(t)
			}
			if room < 0 && len(b.transactions) > 0 {
				b.end = rd.at
				return b, nil
			}
			b.transactions = append(b.transactions, payloads...)
			rd.at = position{commit: commit.Index, index: p.index}
		}
		rd.at = after(commit.Index)
		if b.end = rd.at; len(b.transactions) > 0 {
			return b, nil
		}
	}
	return &batch{end: rd.at, more: true, time: time.Now()}, nil
}

// empty is a batch without transactions. Its time is that of the newest commit that was read past, so that times do
// not go back with the next batch.
func (q *sequencer) empty(at position) (*batch, error) {
	b := &batch{end: at, time: time.Now()}
	if at.commit == 0 {
		return b, nil
	}
	commit, ok, err := q.server.backend.History.Commit(at.commit)
	if err != nil {
		return nil, fmt.Errorf("read commit %d: %w", at.commit, err)
	}
	if ok {
		b.time = time.UnixMilli(int64(commit.Time))
	}
	return b, nil
}

// payloadsOf is what an item brings a namespace: nothing where a sealed item did not open.
func (p *placed) payloadsOf(ns dag.Namespace) [][]byte {
	legs := p.legs
	switch p.item.Kind {
	case dag.KindTransaction:
		return [][]byte{p.item.Transaction().Payload}
	case dag.KindBundle:
		legs = p.item.Bundle().Legs
	case dag.KindSealed:
		if p.outcome == nil || p.outcome.Verdict != reveal.Opened {
			return nil
		}
	}
	var out [][]byte
	for i := range legs {
		if legs[i].Namespace == ns {
			out = append(out, legs[i].Payload)
		}
	}
	return out
}
