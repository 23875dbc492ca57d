package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/rollupapi"
)

const (
	// relayPatience is how many commits an item of an observer's may stay out of the order before the next
	// validator in its line proposes it too.
	relayPatience = 10
	// maxRelayTurns is how many turns the last in the line wait at most.
	maxRelayTurns = 8
	// maxRelayed bounds how many items wait for their turn; more are dropped, and are left to the others.
	maxRelayed = 8192
	// maxRelayedBytes bounds the same by their encoded bytes: items of 128 KiB would take 1 GiB.
	maxRelayedBytes = 32 << 20
	// relayEvery is how often the waiting ones are looked at.
	relayEvery = 200 * time.Millisecond
	// admitPatience is how long the check of an item may wait for other checks.
	admitPatience = 2 * time.Second
)

// admitGossip checks a gossiped or offered item for p2p, in its goroutines. What the sender could not know is
// not held against it: that this node is busy, or sees another newest commit than the sender did.
func (n *node) admitGossip(raw []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), admitPatience)
	defer cancel()
	_, err := n.admission.Encoded(ctx, n.store.Head().Index, raw)
	if blameless(err) {
		return fmt.Errorf("%w: %w", p2p.ErrNotNow, err)
	}
	return err
}

// blameless reports whether a refusal hangs on how far this node has come.
func blameless(err error) bool {
	var refusal *rollupapi.Refusal
	if !errors.As(err, &refusal) {
		return errors.Is(err, context.DeadlineExceeded)
	}
	switch refusal.Reason {
	case rollupapi.ReasonExpired, rollupapi.ReasonTooFarAhead, rollupapi.ReasonSealingNotReady, rollupapi.ReasonEpochKeyStale,
		rollupapi.ReasonNamespaceUnknown, rollupapi.ReasonNamespaceClosed, rollupapi.ReasonControlRefused:
		return true
	}
	return false
}

// held is an item whose turn has not come.
type held struct {
	item dag.Item
	due  dag.CommitIndex // when it has, if it is not in the order by then
}

// relay holds items of observers that are first for other validators. One goroutine owns it.
type relay struct {
	node    *node
	hasher  *dag.ItemHasher
	waiting map[crypto.Digest]held
	bytes   int // encoded, of all that wait
}

func newRelay(n *node) *relay {
	return &relay{node: n, hasher: dag.NewItemHasher(n.committee.Network()), waiting: make(map[crypto.Digest]held)}
}

// run takes what observers gossip and offer until ctx ends: one validator, chosen by the item's id over the
// active set, proposes it; the others do one after the other if it stays out of the order.
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

// take proposes an item or holds it until its turn.
func (r *relay) take(ctx context.Context, raw []byte) {
	// The engine writes valid_until into an unsigned item, and gossip still sends raw on.
	item, err := r.hasher.Decode(bytes.Clone(raw))
	if err != nil || r.node.self == ordering.Observer {
		return
	}
	turn := dag.CommitIndex(min(slices.Index(r.node.line(item.ID), r.node.self), maxRelayTurns))
	if turn == 0 {
		r.node.propose(ctx, item)
		return
	}
	_, waits := r.waiting[item.ID] // one that comes again has waited since it came first
	if !waits && len(r.waiting) < maxRelayed && r.bytes+len(item.Raw) <= maxRelayedBytes {
		r.waiting[item.ID] = held{item, r.node.store.Head().Index + turn*relayPatience}
		r.bytes += len(item.Raw)
	}
}

// retake proposes held items whose turn has come, and forgets those that were committed.
func (r *relay) retake(ctx context.Context) {
	head := r.node.store.Head().Index
	for id, h := range r.waiting {
		_, committed, err := r.node.store.LookupRecent(id)
		if err == nil && !committed && head < h.due {
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

// line is all validators in the order in which an id falls to them: the active ones from the chosen one on,
// then the others.
func (n *node) line(id crypto.Digest) []dag.Author {
	active := n.loop.status.Load().Active
	at := binary.BigEndian.Uint64(id[:8]) % uint64(len(active))
	out := slices.Concat(active[at:], active[:at])
	for a := range dag.Author(n.committee.Size()) {
		if !slices.Contains(active, a) {
			out = append(out, a)
		}
	}
	return out
}
