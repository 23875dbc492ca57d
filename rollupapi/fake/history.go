package fake

import (
	"context"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi"
)

// history is the whole order in memory.
type history struct {
	committee    *dag.Committee
	certificates *certificates

	mu      sync.Mutex
	commits []*ordering.Commit
	blocks  map[dag.Ref]*dag.Verified
	rounds  map[dag.Round][]dag.Ref
	places  map[crypto.Digest]rollupapi.Location
	byName  map[dag.Namespace][]dag.CommitIndex
	newest  dag.Round
	grown   chan struct{} // closed and replaced when there is a new commit
}

func newHistory(c *dag.Committee, certificates *certificates) *history {
	return &history{
		committee: c, certificates: certificates, blocks: map[dag.Ref]*dag.Verified{}, rounds: map[dag.Round][]dag.Ref{}, places: map[crypto.Digest]rollupapi.Location{},
		byName: map[dag.Namespace][]dag.CommitIndex{}, grown: make(chan struct{}),
	}
}

// add takes in what the engine has made.
func (h *history) add(ready *ordering.Ready) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range ready.Persist {
		h.blocks[b.Ref()] = b
		h.rounds[b.Round()] = append(h.rounds[b.Round()], b.Ref())
		h.newest = max(h.newest, b.Round())
	}
	for _, c := range ready.Commits {
		h.commit(c)
	}
	if len(ready.Commits) > 0 {
		close(h.grown)
		h.grown = make(chan struct{})
	}
}

func (h *history) commit(c *ordering.Commit) {
	h.commits = append(h.commits, c)
	for i, a := range c.Accepted {
		h.places[a.ID] = rollupapi.Location{Commit: c.Index, Index: uint32(i)}
		item := &c.Bodies[a.Block].Block().Items[a.Item]
		for _, ns := range item.Namespaces() {
			if list := h.byName[ns]; len(list) == 0 || list[len(list)-1] != c.Index {
				h.byName[ns] = append(list, c.Index)
			}
		}
	}
}

// head is the newest commit and round.
func (h *history) head() (dag.CommitRef, dag.Round) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.commits) == 0 {
		return dag.CommitRef{}, h.newest
	}
	return h.commits[len(h.commits)-1].Ref(), h.newest
}

// Heads says how far the history reaches.
func (h *history) Heads() rollupapi.Heads {
	certified := h.certificates.certified() // before the head: it never reaches past it
	head, _ := h.head()
	return rollupapi.Heads{Committed: head.Index, Revealed: head.Index, Certified: certified, Epoch: dag.FirstEpoch}
}

// Commit reads one commit.
func (h *history) Commit(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i == 0 || i > dag.CommitIndex(len(h.commits)) {
		return nil, false, nil
	}
	return h.commits[i-1], true, nil
}

// Record is Commit.
func (h *history) Record(i dag.CommitIndex) (*ordering.Commit, bool, error) { return h.Commit(i) }

// Lookup finds where an id was committed.
func (h *history) Lookup(id crypto.Digest) (rollupapi.Location, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.places[id]
	return at, ok, nil
}

// DealBlock reads the block that brought in a deal.
func (h *history) DealBlock(d *ordering.Deal) ([]byte, bool, error) {
	c, ok, err := h.Commit(d.Commit)
	if err != nil || !ok {
		return nil, false, err
	}
	b := d.Among(c.Bodies)
	if b == nil {
		return nil, false, nil
	}
	return b.Bytes(), true, nil
}

// LookupRecent is Lookup.
func (h *history) LookupRecent(id crypto.Digest) (rollupapi.Location, bool, error) {
	return h.Lookup(id)
}

// Wait blocks until there is a commit past after.
func (h *history) Wait(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	for {
		h.mu.Lock()
		head, grown := dag.CommitIndex(len(h.commits)), h.grown
		h.mu.Unlock()
		if head > after {
			return head, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// CommitsOfNamespace lists commits that hold an item of the namespace.
func (h *history) CommitsOfNamespace(ns dag.Namespace, after dag.CommitIndex, limit int) ([]dag.CommitIndex, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.byName[ns]
	first, _ := slices.BinarySearch(list, after+1)
	return slices.Clone(list[first:min(first+limit, len(list))]), nil
}

// Round gives the blocks of a round.
func (h *history) Round(round dag.Round, maxBytes int) ([][]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out [][]byte
	for _, ref := range h.rounds[round] {
		raw := h.blocks[ref].Bytes()
		if maxBytes -= len(raw); maxBytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, raw)
	}
	return out, nil
}

// Block gives one block.
func (h *history) Block(ref dag.Ref) ([]byte, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.blocks[ref]
	if !ok {
		return nil, false, nil
	}
	return b.Bytes(), true, nil
}

// Reveal finds nothing: nothing is sealed.
func (h *history) Reveal(dag.CommitIndex) (*reveal.Record, bool, error) { return nil, false, nil }

// WaitRevealed is Wait: what holds nothing sealed is revealed at once.
func (h *history) WaitRevealed(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	return h.Wait(ctx, after)
}

// RevealProgress finds nothing: nothing waits to be opened.
func (h *history) RevealProgress(dag.CommitIndex) (have, need int, missing []dag.Author, ok bool) {
	return 0, 0, nil, false
}

// unsealed is a key generation that never begins.
type unsealed struct{}

// SealingStatus says that deals are awaited.
func (unsealed) SealingStatus() keygen.Status { return keygen.Status{Phase: keygen.Dealing} }

// SealingKeys finds none.
func (unsealed) SealingKeys() []keygen.Key { return nil }

// SealingOrigins finds none.
func (unsealed) SealingOrigins(uint64) ([]keygen.Origin, error) { return nil, nil }
