package store

import (
	"strconv"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
)

func TestLookupAcrossRunsAndReopen(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.runs = runLimits{ids: 50, commits: 7}
	s, _ := w.create(o)
	_, commits := w.feed(s, 40, 3, 10)
	copied(t, s)
	sealed := func() int {
		s.index.mu.RLock()
		defer s.index.mu.RUnlock()
		return len(s.index.sealed)
	}
	check(t, s.Close())
	if sealed() < 5 {
		t.Fatalf("%d runs are in badger, want several", sealed())
	}
	again := func() {
		t.Helper()
		for _, c := range commits {
			checkCommit(t, s, c)
		}
		for i := range 1000 {
			if _, found, err := s.Lookup(crypto.Hash("test", []byte(strconv.Itoa(i)))); found || err != nil {
				t.Fatalf("an id that nobody sent: %v, %v", found, err)
			}
		}
	}
	s, _ = w.open(o)
	again()
	w.feed(s, 3, 3, 10)
	check(t, s.Close())

	// The newest run lost a bucket, and its successors go on from there.
	b, err := openBadger(o.badgerDir(), s.options.Logger)
	check(t, err)
	lost := b.batch()
	newest := s.index.sealed[sealed()-1].first
	check(t, lost.remove(bucketKey(newest, commits[newest-1].Accepted[0].ID[0])))
	check(t, lost.flush())
	check(t, b.close())
	s, _ = w.open(o)
	again()
}

func TestRecentLookupsLeaveOldRunsAlone(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	o.runs = runLimits{ids: 50, commits: 7}
	s, _ := w.create(o)
	_, commits := w.feed(s, 40, 3, 10)
	copied(t, s)
	s.index.mu.Lock()
	oldest := &s.index.sealed[0]
	oldest.filter = nil // as if many runs had come since
	s.index.mu.Unlock()
	old, young := commits[0].Accepted[0].ID, commits[len(commits)-1].Accepted[0].ID
	if _, found, err := s.LookupRecent(old); found || err != nil {
		t.Errorf("an id of a run without a filter: %v, %v", found, err)
	}
	if _, found, err := s.LookupRecent(young); !found || err != nil {
		t.Errorf("an id of the newest run: %v, %v", found, err)
	}
	if l, found, err := s.Lookup(old); !found || err != nil || l.Commit != 1 {
		t.Errorf("the same by Lookup: %v, %v, %v", l, found, err)
	}
	check(t, s.Close())
}

func TestFilter(t *testing.T) {
	const n = 5000
	f := newFilter(n)
	id := func(i int) crypto.Digest { return crypto.Hash("test", []byte(strconv.Itoa(i))) }
	for i := range n {
		f.add(id(i))
	}
	hits := 0
	for i := range 2 * n {
		switch has := f.has(id(i)); {
		case i < n && !has:
			t.Fatalf("id %d was added and is not there", i)
		case i >= n && has:
			hits++
		}
	}
	if hits > n/25 {
		t.Fatalf("%d false hits in %d", hits, n)
	}
}
