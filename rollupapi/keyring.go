package rollupapi

import (
	"fmt"
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// keyring keeps the network's sealing keys ready for use: each takes 100 KiB of tables and a millisecond
// to make. A network has f+1 of them at most, and all but one are old. Safe for concurrent use.
type keyring struct {
	network crypto.Digest
	sealing Sealing

	mu   sync.Mutex
	made map[uint64]*seal.Key
}

// maxKeys is how many keys stand ready at a time, 800 KiB; more are made again when they are asked for.
const maxKeys = 8

func newKeyring(network crypto.Digest, s Sealing) *keyring {
	return &keyring{network: network, sealing: s, made: map[uint64]*seal.Key{}}
}

// serving is the key that users seal with now; false before there is one.
func (k *keyring) serving() (keygen.Key, bool) {
	keys := k.sealing.SealingKeys()
	if len(keys) == 0 {
		return keygen.Key{}, false
	}
	return keys[len(keys)-1], true
}

// find is the key with an id that is ready; false for any other.
func (k *keyring) find(id uint64) (keygen.Key, bool) {
	for _, key := range k.sealing.SealingKeys() {
		if key.ID == id {
			return key, true
		}
	}
	return keygen.Key{}, false
}

// ready is a key with its tables.
func (k *keyring) ready(key *keygen.Key) (*seal.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if made, ok := k.made[key.ID]; ok {
		return made, nil
	}
	made, err := seal.NewKey(k.network, key.ID, key.Public[:])
	if err != nil {
		return nil, fmt.Errorf("read sealing key %d: %w", key.ID, err)
	}
	if len(k.made) >= maxKeys {
		clear(k.made)
	}
	k.made[key.ID] = made
	return made, nil
}
