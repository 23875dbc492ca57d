package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
)

// faultyFiles is the real filesystem until it is told to go wrong. It remembers what lay under
// unsynced writes, so that a power cut can take them back.
type faultyFiles struct {
	mu       sync.Mutex
	onWrite  error // returned by every write, after half of it
	onSync   error // returned by the next sync alone: the kernel reports it once
	unsynced []oldSector
}

// oldSector is what a file held before an unsynced write.
type oldSector struct {
	file   *os.File
	offset int64
	old    []byte
}

const sector = 512

type faultyFile struct {
	diskFile
	files *faultyFiles
}

func (f *faultyFiles) Open(path string, size int64) (file, error) {
	opened, err := diskFiles{}.Open(path, size)
	if err != nil {
		return nil, err
	}
	return faultyFile{opened.(diskFile), f}, nil
}

func (f *faultyFiles) Rename(from, to string) error { return diskFiles{}.Rename(from, to) }

func (f *faultyFiles) Replace(path string, content []byte) error {
	return os.WriteFile(path, content, 0o600)
}

func (f faultyFile) WriteAt(b []byte, offset int64) (int, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if f.files.onWrite != nil {
		n, _ := f.diskFile.WriteAt(b[:len(b)/2], offset)
		return n, f.files.onWrite
	}
	for at := offset / sector * sector; at < offset+int64(len(b)); at += sector {
		old := make([]byte, sector)
		n, _ := f.ReadAt(old, at)
		f.files.unsynced = append(f.files.unsynced, oldSector{f.File, at, old[:n]})
	}
	return f.diskFile.WriteAt(b, offset)
}

func (f faultyFile) Sync() error {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	err := f.files.onSync
	f.files.onSync = nil
	f.files.unsynced = slices.DeleteFunc(f.files.unsynced, func(s oldSector) bool { return s.file == f.File })
	return err
}

// powerCut takes back those unsynced sectors that lose says, in any combination.
func (f *faultyFiles) powerCut(lose func() bool) error {
	type place struct {
		file   *os.File
		offset int64
	}
	seen := map[place]bool{} // the oldest content counts
	for _, s := range f.unsynced {
		p := place{s.file, s.offset}
		if seen[p] {
			continue
		}
		seen[p] = true
		if lose() {
			if _, err := s.file.WriteAt(s.old, s.offset); err != nil {
				return err
			}
		}
	}
	f.unsynced = nil
	return nil
}

var errDisk = errors.New("input/output error")

