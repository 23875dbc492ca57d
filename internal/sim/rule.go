package sim

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// rule is the order as it is written down, without regard to speed and sharing no code with the
// engines: the commit rule on the union of what honest nodes have accepted, and from its verdicts
// what every commit must hold. A decision that holds in one node's DAG holds in the union as well,
// so a commit that the union does not bear out was made too early or is wrong, even if all nodes
// agree about it.
type rule struct {
	size   int
	faults int
	blocks map[dag.Ref]*ruled
	rounds map[dag.Round][]*ruled
	top    dag.Round

	verdicts map[dag.Slot]verdict // final ones under the present active set
	order    orderRule
}

// ruled is one block of the union.
type ruled struct {
	block   *dag.Verified
	parents []*ruled // in the order of the block; nil for one that is not held
	votes   []*ruled // by author: the first parent of the round before
}

func (b *ruled) round() dag.Round   { return b.block.Round() }
func (b *ruled) author() dag.Author { return b.block.Author() }

// verdict is what the rule says of a slot; undecided if not done, skipped if block is nil.
type verdict struct {
	done  bool
	block *ruled
}

func newRule(c *dag.Committee, registry *dag.Registry) *rule {
	return &rule{
		size: c.Size(), faults: faulty(c.Size()), blocks: make(map[dag.Ref]*ruled), rounds: make(map[dag.Round][]*ruled),
		verdicts: make(map[dag.Slot]verdict), order: newOrderRule(c, registry),
	}
}

// quorum is how many authors outnumber the rest whatever f of them do.
func (u *rule) quorum() int { return u.size - u.faults }

// add takes what an honest node has accepted, ancestors first.
func (u *rule) add(blocks []*dag.Verified) {
	for _, v := range blocks {
		if u.blocks[v.Ref()] != nil || v.Round() <= u.order.gc() {
			continue
		}
		b := &ruled{block: v, votes: make([]*ruled, u.size)}
		for _, r := range v.Block().Parents {
			p := u.blocks[r]
			b.parents = append(b.parents, p)
			if p != nil && r.Round+1 == v.Round() && b.votes[r.Author] == nil {
				b.votes[r.Author] = p
			}
		}
		u.blocks[v.Ref()] = b
		u.rounds[v.Round()] = append(u.rounds[v.Round()], b)
		u.top = max(u.top, v.Round())
	}
}

// complete reports whether a quorum of a round was accepted, as far as that is still known.
func (u *rule) complete(r dag.Round) bool {
	return r <= u.order.gc() || u.authors(r, func(*ruled) bool { return true }) >= u.quorum()
}

// candidates is the blocks of a slot.
func (u *rule) candidates(s dag.Slot) []*ruled {
	var out []*ruled
	for _, b := range u.rounds[s.Round] {
		if b.author() == s.Author {
			out = append(out, b)
		}
	}
	return out
}

// authors counts the authors of the blocks of a round that pass.
func (u *rule) authors(r dag.Round, pass func(*ruled) bool) int {
	var set dag.AuthorSet
	for _, b := range u.rounds[r] {
		if !set.Has(b.author()) && pass(b) {
			set.Add(b.author())
		}
	}
	return set.Len()
}

// certifies reports whether x refers to votes for l by a quorum of authors.
func (u *rule) certifies(x, l *ruled) bool {
	n := 0
	for _, v := range x.votes {
		if v != nil && v.votes[l.author()] == l {
			n++
		}
	}
	return n >= u.quorum()
}

// decide is the whole rule for one slot.
func (u *rule) decide(s dag.Slot) verdict {
	if v, known := u.verdicts[s]; known {
		return v
	}
	v := u.direct(s)
	if !v.done {
		v = u.indirect(s)
	}
	if v.done {
		u.verdicts[s] = v
	}
	return v
}

func (u *rule) direct(s dag.Slot) verdict {
	skip := u.authors(s.Round+1, func(*ruled) bool { return true }) >= u.quorum()
	for _, l := range u.candidates(s) {
		if u.authors(s.Round+2, func(x *ruled) bool { return u.certifies(x, l) }) >= u.quorum() {
			return verdict{done: true, block: l}
		}
		skip = skip && u.authors(s.Round+1, func(v *ruled) bool { return v.votes[s.Author] != l }) >= u.quorum()
	}
	return verdict{done: skip}
}

// indirect looks for the first later slot, three rounds on or more, that is not skipped.
func (u *rule) indirect(s dag.Slot) verdict {
	for r := s.Round + 3; r <= u.top; r++ {
		for _, a := range u.order.slots(r) {
			switch above := u.decide(dag.Slot{Round: r, Author: a}); {
			case !above.done:
				return verdict{}
			case above.block != nil:
				return u.below(s, above.block)
			}
		}
	}
	return verdict{}
}

// below is the verdict on a slot by what stands in an anchor's cone.
func (u *rule) below(s dag.Slot, anchor *ruled) verdict {
	seen := map[*ruled]bool{anchor: true}
	for queue := []*ruled{anchor}; len(queue) > 0; queue = queue[1:] {
		x := queue[0]
		if x.round() == s.Round+2 {
			for _, l := range u.candidates(s) {
				if u.certifies(x, l) {
					return verdict{done: true, block: l}
				}
			}
			continue
		}
		for _, p := range x.parents {
			if p != nil && p.round() >= s.Round+2 && !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return verdict{done: true}
}

// check says what is wrong with the next commit of the sequence; empty if nothing is.
func (u *rule) check(c *ordering.Commit) string {
	for r := u.order.round + 1; r < c.Round; r++ {
		for _, a := range u.order.slots(r) {
			if v := u.decide(dag.Slot{Round: r, Author: a}); !v.done || v.block != nil {
				return sprintf("commit %d of round %d passes over slot %v, which is not skipped", c.Index, c.Round, dag.Slot{Round: r, Author: a})
			}
		}
	}
	var anchors []*ruled
	var refs []dag.Ref
	for _, a := range u.order.slots(c.Round) {
		v := u.decide(dag.Slot{Round: c.Round, Author: a})
		if !v.done {
			return sprintf("commit %d decides slot %v, which is undecided", c.Index, dag.Slot{Round: c.Round, Author: a})
		}
		if v.block != nil {
			anchors, refs = append(anchors, v.block), append(refs, v.block.block.Ref())
		}
	}
	if !slices.Equal(refs, c.Anchors) {
		return sprintf("commit %d of round %d has anchors %v, want %v", c.Index, c.Round, c.Anchors, refs)
	}
	wrong, changed := u.order.check(c, anchors)
	if changed {
		clear(u.verdicts)
	}
	u.collect()
	return wrong
}

// collect forgets what no later commit can ask for.
func (u *rule) collect() {
	for r := range u.rounds {
		if r <= u.order.gc() {
			for _, b := range u.rounds[r] {
				b.parents, b.votes = nil, make([]*ruled, u.size)
				delete(u.blocks, b.block.Ref())
			}
			delete(u.rounds, r)
		}
	}
	for s := range u.verdicts {
		if s.Round <= u.order.round {
			delete(u.verdicts, s)
		}
	}
}
