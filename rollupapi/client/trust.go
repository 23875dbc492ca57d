package client

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
)

// maxProven is how many proven keys a client remembers; a network has f+1 in its life.
const maxProven = 128

// trust is what a client believes of keys: with a committee what that signed, else a node's word.
type trust struct {
	committee *dag.Committee // nil for none
	logger    *slog.Logger
	once      sync.Once // over saying that keys are not proven

	mu      sync.Mutex
	proven  map[uint64]*EncryptionKey
	signing map[uint64]CertificateKey // that are proven, without their origins
}

func newTrust(config *Config) *trust {
	t := &trust{committee: config.Committee, logger: config.Logger, proven: make(map[uint64]*EncryptionKey), signing: make(map[uint64]CertificateKey)}
	if t.logger == nil {
		t.logger = slog.Default()
	}
	return t
}

// check returns the proven key for what a node answered: from memory if it was proven before, else from
// the deals and blocks that the node shows. Errors wrap ErrOrigin, or are the node's.
func (t *trust) check(ctx context.Context, e *endpoint, k *EncryptionKey) (*EncryptionKey, error) {
	t.mu.Lock()
	known := t.proven[k.ID]
	t.mu.Unlock()
	if known != nil {
		return k, k.equals(known)
	}
	full, err := e.askKey(ctx, withOrigin(k.ID))
	if err != nil {
		return nil, err
	}
	if err := full.ProveSigned(t.committee); err != nil {
		return nil, fmt.Errorf("refuse encryption key %d of %s: %w", k.ID, e.url, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.proven) >= maxProven {
		clear(t.proven)
	}
	t.proven[k.ID] = full
	return full, nil
}

// equals holds a key against the proven one of its id.
func (k *EncryptionKey) equals(known *EncryptionKey) error {
	if k.Network() != known.Network() || !bytes.Equal(k.Bytes(), known.Bytes()) || k.Threshold != known.Threshold || !slices.EqualFunc(k.Shares, known.Shares, bytes.Equal) {
		return fmt.Errorf("%w: it is not the key %d that was proven before", ErrOrigin, k.ID)
	}
	return nil
}

// say warns once that what is sealed is sealed on a node's word.
func (t *trust) say(node string) {
	if t.committee != nil {
		return
	}
	t.once.Do(func() {
		t.logger.Warn("sealing_key_unproven", "node", node, "next", "give the client the committee of the genesis file: the node could hand out a key of its own and read what is sealed")
	})
}
