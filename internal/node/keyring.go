package node

import (
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// keyring is the network's keys for one purpose that are ready: for the API, which asks at every submission, and for the
// tracker that works with them. It is safe for concurrent use; no call waits for a step of the tracker.
type keyring struct {
	mu      sync.Mutex
	fresh   []ordering.KeyReady // not with the tracker yet
	keys    []keygen.Key        // oldest first
	origins map[uint64][]keygen.Origin
}

func newKeyring() *keyring { return &keyring{origins: make(map[uint64][]keygen.Origin)} }

// add makes keys known, and keeps them for the tracker. Each ends the one before it.
func (k *keyring) add(ready []ordering.KeyReady) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fresh = append(k.fresh, ready...)
	for i := range ready {
		key := &ready[i].Key
		if last := len(k.keys) - 1; last >= 0 {
			k.keys[last].Until = key.From - 1
		}
		k.keys = append(k.keys, *key)
		k.origins[key.ID] = ready[i].Origins
	}
}

// take gives the keys that were added since it was called last.
func (k *keyring) take() []ordering.KeyReady {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := k.fresh
	k.fresh = nil
	return fresh
}

// all is a copy of all keys, oldest first; the last one serves.
func (k *keyring) all() []keygen.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.keys)
}

// originsOf is the deals in the log that a key is made of. An error wraps keygen.ErrNoKey.
func (k *keyring) originsOf(id uint64) ([]keygen.Origin, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	origins, found := k.origins[id]
	if !found {
		return nil, fmt.Errorf("origins of key %d: %w", id, keygen.ErrNoKey)
	}
	return origins, nil
}
