package node

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/ordering/snapshot/snapshottest"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/store"
)

// fakeMesh is peers that answer from sources, truly or not.
type fakeMesh struct {
	mu      sync.Mutex
	sources []p2p.SnapshotSource
	blamed  []ordering.Peer
	asked   map[ordering.Peer]int
}

func (m *fakeMesh) Peers() []p2p.PeerInfo {
	var out []p2p.PeerInfo
	for i := range m.sources {
		out = append(out, p2p.PeerInfo{Peer: ordering.Peer(i), Member: true, Connected: true})
	}
	return out
}

func (m *fakeMesh) Ask(ctx context.Context, to ordering.Peer, q snapshot.Query, take func([]byte) error) error {
	m.mu.Lock()
	m.asked[to]++
	m.mu.Unlock()
	if _, ok := m.sources[to].(stuck); ok {
		<-ctx.Done()
		return ctx.Err()
	}
	size := 0
	full := errors.New("full")
	err := m.sources[to].Snapshot(q, func(record []byte) error {
		if err := take(record); err != nil {
			if wrong(err) {
				m.Blame(to, err)
			}
			return err
		}
		if size += len(record); q.Full(size) {
			return full
		}
		return nil
	})
	if errors.Is(err, full) {
		return nil
	}
	return err
}

func (m *fakeMesh) Blame(p ordering.Peer, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blamed = append(m.blamed, p)
}

// newStore opens a new store, which is closed with the test.
func newStore(t *testing.T, chain *snapshottest.Chain) *store.Store {
	t.Helper()
	s, _ := openAt(t, chain, t.TempDir()+"/data")
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// openAt opens a store of an observer, which is made if it is not there.
func openAt(t *testing.T, chain *snapshottest.Chain, dir string) (*store.Store, *store.Recovery) {
	t.Helper()
	o := store.Options{Dir: dir, Committee: chain.Config.Committee, Self: ordering.Observer, MinFree: 1}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := store.Create(o); err != nil {
			t.Fatal(err)
		}
	}
	s, found, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, found
}

// takeFrom takes a snapshot from sources into a new store, and opens that.
func takeFrom(t *testing.T, chain *snapshottest.Chain, sources ...p2p.SnapshotSource) (*store.Store, *store.Recovery, *fakeMesh) {
	t.Helper()
	dir := t.TempDir() + "/data"
	s, _ := openAt(t, chain, dir)
	m := &fakeMesh{sources: sources, asked: make(map[ordering.Peer]int)}
	staging, err := takerOf(chain, m, s).take(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), staging.Install()); err != nil {
		t.Fatal(err)
	}
	s, found := openAt(t, chain, dir)
	t.Cleanup(func() { _ = s.Close() })
	return s, found, m
}

// takerOf takes snapshots of a chain.
func takerOf(chain *snapshottest.Chain, m mesh, s *store.Store) *taker {
	return &taker{mesh: m, store: s, order: chain.Config, log: slog.New(slog.DiscardHandler), told: &taking{log: slog.New(slog.DiscardHandler)}}
}

// TestTakeNoOlderSnapshot: who has commits takes no head that is not beyond them. It waits for one while nobody proves
// anything, and gives up when somebody has proven one that is not newer.
func TestTakeNoOlderSnapshot(t *testing.T) {
	chain := snapshottest.New(t, 100)
	truth := &snapshottest.Source{Chain: chain, Head: 80}
	for name, test := range map[string]struct {
		source p2p.SnapshotSource
		beyond dag.CommitIndex
		asked  int // how often before it gave up; 0 for a snapshot
	}{
		"one that is newer":                      {truth, 79, 0},
		"the same":                               {truth, 80, 1},
		"one that is older":                      {truth, 90, 1},
		"nothing at first, and then one as old":  {&mute{truth, 1}, 80, 2},
		"nothing at first, and then a newer one": {&mute{truth, 1}, 79, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := &fakeMesh{sources: []p2p.SnapshotSource{test.source}, asked: make(map[ordering.Peer]int)}
			taker := takerOf(chain, m, newStore(t, chain))
			taker.patience = time.Nanosecond
			staging, err := taker.take(t.Context(), test.beyond)
			switch {
			case test.asked == 0 && err == nil:
				err = staging.Discard()
			case test.asked > 0 && errors.Is(err, errNoProof) && m.asked[0] <= test.asked:
				err = nil
			}
			if err != nil {
				t.Errorf("asked %d times: %v", m.asked[0], err)
			}
		})
	}
}

// mute answers nothing so many times.
type mute struct {
	p2p.SnapshotSource
	left int
}

func (m *mute) Snapshot(q snapshot.Query, give func([]byte) error) error {
	if m.left--; m.left >= 0 {
		return nil
	}
	return m.SnapshotSource.Snapshot(q, give)
}

