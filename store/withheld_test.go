package store

import (
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// TestOwnBlocksAreServedOnceDurable: what other nodes can fetch must not be forgotten by a power cut,
// so an own block is served only after Sync, from memory and from Badger; others' blocks at once.
func TestOwnBlocksAreServedOnceDurable(t *testing.T) {
	w := newNetwork(t)
	options := w.options(t.TempDir() + "/data")
	s, _ := w.create(options)
	served := func(layer []*dag.Verified) (refs []dag.Ref) {
		t.Helper()
		round := layer[0].Round()
		raws, next, err := s.BlocksInRounds(round, round, 1<<20)
		if err != nil || next != round+1 {
			t.Fatalf("next %d, %v", next, err)
		}
		for _, b := range layer {
			_, found, err := s.ServedBytes(b.Ref())
			check(t, err)
			if found {
				refs = append(refs, b.Ref())
			}
			inRound := slices.ContainsFunc(raws, func(raw []byte) bool { return blockDigest(raw) == b.Ref().Digest })
			if inRound != found {
				t.Errorf("%v is served by reference %v, with its round %v", b.Ref(), found, inRound)
			}
			if _, found, err := s.BlockBytes(b.Ref()); !found || err != nil {
				t.Errorf("this node cannot read %v: %v", b.Ref(), err)
			}
		}
		return refs
	}
	for _, from := range []string{"memory", "badger"} {
		layer := w.layer(1, 100)
		check(t, s.Append(layer))
		if from == "badger" {
			copied(t, s)
			forget(s)
		}
		if got := served(layer); !slices.Equal(got, refsOf(layer[1:])) {
			t.Errorf("from %s before Sync: %v", from, got)
		}
		check(t, s.Sync())
		if got := served(layer); !slices.Equal(got, refsOf(layer)) {
			t.Errorf("from %s after Sync: %v", from, got)
		}
	}
	layer := w.layer(1, 100)
	check(t, s.Append(layer))
	check(t, s.Close())
	s, _ = w.open(options)
	if got := served(layer); !slices.Equal(got, refsOf(layer)) {
		t.Errorf("after opening again: %v", got)
	}
}
