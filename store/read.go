package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// firstCommit is the index of the oldest commit that a store keeps.
const firstCommit dag.CommitIndex = 1

// reading runs fn while Badger is open.
func (s *Store) reading(fn func() error) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return ErrClosed
	}
	if err := s.failure.err(); err != nil {
		return err
	}
	return fn()
}

// Head names the newest commit; the zero value before the first.
func (s *Store) Head() dag.CommitRef {
	head, _ := s.recent.bounds()
	return head
}

// Earliest is the index of the oldest commit kept; 0 if there is none.
func (s *Store) Earliest() dag.CommitIndex {
	_, earliest := s.recent.bounds()
	return earliest
}

// BlockBytes gives the encoding of a block, digest and checksum checked, and whether it is stored.
// The bytes must not be changed. It may read the disk.
func (s *Store) BlockBytes(ref dag.Ref) (raw []byte, found bool, err error) {
	err = s.reading(func() error {
		if b := s.recent.block(ref); b != nil {
			raw, found = b.Bytes(), true
			return nil
		}
		raw, found, err = s.badger.get(blockKey(ref))
		if err != nil || !found {
			return err
		}
		return s.checkDigest(ref, raw)
	})
	if err != nil {
		return nil, false, fmt.Errorf("read block %v: %w", ref, err)
	}
	return raw, found, nil
}

// ServedBytes is BlockBytes as other nodes may ask for it: an own block that is not durable yet is
// not there for them.
func (s *Store) ServedBytes(ref dag.Ref) (raw []byte, found bool, err error) {
	if raw, found, err = s.BlockBytes(ref); err != nil || s.withheld(ref) {
		return nil, false, err
	}
	return raw, found, nil
}

func (s *Store) checkDigest(ref dag.Ref, raw []byte) error {
	if blockDigest(raw) != ref.Digest {
		return corruptBadger(s.badger.dir, fmt.Sprintf("block %v does not have the digest of its key", ref))
	}
	return nil
}

// Block gives a block and whether it is stored. One that is no longer in memory is read from disk
// and verified again, its signature too.
func (s *Store) Block(ref dag.Ref) (*dag.Verified, bool, error) {
	if b := s.recent.block(ref); b != nil {
		return b, true, s.usable()
	}
	raw, found, err := s.BlockBytes(ref)
	if err != nil || !found {
		return nil, false, err
	}
	b, err := dag.Verify(s.options.Committee, raw)
	if err != nil {
		return nil, false, fmt.Errorf("read block %v: %w", ref, corruptBadger(s.badger.dir, err.Error()))
	}
	return b, true, nil
}

