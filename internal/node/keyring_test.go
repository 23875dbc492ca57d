package node

import (
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// TestKeyring: a key ends the one before it, the tracker is given each once, and what is handed out is a copy.
func TestKeyring(t *testing.T) {
	ready := func(id uint64, from dag.CommitIndex) []ordering.KeyReady {
		return []ordering.KeyReady{{Key: keygen.Key{ID: id, From: from}, Origins: []keygen.Origin{{Deal: []byte{byte(id)}}}}}
	}
	ring := newKeyring()
	ring.add(ready(1, 5))
	if fresh := ring.take(); len(fresh) != 1 || fresh[0].Key.ID != 1 {
		t.Errorf("fresh %+v", fresh)
	}
	ring.add(ready(2, 9))
	keys := ring.all()
	if len(keys) != 2 || keys[0].Until != 8 || keys[1].Until != 0 {
		t.Errorf("keys %+v", keys)
	}
	keys[1].Until = 100
	if again := ring.all(); again[1].Until != 0 {
		t.Error("what was handed out is the ring's own")
	}
	if fresh := ring.take(); len(fresh) != 1 || fresh[0].Key.ID != 2 || ring.take() != nil {
		t.Errorf("fresh %+v, or again", fresh)
	}
	origins, err := ring.originsOf(2)
	if err != nil || len(origins) != 1 || origins[0].Deal[0] != 2 {
		t.Errorf("origins %+v, %v", origins, err)
	}
	if _, err := ring.originsOf(3); !errors.Is(err, keygen.ErrNoKey) {
		t.Errorf("origins of no key: %v", err)
	}
}
