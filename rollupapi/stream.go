package rollupapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// streamOptions is what a reader of a stream asked for.
type streamOptions struct {
	scope     scope
	start     position
	content   pb.Content
	state     pb.MinState
	heartbeat time.Duration
	proofs    proofs
}

// proofs says whether a reader wants them.
type proofs bool

// sink writes the events of one stream, some of them not before it is flushed. A write that its reader does not take
// in time fails.
type sink interface {
	items(c *ordering.Commit, items []placed) error
	commit(c *ordering.Commit, at position, shown *pb.Proof) error
	watermark(at position, shown *pb.Proof) error
	flush() error
}

// streamOptions checks what a reader asks for.
func (s *Server) streamOptions(r *pb.StreamRequest) (streamOptions, error) {
	o := streamOptions{content: r.GetContent(), proofs: proofs(r.GetWithProofs())}
	var err error
	if o.scope, err = s.scopeOf(r.GetNamespaces()); err != nil {
		return o, err
	}
	if o.start, err = s.start(o.scope, r.GetCursor(), cursorTip); err != nil {
		return o, err
	}
	switch {
	case o.content < 0 || o.content > pb.Content_CONTENT_COMMITS:
		return o, refuse(ReasonRequestMalformed, "content %d is none of ITEMS, IDS, COMMITS", o.content).at("content")
	case o.content == pb.Content_CONTENT_UNSPECIFIED:
		o.content = pb.Content_CONTENT_ITEMS
	}
	without := pb.MinState_MIN_STATE_COMMITTED
	if o.content == pb.Content_CONTENT_ITEMS {
		without = pb.MinState_MIN_STATE_REVEALED
	}
	if o.state, err = minState(r.GetMinState(), without); err != nil {
		return o, err
	}
	o.heartbeat = heartbeat(r.GetHeartbeatMs())
	return o, nil
}

// heartbeat is the time between signs of life that a client asks for, within bounds.
func heartbeat(ms uint32) time.Duration {
	if ms == 0 {
		return defaultHeartbeat
	}
	return min(max(time.Duration(ms)*time.Millisecond, shortestBeat), longestBeat)
}

// takeStream takes one of the node's streams for the client that calls, until it releases it.
func (s *Server) takeStream(ctx context.Context) (release func(), err error) {
	client := clientOf(ctx)
	if !s.takeShare(client) {
		return nil, over(ReasonBusy, s.clientStreams(), "%s has %d streams, which is the limit for one client", client.Name, s.clientStreams())
	}
	select {
	case s.streams <- struct{}{}:
		return func() { <-s.streams; s.releaseShare(client) }, nil
	default:
		s.releaseShare(client)
		return nil, over(ReasonBusy, cap(s.streams), "%d streams are being served, which is the limit", cap(s.streams))
	}
}

// clientStreams is how many streams one client may have that is not local.
func (s *Server) clientStreams() int { return max(1, cap(s.streams)/clientStreams) }

// takeShare takes one of the streams that a client may have.
func (s *Server) takeShare(client gate.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !client.Local && s.streaming[client.Name] >= s.clientStreams() {
		return false
	}
	s.streaming[client.Name]++
	return true
}

func (s *Server) releaseShare(client gate.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streaming[client.Name]--; s.streaming[client.Name] <= 0 {
		delete(s.streaming, client.Name)
	}
}

// stream writes the order to a sink from the start on, until the reader leaves or is too slow
// (both no error), the server stops, or something is wrong. It blocks.
func (s *Server) stream(ctx context.Context, o streamOptions, out sink) error {
	release, err := s.takeStream(ctx)
	if err != nil {
		return err
	}
	defer release()
	r := s.newReader(o.scope, o.start, o.state)
	if err := s.beat(r, o, out); err != nil { // at once, so that the reader knows that it is connected
		return s.readerLeft(ctx, err)
	}
	quietSince := time.Now()
	seat := s.seat(r)
	if seat != nil {
		defer seat.leave()
	}
	for {
		var news <-chan struct{}
		if seat != nil {
			news = seat.news()
		}
		sent, err := s.streamToHead(ctx, r, o, out)
		if sent {
			quietSince = time.Now()
			if flushed := out.flush(); err == nil && flushed != nil {
				err = leaving(flushed)
			}
		}
		if err != nil || ctx.Err() != nil {
			return s.readerLeft(ctx, err)
		}
		left := o.heartbeat - time.Since(quietSince)
		if left <= 0 {
			if err := s.beat(r, o, out); err != nil {
				return s.readerLeft(ctx, err)
			}
			quietSince, left = time.Now(), o.heartbeat
		}
		if err := s.awaitMore(ctx, r, news, left); err != nil {
			return err
		}
	}
}

// seat is the place of a reader of one namespace at its bell; nil for other readers, whom every commit wakes.
func (s *Server) seat(r *reader) *seat {
	switch {
	case len(r.scope) != 1 || r.certified:
		return nil
	case r.reveals != nil:
		return s.revealed.join(r.scope[0])
	}
	return s.committed.join(r.scope[0])
}

