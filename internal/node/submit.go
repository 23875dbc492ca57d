package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// pending is the submissions that wait for their outcomes.
type pending struct {
	mu      sync.Mutex
	next    uint64
	tickets map[uint64]*submission
}

type submission struct {
	outcomes []ordering.Outcome
	missing  int
	done     chan struct{}
}

func newPending() *pending { return &pending{tickets: make(map[uint64]*submission)} }

func (p *pending) open(items int) (uint64, *submission) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	s := &submission{outcomes: make([]ordering.Outcome, items), missing: items, done: make(chan struct{})}
	p.tickets[p.next] = s
	return p.next, s
}

func (p *pending) close(ticket uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tickets, ticket)
}

// answer hands outcomes to those who wait for them.
func (p *pending) answer(outcomes []ordering.Outcome) {
	if len(outcomes) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range outcomes {
		o := &outcomes[i]
		s := p.tickets[o.Ticket]
		if s == nil {
			continue // whoever submitted has stopped waiting
		}
		s.outcomes[o.Index] = *o
		if s.missing--; s.missing == 0 {
			delete(p.tickets, o.Ticket)
			close(s.done)
		}
	}
}

// errStopping answers submissions that the end of the node interrupts.
var errStopping = errors.New("the node is stopping; ask again for the status of what was submitted")

// notProposing refuses items of a node that has not begun.
func notProposing(items []dag.Item) []ordering.Outcome {
	out := make([]ordering.Outcome, len(items))
	for i := range items {
		out[i] = ordering.Outcome{Index: i, ID: items[i].ID, State: ordering.NotProposing}
	}
	return out
}

// Submit takes admitted items into own blocks; on an observer it passes them on to validators and
// waits until they are committed. It is rollupapi.Sequencer's method and safe for concurrent use.
func (n *node) Submit(ctx context.Context, items []dag.Item) ([]ordering.Outcome, error) {
	if len(items) == 0 {
		return nil, nil
	}
	if _, _, _, taking := n.taking.standing(); taking && !n.loop.begun.Load() {
		return notProposing(items), nil
	}
	if n.self == ordering.Observer {
		return n.passOn(ctx, items)
	}
	ticket, s := n.pending.open(len(items))
	if !n.loop.put(ctx, ordering.Submitted{Ticket: ticket, Items: items}) {
		n.pending.close(ticket)
		return nil, fmt.Errorf("submit: %w", context.Cause(ctx))
	}
	select {
	case <-s.done:
		return s.outcomes, nil
	case <-ctx.Done():
		n.pending.close(ticket)
		return nil, fmt.Errorf("submit: %w", context.Cause(ctx))
	case <-n.writer.stopped:
		n.pending.close(ticket)
		return nil, errStopping
	}
}
