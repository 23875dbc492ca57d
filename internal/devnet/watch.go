package devnet

import (
	"context"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// How often each node is asked how it is doing, and how long it may take to answer.
const (
	statusEvery   = 500 * time.Millisecond
	statusTimeout = 3 * time.Second
	retryPause    = 250 * time.Millisecond // before a stream that ended is opened again
)

// watch follows one node: what it commits, how long its transactions take, how it is doing.
// Safe for concurrent use.
type watch struct {
	client *client.Client

	mu       sync.Mutex
	expected map[key]time.Time // samples on their way, by when they were due
	whole    histogram         // latency since the load began
	recent   [2]histogram      // of the last one to two windows
	items    uint64            // transactions seen in commits
	opening  map[key]opening   // sealed items that one of the two streams has shown
	reveals  [3]histogram      // from commit to reveal: since the load began, and as recent
	status   client.NodeStatus
	reached  bool // whether the last question was answered
}

func newWatch(c *client.Client) *watch {
	return &watch{client: c, expected: make(map[key]time.Time), opening: make(map[key]opening)}
}

// expect notes samples that are due, before they are sent.
func (w *watch) expect(samples []key, due time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range samples {
		if len(w.expected) < maxPendingSample {
			w.expected[k] = due
		}
	}
}

// forget takes samples back that were never taken by the node.
func (w *watch) forget(samples []key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range samples {
		delete(w.expected, k)
	}
}

// follow reads the node's stream from the tip on until ctx ends, however often the node goes away.
func (w *watch) follow(ctx context.Context) {
	w.followAt(ctx, client.Committed, w.saw)
}

// followReveals is follow for commits whose sealed items are opened.
func (w *watch) followReveals(ctx context.Context) {
	w.followAt(ctx, client.Revealed, w.sawRevealed)
}

func (w *watch) followAt(ctx context.Context, state client.State, saw func([]client.Item)) {
	selection := client.Selection{Cursor: "tip", Content: client.IDs, MinState: state}
	for ctx.Err() == nil {
		// The client follows through restarts; what it gives up on is asked anew.
		_ = w.client.FollowEvents(ctx, selection, func(e client.Event) error {
			selection.Cursor = e.Cursor
			saw(e.Items)
			return nil
		})
		pause(ctx, retryPause)
	}
}

func (w *watch) saw(items []client.Item) {
	if len(items) == 0 {
		return
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items += uint64(len(items))
	for i := range items {
		k := keyOf(items[i].ID)
		if items[i].Kind == dag.KindSealed {
			w.shown(k, stageCommitted, now)
		}
		if due, waits := w.expected[k]; waits {
			delete(w.expected, k)
			w.whole.add(now.Sub(due))
			w.recent[0].add(now.Sub(due))
		}
	}
}

// stage is how far a stream has shown a sealed item.
type stage uint8

const (
	stageCommitted stage = iota
	stageRevealed
)

// opening is a sealed item that one stream has shown and the other has not.
type opening struct {
	stage stage
	at    time.Time
}

func (w *watch) sawRevealed(items []client.Item) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range items {
		if items[i].Kind == dag.KindSealed {
			w.shown(keyOf(items[i].ID), stageRevealed, now)
		}
	}
}

// shown notes what a stream shows of a sealed item; the second of the two gives the time between them,
// which is nothing where the reveal overtook the commit on its way here.
func (w *watch) shown(k key, s stage, now time.Time) {
	first, known := w.opening[k]
	switch {
	case known && first.stage != s:
		delete(w.opening, k)
		took := now.Sub(first.at)
		if s == stageCommitted {
			took = 0
		}
		w.reveals[0].add(took)
		w.reveals[1].add(took)
	case !known && len(w.opening) < maxPendingSample:
		w.opening[k] = opening{s, now}
	}
}

// poll asks the node every statusEvery how it is doing and tells report, until ctx ends.
func (w *watch) poll(ctx context.Context, report func(reached bool)) {
	for ctx.Err() == nil {
		status, err := askStatus(ctx, w.client)
		w.mu.Lock()
		w.reached = err == nil
		if err == nil {
			w.status = status
		}
		w.mu.Unlock()
		report(err == nil)
		pause(ctx, statusEvery)
	}
}

// figures are what the view shows of one node.
type figures struct {
	status   client.NodeStatus
	reached  bool
	items    uint64
	p50, p99 time.Duration
	reveals  uint64 // sealed items seen opened
	opened   time.Duration
}

func (w *watch) figures() figures {
	w.mu.Lock()
	defer w.mu.Unlock()
	both := w.recent[0]
	both.merge(&w.recent[1])
	opened := w.reveals[1]
	opened.merge(&w.reveals[2])
	return figures{w.status, w.reached, w.items, both.quantile(0.5), both.quantile(0.99), w.reveals[0].total, opened.quantile(0.5)}
}

// turn begins a new window of the recent latency.
func (w *watch) turn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent[1], w.recent[0] = w.recent[0], histogram{}
	w.reveals[2], w.reveals[1] = w.reveals[1], histogram{}
}

// latency adds the latencies since the load began.
func (w *watch) latency(commits, reveals *histogram) {
	w.mu.Lock()
	defer w.mu.Unlock()
	commits.merge(&w.whole)
	reveals.merge(&w.reveals[0])
}

// askStatus asks a node how it is doing.
func askStatus(ctx context.Context, c *client.Client) (client.NodeStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return c.NodeStatus(ctx)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
