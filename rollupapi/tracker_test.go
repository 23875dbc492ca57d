package rollupapi

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

func testItem(n uint64) dag.Item {
	var id crypto.Digest
	binary.BigEndian.PutUint64(id[:], n+1)
	return dag.Item{ID: id, Namespace: 1, Kind: dag.KindTransaction}
}

func commitOf(index dag.CommitIndex, items ...dag.Item) *ordering.Commit {
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: index}}
	for i := range items {
		c.Accepted = append(c.Accepted, ordering.Accepted{ID: items[i].ID})
	}
	return c
}

func outcome(s ordering.OutcomeState) []ordering.Outcome { return []ordering.Outcome{{State: s}} }

// TestTrackerStates: what happens to an id in any order leads to the right state.
func TestTrackerStates(t *testing.T) {
	item := testItem(0)
	items := []dag.Item{item}
	type step func(*tracker)
	receive := step(func(tr *tracker) { tr.receive(items, time.Now()) })
	says := func(s ordering.OutcomeState) step {
		return func(tr *tracker) { tr.outcomes(items, outcome(s), 10, time.Now()) }
	}
	commit := step(func(tr *tracker) { tr.commit(commitOf(3, item), time.Now()) })
	drop := func(r ordering.DropReason) step {
		return func(tr *tracker) {
			tr.commit(&ordering.Commit{Dropped: []ordering.Dropped{{ID: item.ID, Reason: r}}}, time.Now())
		}
	}
	for _, test := range []struct {
		name   string
		steps  []step
		want   pb.State
		reason Reason
	}{
		{"received", []step{receive}, pb.State_STATE_RECEIVED, ""},
		{"included", []step{receive, says(ordering.Included)}, pb.State_STATE_INCLUDED, ""},
		{"committed", []step{receive, says(ordering.Included), commit}, pb.State_STATE_COMMITTED, ""},
		{"committed before its answer", []step{receive, commit, says(ordering.Included)}, pb.State_STATE_COMMITTED, ""},
		{"sent again when committed", []step{receive, commit, receive, says(ordering.Busy)}, pb.State_STATE_COMMITTED, ""},
		{"dropped elsewhere when committed", []step{receive, commit, drop(ordering.DropExpired)}, pb.State_STATE_COMMITTED, ""},
		{"busy", []step{receive, says(ordering.Busy)}, pb.State_STATE_REJECTED, ReasonBusy},
		{"over its share", []step{receive, says(ordering.OverShare)}, pb.State_STATE_REJECTED, ReasonQuota},
		{"busy when included", []step{receive, says(ordering.Included), receive, says(ordering.Busy)}, pb.State_STATE_INCLUDED, ""},
		{"busy, then included", []step{receive, says(ordering.Busy), receive, says(ordering.Included)}, pb.State_STATE_INCLUDED, ""},
		{"not proposing", []step{receive, says(ordering.NotProposing)}, pb.State_STATE_REJECTED, ReasonNotProposing},
		{"expired", []step{receive, says(ordering.Expired)}, pb.State_STATE_EXPIRED, ReasonExpired},
		{"dropped as expired", []step{receive, says(ordering.Included), drop(ordering.DropExpired)}, pb.State_STATE_EXPIRED, ReasonExpired},
		{"dropped as a copy", []step{receive, says(ordering.Included), drop(ordering.DropDuplicate)}, pb.State_STATE_INCLUDED, ""},
		{"dropped as too far ahead", []step{receive, drop(ordering.DropTooFarAhead)}, pb.State_STATE_REJECTED, ReasonTooFarAhead},
		{"sent again when expired", []step{receive, says(ordering.Expired), receive}, pb.State_STATE_RECEIVED, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTracker()
			for _, s := range test.steps {
				s(tr)
			}
			if e, _ := tr.get(item.ID); e.state != test.want || e.reason != test.reason {
				t.Errorf("%v %q, want %v %q", e.state, e.reason, test.want, test.reason)
			}
		})
	}
}

// TestTrackerBound: the tracker forgets the oldest, keeps the newest, and holds two generations.
func TestTrackerBound(t *testing.T) {
	tr := newTracker()
	const n = 3*maxTracked + 10
	for i := range uint64(n) {
		tr.receive([]dag.Item{testItem(i)}, time.Now())
	}
	if held := len(tr.young) + len(tr.old); held > 2*maxTracked {
		t.Errorf("%d entries, limit %d", held, 2*maxTracked)
	}
	if _, ok := tr.get(testItem(0).ID); ok {
		t.Error("the oldest is still there")
	}
	for _, i := range []uint64{n - 1, n - maxTracked} {
		if _, ok := tr.get(testItem(i).ID); !ok {
			t.Errorf("item %d of %d is forgotten", i, n)
		}
	}
}

// TestTrackerWait: a waiter wakes when the last of its ids is settled; one that leaves leaves nothing.
func TestTrackerWait(t *testing.T) {
	tr := newTracker()
	a, b, forgotten := testItem(0), testItem(1), testItem(2)
	tr.receive([]dag.Item{a, b}, time.Now())
	ids := []crypto.Digest{a.ID, b.ID, forgotten.ID}
	w, leaver := tr.await(ids), tr.await(ids)
	tr.commit(commitOf(1, a), time.Now())
	tr.leave(leaver, ids)
	tr.commit(commitOf(2, forgotten), time.Now())
	select {
	case <-w.done:
		t.Fatal("woke before the last was committed")
	default:
	}
	tr.outcomes([]dag.Item{b}, outcome(ordering.Expired), 5, time.Now())
	select {
	case <-w.done:
	default:
		t.Fatal("did not wake")
	}
	if len(tr.waiting) != 0 {
		t.Errorf("%d ids are still waited for", len(tr.waiting))
	}
	select {
	case <-tr.await([]crypto.Digest{a.ID}).done:
	default:
		t.Error("waits for what is committed already")
	}
}

func TestTrackerLatency(t *testing.T) {
	tr := newTracker()
	now := time.Now()
	if p50, p99 := tr.latency(); p50 != 0 || p99 != 0 {
		t.Errorf("%v, %v without transactions", p50, p99)
	}
	for i := range uint64(100) {
		item := testItem(i)
		tr.receive([]dag.Item{item}, now)
		tr.commit(commitOf(1, item), now.Add(time.Duration(i+1)*time.Millisecond))
	}
	if p50, p99 := tr.latency(); p50 != 51*time.Millisecond || p99 != 99*time.Millisecond {
		t.Errorf("p50 %v, p99 %v, want 51ms and 99ms", p50, p99)
	}
}

// TestClasses: every reason has a place in every protocol.
func TestClasses(t *testing.T) {
	for reason, c := range classes {
		if c.code == 0 || c.status < 400 || c.rpc >= 0 || c.title == "" {
			t.Errorf("%s: %+v", reason, c)
		}
		if retryable := c.status == 429 || c.status == 503; retryable != (c.retry > 0) {
			t.Errorf("%s: status %d, retry %v", reason, c.status, c.retry)
		}
	}
}
