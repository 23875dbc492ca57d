package store

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
)

const (
	// reclaimBytes is how much must have been pruned for space to be given back, which keeps readers of
	// the disk waiting for about a second: what one value log holds.
	reclaimBytes = badgerValueLogFile
	// reclaimLogs is how many value logs are given back at a time.
	reclaimLogs = 8
	// discarded is what part of a value log must be dead for it to be given back. Badger does not sync
	// what it moves out of it, so there should be nothing.
	discarded = 0.999
)

// prunedTo tells readers and the transaction index where the history now begins.
func (s *Store) prunedTo(earliest dag.CommitIndex) {
	s.recent.beginAt(earliest)
	s.index.beginAt(earliest)
}

// beginAt notes the oldest commit kept.
func (v *recentView) beginAt(earliest dag.CommitIndex) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.head.Index > 0 {
		v.earliest = max(v.earliest, earliest)
	}
}

// beginAt forgets runs that end before the oldest commit kept.
func (x *txIndex) beginAt(earliest dag.CommitIndex) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.sealed) > 0 && x.sealed[0].last < earliest {
		x.sealed = x.sealed[1:]
	}
}

// over is up to where commits are revealed, the reveals in Badger, and no share is owed: later ones are
// still needed.
func (r *reveals) over() dag.CommitIndex {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(r.stored, r.settled)
}

// prune removes what the retention no longer keeps: first from what readers are told, then from Badger.
func (c *copier) prune() error {
	pruned, err := c.pruner.prune(c.stored, c.store.prunedTo)
	err = errors.Join(err, c.pruner.dropWindow(c.stored))
	if err != nil || !pruned || c.pruner.freed < reclaimBytes {
		return err
	}
	c.pruner.freed = 0
	return c.store.badger.reclaim()
}

// reclaim gives the space of value logs back that hold nothing any more. Badger learns that values are
// dead only when tables are merged, which at the pace of keys alone would take many gigabytes: dropping
// a prefix makes it write out its memory and merge the newest tables.
func (b *badgerCopy) reclaim() error {
	w := b.batch()
	defer w.cancel()
	if err := errors.Join(w.mark([]byte{prefixDropped}), w.flush()); err != nil {
		return err
	}
	if err := guard(b.dir, func() error { return b.db.DropPrefix([]byte{prefixDropped}) }); err != nil {
		return fmt.Errorf("merge badger's tables: %w", err)
	}
	for range reclaimLogs {
		err := guard(b.dir, func() error { return b.db.RunValueLogGC(discarded) })
		if errors.Is(err, badger.ErrNoRewrite) || errors.Is(err, badger.ErrRejected) {
			break
		}
		if err != nil {
			return fmt.Errorf("give back space of badger: %w", err)
		}
	}
	return b.sync()
}
