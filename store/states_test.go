package store

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// carrying makes commits that carry states, of each kind written by the commits of its list.
type carrying struct {
	*network
	written map[ordering.StateKind][]dag.CommitIndex
}

func (w *carrying) next(s *Store) {
	w.tb.Helper()
	layer := w.layer(1, 10)
	check(w.tb, errors.Join(s.Append(layer), s.Sync()))
	c := w.commit(layer)
	c.Resume = []byte{byte(len(w.written))}
	for _, kind := range []ordering.StateKind{ordering.Namespaces, otherKind} {
		var newest dag.CommitIndex
		for _, at := range w.written[kind] {
			if at <= c.Index {
				newest = at
			}
		}
		if newest == c.Index {
			c.States = append(c.States, ordering.State{Kind: kind, Encoded: []byte{byte(kind), 1}})
		}
		c.Resume = append(c.Resume, byte(kind))
		c.Resume = binary.BigEndian.AppendUint64(c.Resume, uint64(newest))
		c.Resume = append(c.Resume, make([]byte, crypto.DigestSize)...)
	}
	_, err := c.Derive()
	check(w.tb, err)
	c.Digest = c.ComputeDigest()
	w.head = c.Ref()
	check(w.tb, s.PutCommits([]*ordering.Commit{c}))
}

// otherKind is of no state that this network has.
const otherKind ordering.StateKind = 9

// answer is how many records a query gets.
func answer(s *Store, q snapshot.Query) (records int, err error) {
	err = s.Snapshot(q, func([]byte) error { records++; return nil })
	return records, err
}

// TestStatesOfOldCommits: anybody may ask for the states of a commit that is kept while one of the states is not. It gets
// nothing, which is no damage; a state that the newest commit carries is, when it is missing.
func TestStatesOfOldCommits(t *testing.T) {
	w := &carrying{newNetwork(t), map[ordering.StateKind][]dag.CommitIndex{ordering.Namespaces: {1, 300, 550}, otherKind: {200}}}
	o := w.options(t.TempDir() + "/data")
	o.Retention, o.leastKept = Retention{Commits: 100}, 80
	s, _ := w.create(o)
	s.settle(5000)
	for range 640 {
		w.next(s)
	}
	copied(t, s)
	await(t, s, func() bool { return s.Earliest() > 512 })
	check(t, s.Close())
	s, found := w.open(o)
	if found.Head.Ref() != w.head || s.Earliest() >= 550 {
		t.Fatalf("head %v, kept from %d on", found.Head.Ref(), s.Earliest())
	}
	for i := s.Earliest() - 1; i <= w.head.Index; i++ {
		want := 0
		if i >= 550 {
			want = 2
		}
		if records, err := answer(s, snapshot.Query{Kind: snapshot.AskStates, At: i}); err != nil || records != want {
			t.Fatalf("commit %d: %d states, want %d: %v", i, records, want, err)
		}
		if _, err := answer(s, snapshot.Query{Kind: snapshot.AskDeals, At: i}); err != nil {
			t.Fatalf("deals in the states of commit %d: %v", i, err)
		}
	}
	lose(t, s, commitKey(200))
	for _, kind := range []snapshot.Kind{snapshot.AskStates, snapshot.AskDeals} {
		if records, err := answer(s, snapshot.Query{Kind: kind, At: w.head.Index}); !errors.Is(err, ErrCorrupt) || records > 0 {
			t.Errorf("query of kind %d where a state is lost: %d records, %v, want %v", kind, records, err, ErrCorrupt)
		}
	}
	if _, err := s.States(found.Head); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the newest states where one is lost: %v, want %v", err, ErrCorrupt)
	}
}

// TestStatesOfSnapshotLost: the states that came with a snapshot stay for as long as its head may be asked for.
func TestStatesOfSnapshotLost(t *testing.T) {
	w := newSnapshotWorld(t, 100)
	o, s, staging := w.stageNew(t)
	check(t, s.Close())
	check(t, staging.Install())
	s, found := w.open(o)
	q := snapshot.Query{Kind: snapshot.AskStates, At: s.Head().Index}
	if records, err := answer(s, q); records == 0 || err != nil {
		t.Fatalf("%d states: %v", records, err)
	}
	refs := slices.DeleteFunc(found.Head.StateRefs(), func(r ordering.StateRef) bool { return r.Commit == 0 })
	lose(t, s, stateKey(refs[0].Commit, refs[0].Kind))
	if _, err := answer(s, q); err == nil {
		t.Error("a state is lost, and nothing says so")
	}
}

// lose takes a key out of a store's Badger.
func lose(t *testing.T, s *Store, key []byte) {
	t.Helper()
	w := s.badger.batch()
	check(t, errors.Join(w.remove(key), w.flush()))
}