// beat writes a watermark.
func (s *Server) beat(r *reader, o streamOptions, out sink) error {
	var shown *pb.Proof
	if o.proofs && len(r.scope) > 0 {
		var err error
		if shown, err = s.provePosition(r.at, r.scope); err != nil {
			return err
		}
	}
	if err := out.watermark(r.at, shown); err != nil {
		return leaving(err)
	}
	return nil
}

// awaitMore waits until a reader that has read to its head may go on, for as long as left at most, or ctx ends.
func (s *Server) awaitMore(ctx context.Context, r *reader, news <-chan struct{}, left time.Duration) error {
	if news != nil {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
		}
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	var err error
	if r.reveals == nil {
		_, err = s.backend.Watcher.Wait(wait, r.at.commit)
	} else {
		read := r.at.commit
		if r.at.index != endOfCommit { // the rest of a commit that is not revealed yet
			read--
		}
		if r.certified {
			_, err = s.backend.Certificates.WaitCertified(wait, read)
		}
		if err == nil {
			_, err = s.backend.Reveals.WaitRevealed(wait, read)
		}
	}
	if err != nil && wait.Err() == nil {
		return fmt.Errorf("wait for a commit: %w", err)
	}
	return nil
}

// errReaderGone ends a stream whose reader has left or is too slow. Nobody is left to be told.
var errReaderGone = errors.New("reader gone")

// leaving is what a failed write to a reader ends its stream with.
func leaving(err error) error {
	if isRefusal(err) {
		return err
	}
	return errReaderGone
}

// readerLeft is err, but nil at the end of a stream that nobody is left to be told of.
func (s *Server) readerLeft(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, errReaderGone):
		s.log.Info("stream_reader_gone", slog.String("client", clientOf(ctx).Name), slog.Duration("patience", hardPatience*s.patience),
			slog.String("next", "the reader goes on from its last cursor"))
		return nil
	}
	return err
}

// streamToHead writes what there is, and says whether that was anything.
func (s *Server) streamToHead(ctx context.Context, r *reader, o streamOptions, out sink) (bool, error) {
	for sent := false; ; sent = true {
		if ctx.Err() != nil {
			return sent, nil
		}
		commit, items, err := r.next()
		if err != nil || commit == nil {
			return sent, err
		}
		if o.content == pb.Content_CONTENT_ITEMS {
			for i := range items {
				if err := s.open(&items[i], Location{commit.Index, items[i].index}); err != nil {
					return sent, err
				}
			}
		}
		for rest := items; o.content != pb.Content_CONTENT_COMMITS && len(rest) > 0; {
			n := batchLength(rest)
			if err := out.items(commit, rest[:n]); err != nil {
				return sent, leaving(err)
			}
			rest = rest[n:]
		}
		r.pass(commit, items)
		var shown *pb.Proof
		if o.proofs && len(r.scope) > 0 {
			if shown, err = s.proveStream(commit, r); err != nil {
				return sent, err
			}
		}
		if err := out.commit(commit, r.at, shown); err != nil {
			return sent, leaving(err)
		}
	}
}

// batchLength is how many items go into one message: at least one.
func batchLength(items []placed) int {
	bytes := 0
	for i, p := range items {
		if bytes += len(p.item.Raw); i > 0 && (bytes > maxBatchBytes || i == maxBatchItems) {
			return i
		}
	}
	return len(items)
}

// messageSink writes a Connect stream.
type messageSink struct {
	server  *Server
	options streamOptions
	out     *connect.ServerStream[pb.StreamResponse]
	control *http.ResponseController
}

func (m *messageSink) items(c *ordering.Commit, items []placed) error {
	batch := &pb.ItemBatch{}
	if m.options.content == pb.Content_CONTENT_IDS {
		batch.Items = idItems(c, items)
	} else {
		for _, p := range items {
			batch.Items = append(batch.Items, m.server.item(c, p, m.options.scope))
		}
	}
	return m.send(items[len(items)-1].behind(c.Index), &pb.StreamResponse{Event: &pb.StreamResponse_Items{Items: batch}})
}

func (m *messageSink) commit(c *ordering.Commit, at position, shown *pb.Proof) error {
	return m.send(at, &pb.StreamResponse{Event: &pb.StreamResponse_Commit{Commit: commitHeader(c)}, Proof: shown})
}

func (m *messageSink) watermark(at position, shown *pb.Proof) error {
	return m.send(at, &pb.StreamResponse{Event: &pb.StreamResponse_Watermark{Watermark: &pb.Heartbeat{}}, Proof: shown})
}

// flush has nothing to do: every message goes out at once.
func (m *messageSink) flush() error { return nil }

func (m *messageSink) send(at position, event *pb.StreamResponse) error {
	event.Cursor, event.Watermarks = encodeCursor(m.server.network, m.options.scope, at), m.server.watermarks()
	return pushedBack(m.server.writeInTime(m.control, func() error { return m.out.Send(event) }), event.Cursor)
}
