package node

import (
	"context"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/store"
)

// history is the store as the API reads it, with a bell that rings at every commit. It is safe for
// concurrent use.
type history struct {
	store *store.Store
	epoch dag.Epoch
	bell  *bell
}

func newHistory(s *store.Store, epoch dag.Epoch) *history {
	return &history{store: s, epoch: epoch, bell: newBell()}
}

// announce wakes everybody who waits for a commit.
func (h *history) announce() { h.bell.ring() }

// Heads says how far the history reaches.
func (h *history) Heads() rollupapi.Heads {
	revealed, certified := h.store.Revealed(), h.store.Certified() // before the head: they never reach past it
	return rollupapi.Heads{Committed: h.store.Head().Index, Revealed: revealed, Certified: certified, Earliest: h.store.Earliest(), Epoch: h.epoch}
}

// Commit reads one commit with its bodies.
func (h *history) Commit(i dag.CommitIndex) (*ordering.Commit, bool, error) { return h.store.Commit(i) }

// Record reads one commit, whose bodies may be missing.
func (h *history) Record(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	return h.store.WindowRecord(i)
}

// Round reads the blocks of a round as other nodes may have them.
func (h *history) Round(round dag.Round, maxBytes int) ([][]byte, error) {
	raws, _, err := h.store.BlocksInRounds(round, round, maxBytes)
	return raws, err
}

// Block reads one block as other nodes may have it.
func (h *history) Block(ref dag.Ref) ([]byte, bool, error) { return h.store.ServedBytes(ref) }

// Lookup finds where an id was committed.
func (h *history) Lookup(id crypto.Digest) (rollupapi.Location, bool, error) {
	at, found, err := h.store.Lookup(id)
	return rollupapi.Location{Commit: at.Commit, Index: at.Index}, found, err
}

// LookupRecent is Lookup without reading the disk for ids that are not there.
func (h *history) LookupRecent(id crypto.Digest) (rollupapi.Location, bool, error) {
	at, found, err := h.store.LookupRecent(id)
	return rollupapi.Location{Commit: at.Commit, Index: at.Index}, found, err
}

// Wait blocks until there is a commit after the given one.
func (h *history) Wait(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	return h.bell.wait(ctx, after, func() dag.CommitIndex { return h.store.Head().Index })
}

// CommitsOfNamespace lists the commits that hold an item of a namespace.
func (h *history) CommitsOfNamespace(ns dag.Namespace, after dag.CommitIndex, limit int) ([]dag.CommitIndex, error) {
	return h.store.CommitsOfNamespace(ns, after, limit)
}

// DealBlock reads the block that brought in a deal of a key.
func (h *history) DealBlock(d *ordering.Deal) ([]byte, bool, error) { return h.store.DealBlock(d) }
