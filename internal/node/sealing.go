package node

import (
	"context"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// SealingStatus says where the key generation stands. Like all methods of this file it is the API's,
// and safe for concurrent use.
func (n *node) SealingStatus() keygen.Status { return n.loop.status.Load().Keygen }

// SealingKeys is the keys that are ready, oldest first; the last one serves.
func (n *node) SealingKeys() []keygen.Key {
	return n.revealer.keys.all()
}

// SealingOrigins is the deals in the log that a key is made of.
func (n *node) SealingOrigins(id uint64) ([]keygen.Origin, error) {
	return n.revealer.keys.originsOf(id)
}

// Reveal is what the sealed items of a commit came to; false for one without any, or not revealed.
func (n *node) Reveal(i dag.CommitIndex) (*reveal.Record, bool, error) { return n.store.Reveal(i) }

// WaitRevealed blocks until all commits up to one past after are revealed, and gives how far they are.
func (n *node) WaitRevealed(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	return n.revealer.bell.wait(ctx, after, n.store.Revealed)
}

// RevealProgress is how many shares of an unrevealed commit are there, of how many, and who is missing. It
// knows of nothing while the revealer is at work, which it does not wait for.
func (n *node) RevealProgress(i dag.CommitIndex) (have, need int, missing []dag.Author, ok bool) {
	if !n.revealer.mu.TryLock() {
		return 0, 0, nil, false
	}
	defer n.revealer.mu.Unlock()
	return n.revealer.tracker.Progress(i)
}
