package store

import (
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// What a cached block or commit takes beside its encoding, in bytes, roughly: the structures around
// it, and per item the decoded envelope or the accepted entry with its place in the index.
const (
	costFixed    = 1 << 10
	costItem     = 128
	costAccepted = 64
)

func blockCost(b *dag.Verified) int {
	return costFixed + len(b.Bytes()) + costItem*len(b.Block().Items)
}

// commitEntry is a commit with the namespaces that it holds something of.
type commitEntry struct {
	commit     *ordering.Commit
	namespaces []dag.Namespace // ascending
}

// newCommitEntry checks that the commit and its bodies belong together, which is the engine's duty.
func newCommitEntry(c *ordering.Commit) (*commitEntry, error) {
	if len(c.Bodies) != len(c.Blocks) {
		return nil, fmt.Errorf("put commit %v: %d bodies for %d blocks", c.Ref(), len(c.Bodies), len(c.Blocks))
	}
	var spaces []dag.Namespace
	for _, a := range c.Accepted {
		if int(a.Block) >= len(c.Bodies) || int(a.Item) >= len(c.Bodies[a.Block].Block().Items) {
			return nil, fmt.Errorf("put commit %v: accepted item %d of block %d does not exist", c.Ref(), a.Item, a.Block)
		}
		item := &c.Bodies[a.Block].Block().Items[a.Item]
		if item.Kind != dag.KindTransaction {
			spaces = append(spaces, item.Namespaces()...)
		} else if len(spaces) == 0 || spaces[len(spaces)-1] != a.Namespace {
			spaces = append(spaces, a.Namespace)
		}
	}
	slices.Sort(spaces)
	return &commitEntry{c, slices.Compact(spaces)}, nil
}

func (e *commitEntry) holds(ns dag.Namespace) bool {
	_, ok := slices.BinarySearch(e.namespaces, ns)
	return ok
}

func (e *commitEntry) cost() int {
	c := e.commit
	return costFixed + len(c.Resume) + costAccepted*(len(c.Accepted)+len(c.Dropped)) + dag.RefSize*len(c.Blocks)
}

// recentView holds in memory what Badger does not have yet and, up to a limit, the newest of what
// it has. All blocks of rounds from floor on and all commits from first on are here.
type recentView struct {
	mu     sync.RWMutex
	limit  int // bytes
	used   int
	blocks map[dag.Ref]*recentBlock
	rounds []dag.Round // ascending: those that byRound has
	at     map[dag.Round][]dag.Ref
	floor  dag.Round

	head     dag.CommitRef
	commits  []*commitEntry // ascending, without gaps; the last is the head's
	first    dag.CommitIndex
	stored   dag.CommitIndex // up to where Badger has the commits
	earliest dag.CommitIndex // the oldest commit kept anywhere; 0 for none
}

type recentBlock struct {
	block  *dag.Verified
	stored bool // Badger has it
}

func newRecentView(limit int, floor dag.Round, head dag.CommitRef) *recentView {
	v := &recentView{
		limit: limit, floor: floor, head: head, first: head.Index + 1, stored: head.Index,
		blocks: make(map[dag.Ref]*recentBlock), at: make(map[dag.Round][]dag.Ref),
	}
	if head.Index > 0 {
		v.earliest = firstCommit
	}
	return v
}

// restore adds blocks that Badger has.
func (v *recentView) restore(blocks []*dag.Verified) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, b := range blocks {
		v.add(b)
		v.blocks[b.Ref()].stored = true
	}
	v.evict()
}

// addBlocks adds blocks that Badger does not have.
func (v *recentView) addBlocks(blocks []*dag.Verified) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, b := range blocks {
		v.add(b)
	}
	v.evict()
}

