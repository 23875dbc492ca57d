package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-network/dunlin/store"
)

// atEvent is a log that does something before it takes the first line of an event.
type atEvent struct {
	io.Writer
	event string
	do    func()
	once  sync.Once
}

// Write takes one line.
func (w *atEvent) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("msg="+w.event+" ")) {
		w.once.Do(w.do)
	}
	return w.Writer.Write(line)
}

// A node whose own disk does not take the snapshot ends and says what to do, and begins from one when it is started again
// and the disk works.
func TestSnapshotOnAFailingDisk(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	at := c.nodes[0].past(60).Commit
	observer := c.addObserver()
	observer.startFrom(startSnapshot)
	data := filepath.Join(observer.home, DataDir)
	joining, joined := filepath.Join(data, "badger.joining"), filepath.Join(data, "badger.joined")
	for _, test := range []struct {
		name     string
		harm     func() error
		undo     func() error
		want     string
		inMiddle bool // of the writing
	}{
		{"it takes no tables", func() error { return blockTables(joining) }, func() error { return removeTables(joining) }, "stage snapshot", true},
		{"the place is taken", func() error { return os.MkdirAll(joined+"/something", 0o700) }, func() error { return os.RemoveAll(joined) }, "install snapshot", false},
	} {
		ctx, stop := context.WithCancel(t.Context())
		observer.stop, observer.done = stop, make(chan error, 1)
		log := &atEvent{Writer: observer.log, event: "taking_snapshot", do: func() {
			if err := test.harm(); err != nil {
				t.Error(err)
			}
		}}
		go func() {
			observer.done <- Run(ctx, Options{Home: observer.home, Version: "test", Logger: slog.New(slog.NewTextHandler(log, nil))})
		}()
		err := observer.ended()
		var told *HomeError
		if !errors.As(err, &told) || !strings.Contains(err.Error(), test.want) || !strings.Contains(told.Hint(), "look at the disk under "+data) {
			t.Errorf("%s: %v, want an error of %q that says what to do", test.name, err, test.want)
		}
		if err := test.undo(); err != nil {
			t.Fatal(err)
		}
		if test.inMiddle {
			eventually(t, "the database that was left behind closes", func() error {
				_, err := os.Stat(filepath.Join(joining, "LOCK"))
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				return fmt.Errorf("its lock is there: %w", err)
			})
		}
	}
	observer.start()
	observer.past(at + 1)
	if got := observer.earliest(); got < 2 {
		t.Errorf("started again it begins with commit %d: from no snapshot", got)
	}
}

// blockedTables is more tables than Badger tries to make in a test: each try has the next number.
const blockedTables = 300

// blockTables lets Badger write memtables in a directory, and make no tables of them.
func blockTables(dir string) error {
	for i := 1; i <= blockedTables; i++ {
		if err := os.WriteFile(tablePath(dir, i), nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func removeTables(dir string) error {
	for i := 1; i <= blockedTables; i++ {
		if err := os.Remove(tablePath(dir, i)); err != nil {
			return err
		}
	}
	return nil
}

func tablePath(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("%06d.sst", i)) }

// What this node's own disk says of a snapshot comes with what to do next.
func TestSnapshotErrorsSayWhatToDo(t *testing.T) {
	home := &Home{Dir: "/somewhere"}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"the disk":                       {fmt.Errorf("%w: %w", errOwnStore, fs.ErrPermission), "look at the disk under /somewhere/data"},
		"the history that was there":     {fmt.Errorf("install snapshot: %w", &store.CorruptError{Next: "mv it"}), "mv it"},
		"another process holds the home": {fmt.Errorf("install snapshot: %w", store.ErrLocked), "stop the process"},
	} {
		var told *HomeError
		if err := home.snapshotError(test.err); !errors.As(err, &told) || !errors.Is(err, test.err) || !strings.HasPrefix(told.Hint(), test.want) {
			t.Errorf("%s: %v, want the hint %q", name, err, test.want)
		}
	}
}
