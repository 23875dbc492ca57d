package ordering

import (
	"cmp"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// GCDepth is how many rounds below the previous commit's round blocks can still be ordered.
const GCDepth = 60

// gcRound is the highest collected round (inclusive) for the commit that follows one of the given
// round. It derives from the commit sequence, never from a local clock: nodes that collect at
// different rounds order different blocks.
func gcRound(previous dag.Round, depth dag.Round) dag.Round {
	if previous <= depth {
		return 0
	}
	if mutant.Planted(mutant.GCExclusive) {
		return previous - depth - 1
	}
	return previous - depth
}

// linearizer turns committed anchors into an order of blocks. It remembers what it has ordered
// block by block down to the collected round; a highest-round-per-author watermark would lose
// blocks that are not in their author's own chain.
type linearizer struct {
	size    int
	walked  map[dag.Round]map[crypto.Digest]bool
	claimed map[dag.Round]*dag.AuthorSet // slots that have had their one block ordered
}

func newLinearizer(size int) *linearizer {
	return &linearizer{size: size, walked: make(map[dag.Round]map[crypto.Digest]bool), claimed: make(map[dag.Round]*dag.AuthorSet)}
}

// order is the blocks that a commit with these anchors brings in: what stands in their cones above
// gc and has not been ordered, by round, then by author rotated with the round, then by digest. Of
// twins the first counts, also across commits; what the others refer to is walked all the same.
func (l *linearizer) order(anchors []*dag.Vertex, gc dag.Round) []*dag.Vertex {
	switch {
	case gc > 0 && mutant.Planted(mutant.GCLow):
		gc--
	case gc > 0 && mutant.Planted(mutant.GCHigh):
		gc++
	}
	var found []*dag.Vertex
	for _, a := range anchors {
		if a.Round() > gc && l.walk(a.Ref()) {
			found = append(found, a)
		}
	}
	for i := 0; i < len(found); i++ {
		if mutant.Planted(mutant.TwinNotWalked) && l.taken(found[i].Slot()) {
			continue
		}
		for _, p := range found[i].Parents() {
			if p.Round() > gc && l.walk(p.Ref()) {
				found = append(found, p)
			}
		}
	}
	slices.SortFunc(found, func(a, b *dag.Vertex) int {
		return cmp.Or(cmp.Compare(a.Round(), b.Round()), cmp.Compare(l.position(a), l.position(b)), a.Ref().Compare(b.Ref()))
	})
	return slices.DeleteFunc(found, func(v *dag.Vertex) bool { return !l.claim(v.Slot()) })
}

// Linearize is the blocks that each of a sequence of commits brings in, from the first commit on, as an
// engine orders them: commits lists the committed anchors of each, and depth is how many rounds below
// the previous commit blocks can still be ordered. The graph must hold all of it.
func Linearize(authors int, commits [][]*dag.Vertex, depth dag.Round) [][]*dag.Vertex {
	l, gc := newLinearizer(authors), dag.Round(0)
	out := make([][]*dag.Vertex, len(commits))
	for i, anchors := range commits {
		out[i] = l.order(anchors, gc)
		if len(anchors) > 0 {
			gc = gcRound(anchors[0].Round(), depth)
		}
	}
	return out
}

// position rotates the authors with the round, so that no index comes first for ever.
func (l *linearizer) position(v *dag.Vertex) int {
	if mutant.Planted(mutant.AuthorOrder) {
		return int(v.Author())
	}
	return int((uint64(v.Author()) + uint64(v.Round())) % uint64(l.size))
}

// walk marks a block as walked and reports whether it had not been.
func (l *linearizer) walk(r dag.Ref) bool {
	m := l.walked[r.Round]
	if m == nil {
		m = make(map[crypto.Digest]bool, l.size)
		l.walked[r.Round] = m
	}
	if m[r.Digest] || (mutant.Planted(mutant.Watermark) && l.taken(dag.Slot{Round: r.Round + 1, Author: r.Author})) {
		return false
	}
	m[r.Digest] = true
	return true
}

// claim takes the slot for its first block and reports whether it was free.
func (l *linearizer) claim(s dag.Slot) bool {
	if l.taken(s) && !mutant.Planted(mutant.TwinsOrdered) {
		return false
	}
	set := l.claimed[s.Round]
	if set == nil {
		set = new(dag.AuthorSet)
		l.claimed[s.Round] = set
	}
	set.Add(s.Author)
	return true
}

// taken reports whether the slot has had its one block.
func (l *linearizer) taken(s dag.Slot) bool {
	set := l.claimed[s.Round]
	return set != nil && set.Has(s.Author)
}

// restore marks the blocks of an earlier commit as ordered.
func (l *linearizer) restore(blocks []dag.Ref, gc dag.Round) {
	for _, r := range blocks {
		if r.Round > gc {
			l.walk(r)
			l.claim(r.Slot())
		}
	}
}

// collect forgets the rounds up to gc.
func (l *linearizer) collect(gc dag.Round) {
	for r := range l.walked {
		if r <= gc {
			delete(l.walked, r)
			delete(l.claimed, r)
		}
	}
}