// TestFailedSyncIsForEver: after one failing fdatasync nothing is acknowledged any more, although
// the disk says yes again.
func TestFailedSyncIsForEver(t *testing.T) {
	for name, harm := range map[string]func(*faultyFiles){
		"sync":  func(f *faultyFiles) { f.onSync = errDisk },
		"write": func(f *faultyFiles) { f.onWrite = errDisk },
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t)
			o := w.options(t.TempDir() + "/data")
			files := &faultyFiles{}
			o.files = files
			s, _ := w.create(o)
			before, _ := w.feed(s, 3, 1, 10)
			harm(files)
			layer := w.layer(1, 10)
			if err := errors.Join(s.Append(layer), s.Sync()); !errors.Is(err, ErrFatal) || !errors.Is(err, errDisk) {
				t.Fatalf("append and sync: %v, want %v and %v", err, ErrFatal, errDisk)
			}
			files.mu.Lock()
			files.onWrite = nil
			files.mu.Unlock()
			<-s.Failed()
			_, _, read := s.Block(before[0].Ref())
			_, _, lookup := s.Lookup(before[0].Block().Items[0].ID)
			for call, err := range map[string]error{
				"sync": s.Sync(), "append": s.Append(w.layer(1, 10)), "commit": s.PutCommits([]*commitType{w.commit(layer)}),
				"read": read, "look up": lookup, "err": s.Err(),
			} {
				if !errors.Is(err, ErrFatal) {
					t.Errorf("%s afterwards: %v, want %v", call, err, ErrFatal)
				}
			}
			if err := s.Close(); !errors.Is(err, ErrFatal) {
				t.Fatalf("close: %v", err)
			}
			o.files = nil
			_, r := w.open(o)
			if diff := cmp.Diff(refsOf(before), refsOf(r.Blocks)[:len(before)]); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// refuseWrites puts a Badger in place that takes no writes. For a store that has had none yet.
func refuseWrites(t *testing.T, s *Store) {
	t.Helper()
	o := s.badger.db.Opts().WithReadOnly(true)
	check(t, s.badger.db.Close())
	var err error
	s.badger.db, err = badger.Open(o)
	check(t, err)
}

// TestCopierErrorSurfaces: an error behind the caller's back stops the caller too, also one that
// waits for room.
func TestCopierErrorSurfaces(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.QueueBytes = 100_000
	s, _ := w.create(o)
	refuseWrites(t, s)
	var err error
	for err == nil {
		err = s.Append(w.layer(1, 20_000))
	}
	if !errors.Is(err, ErrFatal) {
		t.Fatalf("append: %v, want %v", err, ErrFatal)
	}
	<-s.Failed()
}

// TestCopierErrorWakesWaiters: whoever waits for room when the copier fails is told, and so is
// whoever comes later.
func TestCopierErrorWakesWaiters(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.QueueBytes = 2 * copyBatch
	s, _ := w.create(o)
	refuseWrites(t, s)
	b := w.layer(1, 10)[0]
	var err error
	for range 4 { // the copier takes one in a batch, and fails with the next still queued
		err = errors.Join(err, s.copier.put(queued{block: b, size: copyBatch}))
	}
	err = errors.Join(err, s.copier.put(queued{block: b, size: 2 * copyBatch}))
	if !errors.Is(err, ErrFatal) {
		t.Fatalf("put: %v, want %v", err, ErrFatal)
	}
	<-s.Failed()
}

// TestQueueIsBounded: Append waits for a copier that does not come along, and goes on with it.
func TestQueueIsBounded(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.QueueBytes = 200_000
	s, _ := w.create(o)
	for range 30 {
		check(t, s.Append(w.layer(1, 20_000)))
		s.copier.mu.Lock()
		waiting := s.copier.bytes
		s.copier.mu.Unlock()
		if waiting > o.QueueBytes {
			t.Fatalf("%d bytes wait, limit %d", waiting, o.QueueBytes)
		}
	}
	copied(t, s)
}

// TestPowerCut: whatever unsynced sectors are lost, in whatever combination and over several lives,
// the log opens without damage and gives what was synced, in order.
func TestPowerCut(t *testing.T) {
	w := newNetwork(t)
	var pool []*dag.Verified
	for range 40 {
		pool = append(pool, w.layer(1, 300)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "log")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		const size = 16 << 10 // a segment holds about 18 blocks
		files := &faultyFiles{}
		path := filepath.Join(dir, "log")
		log, err := beginLog(files, path, size, w.committee.Network(), 0, originFresh)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = log.current.Close() }()
		log.confirm(1 << 60) // recycle as early as possible
		var kept []dag.Ref   // what must be there
		var written []dag.Ref
		next := 0
		for range rapid.IntRange(1, 4).Draw(t, "lives") {
			for range rapid.IntRange(1, 12).Draw(t, "batches") {
				n := rapid.IntRange(1, 5).Draw(t, "blocks")
				for range n {
					b := pool[next%len(pool)]
					next++
					written = append(written, b.Ref())
					if err := log.append([]*dag.Verified{b}); err != nil {
						t.Fatal(err)
					}
				}
				if rapid.Bool().Draw(t, "sync") {
					if err := log.sync(); err != nil {
						t.Fatal(err)
					}
					kept = append([]dag.Ref(nil), written...)
				}
			}
			if err := files.powerCut(func() bool { return rapid.Bool().Draw(t, "lose") }); err != nil {
				t.Fatal(err)
			}
			_ = log.current.Close()
			var got []dag.Ref
			scan := &logScan{dir: path, network: w.committee.Network(), self: 0, visit: func(r dag.Ref, _ []byte) error {
				got = append(got, r)
				return nil
			}}
			found, err := scan.run()
			if err != nil || found.damage != nil {
				t.Fatalf("scan: %v, %v", err, found.damage)
			}
			checkKept(t, kept, written, got, len(found.segments) > 1)
			if log, err = resumeLog(files, path, size, 0, found); err != nil {
				t.Fatal(err)
			}
			log.confirm(1 << 60)
			written = append(written[:0], got...)
			kept = append(kept[:0], got...)
		}
	})
}

