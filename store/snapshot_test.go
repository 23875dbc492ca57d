package store

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/ordering/snapshot/snapshottest"
)

// keep gives a store the chain's blocks and commits from one on.
func keep(t *testing.T, s *Store, chain *snapshottest.Chain, from dag.CommitIndex) {
	t.Helper()
	floor := dag.Round(0)
	if from > 1 {
		floor = chain.Commits[from-2].Round - min(ordering.GCDepth, chain.Commits[from-2].Round)
	}
	for _, b := range chain.Blocks {
		if b.Round() > floor {
			check(t, s.Append([]*dag.Verified{b}))
		}
	}
	check(t, s.Sync())
	check(t, s.PutCommits(chain.Commits[from-1:]))
	copied(t, s)
}

// stageNew makes a new store and stages a snapshot of one that has the whole chain for it.
func (w *snapshotWorld) stageNew(t *testing.T) (Options, *Store, *Staging) {
	t.Helper()
	whole, _ := w.create(w.observer(t))
	keep(t, whole, w.chain, 1)
	o := w.observer(t)
	s, _ := w.create(o)
	return o, s, stage(t, w.chain.Config, whole, s)
}

// stage takes a snapshot of one store for another, as nodes do, as far as Finish.
func stage(t *testing.T, cfg ordering.Config, from, to *Store) *Staging {
	t.Helper()
	p := snapshot.NewProof(cfg.Committee)
	check(t, from.Snapshot(snapshot.Query{Kind: snapshot.AskProof}, p.Take))
	head, err := p.Head()
	check(t, err)
	staging, err := to.Stage(head)
	check(t, err)
	w := snapshot.NewWindow(cfg.Committee.Network(), head)
	for q, more := w.Next(); more; q, more = w.Next() {
		left := w.Left()
		check(t, from.Snapshot(q, func(record []byte) error {
			c, err := w.Take(record)
			if err != nil {
				return err
			}
			return staging.Commit(t.Context(), c)
		}))
		if w.Left() == left {
			t.Fatalf("%d commits of the window are not to be had", left)
		}
	}
	check(t, w.Finish())
	states := snapshot.NewStates(head)
	if q, ok := states.Query(); ok {
		check(t, from.Snapshot(q, states.Take))
	}
	found, err := states.Finish(cfg)
	check(t, err)
	deals, err := snapshot.NewDeals(cfg.Committee, head.Index, found)
	check(t, err)
	for q, more := deals.Next(); more; q, more = deals.Next() {
		left := deals.Left()
		check(t, from.Snapshot(q, func(record []byte) error {
			deal, b, err := deals.Take(record)
			if err != nil {
				return err
			}
			return staging.Deal(t.Context(), deal, b)
		}))
		if deals.Left() == left {
			t.Fatalf("%d deals are not to be had", left)
		}
	}
	check(t, staging.Finish(t.Context(), found))
	return staging
}

// wantDeals wants a store to have the block of every deal that counts, and gives their count.
func wantDeals(t *testing.T, chain *snapshottest.Chain, s *Store) int {
	t.Helper()
	head, found, err := s.begun(s.Head().Index)
	check(t, err)
	if !found {
		t.Fatal("the store has no head")
	}
	states, err := s.States(head)
	check(t, err)
	deals, err := ordering.DealsOf(chain.Config.Committee, states)
	check(t, err)
	for i, want := range chain.Deals(head.Index) {
		raw, found, err := s.DealBlock(&deals[i])
		if err != nil || !found || !bytes.Equal(raw, want.Bytes()) {
			t.Errorf("block of deal %d, from commit %d: there %v, %v", i, deals[i].Commit, found, err)
		}
	}
	return len(deals)
}

// engineOf goes on from what a store holds.
func engineOf(t *testing.T, cfg ordering.Config, s *Store, found *Recovery) *ordering.Engine {
	t.Helper()
	r := ordering.Restored{Head: found.Head, Blocks: found.Blocks}
	check(t, s.Window(func(c *ordering.Commit) error { r.Window = append(r.Window, c); return nil }))
	var err error
	r.States, err = s.States(found.Head)
	check(t, err)
	e, err := ordering.NewEngine(cfg, r)
	check(t, err)
	return e
}

type snapshotWorld struct {
	*network
	chain *snapshottest.Chain
}

func newSnapshotWorld(t *testing.T, commits int) *snapshotWorld {
	w := &snapshotWorld{newNetwork(t), snapshottest.New(t, commits)}
	w.committee = w.chain.Config.Committee
	return w
}

