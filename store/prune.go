package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Retention says how much of the history a store keeps. The zero value keeps all. Whatever it says, the
// newest LeastKept commits stay, and what is gone goes in steps.
type Retention struct {
	Commits dag.CommitIndex // so many of the newest; 0 for all
	Bytes   int64           // so many of encoded blocks and commits; 0 for all
}

const (
	// LeastKept is how many commits are always kept: those that a restart needs, with a margin for
	// readers that are a little behind.
	LeastKept dag.CommitIndex = dag.ValidityWindow + keptMargin
	// pruneBatch is how many keys are removed in one batch.
	pruneBatch = 4096
	// prunedDepth is how far below a commit's round its blocks may lie, with a margin.
	prunedDepth = 2 * ordering.GCDepth
)

// pruner removes what is older than the retention. The copier's goroutine uses it.
type pruner struct {
	badger   *badgerCopy
	keep     Retention
	least    dag.CommitIndex
	over     func() dag.CommitIndex // up to where nothing is left to do with commits
	sizes    map[uint64]int64       // bytes of the commits of each span
	total    int64                  // of sizes
	earliest dag.CommitIndex        // the oldest commit kept
	floor    dag.Round              // blocks of rounds below are removed
	carried  []dag.CommitIndex      // commits that stay although they are older
	freed    int64                  // bytes removed since space was last given back
	base     dag.CommitIndex        // head of the snapshot whose window is still there; 0 for none
	deals    dealKeeper
}

func spanOf(i dag.CommitIndex) uint64 { return uint64(i-1) / pruneSpan }

// loadPruner reads where the history begins and how large it is.
func loadPruner(b *badgerCopy, o *Options, base *ordering.Commit) (*pruner, error) {
	p := &pruner{
		badger: b, keep: o.Retention, least: o.leastKept, sizes: make(map[uint64]int64), earliest: firstCommit,
		deals: dealKeeper{badger: b, committee: o.Committee},
	}
	if base != nil {
		p.base = base.Index
	}
	raw, found, err := b.get([]byte{prefixEarliest})
	if err != nil {
		return nil, err
	}
	if found && len(raw) == 8 {
		p.earliest = dag.CommitIndex(binary.BigEndian.Uint64(raw))
		first := base
		if base == nil || base.Index+1 != p.earliest {
			if first, err = p.commit(p.earliest); err != nil {
				return nil, err
			}
		}
		p.floor = floorOf(first)
	}
	err = b.each([]byte{prefixSize}, []byte{prefixSize}, ascending, func(item *badger.Item) error {
		raw, err := b.value(item)
		if err != nil || len(raw) != 8 {
			return err
		}
		size := int64(binary.BigEndian.Uint64(raw))
		p.sizes[lastNumber(item.Key())] = size
		p.total += size
		return nil
	})
	return p, err
}

// count notes the size of a commit that is being written, in the same batch.
func (p *pruner) count(w *batch, c *ordering.Commit, encoded int) error {
	for _, b := range c.Bodies {
		encoded += len(b.Bytes())
	}
	span := spanOf(c.Index)
	p.sizes[span] += int64(encoded)
	p.total += int64(encoded)
	return w.set(numberKey(prefixSize, span), binary.BigEndian.AppendUint64(nil, uint64(p.sizes[span])))
}

// goal is the oldest commit that the retention keeps when head is the newest.
func (p *pruner) goal(head dag.CommitIndex) dag.CommitIndex {
	if head <= p.least || (p.keep.Commits == 0 && p.keep.Bytes == 0) {
		return p.earliest
	}
	most, goal := head-p.least+1, p.earliest
	if n := p.keep.Commits; n > 0 && head > n {
		goal = max(goal, head-n+1)
	}
	if p.keep.Bytes > 0 {
		left := p.total
		for span := spanOf(p.earliest); left > p.keep.Bytes && dag.CommitIndex(span+1)*pruneSpan < most; span++ {
			left -= p.sizes[span]
			goal = max(goal, dag.CommitIndex(span+1)*pruneSpan+1)
		}
	}
	goal = min(goal, most, p.over()+1)
	return max(p.earliest, (goal-1)/pruneSpan*pruneSpan+1)
}

// prune removes what has become too old by the time that head is the newest commit in Badger, and
// reports whether it did. The new beginning is durable, and told, before anything is removed.
func (p *pruner) prune(head dag.CommitIndex, tell func(dag.CommitIndex)) (bool, error) {
	goal := p.goal(head)
	if goal == p.earliest {
		return false, nil
	}
	first, err := p.commit(goal)
	if err != nil {
		return false, err
	}
	newest, err := p.commit(head)
	if err != nil {
		return false, err
	}
	if err := p.deals.keep(newest, goal); err != nil {
		return false, err
	}
	w := p.badger.batch()
	defer w.cancel()
	if err := p.keepCarried(w, newest); err != nil {
		return false, err
	}
	if err := w.set([]byte{prefixEarliest}, binary.BigEndian.AppendUint64(nil, uint64(goal))); err != nil {
		return false, err
	}
	if err := errors.Join(w.flush(), p.badger.sync()); err != nil {
		return false, err
	}
	tell(goal)
	p.earliest, p.floor = goal, floorOf(first)
	return true, p.remove()
}

