package node

import (
	"context"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// SealingStatus says that no key is made.
func (n *node) SealingStatus() keygen.Status { return keygen.Status{Phase: keygen.Dealing} }

// SealingKeys is no key.
func (n *node) SealingKeys() []keygen.Key { return nil }

// SealingOrigins is nothing, for want of keys.
func (n *node) SealingOrigins(uint64) ([]keygen.Origin, error) { return nil, nil }

// Reveal finds nothing: without a key nothing is sealed.
func (n *node) Reveal(dag.CommitIndex) (*reveal.Record, bool, error) { return nil, false, nil }

// WaitRevealed waits for the next commit, which has nothing to reveal.
func (n *node) WaitRevealed(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	return n.history.Wait(ctx, after)
}

// RevealProgress knows of nothing that is to be revealed.
func (n *node) RevealProgress(dag.CommitIndex) (have, need int, missing []dag.Author, ok bool) {
	return 0, 0, nil, false
}
