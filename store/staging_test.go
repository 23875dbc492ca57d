package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// harm makes a Badger's directory take nothing more, and undo makes it work again.
type harm struct{ do, undo func(dir string) error }

// blockedTables is more tables than Badger tries to make in a test: each try has the next number.
const blockedTables = 300

var (
	// noDirectory leaves Badger no directory to write into.
	noDirectory = harm{
		func(dir string) error { return os.Rename(dir, dir+".away") },
		func(dir string) error { return os.Rename(dir+".away", dir) },
	}
	// noTables lets Badger make memtables and no tables of them.
	noTables = harm{
		func(dir string) error {
			return eachTable(dir, func(path string) error { return os.WriteFile(path, nil, 0o600) })
		},
		func(dir string) error { return eachTable(dir, os.Remove) },
	}
)

func eachTable(dir string, fn func(path string) error) error {
	for i := 1; i <= blockedTables; i++ {
		if err := fn(filepath.Join(dir, fmt.Sprintf("%06d.sst", i))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// writeOn writes records until one is refused.
func writeOn(ctx context.Context, s *Staging) error {
	c := *s.head
	for range 8 { // small enough for the memtable, not for the value log
		c.Accepted = append(c.Accepted, ordering.Accepted{ID: crypto.Hash("record", nil)})
	}
	for c.Index = 1; ; c.Index++ {
		if err := s.Commit(ctx, &c); err != nil {
			return err
		}
	}
}

// TestSnapshotThatCannotBeWritten: where Badger cannot write a snapshot, whoever takes it is told why instead of waiting for
// ever, and Discard comes back too. The store goes on, and the next one that opens it removes what is left.
func TestSnapshotThatCannotBeWritten(t *testing.T) {
	finish := func(ctx context.Context, s *Staging) error { return s.Finish(ctx, nil) }
	for name, test := range map[string]struct {
		harm  harm
		write func(context.Context, *Staging) error
		want  string
	}{
		"no tables, while it is written":    {noTables, writeOn, retriesFlush},
		"no directory, while it is written": {noDirectory, writeOn, "no such file or directory"},
		"no tables, when it is finished":    {noTables, finish, retriesFlush},
		"no directory, when it is finished": {noDirectory, finish, retriesFlush},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSnapshotWorld(t, 30)
			o := w.observer(t)
			s, _ := w.create(o)
			keep(t, s, w.chain, 1)
			check(t, o.complete())
			running := goleak.IgnoreCurrent()
			staging, err := s.Stage(w.chain.Commits[20])
			check(t, err)
			check(t, test.harm.do(o.joiningDir()))
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			if err := test.write(ctx, staging); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("written: %v, want an error that says %q", err, test.want)
			}
			if err := staging.Discard(); err == nil {
				t.Error("a database that cannot be closed is discarded")
			}
			if err := staging.Install(); err == nil {
				t.Error("it is installed")
			}
			last := w.chain.Commits[len(w.chain.Commits)-1].Index
			w.chain.Extend(t, 1)
			keep(t, s, w.chain, last+1)
			check(t, s.Close())
			check(t, test.harm.undo(o.joiningDir()))
			eventuallyGone(t, running)
			s, _ = w.open(o)
			if _, err := os.Stat(o.joiningDir()); !errors.Is(err, fs.ErrNotExist) || s.Head().Index <= last {
				t.Errorf("opened again: what was written is there: %v; head %v", err, s.Head())
			}
		})
	}
}

// TestOwnBlocksThatCannotBeKept: installing a snapshot does not wait for a disk that takes nothing either.
func TestOwnBlocksThatCannotBeKept(t *testing.T) {
	w := newSnapshotWorld(t, 100)
	whole, _ := w.create(w.observer(t))
	keep(t, whole, w.chain, 1)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	for _, b := range w.chain.Blocks[:40] {
		check(t, s.Append([]*dag.Verified{b}))
	}
	check(t, s.Sync())
	running := goleak.IgnoreCurrent()
	staging := stage(t, w.chain.Config, whole, s)
	check(t, s.Close())
	check(t, o.complete())
	old, err := openBadger(o.badgerDir(), o.Logger)
	check(t, errors.Join(err, staging.open()))
	check(t, noDirectory.do(o.joiningDir()))
	if err := staging.takeOwn(old); err == nil || !strings.Contains(err.Error(), retriesFlush) {
		t.Errorf("own blocks are kept: %v, want an error that says %q", err, retriesFlush)
	}
	check(t, noDirectory.undo(o.joiningDir()))
	eventuallyGone(t, running)
}

// TestSnapshotIsNotWaitedFor: who is to end does not wait for a snapshot that Badger is slow to write.
func TestSnapshotIsNotWaitedFor(t *testing.T) {
	w := newSnapshotWorld(t, 30)
	o := w.observer(t)
	given := make(chan time.Time)
	close(given)
	s, _ := w.create(o)
	s.options.after = func(time.Duration) <-chan time.Time { return given }
	running := goleak.IgnoreCurrent()
	staging, err := s.Stage(w.chain.Commits[20])
	check(t, err)
	slow := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	err = staging.do(ctx, func() error { stop(); <-slow; return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if err := staging.Discard(); err == nil {
		t.Error("discarded, although it is still being written")
	}
	close(slow)
	eventuallyGone(t, running)
}

// eventuallyGone waits until no more goroutines run than when running was made.
func eventuallyGone(t *testing.T, running goleak.Option) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		if err = goleak.Find(running); err == nil {
			return
		}
	}
	t.Fatalf("a database does not close although its disk works again: %v", err)
}