// TestTakeSnapshotAmongLiars: whatever one peer says, the snapshot comes from the others, whole and right, and
// who lied is blamed, and nobody else.
func TestTakeSnapshotAmongLiars(t *testing.T) {
	chain := snapshottest.New(t, 100)
	const honest, ahead = 80, 85 // the liar claims the newer head, and so is asked first
	lie := func(kind snapshot.Kind, change func([]byte) []byte) p2p.SnapshotSource {
		return &snapshottest.Source{Chain: chain, Head: ahead, Change: func(q snapshot.Query, place int, record []byte) []byte {
			if q.Kind == kind && place == 0 {
				return change(bytes.Clone(record))
			}
			return record
		}}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
	}
	for name, test := range map[string]struct {
		liar   p2p.SnapshotSource
		blamed bool
		head   dag.CommitIndex
	}{
		"honest":                             {&snapshottest.Source{Chain: chain, Head: ahead}, false, ahead},
		"a head that nobody vouches for":     {lie(snapshot.AskProof, flip(40)), true, honest},
		"a head that carries something else": {lie(snapshot.AskProof, flip(-1)), true, honest},
		"ids that were never accepted":       {lie(snapshot.AskWindow, flip(-1)), true, honest},
		"a state that is not the head's":     {lie(snapshot.AskStates, flip(-1)), true, ahead},
		"a block that brings no deal in":     {lie(snapshot.AskDeals, flip(-1)), true, ahead},
		"a block with a deal left out":       {lie(snapshot.AskDeals, func([]byte) []byte { return nil }), true, ahead},
		"nothing":                            {silent{}, false, honest},
		"no window":                          {only{lie(snapshot.AskReach, flip(0)), snapshot.AskProof}, false, honest},
		"an endless row of nonsense":         {endless{}, true, honest},
	} {
		t.Run(name, func(t *testing.T) {
			truth := &snapshottest.Source{Chain: chain, Head: honest}
			s, found, m := takeFrom(t, chain, test.liar, truth, truth)
			if found.Head == nil || s.Head() != chain.Commits[test.head-1].Ref() {
				t.Fatalf("head %v, want commit %d", s.Head(), test.head)
			}
			if slices.Contains(m.blamed, 0) != test.blamed || slices.ContainsFunc(m.blamed, func(p ordering.Peer) bool { return p != 0 }) {
				t.Errorf("blamed: %v", m.blamed)
			}
			r := ordering.Restored{Head: found.Head}
			if err := s.Window(func(c *ordering.Commit) error { r.Window = append(r.Window, c); return nil }); err != nil {
				t.Fatal(err)
			}
			var err error
			if r.States, err = s.States(found.Head); err != nil {
				t.Fatal(err)
			}
			if _, err := ordering.NewEngine(chain.Config, r); err != nil {
				t.Errorf("the order does not go on from it: %v", err)
			}
			if have, all := dealsIn(t, chain, s, r.States); have < all || all < 3 {
				t.Errorf("it has the blocks of %d deals, want %d", have, all)
			}
		})
	}
}

// silent has nothing.
type silent struct{}

func (silent) Snapshot(snapshot.Query, func([]byte) error) error { return nil }

// stuck never ends an answer.
type stuck struct{ silent }

// dribble answers a query about the window with one record.
type dribble struct{ p2p.SnapshotSource }

func (d dribble) Snapshot(q snapshot.Query, give func([]byte) error) error {
	if q.Kind == snapshot.AskWindow {
		q.Low = q.At
	}
	return d.SnapshotSource.Snapshot(q, give)
}

// busy gives nothing of the window at first.
type busy struct {
	p2p.SnapshotSource
	left *int
}

func (b busy) Snapshot(q snapshot.Query, give func([]byte) error) error {
	if q.Kind == snapshot.AskWindow {
		if *b.left--; *b.left >= 0 {
			return p2p.ErrBusy
		}
	}
	return b.SnapshotSource.Snapshot(q, give)
}

// TestTakeSnapshotAmongTheSlow: one peer can hold up nobody who takes a snapshot, by answering late, never or a
// little at a time; and a peer that was busy is asked again.
func TestTakeSnapshotAmongTheSlow(t *testing.T) {
	chain := snapshottest.New(t, 100)
	truth := &snapshottest.Source{Chain: chain, Head: 80}
	ahead := &snapshottest.Source{Chain: chain, Head: 85}
	t.Run("a little at a time", func(t *testing.T) {
		s, _, m := takeFrom(t, chain, dribble{ahead}, truth, truth)
		if m.asked[0] > 4 || s.Head() != chain.Commits[79].Ref() || len(m.blamed) > 0 {
			t.Errorf("asked %d times, head %v, blamed %v", m.asked[0], s.Head(), m.blamed)
		}
	})
	t.Run("never", func(t *testing.T) {
		if s, _, m := takeFrom(t, chain, stuck{}, truth, truth); s.Head() != chain.Commits[79].Ref() || len(m.blamed) > 0 {
			t.Errorf("head %v, blamed %v", s.Head(), m.blamed)
		}
	})
	t.Run("busy for a while", func(t *testing.T) {
		left := firstFruitless + 1
		if s, _, _ := takeFrom(t, chain, busy{truth, &left}); s.Head() != chain.Commits[79].Ref() {
			t.Errorf("head %v", s.Head())
		}
	})
}

