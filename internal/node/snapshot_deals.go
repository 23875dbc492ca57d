package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/store"
)

// dealsPatience is for how long a snapshot waits for the blocks with deals, which the order does not need.
const dealsPatience = 10 * time.Minute

// dealsTaker takes the blocks that brought in the deals of a snapshot's keys.
type dealsTaker struct {
	*taker
	deals   *snapshot.Deals
	staging *store.Staging
	stuck   map[ordering.Peer]bool // did not answer in time
	short   map[ordering.Peer]bool // ended an answer early
}

// takeDeals asks peers in turn for the blocks that brought in the deals of the states, and writes them. The order goes on
// without those that nobody has: what is missing then is the proof of a key to others, and the log says so.
func (t *taker) takeDeals(ctx context.Context, head *ordering.Commit, states []ordering.State, staging *store.Staging, first ordering.Peer) error {
	deals, err := snapshot.NewDeals(t.order.Committee, head.Index, states)
	if err != nil {
		return err
	}
	all := deals.Left()
	d := &dealsTaker{taker: t, deals: deals, staging: staging, stuck: make(map[ordering.Peer]bool), short: make(map[ordering.Peer]bool)}
	for deadline := time.Now().Add(dealsPatience); deals.Left() > 0; {
		if time.Now().After(deadline) {
			deals.Skip()
			continue
		}
		if err := d.next(ctx, first); err != nil {
			return err
		}
	}
	if deals.Missing() > 0 {
		t.log.Warn("deals_not_taken", "missing", deals.Missing(), "of", all, "next", "nothing for the order. "+
			"This node cannot prove the network's keys to clients that know the genesis file only: point them at a node that keeps all (store.retention is archive)")
	}
	return nil
}

// next takes the next part of them, from whoever has it first, or skips a deal that nobody has.
func (d *dealsTaker) next(ctx context.Context, first ordering.Peer) error {
	for range maxFruitless {
		before, peers := d.deals.Left(), d.peers(first)
		all := len(peers) > 0 // say that they do not have it
		for _, p := range peers {
			without, err := d.part(ctx, p)
			if err != nil || d.deals.Left() < before {
				return err
			}
			all = all && without
		}
		if all {
			break
		}
		if !pause(ctx, snapshotPause) {
			return ctx.Err()
		}
	}
	d.deals.Skip()
	return nil
}

// peers is whom to ask: first before the others, who gave little last, and nobody who did not answer.
func (d *dealsTaker) peers(first ordering.Peer) []ordering.Peer {
	peers := slices.DeleteFunc(d.connected(first), func(p ordering.Peer) bool { return d.stuck[p] })
	slices.SortStableFunc(peers, func(a, b ordering.Peer) int {
		switch {
		case d.short[a] == d.short[b]:
			return 0
		case d.short[a]:
			return 1
		}
		return -1
	})
	return peers
}

// part asks one peer for the next part; without says that it does not have it. An error is this node's.
func (d *dealsTaker) part(ctx context.Context, p ordering.Peer) (without bool, err error) {
	asking, stop := context.WithTimeout(ctx, partPatience)
	defer stop()
	q, _ := d.deals.Next()
	before, size := d.deals.Left(), 0
	err = d.mesh.Ask(asking, p, q, func(record []byte) error {
		deal, block, err := d.deals.Take(record)
		if err != nil {
			return err
		}
		size += len(record)
		d.told.note(0, len(record))
		if err := d.staging.Deal(ctx, deal, block); err != nil {
			return fmt.Errorf("%w: %w", errOwnStore, err)
		}
		return nil
	})
	switch {
	case errors.Is(err, errOwnStore):
		return false, err
	case ctx.Err() != nil:
		return false, ctx.Err()
	case wrong(err):
		d.liars[p] = true
	case asking.Err() != nil:
		d.stuck[p] = true
	case err == nil && d.deals.Left() > 0 && !q.Full(size):
		d.short[p] = true
	}
	return err == nil && d.deals.Left() == before, nil
}
