package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// A snapshot is written into a database of its own beside the store's, which takes the place of that one when it is
// whole. The names in the data directory say how far that has come, so that a crash at any moment leaves a
// store that has all of the snapshot or nothing of it:
//
//	badger.joining   it is being written; Open removes it
//	badger.joined    it is whole; Open puts it in badger's place
//	badger.replaced  what was in that place before; Open removes it
func (o *Options) joiningDir() string  { return o.badgerDir() + ".joining" }
func (o *Options) joinedDir() string   { return o.badgerDir() + ".joined" }
func (o *Options) replacedDir() string { return o.badgerDir() + ".replaced" }

// Staging is a snapshot that is being written. One goroutine at a time uses it.
type Staging struct {
	options Options
	head    *ordering.Commit
	badger  *badgerCopy // nil once it is closed
	writes  *batch
	pending int // bytes in writes
	whole   bool
}

// Stage begins to write the snapshot with a head, which must be proven, while the store goes on. What an earlier one
// left is removed.
func (s *Store) Stage(head *ordering.Commit) (*Staging, error) {
	t := &Staging{options: s.options, head: head}
	dir := t.options.joiningDir()
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("stage snapshot: %w", err)
	}
	var err error
	if t.badger, err = openBadger(dir, t.options.Logger); err != nil {
		return nil, fmt.Errorf("stage snapshot: %w", err)
	}
	t.writes = t.badger.batch()
	return t, nil
}

// Commit takes a commit of the window, in any order.
func (t *Staging) Commit(c *ordering.Commit) error {
	return t.set(windowKey(c.Index), c.EncodeRecord())
}

func (t *Staging) set(key, value []byte) error {
	if err := t.writes.set(key, value); err != nil {
		return fmt.Errorf("stage snapshot: %w", err)
	}
	if t.pending += len(value); t.pending >= copyBatch {
		return t.flush()
	}
	return nil
}

func (t *Staging) flush() error {
	if err := t.writes.flush(); err != nil {
		return fmt.Errorf("stage snapshot: %w", err)
	}
	t.writes, t.pending = t.badger.batch(), 0
	return nil
}

// Finish takes the carried states of the head and ends the writing: all of the snapshot is on disk then, and
// Install may follow.
func (t *Staging) Finish(states []ordering.State) error {
	for _, ref := range t.head.StateRefs() {
		for _, s := range states {
			if s.Kind == ref.Kind && ref.Commit > 0 {
				if err := t.set(stateKey(ref.Commit, s.Kind), s.Encoded); err != nil {
					return err
				}
			}
		}
	}
	at := uint64(t.head.Index)
	err := errors.Join(
		t.set([]byte{prefixIdentity}, t.options.identity()),
		t.set([]byte{prefixEarliest}, numberValue(at+1)),
		t.set([]byte{prefixRevealed}, binary.BigEndian.AppendUint64(numberValue(at), at)),
		t.set([]byte{prefixBase}, snapshot.EncodeHead(t.head)),
	)
	if err == nil {
		err = errors.Join(t.flush(), t.badger.sync())
	}
	if err := errors.Join(err, t.close()); err != nil {
		return err
	}
	t.whole = true
	return nil
}

func (t *Staging) close() error {
	if t.badger == nil {
		return nil
	}
	t.writes.cancel()
	err := t.badger.close()
	t.badger = nil
	return err
}

// Discard gives the snapshot up.
func (t *Staging) Discard() error {
	return errors.Join(t.close(), os.RemoveAll(t.options.joiningDir()))
}

// Install puts a finished snapshot in the place of the history that the store had, whose Close must have
// returned. What this node has signed stays: the log as it is, and the own blocks that may still count.
func (t *Staging) Install() error {
	if !t.whole {
		return errors.New("install snapshot: it is not finished")
	}
	lock, err := lockDirectory(t.options.Dir)
	if err != nil {
		return fmt.Errorf("install snapshot: %w", err)
	}
	err = t.keepOwn()
	if err == nil {
		err = t.options.files.Rename(t.options.joiningDir(), t.options.joinedDir())
	}
	if err == nil {
		err = t.options.settleJoin()
	}
	if err := errors.Join(err, lock.release()); err != nil {
		return fmt.Errorf("install snapshot: %w", err)
	}
	return nil
}

// keepOwn copies the own blocks that may still count from the old database into the new one: the newest, which
// says what was signed, and those with items that may still be valid.
func (t *Staging) keepOwn() (err error) {
	if _, err := os.Stat(t.options.badgerDir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old, err := openBadger(t.options.badgerDir(), t.options.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.close()) }()
	if t.badger, err = openBadger(t.options.joiningDir(), t.options.Logger); err != nil {
		return err
	}
	t.writes = t.badger.batch()
	if err := t.copyOwn(old); err != nil {
		return errors.Join(err, t.close())
	}
	return errors.Join(t.flush(), t.badger.sync(), t.close())
}

func (t *Staging) copyOwn(old *badgerCopy) error {
	if raw, found, err := old.get([]byte{prefixHighest}); err != nil || found {
		if err = errors.Join(err, t.set([]byte{prefixHighest}, raw)); err != nil {
			return err
		}
	}
	newest := true
	return old.each([]byte{prefixOwn}, last(prefixOwn), descending, func(item *badger.Item) error {
		ref := refOfOwnKey(item.Key(), t.options.Self)
		raw, found, err := old.get(blockKey(ref))
		if err != nil || !found {
			return errors.Join(err, missingOwn(old.dir, ref, found))
		}
		b, err := dag.Verify(t.options.Committee, raw)
		if err != nil {
			return corruptBadger(old.dir, err.Error())
		}
		if !newest && b.Block().LastCommit.Index+dag.ValidityWindow < t.head.Index {
			return errStop
		}
		newest = false
		if err := setBlock(t.writes, t.options.Self, ref, raw); err != nil {
			return err
		}
		if t.pending += len(raw); t.pending < copyBatch {
			return nil
		}
		return t.flush()
	})
}

func missingOwn(dir string, ref dag.Ref, found bool) error {
	if found {
		return nil
	}
	return corruptBadger(dir, fmt.Sprintf("own block %v is missing", ref))
}

// settleJoin ends what a crash may have interrupted: a whole snapshot takes its place, one that is not whole goes.
func (o *Options) settleJoin() error {
	_, err := os.Stat(o.joinedDir())
	switch {
	case err == nil:
		if _, err := os.Stat(o.badgerDir()); err == nil {
			if err := o.files.Rename(o.badgerDir(), o.replacedDir()); err != nil {
				return err
			}
		}
		if err := o.files.Rename(o.joinedDir(), o.badgerDir()); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return errors.Join(os.RemoveAll(o.replacedDir()), os.RemoveAll(o.joiningDir()))
}