// only answers queries of one kind.
type only struct {
	p2p.SnapshotSource
	kind snapshot.Kind
}

func (o only) Snapshot(q snapshot.Query, give func([]byte) error) error {
	if q.Kind != o.kind {
		return nil
	}
	return o.SnapshotSource.Snapshot(q, give)
}

// endless says things for ever.
type endless struct{}

func (endless) Snapshot(_ snapshot.Query, give func([]byte) error) error {
	for {
		if err := give([]byte{99}); err != nil {
			return err
		}
	}
}

// TestReaches: everybody's word about which commits there are, and no nonsense.
func TestReaches(t *testing.T) {
	chain := snapshottest.New(t, 20)
	m := &fakeMesh{asked: make(map[ordering.Peer]int), sources: []p2p.SnapshotSource{
		&snapshottest.Source{Chain: chain, Head: 15, Earliest: 3}, silent{}, endless{}, &snapshottest.Source{Chain: chain, Head: 12, Earliest: 1},
	}}
	got := reaches(t.Context(), m)
	if len(got) != 2 || got[0].Newest != 15 || got[0].Earliest != 3 || got[1].Newest != 12 || members(got) != 2 {
		t.Errorf("answers %+v", got)
	}
	for honest, want := range map[int]dag.CommitIndex{1: 15, 2: 12, 3: 15} {
		if newest, whole := summary(got, honest); newest != want || !whole {
			t.Errorf("of %d: newest %d, whole %v", honest, newest, whole)
		}
	}
}

// TestNobodyHas: f+1 validators must say that a commit is gone, and one that says otherwise is heard for a while.
func TestNobodyHas(t *testing.T) {
	has := func(member bool, earliest, newest dag.CommitIndex) reach {
		return reach{Reach: snapshot.Reach{Earliest: earliest, Newest: newest}, member: member}
	}
	for name, test := range map[string]struct {
		answers []reach
		looks   int
		gone    dag.CommitIndex // the earliest that there is; 0 for not gone
	}{
		"nobody answers":                     {nil, 9, 0},
		"two have pruned it":                 {[]reach{has(true, 70, 99), has(true, 60, 99)}, 1, 60},
		"one has":                            {[]reach{has(true, 70, 99)}, 9, 0},
		"two that are no validators":         {[]reach{has(false, 70, 99), has(false, 70, 99)}, 9, 0},
		"two that have not come so far":      {[]reach{has(true, 1, 40), has(true, 70, 99)}, 9, 0},
		"somebody has it":                    {[]reach{has(true, 70, 99), has(true, 60, 99), has(false, 1, 99)}, 1, 0},
		"somebody says so and gives nothing": {[]reach{has(true, 70, 99), has(true, 60, 99), has(false, 1, 99)}, 4, 60},
	} {
		if earliest, gone := goneFor(test.answers, 50, 2, test.looks); gone != (test.gone > 0) || earliest != test.gone {
			t.Errorf("%s: gone %v, earliest %d", name, gone, earliest)
		}
	}
}

// TestWhereHistoryBegins is which nodes begin with a snapshot.
func TestWhereHistoryBegins(t *testing.T) {
	chain := snapshottest.New(t, 2)
	head := &store.Recovery{Head: chain.Commits[0]}
	for name, test := range map[string]struct {
		config StoreConfig
		asked  Begin
		found  *store.Recovery
		want   Begin
	}{
		"an archive":                       {StoreConfig{archive, startAuto}, BeginAsConfigured, &store.Recovery{}, beginHere},
		"an archive that may begin later":  {StoreConfig{archive, startSnapshot}, BeginAsConfigured, &store.Recovery{}, BeginFromSnapshot},
		"a new node that keeps some":       {StoreConfig{"9000 commits", startAuto}, BeginAsConfigured, &store.Recovery{}, beginIfWorth},
		"one that is to have all":          {StoreConfig{"9000 commits", startGenesis}, BeginAsConfigured, &store.Recovery{}, beginHere},
		"one with a history":               {StoreConfig{"9000 commits", startSnapshot}, BeginAsConfigured, head, beginHere},
		"one with a history that is to go": {StoreConfig{archive, startGenesis}, BeginFromSnapshot, head, BeginFromSnapshot},
	} {
		n := &node{home: &Home{Config: Config{Store: test.config}}, committee: chain.Config.Committee, self: ordering.Observer}
		if got := n.beginning(test.asked, test.found); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	for start, ok := range map[string]bool{startAuto: true, startGenesis: true, startSnapshot: true, "": false, "now": false} {
		if err := (StoreConfig{Start: start}).checkStart(); (err == nil) != ok {
			t.Errorf("store.start %q: %v", start, err)
		}
	}
}
