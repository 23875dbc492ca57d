package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
)

// TestKilledAtAnyTime copies the directory between operations, as a kill leaves it, and opens the
// copy: what was synced is there, in order.
func TestKilledAtAnyTime(t *testing.T) {
	w := newNetwork(t)
	dir := t.TempDir() + "/data"
	o := w.options(dir)
	s, _ := w.create(o)
	var synced []dag.Ref
	for i := range 12 {
		layer := w.layer(i%3, 20_000)
		check(t, s.Append(layer))
		check(t, s.Sync())
		synced = append(synced, refsOf(layer)...)
		if i > 2 {
			check(t, s.PutCommits(nil))
			c := w.commit(layer)
			check(t, s.PutCommits([]*commitType{c}))
		}
		o.Dir = duplicate(t, dir)
		again, r := w.open(o)
		if r.Log != LogWhole || r.Report.Incomplete != 0 {
			t.Fatalf("after %d layers: log %v, report %+v", i+1, r.Log, r.Report)
		}
		if diff := cmp.Diff(synced, refsOf(r.Blocks)); diff != "" {
			t.Fatalf("after %d layers: %s", i+1, diff)
		}
		if r.OwnLast == nil || r.OwnLast.Ref() != layer[0].Ref() {
			t.Fatalf("after %d layers: own last is not %v", i+1, layer[0].Ref())
		}
		if again.Head().Index > w.head.Index {
			t.Fatalf("head %v, put was %v", again.Head(), w.head)
		}
		check(t, again.Close())
	}
}

func TestReopen(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.GCDepth = 5
	s, r := w.create(o)
	if r.Log != LogWhole || r.Head != nil || len(r.Blocks) != 0 || r.OwnLast != nil {
		t.Fatalf("new store: %+v", r)
	}
	blocks, commits := w.feed(s, 20, 2, 100)
	uncommitted := w.layer(1, 10)
	check(t, s.Append(uncommitted))
	check(t, s.Sync())
	check(t, s.Close())

	s, r = w.open(o)
	if r.Head == nil || r.Head.Ref() != w.head || string(r.Head.Resume) != "resume" {
		t.Fatalf("head %+v, want %v", r.Head, w.head)
	}
	if r.GCRound != 15 || r.Report.Replayed != 0 {
		t.Fatalf("gc round %d, %d replayed; want 15, 0", r.GCRound, r.Report.Replayed)
	}
	if diff := cmp.Diff(append(refsOf(blocks[15*4:]), refsOf(uncommitted)...), refsOf(r.Blocks)); diff != "" {
		t.Fatal(diff)
	}
	next := dag.CommitIndex(1)
	check(t, s.Window(func(c *commitType) error {
		if c.Ref() != commits[next-1].Ref() || len(c.Accepted) != 8 {
			t.Fatalf("commit %v at place %d", c.Ref(), next)
		}
		next++
		return nil
	}))
	if next != 21 {
		t.Fatalf("%d commits, want 20", next-1)
	}
	own, err := s.OwnUncommitted()
	check(t, err)
	if diff := cmp.Diff([]dag.Ref{uncommitted[0].Ref()}, refsOf(own)); diff != "" {
		t.Fatal(diff)
	}
	check(t, s.PutCommits(commits[18:])) // made again by the engine
	w.feed(s, 3, 1, 10)
	if s.Head() != w.head {
		t.Fatalf("head %v, want %v", s.Head(), w.head)
	}
}

// TestBadgerLost opens with the log alone, or without Badger's table of contents, twice: what the
// log has is copied once.
func TestBadgerLost(t *testing.T) {
	for name, lost := range map[string]string{"all": "", "manifest": "MANIFEST"} {
		t.Run(name, func(t *testing.T) { badgerLost(t, lost) })
	}
}

func badgerLost(t *testing.T, lost string) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	blocks, commits := w.feed(s, 10, 2, 100)
	check(t, s.Close())
	check(t, os.RemoveAll(filepath.Join(o.badgerDir(), lost)))
	for _, replayed := range []int{40, 0} {
		s, r := w.open(o)
		if r.Report.Replayed != replayed || r.Report.NewBadger != (replayed > 0) || r.Head != nil || r.Log != LogWhole {
			t.Fatalf("report %+v, head %v, log %v; want %d replayed", r.Report, r.Head, r.Log, replayed)
		}
		if diff := cmp.Diff(refsOf(blocks), refsOf(r.Blocks)); diff != "" {
			t.Fatal(diff)
		}
		check(t, s.Close())
	}
	s, _ = w.open(o)
	check(t, s.PutCommits(commits))
	checkCommit(t, s, commits[9])
}