// floorOf is the lowest round whose blocks are kept when c is the oldest commit.
func floorOf(c *ordering.Commit) dag.Round {
	if c.Round <= prunedDepth {
		return 0
	}
	return c.Round - prunedDepth
}

// keepCarried writes the commits with the states that newest carries once more if they are old: they would
// keep the space of all that was written with them.
func (p *pruner) keepCarried(w *batch, newest *ordering.Commit) error {
	p.carried = nil
	for _, ref := range newest.StateRefs() {
		if ref.Commit == 0 || slices.Contains(p.carried, ref.Commit) {
			continue
		}
		p.carried = append(p.carried, ref.Commit)
		raw, found, err := p.badger.get(commitKey(ref.Commit))
		if err != nil {
			return err
		}
		if !found { // it came with a snapshot
			continue
		}
		if err := w.set(commitKey(ref.Commit), raw); err != nil {
			return err
		}
	}
	return nil
}

func (p *pruner) commit(i dag.CommitIndex) (*ordering.Commit, error) {
	raw, found, err := p.badger.get(commitKey(i))
	if err == nil && !found {
		err = corruptBadger(p.badger.dir, fmt.Sprintf("commit %d is missing", i))
	}
	if err != nil {
		return nil, err
	}
	return decodeStoredCommit(p.badger.dir, i, raw)
}

// remove takes out everything below the beginning. Doing it twice changes nothing.
func (p *pruner) remove() error {
	e := uint64(p.earliest)
	for _, r := range []struct {
		prefix byte
		below  uint64 // the first number of a key that stays
	}{
		{prefixCommit, e}, {prefixReveal, e}, {prefixCertificate, e}, {prefixBlock, uint64(p.floor)}, {prefixOwn, uint64(p.floor)}, {prefixSize, spanOf(p.earliest)},
	} {
		if err := p.removeRange([]byte{r.prefix}, numberKey(r.prefix, r.below)); err != nil {
			return err
		}
	}
	for span := range p.sizes {
		if span < spanOf(p.earliest) {
			p.total -= p.sizes[span]
			p.freed += p.sizes[span]
			delete(p.sizes, span)
		}
	}
	return errors.Join(p.removeNamespaces(), p.removeRuns())
}

// removeNamespaces goes from namespace to namespace and removes each one's marks of old commits.
func (p *pruner) removeNamespaces() error {
	for at := []byte{prefixNamespace}; ; {
		var ns []byte // the next namespace's prefix
		err := p.badger.each([]byte{prefixNamespace}, at, ascending, func(item *badger.Item) error {
			ns = item.KeyCopy(nil)[:9]
			return errStop
		})
		if err != nil || ns == nil {
			return err
		}
		end := binary.BigEndian.AppendUint64(append([]byte(nil), ns...), uint64(p.earliest))
		if err := p.removeRange(ns, end); err != nil {
			return err
		}
		number := binary.BigEndian.Uint64(ns[1:])
		if number == ^uint64(0) {
			return nil
		}
		at = numberKey(prefixNamespace, number+1)
	}
}

// removeRuns removes runs of the transaction index that end before the beginning.
func (p *pruner) removeRuns() error {
	end := p.earliest
	err := p.badger.each([]byte{prefixRun}, []byte{prefixRun}, ascending, func(item *badger.Item) error {
		raw, err := p.badger.value(item)
		if err != nil {
			return err
		}
		if len(raw) < 8 || dag.CommitIndex(binary.BigEndian.Uint64(raw)) >= p.earliest {
			end = dag.CommitIndex(lastNumber(item.Key()))
			return errStop
		}
		return nil
	})
	if err != nil {
		return err
	}
	end = min(end, p.earliest)
	return errors.Join(p.removeRange([]byte{prefixRun}, runKey(end)), p.removeRange([]byte{prefixBucket}, bucketKey(end, 0)))
}

// removeRange removes the keys of a prefix before end, batch by batch.
func (p *pruner) removeRange(prefix, end []byte) error {
	for at := prefix; ; {
		w := p.badger.batch()
		n := 0
		err := p.badger.each(prefix, at, ascending, func(item *badger.Item) error {
			key := item.KeyCopy(nil)
			if string(key) >= string(end) || n == pruneBatch {
				return errStop
			}
			at, n = key, n+1
			if prefix[0] == prefixCommit && slices.Contains(p.carried, dag.CommitIndex(lastNumber(key))) {
				return nil
			}
			return w.remove(key)
		})
		if err == nil {
			err = w.flush()
		}
		w.cancel()
		if err != nil || n < pruneBatch {
			return err
		}
	}
}

// dropWindow removes the window that came with a snapshot when the commits since then make up one.
func (p *pruner) dropWindow(head dag.CommitIndex) error {
	if p.base == 0 || head < p.base+p.least {
		return nil
	}
	p.base = 0
	return p.removeRange([]byte{prefixWindow}, last(prefixWindow))
}
