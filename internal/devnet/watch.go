package devnet

import (
	"context"
	"sync"
	"time"

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
	status   client.NodeStatus
	reached  bool // whether the last question was answered
}

func newWatch(c *client.Client) *watch {
	return &watch{client: c, expected: make(map[key]time.Time)}
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
	selection := client.Selection{Cursor: "tip", Content: client.IDs}
	for ctx.Err() == nil {
		// The client follows through restarts; what it gives up on is asked anew.
		_ = w.client.FollowEvents(ctx, selection, func(e client.Event) error {
			selection.Cursor = e.Cursor
			w.saw(e.Items)
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
	if len(w.expected) == 0 {
		return
	}
	for i := range items {
		k := keyOf(items[i].ID)
		if due, waits := w.expected[k]; waits {
			delete(w.expected, k)
			w.whole.add(now.Sub(due))
			w.recent[0].add(now.Sub(due))
		}
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
}

func (w *watch) figures() figures {
	w.mu.Lock()
	defer w.mu.Unlock()
	both := w.recent[0]
	both.merge(&w.recent[1])
	return figures{w.status, w.reached, w.items, both.quantile(0.5), both.quantile(0.99)}
}

// turn begins a new window of the recent latency.
func (w *watch) turn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent[1], w.recent[0] = w.recent[0], histogram{}
}

// latency adds the latency since the load began to h.
func (w *watch) latency(h *histogram) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h.merge(&w.whole)
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