// CommitRecord gives the commit with an index, and whether there is one; of those before Earliest, there
// are the ones that the newest commit's StateRefs name. Its Bodies may be missing; Commit fills them. The commit must not be changed.
func (s *Store) CommitRecord(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	head, earliest := s.recent.bounds()
	if err := s.usable(); err != nil || i == 0 || i > head.Index {
		return nil, false, err
	}
	if e := s.recent.commit(i); e != nil {
		return e.commit, true, nil
	}
	var c *ordering.Commit
	err := s.reading(func() error {
		raw, found, err := s.badger.get(commitKey(i))
		if err == nil && !found && i >= earliest && i >= s.Earliest() { // it may have been pruned meanwhile
			err = corruptBadger(s.badger.dir, "it is missing")
		}
		if err != nil || !found {
			return err
		}
		c, err = decodeStoredCommit(s.badger.dir, i, raw)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("read commit %d: %w", i, err)
	}
	return c, c != nil, nil
}

// decodeStoredCommit decodes a commit and checks that it is the one of its key.
func decodeStoredCommit(dir string, i dag.CommitIndex, raw []byte) (*ordering.Commit, error) {
	c, err := ordering.DecodeCommit(raw)
	if err != nil {
		return nil, corruptBadger(dir, err.Error())
	}
	if c.Index != i {
		return nil, corruptBadger(dir, fmt.Sprintf("commit %d under the key of %d", c.Index, i))
	}
	return c, nil
}

// Commit gives the commit with an index, Bodies filled, and whether there is one. What is no longer
// in memory is read from disk and verified again. The commit must not be changed.
func (s *Store) Commit(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	c, found, err := s.CommitRecord(i)
	if err != nil || !found || len(c.Bodies) == len(c.Blocks) {
		return c, found, err
	}
	whole := *c
	if whole.Bodies, err = s.bodies(c.Blocks); err != nil {
		if i < s.Earliest() { // it may have been pruned meanwhile
			return nil, false, nil
		}
		return nil, false, fmt.Errorf("read commit %d: %w", i, err)
	}
	return &whole, true, nil
}

// bodies looks up blocks that must be there, the signatures of those on disk checked together.
func (s *Store) bodies(refs []dag.Ref) ([]*dag.Verified, error) {
	out := make([]*dag.Verified, len(refs))
	var raws [][]byte
	var at []int
	for i, ref := range refs {
		if out[i] = s.recent.block(ref); out[i] != nil {
			continue
		}
		raw, found, err := s.BlockBytes(ref)
		if err == nil && !found {
			err = corruptBadger(s.badger.dir, fmt.Sprintf("block %v is missing", ref))
		}
		if err != nil {
			return nil, err
		}
		raws, at = append(raws, raw), append(at, i)
	}
	blocks, errs := dag.VerifyBatch(s.options.Committee, raws)
	if err := errors.Join(errs...); err != nil {
		return nil, corruptBadger(s.badger.dir, err.Error())
	}
	for j, b := range blocks {
		out[at[j]] = b
	}
	return out, nil
}

// Lookup says where the transaction or bundle with an id was accepted last, and whether it was. Ids
// of the newest commits are answered from memory.
func (s *Store) Lookup(id crypto.Digest) (Location, bool, error) { return s.lookup(id, s.index.all) }

// LookupRecent is Lookup as far back as the index has filters in memory, which is far beyond the
// window of duplicates: an id that is not there costs no read of the disk, however long the history.
func (s *Store) LookupRecent(id crypto.Digest) (Location, bool, error) {
	return s.lookup(id, s.index.recent)
}

func (s *Store) lookup(id crypto.Digest, runs func(crypto.Digest) []dag.CommitIndex) (Location, bool, error) {
	if err := s.usable(); err != nil {
		return Location{}, false, err
	}
	// In this order: a run that leaves memory has its filter in place before.
	if l, ok := s.index.inMemory(id); ok {
		return l, true, nil
	}
	for _, first := range runs(id) {
		var places []Location
		err := s.reading(func() (err error) {
			places, err = findInRun(s.badger, first, id)
			return err
		})
		if err != nil {
			return Location{}, false, fmt.Errorf("look up %s: %w", id.Short(), err)
		}
		for _, l := range places {
			c, found, err := s.CommitRecord(l.Commit)
			if err != nil {
				return Location{}, false, fmt.Errorf("look up %s: %w", id.Short(), err)
			}
			if found && int(l.Index) < len(c.Accepted) && c.Accepted[l.Index].ID == id {
				return l, true, nil
			}
		}
	}
	return Location{}, false, nil
}

// CommitsOfNamespace gives the indices, ascending, of the commits after one that hold something of a
// namespace, at most limit. Commits without anything of it cost nothing on disk.
func (s *Store) CommitsOfNamespace(ns dag.Namespace, after dag.CommitIndex, limit int) ([]dag.CommitIndex, error) {
	if err := s.usable(); err != nil || limit <= 0 {
		return nil, err
	}
	inMemory, from := s.recent.commitsWith(ns, after+1, limit)
	if after+1 >= from {
		return inMemory, nil
	}
	var out []dag.CommitIndex
	prefix := numberKey(prefixNamespace, uint64(ns))
	err := s.reading(func() error {
		return s.badger.each(prefix, binary.BigEndian.AppendUint64(slices.Clone(prefix), uint64(after+1)), ascending, func(item *badger.Item) error {
			i := dag.CommitIndex(lastNumber(item.Key()))
			if i >= from || len(out) == limit {
				return errStop
			}
			out = append(out, i)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read commits of namespace %d: %w", ns, err)
	}
	return append(out, inMemory[:min(len(inMemory), limit-len(out))]...), nil
}
