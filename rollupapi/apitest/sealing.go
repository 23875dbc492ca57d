package apitest

import (
	"context"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// SealingStatus says where the key generation stands.
func (c *Chain) SealingStatus() keygen.Status { return keygen.Status{Phase: keygen.Dealing} }

// SealingKeys is the keys that are ready.
func (c *Chain) SealingKeys() []keygen.Key { return nil }

// SealingOrigins is the deals of a key.
func (c *Chain) SealingOrigins(uint64) ([]keygen.Origin, error) { return nil, nil }

// Reveal is the outcomes of a commit.
func (c *Chain) Reveal(dag.CommitIndex) (*reveal.Record, bool, error) { return nil, false, nil }

// WaitRevealed blocks until a commit past after is revealed.
func (c *Chain) WaitRevealed(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	return c.Wait(ctx, after)
}

// RevealProgress says how many shares of a commit are there.
func (c *Chain) RevealProgress(dag.CommitIndex) (have, need int, missing []dag.Author, ok bool) {
	return 0, 0, nil, false
}
