package sim

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// phase is how far a run has come.
type phase uint8

const (
	faulting   phase = iota // faults are in force
	recovering              // none is any more; every honest node must take part again
	settled                 // every honest node's block must be ordered within so many rounds
	draining                // nothing is submitted any more; every promise must be kept
	finished
)

// Limits of the phases after the faults, in virtual time. A fetch that a partition swallowed ends
// after fetchTimeout only, so recovering takes at least that in the worst case.
const (
	inspectEvery = 20 * time.Millisecond
	nearHead     = 6 // rounds behind the newest commit that count as having recovered
	lanRecovery  = 10 * time.Second
	farRecovery  = 15 * time.Second
	wideRecovery = 30 * time.Second
)

func (c *checker) bound() time.Duration {
	switch c.world.scenario.Topology {
	case Regions3:
		return farRecovery
	case WAN12:
		return wideRecovery
	}
	return lanRecovery
}

// inclusionRounds is k: a block that an honest validator made in calm is ordered by the commit of a
// round at most so many rounds later. f adversaries can leave the first slots undecided, each for a
// wave.
func (c *checker) inclusionRounds() dag.Round {
	return dag.Round(3*(faulty(c.world.scenario.Validators)+1) + 8)
}

// lossAllowance is how long a block may take beside that where links lose messages for good, which is no
// calm: a lost answer of the only holder of a block is waited for as long as a fetch takes to fail.
func (c *checker) lossAllowance() time.Duration {
	if c.world.scenario.Loss == 0 {
		return 0
	}
	return fetchTimeout + time.Second
}

// begin starts the inspections.
func (c *checker) begin() {
	c.world.at(c.world.calm, func() {
		c.phase, c.since = recovering, c.world.now
		c.target = c.highestRound() + 1
	})
	c.inspect()
}

func (c *checker) highestRound() dag.Round {
	var top dag.Round
	for _, n := range c.world.nodes {
		if n != nil && c.world.up(n.self) {
			top = max(top, n.engine.Status().Round)
		}
	}
	return top
}

// inspect looks at every node and moves on to the next phase when the present one has reached its goal.
func (c *checker) inspect() {
	w := c.world
	if c.phase == finished || c.violation != nil {
		return
	}
	w.after(inspectEvery, c.inspect)
	for _, n := range w.nodes {
		if n != nil && w.up(n.self) {
			c.bounded(n)
		}
	}
	if c.phase == faulting {
		return
	}
	if invariant, node, detail := c.missing(); detail != "" {
		if w.now > c.since+c.bound() {
			c.failf(invariant, node, "%v after the faults ended or the phase began: %s", w.now-c.since, detail)
		}
		return
	}
	c.took[c.phase] = w.now - c.since
	c.since = w.now
	c.phase++
	c.target = c.highestRound() + c.inclusionRounds() + 4
}

// missing says what keeps the present phase from its goal; detail is empty if nothing does.
func (c *checker) missing() (invariant string, node dag.Author, detail string) {
	newest := dag.Round(0)
	if c.phase == recovering && len(c.sequence) > 0 {
		newest = max(c.sequence[len(c.sequence)-1].round, nearHead) - nearHead
	}
	for _, n := range c.world.nodes {
		if n == nil {
			continue
		}
		if !c.world.up(n.self) {
			return "recovery", n.self, "still down"
		}
		s := n.engine.Status()
		switch {
		case !s.Proposing:
			return "recovery", n.self, s.Reason
		case c.phase <= settled && c.roundOf(n) < max(c.target, newest):
			return "progress", n.self, sprintf("newest commit %d of round %d, clock %d, own %d; want round %d; %d blocks wait",
				s.Commit.Index, c.roundOf(n), s.Round, s.Own, max(c.target, newest), s.Waiting)
		}
	}
	if c.phase != draining {
		return "", 0, ""
	}
	if id, open := c.unkept(); open {
		p := c.acknowledged[id]
		return "delivery", p.node, sprintf("item %v was acknowledged, is valid until %d and is in no commit up to %d", id.Short(), p.until, c.longest())
	}
	for _, n := range c.world.nodes {
		if n != nil {
			if detail := c.reveals.unrevealed(n); detail != "" {
				return "unrevealed", n.self, detail
			}
			if detail := c.certificates.uncertified(n); detail != "" {
				return "uncertified", n.self, detail
			}
		}
	}
	if n := len(c.tickets); n > 0 {
		return "answer", 0, sprintf("%d submissions have no answer", n)
	}
	return "", 0, ""
}

// roundOf is the round of a node's newest commit.
func (c *checker) roundOf(n *node) dag.Round {
	if head := c.heads[n.self]; head > 0 {
		return c.sequence[head-1].round
	}
	return 0
}

// included holds the own blocks of honest nodes against the newest commit.
func (c *checker) included(commit *ordering.Commit) {
	if c.phase < settled {
		return
	}
	k := c.inclusionRounds()
	rest := c.made[:0]
	for _, m := range c.made {
		switch {
		case c.slots[m.ref.Slot()]:
			c.widest = max(c.widest, commit.Round-min(m.from, commit.Round))
		case commit.Round >= m.from+k && c.world.now >= m.by:
			c.failf("inclusion", m.ref.Author, "block %v is not ordered by the commit of round %d, %d rounds on", m.ref, commit.Round, k)
		default:
			rest = append(rest, m)
		}
	}
	c.made = rest
}
