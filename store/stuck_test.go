package store

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestBadgerRetries: where Badger tries to write a memtable out again and again, everybody waits for it: the store stops
// and tells those who wait.
func TestBadgerRetries(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	s.badger.db.Opts().Logger.Errorf("some other error")
	if s.Err() != nil {
		t.Fatalf("stopped by %v", s.Err())
	}
	s.badger.db.Opts().Logger.Errorf(retriesFlush+" to disk: %v, retrying", errDisk)
	<-s.Failed()
	if err := s.Append(w.layer(1, 10)); !errors.Is(err, ErrFatal) || !strings.Contains(err.Error(), errDisk.Error()) {
		t.Errorf("append: %v, want %v and why", err, ErrFatal)
	}
}

// TestBadgerThatCannotFlush: where Badger has no directory to write into any more, the store stops with the error, and
// its Close comes back although Badger would try for ever. What was durable is there afterwards.
func TestBadgerThatCannotFlush(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.QueueBytes, o.SyncEvery = 1<<20, time.Hour
	given := make(chan time.Time)
	o.after = func(d time.Duration) <-chan time.Time {
		if d == closePatience {
			return given
		}
		return time.After(d)
	}
	s, _ := w.create(o)
	before, _ := w.feed(s, 3, 1, 10)
	check(t, os.Rename(o.badgerDir(), o.badgerDir()+".away"))
	var err error
	for err == nil { // small ones go into the memtable, not into the value log
		err = s.Append(w.layer(1, 300))
	}
	close(given)
	if !errors.Is(err, ErrFatal) {
		t.Fatalf("append: %v, want %v", err, ErrFatal)
	}
	<-s.Failed()
	if err := s.Close(); !errors.Is(err, ErrFatal) {
		t.Fatalf("close: %v, want %v", err, ErrFatal)
	}
	check(t, os.Rename(o.badgerDir()+".away", o.badgerDir()))
	eventuallyClosed(t, s)
	o.after = nil
	again, found := w.open(o)
	if len(found.Blocks) < len(before) {
		t.Errorf("%d blocks, want at least %d", len(found.Blocks), len(before))
	}
	check(t, again.Close())
}

// TestCloseThatCannotFlush: the same where Badger fails in closing only.
func TestCloseThatCannotFlush(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.after = func(d time.Duration) <-chan time.Time {
		if d == closePatience {
			d = 0
		}
		return time.After(d)
	}
	s, _ := w.create(o)
	before, _ := w.feed(s, 3, 1, 10)
	check(t, os.Rename(o.badgerDir(), o.badgerDir()+".away"))
	if err := s.Close(); !errors.Is(err, ErrFatal) {
		t.Fatalf("close: %v, want %v", err, ErrFatal)
	}
	check(t, os.Rename(o.badgerDir()+".away", o.badgerDir()))
	eventuallyClosed(t, s)
	o.after = nil
	if _, found := w.open(o); len(found.Blocks) < len(before) {
		t.Errorf("%d blocks, want at least %d", len(found.Blocks), len(before))
	}
}

// eventuallyClosed waits until a store that was given up has closed after all.
func eventuallyClosed(t *testing.T, s *Store) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !errors.Is(s.usable(), ErrClosed); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the store does not close although its disk works again")
		}
	}
	s.life.Lock() // held until the close is through
	defer s.life.Unlock()
}
