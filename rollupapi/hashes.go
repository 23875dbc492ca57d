package rollupapi

import (
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
)

// hashes remembers which item an Ethereum hash stands for, in two generations like the tracker.
// Safe for concurrent use.
type hashes struct {
	mu         sync.Mutex
	young, old map[crypto.Digest]crypto.Digest
}

func newHashes() *hashes {
	return &hashes{young: map[crypto.Digest]crypto.Digest{}, old: map[crypto.Digest]crypto.Digest{}}
}

func (h *hashes) add(hash, id crypto.Digest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.young) >= maxHashes {
		h.old, h.young = h.young, map[crypto.Digest]crypto.Digest{}
	}
	h.young[hash] = id
}

func (h *hashes) find(hash crypto.Digest) (crypto.Digest, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id, ok := h.young[hash]; ok {
		return id, true
	}
	id, ok := h.old[hash]
	return id, ok
}
