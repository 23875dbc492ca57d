package node

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/ordering"
)

// TestDoubt: the note stands from when others return an own block that was not known until one is made,
// over restarts, however whole the log looks then.
func TestDoubt(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: *\n2: *\n3: *\n4: *\n")
	own := func(name string) *dag.Verified { return s.Named(name) }
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := openDoubt(dir, 0, own("A1"))
	if err != nil || d.stands {
		t.Fatalf("a new note: %+v, %v", d, err)
	}
	n := &node{doubt: d, log: slog.New(slog.DiscardHandler)}
	for _, test := range []struct {
		what   string
		ready  ordering.Ready
		stands bool
	}{
		{"others' blocks", ordering.Ready{Persist: []*dag.Verified{own("B1"), own("C2")}}, false},
		{"the own newest block again", ordering.Ready{Persist: []*dag.Verified{own("A1")}}, false},
		{"one made here", ordering.Ready{Persist: []*dag.Verified{own("A2")}, Broadcast: []*dag.Verified{own("A2")}}, false},
		{"a newer one returned", ordering.Ready{Persist: []*dag.Verified{own("B3"), own("A3")}}, true},
		{"others' blocks meanwhile", ordering.Ready{Persist: []*dag.Verified{own("C3")}}, true},
		{"one made here again", ordering.Ready{Persist: []*dag.Verified{own("A4")}, Broadcast: []*dag.Verified{own("A4")}}, false},
	} {
		w := newWriter(n)
		if err := w.note(&test.ready); err != nil {
			t.Fatal(err)
		}
		if err := w.settle(); err != nil {
			t.Fatal(err)
		}
		again, err := openDoubt(dir, 0, own("A3"))
		if err != nil || again.stands != test.stands || d.stands != test.stands {
			t.Errorf("%s: the note stands %v, after a restart %v, want %v; %v", test.what, d.stands, again.stands, test.stands, err)
		}
	}
}

// TestDoubtLosesAFile: either of the note's files is enough.
func TestDoubtLosesAFile(t *testing.T) {
	for _, lost := range []string{doubtFile, filepath.Join("log", doubtFile)} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
			t.Fatal(err)
		}
		d, err := openDoubt(dir, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.raise(), os.Remove(filepath.Join(dir, lost))); err != nil {
			t.Fatal(err)
		}
		if d, err = openDoubt(dir, 0, nil); err != nil || !d.stands {
			t.Errorf("without %s: %+v, %v", lost, d, err)
		}
		if err := d.settle(); err != nil {
			t.Fatal(err)
		}
		if d, err = openDoubt(dir, 0, nil); err != nil || d.stands {
			t.Errorf("settled without %s: %+v, %v", lost, d, err)
		}
	}
}
