package rollupapi

import (
	"context"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// watch is told which of its ids have changed.
type watch struct {
	ids     []crypto.Digest
	changed map[crypto.Digest]struct{} // guarded by the tracker's mutex
	bell    chan struct{}              // holds one token while changed is not empty
}

// watch begins to note the changes of ids. The caller hands it back to unwatch.
func (t *tracker) watch(ids []crypto.Digest) *watch {
	w := &watch{ids: ids, changed: map[crypto.Digest]struct{}{}, bell: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		t.watching[id] = append(t.watching[id], w)
	}
	return w
}

// unwatch ends a watch, so that nothing is kept for it.
func (t *tracker) unwatch(w *watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range w.ids {
		rest := slices.DeleteFunc(t.watching[id], func(other *watch) bool { return other == w })
		if len(rest) == 0 {
			delete(t.watching, id)
			continue
		}
		t.watching[id] = rest
	}
}

// notify tells those who watch an id that it has changed. It is called under the lock.
func (t *tracker) notify(id crypto.Digest) {
	if len(t.watching) == 0 {
		return
	}
	for _, w := range t.watching[id] {
		w.changed[id] = struct{}{}
		select {
		case w.bell <- struct{}{}:
		default:
		}
	}
}

// take is what has changed since the last time.
func (t *tracker) take(w *watch) []crypto.Digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []crypto.Digest
	for id := range w.changed {
		ids = append(ids, id)
	}
	clear(w.changed)
	return ids
}

// watched is where the watch of one id stands.
type watched struct {
	state  pb.State
	commit dag.CommitIndex
}

// watcher follows some ids for one client.
type watcher struct {
	server *Server
	open   map[crypto.Digest]watched // ids that have not come to their end
	emit   func(*pb.WatchResponse) error
}

// watchEvery is how often it is looked whether something expired or was opened, which no item tells.
const watchEvery = 100 * time.Millisecond

// watchIDs are the ids that a client wants to watch, each once.
func watchIDs(raw [][]byte) ([]crypto.Digest, error) {
	if len(raw) == 0 || len(raw) > maxWatched {
		return nil, over(ReasonTooManyItems, maxWatched, "%d ids, want 1 to %d", len(raw), maxWatched).at("ids")
	}
	ids := make([]crypto.Digest, 0, len(raw))
	for _, id := range raw {
		if len(id) != crypto.DigestSize {
			return nil, refuse(ReasonRequestMalformed, "id of %d bytes, want %d", len(id), crypto.DigestSize).at("ids")
		}
		if d := crypto.Digest(id); !slices.Contains(ids, d) {
			ids = append(ids, d)
		}
	}
	return ids, nil
}

// watch tells the state of ids now and whenever it changes, until each has come to its end, the client
// leaves (no error), or something is wrong. It blocks.
func (s *Server) watch(ctx context.Context, ids []crypto.Digest, beat time.Duration, emit func(*pb.WatchResponse) error) error {
	release, err := s.takeStream(ctx)
	if err != nil {
		return err
	}
	defer release()
	w := watcher{server: s, open: make(map[crypto.Digest]watched, len(ids)), emit: emit}
	for _, id := range ids {
		w.open[id] = watched{}
	}
	news := s.tracker.watch(ids)
	defer s.tracker.unwatch(news)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	quietSince := time.Now()
	for look := ids; ; {
		told, err := w.tell(look)
		if err != nil || len(w.open) == 0 {
			return s.readerLeft(ctx, err)
		}
		if told {
			quietSince = time.Now()
		}
		look = nil
		select {
		case <-news.bell:
			look = s.tracker.take(news)
		case <-ticker.C:
			look = w.overdue()
		case <-ctx.Done():
			return nil
		}
		if len(look) == 0 && time.Since(quietSince) >= beat {
			if err := w.emit(&pb.WatchResponse{Open: uint32(len(w.open)), Watermarks: s.watermarks()}); err != nil {
				return s.readerLeft(ctx, leaving(err))
			}
			quietSince = time.Now()
		}
	}
}

// tell looks at ids and tells those whose state has changed. It says whether there was any.
func (w *watcher) tell(ids []crypto.Digest) (bool, error) {
	told := false
	for _, id := range ids {
		last, open := w.open[id]
		if !open {
			continue
		}
		now, err := w.server.transaction(id)
		if err != nil {
			return told, err
		}
		if now.GetState() == last.state {
			continue
		}
		if ended(now) {
			delete(w.open, id)
		} else {
			w.open[id] = watched{now.GetState(), dag.CommitIndex(now.GetCommit())}
		}
		told = true
		if err := w.emit(&pb.WatchResponse{Status: now, Open: uint32(len(w.open)), Watermarks: now.GetWatermarks()}); err != nil {
			return told, leaving(err)
		}
	}
	return told, nil
}

// overdue are the ids whose time is up, or whose commit was opened, since they were looked at.
func (w *watcher) overdue() []crypto.Digest {
	heads := w.server.backend.History.Heads()
	var ids []crypto.Digest
	for id, last := range w.open {
		switch last.state {
		case pb.State_STATE_RECEIVED, pb.State_STATE_INCLUDED:
			if e, ok := w.server.tracker.get(id); !ok || e.until != 0 && heads.Committed > e.until {
				ids = append(ids, id)
			}
		case pb.State_STATE_COMMITTED:
			if last.commit <= heads.Revealed {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// ended reports whether a state is the last one.
func ended(s *pb.GetResponse) bool {
	switch s.GetState() {
	case pb.State_STATE_COMMITTED:
		return s.GetKind() != pb.Kind_KIND_SEALED
	case pb.State_STATE_EXPIRED, pb.State_STATE_REJECTED, pb.State_STATE_REVEALED, pb.State_STATE_REVEAL_FAILED:
		return true
	}
	return false
}
