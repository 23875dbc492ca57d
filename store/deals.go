package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

func dealKey(d *ordering.Deal) []byte {
	return append([]byte{prefixDeal, byte(d.Message)}, d.Digest[:]...)
}

// DealBlock gives the encoding of the block that brought in a deal of a key generation, and whether it is here: also
// long after its commit was pruned, as long as the deal counts for a key. It reads the disk.
func (s *Store) DealBlock(d *ordering.Deal) (raw []byte, found bool, err error) {
	for range 2 { // it may be set aside, and its commit pruned, between the two looks
		err = s.reading(func() error {
			raw, found, err = s.badger.get(dealKey(d))
			return err
		})
		if err != nil || found {
			return raw, found, err
		}
		if raw, found, err = s.dealInHistory(d); err != nil || found {
			return raw, found, err
		}
	}
	return nil, false, nil
}

// dealInHistory looks for the block in its commit.
func (s *Store) dealInHistory(d *ordering.Deal) ([]byte, bool, error) {
	if d.Commit < s.Earliest() {
		return nil, false, nil
	}
	c, found, err := s.CommitRecord(d.Commit)
	if err != nil || !found {
		return nil, false, err
	}
	for _, ref := range c.Blocks {
		if ref.Author != d.Dealer {
			continue
		}
		b, found, err := s.Block(ref)
		if err != nil {
			return nil, false, err
		}
		if found && d.In(b.Block()) {
			return b.Bytes(), true, nil
		}
	}
	return nil, false, nil
}

// giveDeals gives the blocks of the deals in a commit's states, from a place on and up to the first that is not here.
func (s *Store) giveDeals(at dag.CommitIndex, place int, give func([]byte) error) error {
	states, found, err := s.statesAt(at)
	if err != nil || !found {
		return err
	}
	deals, err := ordering.DealsOf(s.options.Committee, states)
	if err != nil {
		return corruptBadger(s.badger.dir, err.Error())
	}
	for i := place; i < len(deals); i++ {
		raw, found, err := s.DealBlock(&deals[i])
		if err != nil || !found {
			return err
		}
		if err := give(snapshot.EncodeDeal(raw)); err != nil {
			return err
		}
	}
	return nil
}

// dealKeeper sets blocks with deals that count aside before they are pruned, and removes them when the deals no longer
// count. The pruner uses it.
type dealKeeper struct {
	badger    *badgerCopy
	committee *dag.Committee
	of        []ordering.StateRef // the states whose deals are these
	deals     []ordering.Deal     // whose blocks are not set aside yet
}

// keep sets aside what goes when all commits before goal go. It is durable after the next sync.
func (k *dealKeeper) keep(newest *ordering.Commit, goal dag.CommitIndex) error {
	if err := k.look(newest); err != nil {
		return fmt.Errorf("keep deals: %w", err)
	}
	w, pending := k.badger.batch(), 0
	defer func() { w.cancel() }()
	for i := range k.deals {
		d := &k.deals[i]
		if d.Commit >= goal {
			continue
		}
		raw, err := k.unkept(d)
		if err != nil {
			return fmt.Errorf("keep deal of %v: %w", d.Dealer, err)
		}
		if raw == nil {
			continue
		}
		if err := w.set(dealKey(d), raw); err != nil {
			return err
		}
		if pending += len(raw); pending >= copyBatch {
			if err := w.flush(); err != nil {
				return err
			}
			w, pending = k.badger.batch(), 0
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	k.deals = slices.DeleteFunc(k.deals, func(d ordering.Deal) bool { return d.Commit < goal }) // they hold on to the state
	return nil
}

// look takes over the deals of the newest states, and removes what was kept of others.
func (k *dealKeeper) look(newest *ordering.Commit) error {
	refs := newest.StateRefs()
	if slices.Equal(refs, k.of) {
		return nil
	}
	states, err := ordering.ReadStates(newest, func(i dag.CommitIndex) (*ordering.Commit, error) {
		raw, found, err := k.badger.get(commitKey(i))
		if err != nil {
			return nil, err
		}
		if !found {
			c, err := k.badger.begunWith(i)
			if err == nil && len(c.States) == 0 {
				err = k.badger.missingStates(i)
			}
			return c, err
		}
		return decodeStoredCommit(k.badger.dir, i, raw)
	})
	if err != nil {
		return err
	}
	deals, err := ordering.DealsOf(k.committee, states)
	if err != nil {
		return corruptBadger(k.badger.dir, err.Error())
	}
	counts := make(map[string]bool, len(deals))
	for i := range deals {
		counts[string(dealKey(&deals[i]))] = true
	}
	w := k.badger.batch()
	defer w.cancel()
	err = k.badger.each([]byte{prefixDeal}, []byte{prefixDeal}, ascending, func(item *badger.Item) error {
		if key := item.KeyCopy(nil); !counts[string(key)] {
			return w.remove(key)
		}
		return nil
	})
	k.of, k.deals = refs, deals
	return errors.Join(err, w.flush())
}

// unkept is the block of a deal if it stands in its commit only; nil also where neither has it, as after a snapshot of
// nodes that had it no longer.
func (k *dealKeeper) unkept(d *ordering.Deal) ([]byte, error) {
	if _, kept, err := k.badger.get(dealKey(d)); err != nil || kept {
		return nil, err
	}
	raw, found, err := k.badger.get(commitKey(d.Commit))
	if err != nil || !found {
		return nil, err
	}
	c, err := decodeStoredCommit(k.badger.dir, d.Commit, raw)
	if err != nil {
		return nil, err
	}
	for _, ref := range c.Blocks {
		if ref.Author != d.Dealer {
			continue
		}
		raw, found, err := k.badger.get(blockKey(ref))
		if err != nil || !found {
			return nil, err
		}
		b, err := dag.Verify(k.committee, raw)
		if err != nil {
			return nil, corruptBadger(k.badger.dir, err.Error())
		}
		if d.In(b.Block()) {
			return raw, nil
		}
	}
	return nil, nil
}