// TestGapInBadger takes a commit out of the middle, as a power cut may, or spoils it.
func TestGapInBadger(t *testing.T) {
	for name, harm := range map[string]func(*batch, *commitType) error{
		"missing": func(b *batch, c *commitType) error { return b.remove(commitKey(c.Index)) },
		"garbage": func(b *batch, c *commitType) error { return b.set(commitKey(c.Index), []byte("garbage")) },
	} {
		t.Run(name, func(t *testing.T) { gapInBadger(t, harm) })
	}
}

func gapInBadger(t *testing.T, harm func(*batch, *commitType) error) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	_, commits := w.feed(s, 10, 2, 100)
	check(t, s.Close())
	b, err := openBadger(o.badgerDir(), s.options.Logger)
	check(t, err)
	lost := b.batch()
	check(t, harm(lost, commits[6]))
	check(t, lost.flush())
	check(t, b.close())

	s, r := w.open(o)
	if r.Head == nil || r.Head.Index != 6 || r.Report.Unchained != 3 {
		t.Fatalf("head %v, report %+v; want 6 and 3 behind the gap", r.Head, r.Report)
	}
	if _, found, err := s.Commit(8); found || err != nil {
		t.Fatalf("commit behind the gap: %v, %v", found, err)
	}
	check(t, s.PutCommits(commits[6:7]))
	other := *commits[7]
	other.Time++
	other.Digest = other.ComputeDigest()
	if err := s.PutCommits([]*commitType{&other}); !errors.Is(err, ErrDiverged) {
		t.Fatalf("another commit 8 than before: %v, want %v", err, ErrDiverged)
	}
	check(t, s.PutCommits(commits[7:]))
	checkCommit(t, s, commits[9])
}

// TestBrokenChainInBadger puts another commit in the place of one: what does not continue it is
// behind a gap, and the commits that were there are refused.
func TestBrokenChainInBadger(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	_, commits := w.feed(s, 10, 2, 100)
	check(t, s.Close())
	other := *commits[6]
	other.Time++
	other.Digest = other.ComputeDigest()
	b, err := openBadger(o.badgerDir(), s.options.Logger)
	check(t, err)
	spoiled := b.batch()
	check(t, spoiled.set(commitKey(7), other.Encode()))
	check(t, spoiled.flush())
	check(t, b.close())

	s, r := w.open(o)
	if r.Head == nil || r.Head.Ref() != other.Ref() || r.Report.Unchained != 3 {
		t.Fatalf("report %+v; want 3 behind the gap", r.Report)
	}
	for _, c := range []int{6, 7} {
		if err := s.PutCommits(commits[c : c+1]); !errors.Is(err, ErrDiverged) {
			t.Fatalf("commit %d: %v, want %v", c+1, err, ErrDiverged)
		}
	}
}

// TestTornTail cuts the log off at every byte of the last record, and leaves garbage there.
func TestTornTail(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	blocks, _ := w.feed(s, 2, 0, 0)
	end := s.log.offset
	check(t, s.Close())
	check(t, os.Remove(filepath.Join(o.logDir(), markName))) // a crash would not have left it closed
	path := segmentPath(o.logDir(), 1)
	whole, err := os.ReadFile(path)
	check(t, err)
	whole = whole[:end+1000] // most of the segment is zeros
	start := end - int64(recordHeader+dag.RefSize+len(blocks[7].Bytes()))
	for cut := start; cut < end; cut++ {
		for _, tail := range []int64{cut, int64(len(whole))} { // file cut short, or zeros behind
			torn := make([]byte, tail)
			copy(torn, whole[:cut])
			check(t, os.WriteFile(path, torn, 0o600))
			found, replayed := scanDir(t, w, o)
			if found.damage != nil || replayed != 7 {
				t.Fatalf("cut at %d: %d blocks, damage %v", cut, replayed, found.damage)
			}
			if got := found.segments[0].tail; int64(got.end) != start || (got.torn > 0) != (cut > start && nonZero(whole[start:cut])) {
				t.Fatalf("cut at %d of %d to %d: %+v", cut, start, end, got)
			}
		}
	}
	check(t, os.WriteFile(path, whole[:end-1], 0o600))
	s, r := w.open(o)
	if r.Log != LogTorn || r.Report.TornBytes == 0 {
		t.Fatalf("log %v, report %+v; want torn", r.Log, r.Report)
	}
	w.feed(s, 1, 1, 10)
	check(t, s.Close())
	if _, r = w.open(o); r.Log != LogWhole || len(r.Blocks) != 12 {
		t.Fatalf("after the repair: log %v, %d blocks", r.Log, len(r.Blocks))
	}
}