// checkKept: got is a stretch of written that covers the end of kept; the front may be recycled.
func checkKept(t *rapid.T, kept, written, got []dag.Ref, recycled bool) {
	if len(got) == 0 {
		if len(kept) > 0 {
			t.Fatalf("nothing left of %d synced blocks", len(kept))
		}
		return
	}
	at := slices.Index(written, got[0])
	for i := len(written) - 1; recycled && i >= 0; i-- { // refs repeat after the pool is through
		if written[i] == got[0] && i+len(got) <= len(written) && i+len(got) >= len(kept) && slices.Equal(written[i:i+len(got)], got) {
			at = i
			break
		}
	}
	if at < 0 || (at > 0 && !recycled) || at+len(got) < len(kept) || at+len(got) > len(written) || !slices.Equal(written[at:at+len(got)], got) {
		t.Fatalf("%d blocks from place %d of %d written, %d synced", len(got), at, len(written), len(kept))
	}
}

// TestTornTailIsCleared: what an unfinished write left behind a bad record is gone after the next
// open, so that no later loss of a sector can bring it back.
func TestTornTailIsCleared(t *testing.T) {
	w := newNetwork(t)
	path := t.TempDir() + "/log"
	log, err := beginLog(diskFiles{}, path, minSegment, w.committee.Network(), 0, originFresh)
	check(t, err)
	check(t, log.append(w.layer(1, 300)))
	check(t, log.current.Close())
	name := segmentPath(path, 1)
	check(t, flipBit(name, segmentHeader+100))
	scan := &logScan{dir: path, network: w.committee.Network(), visit: func(dag.Ref, []byte) error { return nil }}
	found, err := scan.run()
	check(t, err)
	if got := found.segments[0].tail; got.end != segmentHeader || got.torn == 0 || found.damage != nil {
		t.Fatalf("tail %+v, damage %v", got, found.damage)
	}
	log, err = resumeLog(diskFiles{}, path, minSegment, 0, found)
	check(t, err)
	check(t, log.close())
	raw, err := os.ReadFile(name)
	check(t, err)
	if nonZero(raw[segmentHeader:]) {
		t.Fatal("the torn records are still there")
	}
}

// TestUnconfirmedSegmentsStay: what Badger does not have safely is never recycled.
func TestUnconfirmedSegmentsStay(t *testing.T) {
	w := newNetwork(t)
	path := t.TempDir() + "/log"
	log, err := beginLog(diskFiles{}, path, 8<<10, w.committee.Network(), 0, originFresh)
	check(t, err)
	for range 20 {
		check(t, log.append(w.layer(1, 300)))
	}
	before, err := listSegments(path)
	check(t, err)
	if len(before) < 6 || before[0] != 1 {
		t.Fatalf("segments %v, want all of at least 6", before)
	}
	log.confirm(log.appended)
	for range 4 {
		check(t, log.append(w.layer(1, 300)))
	}
	after, err := listSegments(path)
	check(t, err)
	if len(after) > keptSegments+2 {
		t.Fatalf("segments %v after all was confirmed", after)
	}
	check(t, log.close())
}
