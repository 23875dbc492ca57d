package store

import (
	"errors"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
)

// TestRetention: old commits go, in steps, with everything that belongs to them; what is kept can be read
// in every way, also after the next start.
func TestRetention(t *testing.T) {
	for name, test := range map[string]struct {
		keep        Retention
		settled     dag.CommitIndex
		least, most dag.CommitIndex // commits kept of 1200
	}{
		"archive":            {Retention{}, 5000, 1200, 1200},
		"commits":            {Retention{Commits: 700}, 5000, 700, 700 + pruneSpan},
		"fewer than allowed": {Retention{Commits: 5}, 5000, 400, 400 + pruneSpan},
		"bytes":              {Retention{Bytes: 1 << 20}, 5000, 400, 900},
		"not settled yet":    {Retention{Commits: 700}, 300, 900, 1200},
		"more than there is": {Retention{Commits: 5000, Bytes: 1 << 40}, 5000, 1200, 1200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t)
			o := w.options(t.TempDir() + "/data")
			o.Retention, o.leastKept, o.runs = test.keep, 400, runLimits{ids: 1000, commits: 300}
			s, _ := w.create(o)
			s.settle(test.settled)
			_, commits := w.feed(s, 1200, 1, 300)
			copied(t, s)
			check(t, s.Close())
			s, r := w.open(o)
			kept := w.head.Index - s.Earliest() + 1
			if kept < test.least || kept > test.most {
				t.Fatalf("%d commits kept from %d on, want %d to %d", kept, s.Earliest(), test.least, test.most)
			}
			if r.Head.Ref() != w.head || s.Head() != w.head {
				t.Fatalf("head %v, want %v", r.Head.Ref(), w.head)
			}
			forget(s)
			checkPruned(t, s, commits)
			w.feed(s, 20, 1, 300)
		})
	}
}

// settle says that nothing is left to do with the commits up to i.
func (s *Store) settle(i dag.CommitIndex) {
	s.reveals.kept(i)
	s.reveals.mu.Lock()
	defer s.reveals.mu.Unlock()
	s.reveals.settled = i
}

// checkPruned reads every commit, those that are gone too.
func checkPruned(t *testing.T, s *Store, commits []*commitType) {
	t.Helper()
	for _, want := range commits {
		got, found, err := s.Commit(want.Index)
		if here := want.Index >= s.Earliest(); err != nil || found != here || (here && got.Digest != want.Digest) {
			t.Fatalf("commit %d, kept from %d on: there %v, %v", want.Index, s.Earliest(), found, err)
		}
		at, found, err := s.Lookup(want.Accepted[0].ID)
		if err != nil || found != (want.Index >= s.Earliest()) || (found && at.Commit != want.Index) {
			t.Fatalf("id of commit %d: at %v, there %v, %v", want.Index, at, found, err)
		}
	}
	listed, err := s.CommitsOfNamespace(1001, 0, len(commits))
	check(t, err)
	if len(listed) == 0 || listed[0] < s.Earliest() || len(listed) > len(commits)-int(s.Earliest())+1 {
		t.Fatalf("%d commits of a namespace, the first %d; kept from %d on", len(listed), listed[0], s.Earliest())
	}
	oldest := dag.Round(0)
	check(t, s.badger.each([]byte{prefixBlock}, []byte{prefixBlock}, ascending, func(item *badger.Item) error {
		oldest = dag.DecodeRef(item.Key()[1:]).Round
		return errStop
	}))
	if first := dag.Round(s.Earliest()); oldest+prunedDepth < first {
		t.Fatalf("blocks from round %d on, commits from round %d on", oldest, first)
	}
}

// TestCarriedStays: the commits that a restart reads carried states from are not pruned.
func TestCarriedStays(t *testing.T) {
	b, err := openBadger(t.TempDir()+"/badger", (&Options{}).Logger)
	if err == nil {
		defer b.close()
	}
	check(t, err)
	w := b.batch()
	for i := dag.CommitIndex(1); i <= 20; i++ {
		check(t, errors.Join(w.set(commitKey(i), []byte("commit")), w.set(numberKey(prefixReveal, uint64(i)), []byte("reveal"))))
	}
	check(t, w.flush())
	p := &pruner{badger: b, earliest: 10, carried: []dag.CommitIndex{3, 7}}
	check(t, p.remove())
	for i := dag.CommitIndex(1); i <= 20; i++ {
		_, commit, err := b.get(commitKey(i))
		check(t, err)
		_, reveal, err := b.get(numberKey(prefixReveal, uint64(i)))
		check(t, err)
		if commit != (i >= 10 || i == 3 || i == 7) || reveal != (i >= 10) {
			t.Errorf("commit %d: there %v, its reveals %v", i, commit, reveal)
		}
	}
}

// TestSpaceIsGivenBack: what was pruned no longer takes space on disk.
func TestSpaceIsGivenBack(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a gigabyte")
	}
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.Retention, o.leastKept = Retention{Commits: 400}, 300
	s, _ := w.create(o)
	s.settle(5000)
	w.feed(s, 1800, 1, 120_000) // 860 MB, of which 660 commits at most are kept
	copied(t, s)
	check(t, s.Close())
	f, err := listBadger(o.badgerDir())
	check(t, err)
	var size int64
	for _, n := range f.sizes {
		size += n
	}
	if most := int64(3 * badgerValueLogFile); size > most {
		t.Fatalf("%d MiB for %d commits, want at most %d MiB", size>>20, s.Head().Index-s.Earliest()+1, most>>20)
	}
	s, _ = w.open(o)
	for i := s.Earliest(); i <= w.head.Index; i++ {
		if _, found, err := s.Commit(i); err != nil || !found {
			t.Fatalf("commit %d: there %v, %v", i, found, err)
		}
	}
}
