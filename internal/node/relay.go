package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/rollupapi"
)

const (
	// relayPatience is how many commits a gossiped item may stay out of the order before validators
	// other than the one chosen for it propose it too.
	relayPatience = 20
	// maxRelayed bounds how many gossiped items wait for their chosen validator; more are dropped,
	// and are left to the others.
	maxRelayed = 8192
	// maxRelayedBytes bounds the same by their encoded bytes: items of 128 KiB would take 1 GiB.
	maxRelayedBytes = 32 << 20
	// relayEvery is how often the waiting ones are looked at.
	relayEvery = 200 * time.Millisecond
	// gossipAgain is how often an observer looks whether its items are committed, and repeats what is
	// not. Gossip remembers a message for two minutes: a repeat before that reaches only
	// validators that the first did not.
	gossipAgain = 2 * time.Second
)

// admitGossip checks a gossiped item for p2p, in its goroutines. What the sender could not know is
// not held against it: that this node is busy, or sees another newest commit than the sender did.
func (n *node) admitGossip(raw []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), gossipAgain)
	defer cancel()
	_, err := n.admission.Encoded(ctx, n.store.Head().Index, raw)
	var refusal *rollupapi.Refusal
	blameless := errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &refusal) && (refusal.Reason == rollupapi.ReasonExpired || refusal.Reason == rollupapi.ReasonTooFarAhead)
	if blameless {
		return fmt.Errorf("%w: %w", p2p.ErrNotNow, err)
	}
	return err
}

// held is a gossiped item that another validator was chosen for.
type held struct {
	item  dag.Item
	since dag.CommitIndex
}

// relay holds gossiped items that other validators were chosen for. One goroutine owns it.
type relay struct {
	node    *node
	hasher  *dag.ItemHasher
	waiting map[crypto.Digest]held
	bytes   int // encoded, of all that wait
}

func newRelay(n *node) *relay {
	return &relay{node: n, hasher: dag.NewItemHasher(n.committee.Network()), waiting: make(map[crypto.Digest]held)}
}

// run takes what observers gossip until ctx ends: one validator, chosen by the item's id over the
// active set, proposes it; the others do if it stays out of the order.
func (r *relay) run(ctx context.Context) {
	ticker := time.NewTicker(relayEvery)
	defer ticker.Stop()
	for {
		select {
		case g := <-r.node.network.Transactions():
			r.take(ctx, g.Raw)
		case <-ticker.C:
			r.retake(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// take proposes an item or holds it for the validator chosen.
func (r *relay) take(ctx context.Context, raw []byte) {
	// The engine writes valid_until into an unsigned item, and gossip still sends raw on.
	item, err := r.hasher.Decode(bytes.Clone(raw))
	if err != nil || r.node.self == ordering.Observer {
		return
	}
	if r.node.chosen(item.ID) == r.node.self {
		r.node.propose(ctx, item)
		return
	}
	_, waits := r.waiting[item.ID] // one that comes again has waited since it came first
	if !waits && len(r.waiting) < maxRelayed && r.bytes+len(item.Raw) <= maxRelayedBytes {
		r.waiting[item.ID] = held{item, r.node.store.Head().Index}
		r.bytes += len(item.Raw)
	}
}

// retake proposes held items that have waited long enough, and forgets those that were committed.
func (r *relay) retake(ctx context.Context) {
	head := r.node.store.Head().Index
	for id, h := range r.waiting {
		_, committed, err := r.node.store.LookupRecent(id)
		if err == nil && !committed && head < h.since+relayPatience {
			continue
		}
		delete(r.waiting, id)
		r.bytes -= len(h.item.Raw)
		if err == nil && !committed {
			r.node.propose(ctx, h.item)
		}
	}
}

// propose submits an item that nobody here waits for.
func (n *node) propose(ctx context.Context, item dag.Item) {
	n.loop.put(ctx, ordering.Submitted{Ticket: noTicket, Items: []dag.Item{item}})
}

// noTicket marks submissions without anybody who waits; pending gives out tickets from 1 on.
const noTicket = 0

// chosen is the active validator that an id falls to.
func (n *node) chosen(id crypto.Digest) dag.Author {
	active := n.loop.status.Load().Active
	return active[binary.BigEndian.Uint64(id[:8])%uint64(len(active))]
}

// submitByGossip gossips items until the order holds them.
func (n *node) submitByGossip(ctx context.Context, items []dag.Item) ([]ordering.Outcome, error) {
	outcomes := make([]ordering.Outcome, len(items))
	again := time.NewTicker(gossipAgain)
	defer again.Stop()
	for {
		missing := 0
		for i := range items {
			if outcomes[i].State != 0 {
				continue
			}
			at, found, err := n.store.LookupRecent(items[i].ID)
			switch {
			case err != nil:
				return nil, fmt.Errorf("submit: %w", err)
			case found:
				outcomes[i] = ordering.Outcome{Index: i, ID: items[i].ID, State: ordering.Committed, Commit: at.Commit}
			default:
				missing++
				if err := n.network.PublishTransaction(ctx, items[i].Raw); err != nil {
					return nil, fmt.Errorf("submit: %w", err)
				}
			}
		}
		if missing == 0 {
			return outcomes, nil
		}
		if err := n.untilCommitted(ctx, items, outcomes, again.C); err != nil {
			return nil, err
		}
	}
}

// untilCommitted waits until it is time to gossip again, or until all items are in the order.
func (n *node) untilCommitted(ctx context.Context, items []dag.Item, outcomes []ordering.Outcome, again <-chan time.Time) error {
	head := n.store.Head().Index
	for {
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
		head = n.store.Head().Index
		missing := false
		for i := range items {
			_, found, err := n.store.LookupRecent(items[i].ID)
			missing = missing || err != nil || (!found && outcomes[i].State == 0)
		}
		if !missing {
			return nil
		}
	}
}