func nonZero(b []byte) bool { return strings.Trim(string(b), "\x00") != "" }

func scanDir(t *testing.T, w *network, o Options) (*foundLog, int) {
	t.Helper()
	n := 0
	scan := &logScan{dir: o.logDir(), network: w.committee.Network(), self: o.Self, visit: func(dag.Ref, []byte) error {
		n++
		return nil
	}}
	found, err := scan.run()
	check(t, err)
	return found, n
}

// TestForgottenOwnBlock: the log says that there was an own block that nothing holds any more.
func TestForgottenOwnBlock(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	w.feed(s, 3, 1, 10)
	check(t, s.Close())
	check(t, rewriteHeader(segmentPath(o.logDir(), 1), func(h *header) { h.ownRound = 4 }))
	found, _ := scanDir(t, w, o)
	if found.damage == nil && found.ownRound != 4 {
		t.Fatalf("own round %d, want 4", found.ownRound)
	}
	if _, _, err := Open(o); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("Open: %v, want %v", err, ErrCorrupt)
	}
}

func TestMissingLog(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, r := w.open(o) // never created
	if r.Log != LogMissing {
		t.Fatalf("log %v, want missing", r.Log)
	}
	check(t, s.Append(w.layer(1, 1)[1:])) // others' blocks change nothing
	check(t, s.Close())
	s, r = w.open(o)
	if r.Log != LogMissing {
		t.Fatalf("before an own block: log %v, want missing", r.Log)
	}
	check(t, s.Append(w.layer(1, 1)[:1]))
	check(t, s.Close())
	if _, r = w.open(o); r.Log != LogWhole {
		t.Fatalf("after an own block: log %v, want whole", r.Log)
	}
}

// TestDamagedBadgerIsNamed flips bits in Badger's value log: reads say so, and open repairs what
// the log still has.
func TestDamagedBadgerIsNamed(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	blocks, _ := w.feed(s, 6, 2, 4000)
	check(t, s.Close())
	files, err := filepath.Glob(filepath.Join(o.badgerDir(), "*.vlog"))
	check(t, err)
	raw, err := os.ReadFile(files[0])
	check(t, err)
	at := strings.Index(string(raw), string(blocks[3].Bytes()))
	if at < 0 {
		t.Fatal("the block is not in the value log")
	}
	check(t, flipBit(files[0], int64(at+len(blocks[3].Bytes())-1))) // its signature

	s, r := w.open(o)
	if r.Report.Replayed == 0 {
		t.Fatal("nothing was repaired from the log")
	}
	forget(s)
	if got, found, err := s.Block(blocks[3].Ref()); err != nil || !found || got.Ref() != blocks[3].Ref() {
		t.Fatalf("repaired block: %v, %v", found, err)
	}
	key := blockKey(blocks[5].Ref())
	harm := s.badger.batch()
	check(t, harm.set(key, blocks[6].Bytes()))
	check(t, harm.flush())
	if _, _, err := s.BlockBytes(blocks[5].Ref()); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("another block under its key: %v, want %v", err, ErrCorrupt)
	}
	if _, _, err := s.BlocksInRounds(1, 6, 1<<20); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("its round: %v, want %v", err, ErrCorrupt)
	}
}

func TestLogIsRecycled(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	for range 6 { // 6 x 6 MiB through segments of 4 MiB
		w.feed(s, 12, 4, 30_000)
		copied(t, s)
		for s.log.confirmed.Load() < s.log.appended {
			<-o.tick()
		}
	}
	sequences, err := listSegments(o.logDir())
	check(t, err)
	if last := sequences[len(sequences)-1]; last < 8 || len(sequences) > keptSegments+3 || sequences[0] == 1 {
		t.Fatalf("segments %v, want the newest few of at least 8", sequences)
	}
	check(t, s.Close())
	if found, _ := scanDir(t, w, o); found.segments[0].header.ownRound == 0 {
		t.Fatal("the oldest segment does not know of the own blocks before it")
	}
	_, r := w.open(o)
	if r.Log != LogWhole || r.OwnLast.Round() != 72 {
		t.Fatalf("log %v, own last %v", r.Log, r.OwnLast.Ref())
	}
}