func (w *snapshotWorld) observer(t *testing.T) Options {
	o := w.options(t.TempDir() + "/data")
	o.Self = ordering.Observer
	return o
}

// TestStoreFromSnapshot: a store that begins from a snapshot has what a restart needs and nothing before, goes on as any
// other, also after it was opened again, and another one can begin from it.
func TestStoreFromSnapshot(t *testing.T) {
	w := newSnapshotWorld(t, 300)
	whole, _ := w.create(w.observer(t))
	keep(t, whole, w.chain, 1)
	source := whole
	for range 3 { // each begins from the one before
		o := w.observer(t)
		s, _ := w.create(o)
		staging := stage(t, w.chain.Config, source, s)
		check(t, s.Close())
		check(t, staging.Install())
		s, found := w.open(o)
		base := s.Head()
		if found.Head == nil || found.Head.Ref() != base || base != w.chain.Commits[base.Index-1].Ref() || s.Earliest() != base.Index+1 || s.Revealed() != base.Index {
			t.Fatalf("head %v, earliest %d, revealed %d", base, s.Earliest(), s.Revealed())
		}
		if _, ok, err := s.Commit(base.Index); ok || err != nil {
			t.Errorf("commit %d is there: %v", base.Index, err)
		}
		engineOf(t, w.chain.Config, s, found)
		if wantDeals(t, w.chain, s) < 3 {
			t.Fatal("too few deals: the test shows less than it says")
		}
		keep(t, s, w.chain, base.Index+1)
		check(t, s.Close())
		s, found = w.open(o)
		last := w.chain.Commits[len(w.chain.Commits)-1]
		if s.Head() != last.Ref() || s.Earliest() != base.Index+1 {
			t.Fatalf("opened again: head %v, earliest %d", s.Head(), s.Earliest())
		}
		if e := engineOf(t, w.chain.Config, s, found); e.Head() != last.Ref() {
			t.Errorf("the engine goes on from %v", e.Head())
		}
		c, ok, err := s.Commit(last.Index)
		if err != nil || !ok || !bytes.Equal(c.Encode(), last.Encode()) {
			t.Errorf("commit %d: there %v, %v", last.Index, ok, err)
		}
		if _, ok, err := s.Lookup(w.chain.Commits[20].Accepted[0].ID); ok || err != nil {
			t.Errorf("an id from before the snapshot is found: %v", err)
		}
		source = s
		w.chain.Extend(t, 40)
		keep(t, s, w.chain, last.Index+1)
	}
}

// TestSnapshotIsWholeOrNotThere: at whatever moment the installing of a snapshot is broken off, the store has all of it or
// what it had before.
func TestSnapshotIsWholeOrNotThere(t *testing.T) {
	w := newSnapshotWorld(t, 100)
	o, s, staging := w.stageNew(t)
	base := staging.head.Ref()
	check(t, s.Close())
	check(t, staging.keepOwn())
	for name, test := range map[string]struct {
		renames int
		whole   bool
	}{
		"while it is written":                 {0, false},
		"when it is whole":                    {1, true},
		"when the old one has been set aside": {2, true},
		"when it has taken its place":         {3, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Dir = duplicate(t, o.Dir)
			check(t, o.complete())
			for i, move := range [][2]string{{o.joiningDir(), o.joinedDir()}, {o.badgerDir(), o.replacedDir()}, {o.joinedDir(), o.badgerDir()}} {
				if i < test.renames {
					check(t, os.Rename(move[0], move[1]))
				}
			}
			s, _ := w.open(o)
			if got := s.Head(); (got == base) != test.whole || (got == dag.CommitRef{}) == test.whole {
				t.Errorf("head %v", got)
			}
			for _, dir := range []string{o.joiningDir(), o.joinedDir(), o.replacedDir()} {
				if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left over: %v", dir, err)
				}
			}
		})
	}
}

