package store

import (
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Window calls fn for the newest dag.ValidityWindow commits, oldest first: what the dedupe window
// must hold again after a restart. It checks that they chain. Their Bodies may be missing, and of those that
// came with a snapshot all but header, digest and accepted ids. It reads the disk; an error of fn ends it.
func (s *Store) Window(fn func(*ordering.Commit) error) error {
	head := s.Head()
	from := firstCommit
	if head.Index > dag.ValidityWindow {
		from = head.Index - dag.ValidityWindow + 1
	}
	var previous *ordering.Commit
	for i := from; i <= head.Index; i++ {
		c, found, err := s.WindowRecord(i)
		if err != nil {
			return err
		}
		if !found || (previous != nil && c.Previous != previous.Digest) {
			return corruptBadger(s.badger.dir, fmt.Sprintf("commit %d is missing or does not continue the one before", i))
		}
		previous = c
		if err := fn(c); err != nil {
			return err
		}
	}
	return nil
}

// OwnUncommitted gives the own blocks, oldest first, that no commit has brought in and whose items
// may still be valid: made when the newest commit was at most dag.ValidityWindow behind today's. It
// is for the time after Open, when own transactions return to the pool. It reads the disk.
func (s *Store) OwnUncommitted() ([]*dag.Verified, error) {
	committed := make(map[dag.Ref]bool)
	err := s.Window(func(c *ordering.Commit) error {
		for _, r := range c.Blocks {
			if r.Author == s.options.Self {
				committed[r] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []*dag.Verified
	for from := last(prefixOwn); ; {
		refs, err := s.ownBefore(from)
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if committed[ref] {
				continue
			}
			b, found, err := s.Block(ref)
			if err == nil && !found {
				err = corruptBadger(s.badger.dir, fmt.Sprintf("own block %v is missing", ref))
			}
			if err != nil {
				return nil, err
			}
			if b.Block().LastCommit.Index+dag.ValidityWindow < s.Head().Index {
				refs = nil // and so are all before it
				break
			}
			out = append(out, b)
		}
		if len(refs) == 0 {
			slices.Reverse(out)
			return out, nil
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
			refs = append(refs, refOfOwnKey(item.Key(), s.options.Self))
			if len(refs) == ownPage {
				return errStop
			}
			return nil
		})
	})
	return refs, err
}
