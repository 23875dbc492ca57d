package sim

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// hide tries to make two honest nodes decide one slot differently. Everybody with this behaviour works
// on one plot: they sleep now and then, so that nobody waits for them, and then give one block
// exactly as many votes as a wrong quorum needs, show the votes or certificates that decide it to one
// node, and keep them from the others until these have decided by what they do not see.
type hide struct {
	plot   *plot
	weight int // of this author's misses, as everybody counts them
}

func newHide(a *adversary) any {
	if a.world.plot == nil {
		a.world.plot = newPlot(a.world)
	}
	a.world.plot.members = append(a.world.plot.members, a)
	return &hide{plot: a.world.plot}
}

// How honest proposers count misses: a round without a block, a round with it, and from where on
// nobody waits.
const (
	missedRound   = 2
	forgivenRound = 1
	mostMissed    = 6
	sleepBelow    = mostMissed - 1 // a weight that would not last an attack
)

// ready lets an attack go on when everything of the round before is known.
func (h *hide) ready(a *adversary, round dag.Round) bool {
	step, on := h.plot.step(round)
	known := a.graph.Authors(round - 1)
	return !on || step == 0 || step > 3 || known.Len() == a.world.scenario.Validators
}

func (h *hide) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 {
		return drafts
	}
	p, d := h.plot, &drafts[0]
	step, on := p.step(d.block.Round)
	if on && step > 0 && len(a.graph.At(dag.Slot{Round: d.block.Round - 1, Author: a.self})) == 0 {
		p.give()
		on = false
	}
	if !on {
		return h.sleep(a, drafts)
	}
	h.weight = max(0, h.weight-forgivenRound)
	switch {
	case step == 0 && a.self == p.owner:
		p.tip = a.last
		d.only(p.with(p.voters))
		p.release(a, d.block.Round)
	case step == 1 && p.aim == aimSkip:
		p.blame(a, d)
	case step == 1:
		d.only(p.with(p.certifiers))
		p.release(a, d.block.Round)
	case step == 2 && p.aim == aimCommit:
		p.certify(a, d)
	case step == 3 && a.self == p.anchor:
		p.prefer(a, d, func(x dag.Author) bool { return !slices.Contains(p.certifiers, x) })
	}
	return drafts
}

// sleep makes no block in so many rounds that nobody waits for this author, and starts the next
// attack when that is so.
func (h *hide) sleep(a *adversary, drafts []draft) []draft {
	round := drafts[0].block.Round
	if !slices.Contains(a.world.check.rule.order.slots(round), a.self) {
		h.weight = max(0, h.weight-forgivenRound) // without a slot there is nothing to attack: win it back
		return drafts
	}
	if h.weight < sleepBelow {
		h.weight = min(h.weight+missedRound, mostMissed)
		return nil
	}
	h.plot.rested(a, h.weight, round+1)
	h.weight -= forgivenRound
	return drafts
}

// without is the draft with another own parent and no reference to one block; ok is false where that
// leaves no quorum.
func (a *adversary) without(d *draft, slot dag.Slot, own dag.Ref) (t draft, ok bool) {
	t = d.twin()
	if t.block.Parents[0].Slot() == slot {
		t.block.Parents[0] = own
	}
	t.block.Parents = slices.DeleteFunc(t.block.Parents, func(r dag.Ref) bool { return r.Slot() == slot })
	return t, len(a.withoutStrong([]draft{t})) == 1
}
