package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
)

const (
	// passOnAgain is how often an observer looks whether its items are committed, and offers what is not to
	// the next validators.
	passOnAgain = 2 * time.Second
	// passOnCopies is how many validators an item is offered to at a time, where f+1 are not fewer. The one
	// it falls to proposes it, the others if it stays out of the order.
	passOnCopies = 3
)

// passing is one item on its way from an observer to the order.
type passing struct {
	item *dag.Item
	at   *ordering.Outcome
	next int // place in its line that is asked next
}

// passOn offers items to validators until the order holds them. With none in reach it gossips them: a
// neighbour may know one.
func (n *node) passOn(ctx context.Context, items []dag.Item) ([]ordering.Outcome, error) {
	outcomes := make([]ordering.Outcome, len(items))
	missing := make([]*passing, len(items))
	for i := range items {
		missing[i] = &passing{item: &items[i], at: &outcomes[i]}
		outcomes[i] = ordering.Outcome{Index: i, ID: items[i].ID}
	}
	again := time.NewTicker(passOnAgain)
	defer again.Stop()
	for {
		var err error
		if missing, err = n.stillMissing(missing); err != nil || len(missing) == 0 {
			return outcomes, err
		}
		if err := n.offer(ctx, missing); err != nil {
			return nil, err
		}
		if err := n.untilCommitted(ctx, missing, again.C); err != nil {
			return nil, err
		}
	}
}

// stillMissing notes what is committed and returns the rest.
func (n *node) stillMissing(items []*passing) ([]*passing, error) {
	var out []*passing
	for _, p := range items {
		at, found, err := n.store.LookupRecent(p.item.ID)
		switch {
		case err != nil:
			return nil, fmt.Errorf("submit: %w", err)
		case found:
			p.at.State, p.at.Commit = ordering.Committed, at.Commit
		default:
			out = append(out, p)
		}
	}
	return out, nil
}

// offer hands each item to the next validators of its line that are connected.
func (n *node) offer(ctx context.Context, items []*passing) error {
	connected := make(map[dag.Author]bool)
	for _, p := range n.network.Peers() {
		if p.Member && p.Connected {
			connected[dag.Author(p.Peer)] = true
		}
	}
	copies := min(n.committee.Validity(), passOnCopies, len(connected))
	batches := make(map[dag.Author][][]byte)
	for _, p := range items {
		if copies == 0 {
			if err := n.network.PublishTransaction(ctx, p.item.Raw); err != nil {
				return fmt.Errorf("submit: %w", err)
			}
			continue
		}
		line := n.line(p.item.ID)
		for found := 0; found < copies; p.next++ {
			if a := line[p.next%len(line)]; connected[a] {
				batches[a] = append(batches[a], p.item.Raw)
				found++
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, passOnAgain)
	defer cancel()
	var all sync.WaitGroup
	for a, raws := range batches {
		all.Go(func() { n.offerTo(ctx, a, raws) })
	}
	all.Wait()
	return nil
}

// offerTo offers items to one validator, as many at a time as an offer holds. What it does not take is
// offered to the next ones soon.
func (n *node) offerTo(ctx context.Context, to dag.Author, raws [][]byte) {
	for len(raws) > 0 {
		count, size := 0, 0
		for count < min(len(raws), p2p.MaxOfferItems) && size+len(raws[count]) <= p2p.MaxOfferBytes {
			size += len(raws[count])
			count++
		}
		if _, err := n.network.Offer(ctx, ordering.Peer(to), raws[:count]); err != nil {
			n.log.Debug("offer_not_taken", "validator", n.committee.Validator(to).Name, "err", err)
			return
		}
		raws = raws[count:]
	}
}

// untilCommitted waits until it is time to offer again, or until all items are in the order.
func (n *node) untilCommitted(ctx context.Context, items []*passing, again <-chan time.Time) error {
	for head := n.store.Head().Index; ; head = n.store.Head().Index {
		left, err := n.stillMissing(items)
		if err != nil || len(left) == 0 {
			return err
		}
		news := make(chan error, 1)
		waitCtx, cancel := context.WithCancel(ctx)
		go func() { _, err := n.history.Wait(waitCtx, head); news <- err }()
		select {
		case <-again:
			cancel()
			<-news
			return nil
		case err := <-news:
			cancel()
			if err != nil {
				return fmt.Errorf("submit: %w", err)
			}
		}
	}
}
