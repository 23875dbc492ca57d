package store

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// TestReads asks for everything, once from memory and once from Badger.
func TestReads(t *testing.T) {
	for _, from := range []string{"memory", "badger"} {
		t.Run(from, func(t *testing.T) {
			w := newNetwork(t)
			s, _ := w.create(w.options(t.TempDir() + "/data"))
			blocks, commits := w.feed(s, 10, 3, 2000)
			if from == "badger" {
				copied(t, s)
				forget(s)
				if n := len(s.recent.blocks) + len(s.recent.commits); n > 0 {
					t.Fatalf("%d things are still in memory", n)
				}
			}
			if s.Head() != w.head || s.Earliest() != 1 {
				t.Fatalf("head %v, earliest %d", s.Head(), s.Earliest())
			}
			for _, b := range blocks {
				got, found, err := s.Block(b.Ref())
				if err != nil || !found || !bytes.Equal(got.Bytes(), b.Bytes()) {
					t.Fatalf("block %v: %v, %v", b.Ref(), found, err)
				}
			}
			for _, c := range commits {
				checkCommit(t, s, c)
			}
			if _, found, err := s.Block(dag.Ref{Round: 5}); found || err != nil {
				t.Fatalf("a block that is not there: %v, %v", found, err)
			}
			if _, found, err := s.Commit(11); found || err != nil {
				t.Fatalf("a commit that is not there: %v, %v", found, err)
			}
		})
	}
}

func checkCommit(t *testing.T, s *Store, want *ordering.Commit) {
	t.Helper()
	got, found, err := s.Commit(want.Index)
	if err != nil || !found {
		t.Fatalf("commit %d: %v, %v", want.Index, found, err)
	}
	if diff := cmp.Diff(want.Encode(), got.Encode()); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(want.Blocks, refsOf(got.Bodies)); diff != "" {
		t.Fatal(diff)
	}
	for i, a := range want.Accepted {
		l, found, err := s.Lookup(a.ID)
		if err != nil || !found || l != (Location{want.Index, uint32(i)}) {
			t.Fatalf("look up item %d of commit %d: %v, %v, %v", i, want.Index, l, found, err)
		}
	}
}

func TestDivergedCommitsAreRefused(t *testing.T) {
	w := newNetwork(t)
	s, _ := w.create(w.options(t.TempDir() + "/data"))
	_, commits := w.feed(s, 3, 1, 10)
	copied(t, s)
	check(t, s.PutCommits(commits)) // the same again is nothing new
	other := *commits[1]
	other.Time++
	other.Digest = other.ComputeDigest()
	gap := *commits[2]
	gap.Index = 9
	gap.Digest = gap.ComputeDigest()
	for name, c := range map[string]*ordering.Commit{"another digest": &other, "a gap": &gap} {
		if err := s.PutCommits([]*ordering.Commit{c}); !errors.Is(err, ErrDiverged) {
			t.Errorf("%s: %v, want %v", name, err, ErrDiverged)
		}
	}
}

func TestBlocksInRounds(t *testing.T) {
	w := newNetwork(t)
	s, _ := w.create(w.options(t.TempDir() + "/data"))
	blocks, _ := w.feed(s, 6, 1, 1000)
	size := len(blocks[5].Bytes())
	tests := []struct {
		name     string
		from, to dag.Round
		bytes    int
		first, n int // which of blocks
		next     dag.Round
	}{
		{"all", 1, 6, 1 << 20, 0, 24, 7},
		{"from nothing to nothing", 0, 1 << 60, 1 << 20, 0, 24, 1<<60 + 1},
		{"some", 2, 3, 1 << 20, 4, 8, 4},
		{"whole rounds only", 2, 6, 9*size + 100, 4, 8, 4},
		{"a round larger than the limit", 2, 6, 2*size + 100, 4, 2, 3},
		{"one block at least", 2, 6, 1, 4, 1, 3},
		{"beyond the end", 7, 9, 1 << 20, 0, 0, 10},
	}
	run := func(t *testing.T) {
		for _, tt := range tests {
			raws, next, err := s.BlocksInRounds(tt.from, tt.to, tt.bytes)
			check(t, err)
			if next != tt.next || len(raws) != tt.n {
				t.Fatalf("%s: %d blocks, next %d; want %d, %d", tt.name, len(raws), next, tt.n, tt.next)
			}
			for i, raw := range raws {
				if want := blocks[tt.first+i]; !bytes.Equal(raw, want.Bytes()) {
					t.Fatalf("%s: place %d is not %v", tt.name, i, want.Ref())
				}
			}
		}
	}
	t.Run("memory", run)
	copied(t, s)
	s.recent.mu.Lock() // half in memory, half in Badger
	s.recent.limit = s.recent.used / 2
	s.recent.evict()
	s.recent.mu.Unlock()
	if f := s.recent.floor; f < 2 || f > 6 {
		t.Fatalf("memory begins at round %d", f)
	}
	t.Run("both", run)
	forget(s)
	t.Run("badger", run)
	s.recent.mu.Lock()
	s.recent.limit = 1 << 20
	s.recent.mu.Unlock()
	s.recent.addBlocks(blocks[5:6]) // as if it came again late
	t.Run("late block", run)
}

