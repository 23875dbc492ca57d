package store

import (
	"context"
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
func (o *Options) joiningDir() string  { return o.badgerDir() + joiningSuffix }
func (o *Options) joinedDir() string   { return o.badgerDir() + ".joined" }
func (o *Options) replacedDir() string { return o.badgerDir() + ".replaced" }

// stagingBatch is about how many bytes of values go into the snapshot's database in one batch: so few that Badger makes one
// transaction of them. Where it cannot make a new memtable it fails the transaction in hand, and ends the process
// when it is given another one.
const stagingBatch = 256 << 10

const joiningSuffix = ".joining"

// Staging is a snapshot that is being written. One goroutine at a time uses it. After an error of Commit, Deal or
// Finish nothing may follow but Discard.
type Staging struct {
	options Options
	head    *ordering.Commit
	badger  *badgerCopy // nil once it is closed
	retries *stuck      // badger's
	writes  *batch
	pending int          // bytes in writes
	behind  <-chan error // the end of a part that was not waited for, which uses the fields above; nil for none
	whole   bool
}

// Stage begins to write the snapshot with a head, which must be proven, while the store goes on. What an earlier one
// left is removed.
func (s *Store) Stage(head *ordering.Commit) (*Staging, error) {
	t := &Staging{options: s.options, head: head}
	if err := os.RemoveAll(t.options.joiningDir()); err != nil {
		return nil, fmt.Errorf("stage snapshot: %w", err)
	}
	if err := t.open(); err != nil {
		return nil, fmt.Errorf("stage snapshot: %w", err)
	}
	return t, nil
}

func (t *Staging) open() (err error) {
	if t.badger, err = openBadger(t.options.joiningDir(), t.options.Logger); err != nil {
		return err
	}
	t.writes, t.retries = t.badger.batch(), t.badger.stuck
	return nil
}

// Commit takes a commit of the window, in any order. It does not wait for a disk that takes nothing.
func (t *Staging) Commit(ctx context.Context, c *ordering.Commit) error {
	return t.stage(ctx, func() error { return t.set(windowKey(c.Index), c.EncodeRecord()) })
}

// Deal takes the block that brought in a deal. It does not wait for a disk that takes nothing.
func (t *Staging) Deal(ctx context.Context, d *ordering.Deal, b *dag.Verified) error {
	return t.stage(ctx, func() error { return t.set(dealKey(d), b.Bytes()) })
}

// Finish takes the carried states of the head and ends the writing: all of the snapshot is on disk then, and
// Install may follow. It does not wait for a disk that takes nothing.
func (t *Staging) Finish(ctx context.Context, states []ordering.State) error {
	if err := t.stage(ctx, func() error { return t.finish(states) }); err != nil {
		return err
	}
	t.whole = true
	return nil
}

func (t *Staging) stage(ctx context.Context, part func() error) error {
	if err := t.do(ctx, part); err != nil {
		return fmt.Errorf("stage snapshot: %w", err)
	}
	return nil
}

// do runs a part of the writing. Where Badger only tries again and again, or ctx ends, it leaves the part behind and
// returns why.
func (t *Staging) do(ctx context.Context, part func() error) error {
	done := make(chan error, 1)
	go func() { done <- part() }()
	select {
	case err := <-done:
		return err
	case <-t.retries.begun:
		t.behind = done
		return t.retries.why()
	case <-ctx.Done():
		t.behind = done
		return ctx.Err()
	}
}

func (t *Staging) set(key, value []byte) error {
	if err := t.writes.set(key, value); err != nil {
		return err
	}
	return t.wrote(len(value))
}

// wrote counts bytes in the batch, and begins a new one when they are enough.
func (t *Staging) wrote(bytes int) error {
	if t.pending += bytes; t.pending < stagingBatch {
		return nil
	}
	return t.flush()
}

func (t *Staging) flush() error {
	if err := t.writes.flush(); err != nil {
		return err
	}
	t.writes, t.pending = t.badger.batch(), 0
	return nil
}

// sync returns when all that was set is on disk.
func (t *Staging) sync() error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.badger.sync()
}

func (t *Staging) finish(states []ordering.State) error {
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
		err = t.sync()
	}
	return errors.Join(err, t.close())
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

// Discard gives the snapshot up. Where its database cannot be closed, as on a disk that takes nothing, it leaves that
// behind with an error: nothing may be staged again before another process has opened the store, which removes it.
func (t *Staging) Discard() error {
	closed := make(chan error, 1)
	go func() {
		if t.behind != nil {
			<-t.behind
		}
		closed <- t.close()
	}()
	select {
	case err := <-closed:
		return errors.Join(err, os.RemoveAll(t.options.joiningDir()))
	case <-t.retries.begun:
	case <-t.options.after(closePatience):
	}
	return errors.New("discard snapshot: its database could not be closed")
}

// Install puts a finished snapshot in the place of the history that the store had, whose Close must have
// returned. What this node has signed stays: the log as it is, and the own blocks that may still count. It does not wait
// for a disk that takes nothing. After an error the next Open goes on with all of the snapshot or with nothing of it.
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
func (t *Staging) keepOwn() error {
	if _, err := os.Stat(t.options.badgerDir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old, err := openBadger(t.options.badgerDir(), t.options.Logger)
	if err != nil {
		return err
	}
	if err := t.open(); err != nil {
		return errors.Join(err, old.close())
	}
	return t.takeOwn(old)
}

// takeOwn is keepOwn with both databases open, which it closes.
func (t *Staging) takeOwn(old *badgerCopy) error {
	return t.do(context.Background(), func() error {
		err := t.copyOwn(old)
		if err == nil {
			err = t.sync()
		}
		return errors.Join(err, t.close(), old.close())
	})
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
		return t.wrote(len(raw))
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
