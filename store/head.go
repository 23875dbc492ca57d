package store

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/crypto"
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
	return len(h.chain) >= checkedCommits || c.Index == firstCommit
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
	h := &headSearch{beyond: make(map[dag.CommitIndex]dag.CommitRef)}
	over := false
	err := l.badger.each([]byte{prefixCommit}, last(prefixCommit), descending, func(item *badger.Item) error {
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
	}
	l.beyond, l.recovery.Report.Unchained = h.beyond, len(h.beyond)
	l.recovery.Head = h.head
	if h.head == nil || h.head.Index == firstCommit {
		return nil
	}
	raw, found, err := l.badger.get(commitKey(h.head.Index - 1))
	if err != nil || !found {
		return err
	}
	previous, err := decodeStoredCommit(l.badger.dir, h.head.Index-1, raw)
	if err != nil {
		return err
	}
	if depth := l.options.GCDepth; previous.Round > depth {
		l.recovery.GCRound = previous.Round - depth
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

// RecentAccepted calls fn for the newest dag.ValidityWindow commits, oldest first, with the ids that
// each accepted, in order: what the dedupe window must hold again after a restart. It checks that
// the commits chain. It reads the disk; an error of fn ends it.
func (s *Store) RecentAccepted(fn func(dag.CommitIndex, []crypto.Digest) error) error {
	head := s.Head()
	from := firstCommit
	if head.Index > dag.ValidityWindow {
		from = head.Index - dag.ValidityWindow + 1
	}
	var previous *ordering.Commit
	for i := from; i <= head.Index; i++ {
		c, found, err := s.CommitRecord(i)
		if err != nil {
			return err
		}
		if !found || (previous != nil && c.Previous != previous.Digest) {
			return corruptBadger(s.badger.dir, fmt.Sprintf("commit %d is missing or does not continue the one before", i))
		}
		previous = c
		ids := make([]crypto.Digest, len(c.Accepted))
		for j := range ids {
			ids[j] = c.Accepted[j].ID
		}
		if err := fn(i, ids); err != nil {
			return err
		}
	}
	return nil
}

// OwnRecent calls fn for the own blocks, newest first, whose items the dedupe window may not have
// settled yet: those made when the newest commit was at most dag.ValidityWindow behind today's. It
// is for the time after Open, when uncommitted own transactions return to the pool. It reads the
// disk; an error of fn ends it.
func (s *Store) OwnRecent(fn func(*dag.Verified) error) error {
	if s.options.Self == nil {
		return nil
	}
	from := last(prefixOwn)
	for {
		refs, err := s.ownBefore(from)
		if err != nil || len(refs) == 0 {
			return err
		}
		for _, ref := range refs {
			b, found, err := s.Block(ref)
			if err != nil {
				return err
			}
			if !found {
				return corruptBadger(s.badger.dir, fmt.Sprintf("own block %v is missing", ref))
			}
			if b.Block().LastCommit.Index+dag.ValidityWindow < s.Head().Index {
				return nil
			}
			if err := fn(b); err != nil {
				return err
			}
		}
		from = ownKey(refs[len(refs)-1])
	}
}

// ownPage is how many own refs are read in one go.
const ownPage = 256

// ownBefore gives the next own refs below a key, newest first.
func (s *Store) ownBefore(from []byte) (refs []dag.Ref, err error) {
	err = s.reading(func() error {
		return s.badger.each([]byte{prefixOwn}, from, descending, func(item *badger.Item) error {
			if string(item.Key()) == string(from) {
				return nil
			}
			refs = append(refs, refOfOwnKey(item.Key(), *s.options.Self))
			if len(refs) == ownPage {
				return errStop
			}
			return nil
		})
	})
	return refs, err
}