func TestCommitsOfNamespace(t *testing.T) {
	w := newNetwork(t)
	s, _ := w.create(w.options(t.TempDir() + "/data"))
	for i := range 12 {
		w.spaces = []dag.Namespace{1}
		if i%4 == 3 {
			w.spaces = []dag.Namespace{1, 2}
		}
		w.feed(s, 1, 2, 10)
		if i == 5 {
			copied(t, s)
			forget(s)
			s.recent.limit = 1 << 20
		}
	}
	for _, tt := range []struct {
		ns    dag.Namespace
		after dag.CommitIndex
		limit int
		want  []dag.CommitIndex
	}{
		{2, 0, 10, []dag.CommitIndex{4, 8, 12}},
		{2, 0, 2, []dag.CommitIndex{4, 8}},
		{2, 4, 10, []dag.CommitIndex{8, 12}},
		{2, 12, 10, nil},
		{2, 99, 10, nil},
		{3, 0, 10, nil},
		{1, 5, 3, []dag.CommitIndex{6, 7, 8}},
		{1, 0, 0, nil},
	} {
		got, err := s.CommitsOfNamespace(tt.ns, tt.after, tt.limit)
		check(t, err)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("namespace %d after %d: %s", tt.ns, tt.after, diff)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	_, _, err := Open(o)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Fatalf("second Open: %v, want %v with the holder's pid", err, ErrLocked)
	}
	check(t, s.Close())
	if err := Create(o); !errors.Is(err, ErrExists) {
		t.Fatalf("second Create: %v, want %v", err, ErrExists)
	}
	w.open(o)
}

func TestSpace(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	free, enough := s.Space()
	if free == 0 || !enough {
		t.Fatalf("free %d, enough %v", free, enough)
	}
	s.space.minFree = 1 << 62
	if _, enough := s.Space(); enough {
		t.Fatal("enough for 4 EiB")
	}
}

func TestClosed(t *testing.T) {
	w := newNetwork(t)
	s, _ := w.create(w.options(t.TempDir() + "/data"))
	check(t, s.Close())
	_, _, read := s.Block(dag.Ref{})
	for name, err := range map[string]error{
		"append": s.Append(w.layer(0, 0)), "sync": s.Sync(), "close": s.Close(), "read": read,
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want %v", name, err, ErrClosed)
		}
	}
}

// TestReadersWhileWriting asks for everything while memory lets go of it all the time.
func TestReadersWhileWriting(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.CacheBytes = 100_000
	o.runs = runLimits{ids: 60, commits: 10}
	s, _ := w.create(o)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if head := s.Head().Index; head > 0 {
					readAll(t, s, dag.CommitIndex(i)%head+1, head)
				}
			}
		})
	}
	w.feed(s, 80, 2, 1000)
	close(done)
	readers.Wait()
}

// readAll reads commit i of at least head in every way. Round and index are the same here.
func readAll(t *testing.T, s *Store, i, head dag.CommitIndex) {
	c, found, err := s.Commit(i)
	if err != nil || !found || len(c.Bodies) != 4 {
		t.Errorf("commit %d: %v, %v", i, found, err)
		return
	}
	if l, found, err := s.Lookup(c.Accepted[3].ID); err != nil || !found || l.Commit != i {
		t.Errorf("look up: %v, %v, %v", l, found, err)
	}
	if raws, next, err := s.BlocksInRounds(dag.Round(i), dag.Round(head), 1<<30); err != nil || len(raws) != 4*int(head-i+1) || next != dag.Round(head)+1 {
		t.Errorf("rounds %d to %d: %d blocks, next %d, %v", i, head, len(raws), next, err)
	}
	if got, err := s.CommitsOfNamespace(1001, i-1, 1<<20); err != nil || len(got) < int(head-i+1) || got[0] != i {
		t.Errorf("commits of the namespace after %d: %d, %v", i-1, len(got), err)
	}
}

// TestNamespacesOfCommits: bundles and sealed items count for every namespace that they name.
func TestNamespacesOfCommits(t *testing.T) {
	w := newNetwork(t)
	sealed, err := (&dag.Sealed{ValidUntil: 10, Namespaces: []dag.Namespace{7, 5}, Ciphertext: make([]byte, seal.SealedSize(1))}).Encode(w.hasher)
	check(t, err)
	bundle, err := (&dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: 10, Legs: []dag.Leg{{Namespace: 9, Payload: []byte("a")}, {Namespace: 6, Payload: []byte("b")}}}).Encode(w.hasher)
	check(t, err)
	b := dag.Block{Epoch: 1, Round: 1, Parents: []dag.Ref{w.newest[0], w.newest[1], w.newest[2], w.newest[3]}, Items: []dag.Item{sealed, bundle}}
	v, err := dag.Seal(w.committee, b, w.keys[0])
	check(t, err)
	e, err := newCommitEntry(w.commit([]*dag.Verified{v}))
	check(t, err)
	if want := []dag.Namespace{5, 6, 7, 9}; !slices.Equal(e.namespaces, want) {
		t.Errorf("namespaces %v, want %v", e.namespaces, want)
	}
}

// TestMemoryKeepsWhatBadgerLacks: over its limit, memory lets go of what the copier has written and
// of nothing else.
func TestMemoryKeepsWhatBadgerLacks(t *testing.T) {
	w := newNetwork(t)
	v := newRecentView(1, 1, dag.CommitRef{})
	layer := w.layer(1, 10)
	e, err := newCommitEntry(w.commit(layer))
	check(t, err)
	v.addBlocks(layer)
	v.addCommit(e)
	v.blocksStored(refsOf(layer[1:]))
	if v.block(layer[1].Ref()) == nil || v.floor != 1 {
		t.Fatal("a round went of which badger lacks a block")
	}
	v.blocksStored(refsOf(layer[:1]))
	if v.block(layer[1].Ref()) != nil || v.floor != 2 {
		t.Fatal("a round stayed that badger has")
	}
	if v.commit(1) == nil {
		t.Fatal("a commit went that badger lacks")
	}
	v.addBlocks(w.layer(1, 10))
	v.blocksStored(w.newest)
	v.commitStored(1)
	v.addBlocks(w.layer(1, 10))
	v.blocksStored(w.newest)
	if v.commit(1) != nil {
		t.Fatal("a commit stayed that badger has")
	}
}
