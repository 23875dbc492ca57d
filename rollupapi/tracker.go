package rollupapi

import (
	"slices"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// tracker remembers what became of the items that clients of this node submitted, until they are
// old news: it holds two generations, and when the young one is full it becomes the old one.
// Safe for concurrent use.
type tracker struct {
	mu         sync.Mutex
	young, old map[crypto.Digest]tracked
	waiting    map[crypto.Digest][]*waiter
	watching   map[crypto.Digest][]*watch

	latencies [latencySamples]time.Duration
	measured  int // latencies ever measured
}

// tracked is what is known of one id.
type tracked struct {
	state    pb.State
	kind     dag.ItemKind
	reason   Reason // REJECTED and EXPIRED
	ns       dag.Namespace
	until    dag.CommitIndex // no commit past it holds the item as submitted here; 0 while unknown
	received time.Time
	included time.Time // in the block of round and by; zero if not by this node
	round    dag.Round
	by       dag.Author
	at       Location // COMMITTED
}

// waiter waits for several ids to be committed, expired or rejected.
type waiter struct {
	left int
	done chan struct{} // closed when left is 0
}

func newTracker() *tracker {
	return &tracker{young: map[crypto.Digest]tracked{}, old: map[crypto.Digest]tracked{}, waiting: map[crypto.Digest][]*waiter{}, watching: map[crypto.Digest][]*watch{}}
}

// settled reports whether the state does not change without a new submission.
func settled(s pb.State) bool { return s >= pb.State_STATE_COMMITTED }

func (t *tracker) get(id crypto.Digest) (tracked, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(id)
}

func (t *tracker) find(id crypto.Digest) (tracked, bool) {
	if e, ok := t.young[id]; ok {
		return e, true
	}
	e, ok := t.old[id]
	return e, ok
}

// put writes an entry where it stands, or as the newest.
func (t *tracker) put(id crypto.Digest, e tracked) {
	if _, ok := t.old[id]; ok {
		t.old[id] = e
		return
	}
	if _, ok := t.young[id]; !ok && len(t.young) >= maxTracked {
		t.old, t.young = t.young, make(map[crypto.Digest]tracked, maxTracked)
	}
	t.young[id] = e
}

// receive notes that items are on their way. One that is on its way or committed keeps its entry.
func (t *tracker) receive(items []dag.Item, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range items {
		item := &items[i]
		if e, ok := t.find(item.ID); ok && e.state != pb.State_STATE_REJECTED && e.state != pb.State_STATE_EXPIRED {
			continue
		}
		t.put(item.ID, tracked{state: pb.State_STATE_RECEIVED, kind: item.Kind, ns: item.Namespace, until: item.ValidUntil, received: now})
		t.notify(item.ID)
	}
}

// outcomes notes what the sequencer answered for items; head is the newest commit. An item without
// a valid_until of its own has been given one by then, at most the window past head.
func (t *tracker) outcomes(items []dag.Item, outcomes []ordering.Outcome, head dag.CommitIndex, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range items {
		e, ok := t.find(items[i].ID)
		if !ok || settled(e.state) {
			continue
		}
		switch state, reason := outcomeState(outcomes[i].State); {
		case state == pb.State_STATE_INCLUDED:
			e.state = state
			if outcomes[i].State == ordering.Included {
				e.included, e.round, e.by = now, outcomes[i].Block.Round, outcomes[i].Block.Author
			}
			if e.until == 0 {
				e.until = head + validityWindow
			}
		case e.state == pb.State_STATE_RECEIVED: // an included one stays so if sent again
			e.state, e.reason = state, reason
		}
		t.put(items[i].ID, e)
		t.notify(items[i].ID)
		if settled(e.state) {
			t.wake(items[i].ID)
		}
	}
}

// outcomeState is an outcome as the API tells it. One that was committed before counts as included
// here; its place is found in the history.
func outcomeState(s ordering.OutcomeState) (pb.State, Reason) {
	switch s {
	case ordering.Included, ordering.Committed:
		return pb.State_STATE_INCLUDED, ""
	case ordering.Expired:
		return pb.State_STATE_EXPIRED, ReasonExpired
	case ordering.TooFarAhead:
		return pb.State_STATE_REJECTED, ReasonTooFarAhead
	case ordering.NotProposing:
		return pb.State_STATE_REJECTED, ReasonNotProposing
	case ordering.Busy:
		return pb.State_STATE_REJECTED, ReasonBusy
	case ordering.NamespaceClosed:
		return pb.State_STATE_REJECTED, ReasonNamespaceClosed
	case ordering.OverShare:
		return pb.State_STATE_REJECTED, ReasonQuota
	}
	return pb.State_STATE_REJECTED, ReasonInternal
}

// commit notes what a commit accepted and dropped.
func (t *tracker) commit(c *ordering.Commit, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range c.Accepted {
		id := c.Accepted[i].ID
		t.notify(id)
		e, ok := t.find(id)
		if !ok {
			t.wake(id)
			continue
		}
		e.state, e.reason, e.at = pb.State_STATE_COMMITTED, "", Location{c.Index, uint32(i)}
		t.put(id, e)
		t.latencies[t.measured%latencySamples] = now.Sub(e.received)
		t.measured++
		t.wake(id)
	}
	for i := range c.Dropped {
		d := &c.Dropped[i]
		e, ok := t.find(d.ID)
		if !ok || settled(e.state) {
			continue
		}
		switch d.Reason {
		case ordering.DropExpired:
			e.state, e.reason = pb.State_STATE_EXPIRED, ReasonExpired
		case ordering.DropTooFarAhead:
			e.state, e.reason = pb.State_STATE_REJECTED, ReasonTooFarAhead
		default: // another copy of it was accepted or may be
			continue
		}
		t.put(d.ID, e)
		t.notify(d.ID)
		t.wake(d.ID)
	}
}

// await returns a waiter for those of ids that are not settled, forgotten ones among them. A caller
// that stops waiting before done is closed hands it back to leave.
func (t *tracker) await(ids []crypto.Digest) *waiter {
	w := &waiter{done: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		if e, ok := t.find(id); ok && settled(e.state) {
			continue
		}
		t.waiting[id] = append(t.waiting[id], w)
		w.left++
	}
	if w.left == 0 {
		close(w.done)
	}
	return w
}

// leave ends a wait, so that nothing is kept for it.
func (t *tracker) leave(w *waiter, ids []crypto.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.left == 0 {
		return
	}
	for _, id := range ids {
		rest := slices.DeleteFunc(t.waiting[id], func(other *waiter) bool { return other == w })
		if len(rest) == 0 {
			delete(t.waiting, id)
			continue
		}
		t.waiting[id] = rest
	}
}

func (t *tracker) wake(id crypto.Digest) {
	if len(t.waiting) == 0 {
		return
	}
	for _, w := range t.waiting[id] {
		if w.left--; w.left == 0 {
			close(w.done)
		}
	}
	delete(t.waiting, id)
}

// latency is the median and the 99th percentile of the newest transactions, from entry to commit;
// zero without any.
func (t *tracker) latency() (p50, p99 time.Duration) {
	t.mu.Lock()
	sorted := slices.Clone(t.latencies[:min(t.measured, latencySamples)])
	t.mu.Unlock()
	if len(sorted) == 0 {
		return 0, 0
	}
	slices.Sort(sorted)
	return sorted[len(sorted)/2], sorted[(len(sorted)-1)*99/100]
}