// TestSnapshotKeepsWhatWasSigned: a validator's store that takes a snapshot still knows the newest own block and those
// whose items may still be valid.
func TestSnapshotKeepsWhatWasSigned(t *testing.T) {
	w := newSnapshotWorld(t, 200)
	whole, _ := w.create(w.observer(t))
	keep(t, whole, w.chain, 1)
	o := w.options(t.TempDir() + "/data") // validator 0's
	s, _ := w.create(o)
	var first, own *dag.Verified
	for _, b := range w.chain.Blocks {
		if b.Round() > 30 {
			break
		}
		check(t, s.Append([]*dag.Verified{b}))
		if b.Author() == 0 {
			own = b
			if first == nil {
				first = b
			}
		}
	}
	check(t, s.Sync())
	staging := stage(t, w.chain.Config, whole, s)
	check(t, s.Close())
	check(t, staging.Install())
	s, found := w.open(o)
	if found.OwnLast == nil || found.OwnLast.Ref() != own.Ref() || found.Log != LogWhole {
		t.Fatalf("newest own block %v, log %v; want %v", found.OwnLast, found.Log, own.Ref())
	}
	back, err := s.OwnUncommitted()
	check(t, err)
	for _, b := range back {
		for _, c := range w.chain.Commits[:staging.head.Index] {
			if slices.Contains(c.Blocks, b.Ref()) {
				t.Errorf("own block %v was brought in by commit %d", b.Ref(), c.Index)
			}
		}
	}
	valid := first.Block().LastCommit.Index+dag.ValidityWindow >= staging.head.Index
	if _, found, err := s.Block(first.Ref()); found != valid || err != nil {
		t.Errorf("own block %v, whose items may be valid: %v, is there: %v, %v", first.Ref(), valid, found, err)
	}
}

// TestDiscardedSnapshot: one that was given up leaves nothing.
func TestDiscardedSnapshot(t *testing.T) {
	w := newSnapshotWorld(t, 30)
	o := w.observer(t)
	s, _ := w.create(o)
	staging, err := s.Stage(w.chain.Commits[20])
	check(t, err)
	check(t, staging.Commit(t.Context(), w.chain.Commits[20]))
	if err := staging.Install(); err == nil {
		t.Error("half a snapshot is installed")
	}
	check(t, staging.Discard())
	check(t, o.complete())
	if _, err := os.Stat(o.joiningDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left over: %v", err)
	}
}

// TestSnapshotWindowGoes: the window that came with a snapshot goes when the commits since make up one.
func TestSnapshotWindowGoes(t *testing.T) {
	b, err := openBadger(t.TempDir()+"/badger", (&Options{}).Logger)
	check(t, err)
	defer b.close()
	w := b.batch()
	for i := dag.CommitIndex(1); i <= 20; i++ {
		check(t, w.set(windowKey(i), []byte("record")))
	}
	check(t, errors.Join(w.set(commitKey(3), []byte("commit")), w.flush()))
	p := &pruner{badger: b, base: 20, least: 10}
	for _, head := range []dag.CommitIndex{29, 30} {
		check(t, p.dropWindow(head))
		_, found, err := b.get(windowKey(20))
		check(t, err)
		if found != (head < 30) {
			t.Errorf("at commit %d the window is there: %v", head, found)
		}
	}
	if _, found, err := b.get(commitKey(3)); !found || err != nil {
		t.Errorf("a commit went with it: %v", err)
	}
}

// TestDealsOutliveTheirCommits: the blocks with the deals that count stay when all around them is pruned, also where no
// snapshot was taken, and those with other deals go.
func TestDealsOutliveTheirCommits(t *testing.T) {
	w := newSnapshotWorld(t, 400)
	o := w.observer(t)
	o.Retention, o.leastKept = Retention{Commits: 100}, 80
	s, _ := w.create(o)
	s.settle(5000)
	other := &ordering.Deal{Origin: keygen.Origin{Dealer: 1, Digest: crypto.Digest{9}}, Message: keygen.KindDeal}
	keep(t, s, w.chain, 1)
	await(t, s, func() bool { return s.Earliest() > 256 })
	if wantDeals(t, w.chain, s) < 3 {
		t.Fatal("too few deals: the test shows less than it says")
	}
	check(t, s.Close())
	b, err := openBadger(o.badgerDir(), o.Logger)
	check(t, err)
	batch := b.batch()
	check(t, errors.Join(batch.set(dealKey(other), []byte("block")), batch.flush(), b.sync(), b.close()))
	s, _ = w.open(o)
	s.settle(5000)
	if wantDeals(t, w.chain, s) < 3 {
		t.Fatal("too few deals")
	}
	w.chain.Extend(t, 300)
	keep(t, s, w.chain, 401)
	await(t, s, func() bool { return s.Earliest() > 512 })
	if _, found, err := s.DealBlock(other); err != nil || found {
		t.Errorf("a deal that does not count is kept: %v, %v", found, err)
	}
	wantDeals(t, w.chain, s)
}

// await waits until the copier has come so far.
func await(t *testing.T, s *Store, done func() bool) {
	t.Helper()
	for !done() {
		check(t, s.Err())
		<-s.options.tick()
	}
}
