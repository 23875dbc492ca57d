package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func isDone(s *submission) bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func TestPending(t *testing.T) {
	p := newPending()
	one, first := p.open(2)
	two, second := p.open(1)
	if one == two || one == noTicket || two == noTicket {
		t.Fatalf("tickets %d and %d, want two different ones that are not %d", one, two, noTicket)
	}
	p.answer([]ordering.Outcome{{Ticket: noTicket}, {Ticket: two + 1}, {Ticket: one, Index: 1, State: ordering.Busy}})
	if isDone(first) || isDone(second) {
		t.Fatal("a submission is done before all its outcomes are there")
	}
	p.answer([]ordering.Outcome{{Ticket: two, State: ordering.Expired}, {Ticket: one, Index: 0, State: ordering.Included}})
	if !isDone(first) || !isDone(second) {
		t.Fatal("a submission is not done though all its outcomes are there")
	}
	want := []ordering.Outcome{{Ticket: one, Index: 0, State: ordering.Included}, {Ticket: one, Index: 1, State: ordering.Busy}}
	if diff := cmp.Diff(want, first.outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	three, _ := p.open(1)
	p.close(three)
	p.answer([]ordering.Outcome{{Ticket: three}, {Ticket: one}}) // nobody waits any more
	if len(p.tickets) != 0 {
		t.Errorf("%d tickets are kept after all were answered or given up", len(p.tickets))
	}
}

// bare is a validator without engine, disk and network; submissions stay in its loop's inbox.
func bare() *node {
	n := &node{pending: newPending(), loop: &loop{inbox: make(chan ordering.Event, 1)}}
	n.writer = newWriter(n)
	return n
}

func TestSubmitWaits(t *testing.T) {
	n := bare()
	items := make([]dag.Item, 2)
	go func() {
		s := (<-n.loop.inbox).(ordering.Submitted)
		n.pending.answer([]ordering.Outcome{{Ticket: s.Ticket, Index: 1, State: ordering.Busy}, {Ticket: s.Ticket, State: ordering.Included}})
	}()
	outcomes, err := n.Submit(t.Context(), items)
	if err != nil || len(outcomes) != 2 || outcomes[0].State != ordering.Included || outcomes[1].State != ordering.Busy {
		t.Errorf("got %+v, %v", outcomes, err)
	}
	if outcomes, err := n.Submit(t.Context(), nil); err != nil || outcomes != nil {
		t.Errorf("nothing submitted: got %+v, %v", outcomes, err)
	}
}

// Whoever gives up leaves no ticket behind, whether the loop took the submission or not.
func TestSubmitGivesUp(t *testing.T) {
	n := bare()
	for _, room := range []string{"taken by the loop", "not taken"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := n.Submit(ctx, make([]dag.Item, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the deadline", room, err)
		}
		cancel()
		if len(n.pending.tickets) != 0 {
			t.Errorf("%s: %d tickets are left", room, len(n.pending.tickets))
		}
	}
}

func TestSubmitWhileStopping(t *testing.T) {
	n := bare()
	close(n.writer.inbox)
	if err := n.writer.run(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Submit(t.Context(), make([]dag.Item, 1)); !errors.Is(err, errStopping) {
		t.Errorf("got %v, want that the node is stopping", err)
	}
	if len(n.pending.tickets) != 0 {
		t.Errorf("%d tickets are left", len(n.pending.tickets))
	}
}

func TestHistoryWait(t *testing.T) {
	n, committed := opened(t, 1)
	head := n.store.Head().Index
	if got, err := n.history.Wait(t.Context(), head-1); err != nil || got != head {
		t.Errorf("wait behind the head: %d, %v, want %d at once", got, err, head)
	}
	if at, found, err := n.history.Lookup(committed); err != nil || !found || at.Commit == 0 || at.Commit > head {
		t.Errorf("look-up: %+v %v %v", at, found, err)
	}
	if h := n.history.Heads(); h.Committed != head {
		t.Errorf("heads %+v, want %d", h, head)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := n.history.Wait(ctx, head)
		waiting <- err
	}()
	n.history.announce() // wakes it, and there is still nothing
	select {
	case err := <-waiting:
		t.Fatalf("wait returned %v without a commit", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel(nil)
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the wait was cancelled", err)
	}
}
