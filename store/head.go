package store

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

const (
	// checkedCommits is how many commits below the newest are read and their chain checked at open.
	// Those below were synced long ago; they are checked when they are read.
	checkedCommits = 1024
	// maxUnchained is how many commits behind a gap the engine is asked to make again. A power cut
	// takes what was not synced, some tenths of a second; more missing is damage.
	maxUnchained = 4096
)

// headSearch walks down from the newest commit to the end of an unbroken chain.
type headSearch struct {
	head   *ordering.Commit // of the chain in hand; nil for none
	lowest *ordering.Commit
	beyond map[dag.CommitIndex]dag.CommitRef // what was above a gap
	chain  []dag.CommitRef                   // the chain in hand

	earliest dag.CommitIndex  // the oldest commit kept
	base     *ordering.Commit // that it must continue; nil for none
}

// add takes the next lower commit and reports whether the search is over.
func (h *headSearch) add(c *ordering.Commit) bool {
	if h.lowest != nil && (c.Index+1 != h.lowest.Index || c.Digest != h.lowest.Previous) {
		h.breakChain()
	}
	if h.head == nil {
		h.head = c
	}
	h.lowest, h.chain = c, append(h.chain, c.Ref())
	if h.base != nil && c.Index == h.base.Index+1 && c.Previous != h.base.Digest {
		h.breakChain()
		return false
	}
	return len(h.chain) >= checkedCommits || c.Index == h.earliest
}

func (h *headSearch) breakChain() {
	for _, r := range h.chain {
		h.beyond[r.Index] = r
	}
	h.head, h.lowest, h.chain = nil, nil, nil
}

// findHead finds the newest commit with an unbroken chain below it, and from it the round above
// which blocks are needed.
func (l *loader) findHead() error {
	h := &headSearch{earliest: l.pruner.earliest, base: l.base, beyond: make(map[dag.CommitIndex]dag.CommitRef)}
	over := false
	err := l.badger.each([]byte{prefixCommit}, last(prefixCommit), descending, func(item *badger.Item) error {
		if lastNumber(item.Key()) < uint64(h.earliest) {
			return errStop // one that stays for what it carries
		}
		c, err := l.decode(item)
		if errors.Is(err, ErrCorrupt) {
			h.breakChain()
			return nil
		}
		if err != nil {
			return err
		}
		if over = h.add(c); over {
			return errStop
		}
		if len(h.beyond) > maxUnchained {
			return corruptBadger(l.badger.dir, fmt.Sprintf("more than %d commits lie behind a gap at commit %d", maxUnchained, c.Index+1))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !over {
		h.breakChain() // it does not reach down to where the history begins
		if l.base != nil && l.base.Index+1 == h.earliest {
			h.head = l.base
		}
	}
	l.beyond, l.recovery.Report.Unchained = h.beyond, len(h.beyond)
	l.recovery.Head = h.head
	if err := l.checkNoGap(); err != nil {
		return err
	}
	if depth := l.options.GCDepth; h.head != nil && h.head.Round > depth {
		l.recovery.GCRound = h.head.Round - depth
	}
	return nil
}

func (l *loader) decode(item *badger.Item) (*ordering.Commit, error) {
	raw, err := l.badger.value(item)
	if err != nil {
		return nil, err
	}
	return decodeStoredCommit(l.badger.dir, dag.CommitIndex(lastNumber(item.Key())), raw)
}

// checkNoGap walks the keys of all commits up to the head. Badger takes what follows a damaged entry of
// a write-ahead log for never written; such logs are left only by a process that did not close it.
func (l *loader) checkNoGap() error {
	if l.badger.orderly || l.recovery.Head == nil || l.recovery.Head == l.base {
		return nil
	}
	next, head := l.pruner.earliest, l.recovery.Head.Index
	err := l.badger.each([]byte{prefixCommit}, commitKey(next), ascending, func(item *badger.Item) error {
		i := dag.CommitIndex(lastNumber(item.Key()))
		if i > next {
			return corruptBadger(l.badger.dir, fmt.Sprintf("commits %d to %d are missing", next, i-1))
		}
		if next++; i == head {
			return errStop
		}
		return nil
	})
	if err == nil && next <= head {
		err = corruptBadger(l.badger.dir, fmt.Sprintf("commits %d to %d are missing", next, head))
	}
	return err
}
