package ordering

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// blockSet is a set of blocks of one round: authors by the number of their twin, first blocks apart
// since almost all are.
type blockSet struct {
	first dag.AuthorSet
	twins []dag.AuthorSet // twins[k-1] is the authors of twins number k
}

func (s *blockSet) add(a dag.Author, twin int) {
	if twin == 0 {
		s.first.Add(a)
		return
	}
	for len(s.twins) < twin {
		s.twins = append(s.twins, dag.AuthorSet{})
	}
	s.twins[twin-1].Add(a)
}

func (s *blockSet) has(a dag.Author, twin int) bool {
	if twin == 0 {
		return s.first.Has(a)
	}
	return twin <= len(s.twins) && s.twins[twin-1].Has(a)
}

// shared counts the authors that have a block in both sets.
func (s *blockSet) shared(o *blockSet) int {
	authors := s.first.Intersect(o.first)
	for k := range min(len(s.twins), len(o.twins)) {
		authors = authors.Union(s.twins[k].Intersect(o.twins[k]))
	}
	return authors.Len()
}

// outside counts the authors that have a block in s that is not in o.
func (s *blockSet) outside(o *blockSet) int {
	n, authors := 0, s.first.Minus(o.first)
	for k, twins := range s.twins {
		if k < len(o.twins) {
			twins = twins.Minus(o.twins[k])
		}
		authors = authors.Union(twins)
		if mutant.Planted(mutant.BlamesByBlock) {
			n += twins.Len()
		}
	}
	return n + authors.Len()
}

// tally is what is counted about the blocks of one round.
type tally struct {
	slots []slotTally // by author
	held  blockSet
}

type slotTally struct {
	candidates []*candidate // the twin with number k at place k
	verdict    Verdict      // final under the present schedule unless SlotUndecided
	anchor     *dag.Vertex
	direct     bool
}

// twin is the number of a block among the candidates; -1 if it is none of them.
func (s *slotTally) twin(v *dag.Vertex) int {
	return slices.IndexFunc(s.candidates, func(c *candidate) bool { return c.vertex == v })
}

// candidate is a block in a slot.
type candidate struct {
	vertex     *dag.Vertex
	cites      blockSet      // its parents in the round before
	voters     blockSet      // blocks of the next round that vote for it
	certifiers dag.AuthorSet // authors of blocks two rounds on that certify it
}

// certifies reports whether c, of two rounds later, certifies l: whether the authors of a quorum of
// c's parents voted for l.
func (c *candidate) certifies(l *candidate, quorum int) bool {
	if mutant.Planted(mutant.VoteQuorum) {
		quorum--
	}
	return c.cites.shared(&l.voters) >= quorum
}

// tally is the count for a round, which is made if there is none.
func (c *Committer) tally(r dag.Round) *tally {
	t := c.rounds[r]
	if t == nil {
		t = &tally{slots: make([]slotTally, c.size)}
		c.rounds[r] = t
	}
	return t
}

// Add counts a vertex. Every vertex is added once, after its parents. It costs one set operation for
// each block two rounds before, whatever the length of history.
func (c *Committer) Add(v *dag.Vertex) {
	r := v.Round()
	c.highest = max(c.highest, r)
	c.stale = true
	own := c.tally(r)
	slot := &own.slots[v.Author()]
	twin := len(slot.candidates)
	cand := &candidate{vertex: v}
	slot.candidates = append(slot.candidates, cand)
	own.held.add(v.Author(), twin)
	if before := c.rounds[r-1]; before != nil {
		before.vote(cand, twin)
	}
	if mutant.Planted(mutant.WeakVotes) {
		for _, p := range v.Parents() {
			c.rounds[p.Round()].slots[p.Author()].candidates[0].voters.add(v.Author(), twin)
		}
	}
	if r < 2 {
		return
	}
	if before := c.rounds[r-2]; before != nil {
		before.certify(cand, twin, c.quorum)
	}
}

// vote notes which blocks of t, the round before, are v's parents, and counts its votes for them.
func (t *tally) vote(v *candidate, twin int) {
	author, round := v.vertex.Author(), v.vertex.Round()
	var voted dag.AuthorSet
	for _, p := range v.vertex.Parents() {
		if p.Round()+1 != round {
			continue
		}
		slot := &t.slots[p.Author()]
		k := slot.twin(p)
		if k < 0 {
			panic("ordering: " + v.vertex.Ref().String() + " was added before its parent " + p.Ref().String())
		}
		v.cites.add(p.Author(), k)
		if !voted.Has(p.Author()) { // with two parents of one author the first is the vote
			voted.Add(p.Author())
			slot.candidates[k].voters.add(author, twin)
		}
	}
}

// certify counts v as a certificate for what it certifies among t, two rounds before.
func (t *tally) certify(v *candidate, twin, quorum int) {
	author := v.vertex.Author()
	if twin > 0 && mutant.Planted(mutant.CertificatesByBlock) {
		author = dag.MaxCommittee - dag.Author(twin)
	}
	for a := range t.slots {
		for _, l := range t.slots[a].candidates {
			if v.certifies(l, quorum) {
				l.certifiers.Add(author)
			}
		}
	}
}
