package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// plot is one attack after the other on the verdict of a slot, by all adversaries that hide. They
// know what every honest node has said, and the schedule.
type plot struct {
	world   *world
	random  *rand.Rand
	members []*adversary
	rest    dag.AuthorSet // members for whom nobody waits
	patient bool          // whether the first attack waits for a round that begins with a member's slot

	start      dag.Round // of the attack; 0 for none
	aim        aim
	owner      dag.Author    // of the attacked slot
	tip        *dag.Verified // the owner's block before; nil for genesis
	voters     []dag.Author  // honest ones who get the attacked block in time
	certifiers []dag.Author  // honest ones who get the members' votes in time
	target     dag.Author    // who is to decide differently
	anchor     dag.Author    // the member whose block is to decide the slot for the others; or nobody
	exposed    []dag.Author  // honest ones who have been shown twins
}

// aim is how the target's verdict is to differ.
type aim uint8

const (
	// aimSkip shows the target twins of the votes that blame the slot, which the others commit.
	aimSkip aim = iota
	// aimCommit shows the target certificates that nothing in the deciding anchor's cone knows of.
	aimCommit
)

// lasts is for how many rounds an attack needs its members.
var lasts = [...]dag.Round{aimSkip: 2, aimCommit: 6}

// Limits of a plot.
const (
	plotTwins   = 2                      // blocks beside the first that a target is shown of one slot
	plotLook    = 500 * time.Microsecond // between looks at what honest nodes have said
	plotLooks   = 400                    // until a release is given up
	nobody      = dag.Author(dag.MaxCommittee)
	plotPatient = 60 // rounds that the first attack may wait for its anchor
)

func newPlot(w *world) *plot {
	random := newStream(w.scenario.Seed, "plot")
	return &plot{world: w, random: random, patient: random.IntN(4) > 0}
}

// step is how far the attack is in a round; on is false if there is none.
func (p *plot) step(round dag.Round) (step int, on bool) {
	if p.start == 0 || round < p.start || round >= p.start+lasts[p.aim] {
		return 0, false
	}
	return int(round - p.start), true
}

// give gives the attack up.
func (p *plot) give() { p.start = 0 }

// rested notes that nobody waits for a member; when that holds for all, the next attack starts with a
// round.
func (p *plot) rested(a *adversary, weight int, round dag.Round) {
	if p.start >= round {
		return
	}
	if weight < mostMissed {
		p.rest = dag.AuthorSet{}
		return
	}
	p.rest.Add(a.self)
	if p.rest.Len() == len(p.members) && p.choose(round) {
		p.start, p.rest = round, dag.AuthorSet{}
	}
}

// choose draws an attack on a round, and reports whether there is one.
func (p *plot) choose(round dag.Round) bool {
	slots := p.world.check.rule.order.slots(round)
	owner := p.members[p.random.IntN(len(p.members))]
	if !slices.Contains(slots, owner.self) {
		return false
	}
	f, quorum := faulty(p.world.scenario.Validators), p.world.committee.Quorum()
	honest := p.honest()
	p.owner, p.certifiers, p.anchor = owner.self, nil, nobody
	fresh := slices.DeleteFunc(slices.Clone(honest), func(x dag.Author) bool { return slices.Contains(p.exposed, x) })
	votes := min(max(quorum-len(p.members), 1), len(honest)-1)
	shy := len(p.exposed) < f && votes <= len(fresh) // enough have seen no twins
	first := p.world.check.rule.order.slots(round + 3)[0]
	switch led := slices.ContainsFunc(p.members, func(a *adversary) bool { return a.self == first }); {
	case led && shy && (p.patient || p.random.IntN(4) > 0):
		p.aim, p.anchor, p.certifiers, p.target, p.patient = aimCommit, first, fresh[:f], fresh[0], false
		p.voters = fresh[len(fresh)-votes:]
	case p.patient && round < plotPatient:
		return false
	case shy && p.random.IntN(8) == 0:
		p.aim, p.target, p.voters = aimCommit, fresh[0], fresh[len(fresh)-votes:]
	default:
		blamers := min(f+p.random.IntN(2), len(honest)-1)
		p.aim, p.target, p.voters = aimSkip, honest[0], honest[blamers:]
	}
	if !slices.Contains(p.exposed, p.target) {
		p.exposed = append(p.exposed, p.target)
	}
	return true
}

// honest is all honest nodes in random order, those first who have been shown twins.
func (p *plot) honest() []dag.Author {
	out := slices.Clone(p.exposed)
	for _, x := range p.random.Perm(p.world.scenario.Validators) {
		if p.world.nodes[x] != nil && !slices.Contains(out, dag.Author(x)) {
			out = append(out, dag.Author(x))
		}
	}
	return out
}

// with is some honest nodes and all members.
func (p *plot) with(some []dag.Author) []dag.Author {
	out := slices.Clone(some)
	for _, m := range p.members {
		out = append(out, m.self)
	}
	return out
}

// blame shows the target twins of a vote that do not refer to the attacked block.
func (p *plot) blame(a *adversary, d *draft) {
	own := p.world.committee.Genesis(a.self)
	if p.tip != nil {
		own = p.tip.Ref()
	}
	t, ok := a.without(d, dag.Slot{Round: p.start, Author: p.owner}, own)
	for range plotTwins {
		t.block.Time++
		t.only([]dag.Author{p.target})
		if ok {
			a.publish(&t)
		}
	}
}

// release shows the block of a round to everybody once all have gone on to the next without it.
func (p *plot) release(a *adversary, round dag.Round) {
	p.when(func() bool { return p.said(round+1, p.honest()) }, func() {
		if at := a.graph.At(dag.Slot{Round: round, Author: a.self}); len(at) > 0 {
			for to := range dag.Author(p.world.scenario.Validators) {
				if to != a.self {
					a.tell(at[0].Verified(), to, 0)
				}
			}
		}
	})
}

// certify makes the block that everybody gets certify nothing, and twins that do, which the target
// gets once it has made the block that could have told the others of them.
func (p *plot) certify(a *adversary, d *draft) {
	hidden := d.twin()
	hidden.only(nil)
	p.prefer(a, d, func(x dag.Author) bool { return !slices.Contains(p.with(p.voters), x) })
	target, round := p.target, d.block.Round
	for range plotTwins {
		hidden.block.Time++
		if b := a.publish(&hidden); b != nil {
			p.when(func() bool { return p.said(round+1, []dag.Author{target}) }, func() { a.tell(b, target, 0) })
		}
	}
}

// prefer leaves a draft a bare quorum, of those first who pass, then of honest ones.
func (p *plot) prefer(a *adversary, d *draft, pass func(dag.Author) bool) {
	rest := d.block.Parents[1:]
	rank := func(r dag.Ref) int {
		switch {
		case pass(r.Author):
			return 0
		case p.world.nodes[r.Author] != nil:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(rest, func(x, y dag.Ref) int { return rank(x) - rank(y) })
	a.trim(d, func(dag.Author) bool { return false })
}

// said reports whether all of some honest nodes that are up have made a block of a round.
func (p *plot) said(round dag.Round, some []dag.Author) bool {
	return !slices.ContainsFunc(some, func(x dag.Author) bool { return p.world.up(x) && p.world.nodes[x].spoke < round })
}

// when acts as soon as something is so, if that is not too late.
func (p *plot) when(so func() bool, act func()) {
	looks := 0
	var look func()
	look = func() {
		if so() {
			act()
		} else if looks++; looks < plotLooks {
			p.world.after(plotLook, look)
		}
	}
	look()
}