func (v *recentView) add(b *dag.Verified) {
	ref := b.Ref()
	if _, known := v.blocks[ref]; known {
		return
	}
	v.blocks[ref] = &recentBlock{block: b}
	if i, ok := slices.BinarySearch(v.rounds, ref.Round); !ok {
		v.rounds = slices.Insert(v.rounds, i, ref.Round)
	}
	v.at[ref.Round] = append(v.at[ref.Round], ref)
	v.used += blockCost(b)
}

// blocksStored says that Badger has blocks.
func (v *recentView) blocksStored(refs []dag.Ref) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range refs {
		if b := v.blocks[r]; b != nil {
			b.stored = true
		}
	}
	v.evict()
}

func (v *recentView) addCommit(e *commitEntry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.commits = append(v.commits, e)
	v.head = e.commit.Ref()
	if v.earliest == 0 {
		v.earliest = v.head.Index
	}
	v.used += e.cost()
	v.evict()
}

// commitStored says that Badger has the commits up to i.
func (v *recentView) commitStored(i dag.CommitIndex) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stored = max(v.stored, i)
	v.evict()
}

// evict drops the lowest rounds, and the commits whose blocks went with them, until what remains is
// within the limit or Badger does not have it yet.
func (v *recentView) evict() {
	for v.used > v.limit && len(v.rounds) > 0 {
		round := v.rounds[0]
		for _, r := range v.at[round] {
			if !v.blocks[r].stored {
				return
			}
		}
		for _, r := range v.at[round] {
			v.used -= blockCost(v.blocks[r].block)
			delete(v.blocks, r)
		}
		delete(v.at, round)
		v.rounds = slices.Delete(v.rounds, 0, 1)
		v.floor = max(v.floor, round+1)
		v.evictCommits()
	}
}

func (v *recentView) evictCommits() {
	drop := 0
	for _, e := range v.commits {
		if e.commit.Index > v.stored || e.commit.Round >= v.floor {
			break
		}
		v.used -= e.cost()
		drop++
	}
	v.commits = slices.Delete(v.commits, 0, drop)
	v.first += dag.CommitIndex(drop)
}

func (v *recentView) block(r dag.Ref) *dag.Verified {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if b := v.blocks[r]; b != nil {
		return b.block
	}
	return nil
}

// commit gives the entry of index i, nil if it is not in memory.
func (v *recentView) commit(i dag.CommitIndex) *commitEntry {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if i < v.first || i > v.head.Index {
		return nil
	}
	return v.commits[i-v.first]
}

// commitsWith gives the commits in memory with an index of at least from that hold something of a
// namespace, and the index from which on all commits are in memory.
func (v *recentView) commitsWith(ns dag.Namespace, from dag.CommitIndex, limit int) ([]dag.CommitIndex, dag.CommitIndex) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []dag.CommitIndex
	if from <= v.head.Index {
		for _, e := range v.commits[max(from, v.first)-v.first:] {
			if len(out) == limit {
				break
			}
			if e.holds(ns) {
				out = append(out, e.commit.Index)
			}
		}
	}
	return out, v.first
}

// bounds gives the newest commit and the index of the oldest one.
func (v *recentView) bounds() (head dag.CommitRef, earliest dag.CommitIndex) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.head, v.earliest
}

// between gives the blocks in memory of rounds from to to in order, whole rounds until they are more
// than maxBytes, and the round from which on all blocks are in memory.
func (v *recentView) between(from, to dag.Round, maxBytes int) ([]*dag.Verified, dag.Round) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []*dag.Verified
	size := 0
	i, _ := slices.BinarySearch(v.rounds, from)
	for ; i < len(v.rounds) && v.rounds[i] <= to && size <= maxBytes; i++ {
		at := len(out)
		for _, r := range v.at[v.rounds[i]] {
			b := v.blocks[r].block
			out, size = append(out, b), size+len(b.Bytes())
		}
		slices.SortFunc(out[at:], func(a, b *dag.Verified) int { return a.Ref().Compare(b.Ref()) })
	}
	return out, v.floor
}
