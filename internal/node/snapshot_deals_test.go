package node

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/ordering/snapshot/snapshottest"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/store"
)

// dealsIn counts the deals in states, and those of them whose blocks a store has.
func dealsIn(t *testing.T, chain *snapshottest.Chain, s *store.Store, states []ordering.State) (have, all int) {
	t.Helper()
	deals, err := ordering.DealsOf(chain.Config.Committee, states)
	if err != nil {
		t.Fatal(err)
	}
	for i := range deals {
		raw, found, err := s.DealBlock(&deals[i])
		if err != nil {
			t.Fatal(err)
		}
		if found && bytes.Equal(raw, deals[i].Among(chain.Commits[deals[i].Commit-1].Bodies).Bytes()) {
			have++
		}
	}
	return have, len(deals)
}

// TestTakeSnapshotWithoutDeals: what nobody has of the blocks with deals keeps nobody from taking a snapshot with the rest of
// them, from whoever has it.
func TestTakeSnapshotWithoutDeals(t *testing.T) {
	chain := snapshottest.New(t, 100)
	without := func(gone ...int) p2p.SnapshotSource {
		return &snapshottest.Source{Chain: chain, Head: 80, Gone: gone}
	}
	for name, test := range map[string]struct {
		sources []p2p.SnapshotSource
		missing int
	}{
		"one is gone":           {[]p2p.SnapshotSource{without(1), without(1)}, 1},
		"all are gone":          {[]p2p.SnapshotSource{without(0, 1, 2, 3)}, 4},
		"everybody lacks one":   {[]p2p.SnapshotSource{without(0), without(1), without(2), without(3)}, 0},
		"one has all of them":   {[]p2p.SnapshotSource{without(0, 1, 2, 3), without(0, 1, 2, 3), without()}, 0},
		"busy for a while":      {[]p2p.SnapshotSource{&busyDeals{without(), 2}}, 0},
		"one at a time is fine": {[]p2p.SnapshotSource{oneDeal{without()}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, found, m := takeFrom(t, chain, test.sources...)
			states, err := s.States(found.Head)
			if err != nil {
				t.Fatal(err)
			}
			if have, all := dealsIn(t, chain, s, states); all-have != test.missing || all != 4 || len(m.blamed) > 0 {
				t.Errorf("it has the blocks of %d deals of %d, %d may be missing; blamed %v", have, all, test.missing, m.blamed)
			}
		})
	}
}

// busyDeals answers nothing about deals at first.
type busyDeals struct {
	p2p.SnapshotSource
	left int
}

func (b *busyDeals) Snapshot(q snapshot.Query, give func([]byte) error) error {
	if q.Kind == snapshot.AskDeals {
		if b.left--; b.left >= 0 {
			return p2p.ErrBusy
		}
	}
	return b.SnapshotSource.Snapshot(q, give)
}

// oneDeal gives the block of one deal at a time.
type oneDeal struct{ p2p.SnapshotSource }

func (o oneDeal) Snapshot(q snapshot.Query, give func([]byte) error) error {
	given := errors.New("given")
	err := o.SnapshotSource.Snapshot(q, func(record []byte) error {
		if err := give(record); err != nil || q.Kind != snapshot.AskDeals {
			return err
		}
		return given
	})
	if errors.Is(err, given) {
		return nil
	}
	return err
}
