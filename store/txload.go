package store

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
)

// loadTxIndex reads the index's runs and rebuilds from the commits what no run holds, up to head.
// Runs that are not whole, or go beyond head, are made again.
func loadTxIndex(b *badgerCopy, earliest, head dag.CommitIndex, limits runLimits) (*txIndex, error) {
	x := &txIndex{limits: limits}
	next := earliest
	err := b.each([]byte{prefixRun}, []byte{prefixRun}, ascending, func(item *badger.Item) error {
		raw, err := b.value(item)
		if err != nil {
			return err
		}
		first := dag.CommitIndex(lastNumber(item.Key()))
		if len(raw) < 16 {
			return corruptBadger(b.dir, fmt.Sprintf("transaction index from commit %d is cut short", first))
		}
		last := dag.CommitIndex(binary.BigEndian.Uint64(raw))
		if last < earliest {
			return nil
		}
		if (first != next && len(x.sealed) > 0) || first > next || last > head {
			return errStop
		}
		x.push(sealedRun{first, last, filter(raw[8:])})
		next = last + 1
		return nil
	})
	if err != nil {
		return nil, err
	}
	if next, err = x.dropPartial(b, earliest, next); err != nil {
		return nil, err
	}
	x.open = newRun(next)
	for i := next; i <= head; i++ {
		raw, found, err := b.get(commitKey(i))
		if err == nil && !found {
			err = corruptBadger(b.dir, fmt.Sprintf("commit %d is missing", i))
		}
		if err != nil {
			return nil, err
		}
		c, err := decodeStoredCommit(b.dir, i, raw)
		if err != nil {
			return nil, err
		}
		x.add(c)
		if err := x.seal(b, i); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// dropPartial drops the newest run if a power cut took some of its buckets, and gives the commit
// from which to rebuild. Earlier runs were synced long before the newest was written.
func (x *txIndex) dropPartial(b *badgerCopy, earliest, next dag.CommitIndex) (dag.CommitIndex, error) {
	if len(x.sealed) == 0 {
		return next, nil
	}
	newest := x.sealed[len(x.sealed)-1]
	for i := range buckets {
		if _, found, err := b.get(bucketKey(newest.first, byte(i))); err != nil {
			return 0, err
		} else if !found {
			x.sealed = x.sealed[:len(x.sealed)-1]
			return max(newest.first, earliest), nil
		}
	}
	return next, nil
}
