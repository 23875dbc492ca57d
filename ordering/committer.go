package ordering

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// ErrFault says that the DAG shows more than f faulty validators: two decisions that exclude each
// other both hold. No order can be trusted beyond this point; the node must stop.
var ErrFault = errors.New("more than f validators are faulty")

// Verdict is what the commit rule says of an anchor slot.
type Verdict uint8

// The verdicts. The last two are final.
const (
	SlotUndecided Verdict = iota
	SlotCommitted
	SlotSkipped
)

// Decision is the verdict on one anchor slot.
type Decision struct {
	Slot    dag.Slot
	Verdict Verdict
	Anchor  *dag.Vertex // SlotCommitted: the block
	Direct  bool        // whether the direct rule decided, or the indirect one
}

// RoundDecision is a round all of whose anchor slots are decided.
type RoundDecision struct {
	Round     dag.Round
	Decisions []Decision // in slot order
}

// Anchors is the committed anchors in slot order; empty where all slots were skipped.
func (d *RoundDecision) Anchors() []*dag.Vertex {
	var out []*dag.Vertex
	for _, s := range d.Decisions {
		if s.Verdict == SlotCommitted {
			out = append(out, s.Anchor)
		}
	}
	return out
}

// Committer applies the commit rule of Mysticeti-C (Babel et al., section 3; its multi-anchor
// pipelined form) to a growing DAG. Votes and certificates are counted once, when a block joins
// the DAG, so that Next touches undecided slots only. It is not safe for concurrent use.
//
// A block of round r+1 votes for the block of (r, A) that it refers to. A block of round r+2
// certifies a block for which the authors of a quorum of its parents voted. Certificates by a quorum
// commit an anchor directly; a quorum of voters that pass over every candidate skips its slot
// directly. What neither decides, the first later slot that is not skipped decides, by what stands
// in the cone of its block.
type Committer struct {
	size     int
	quorum   int
	schedule Schedule
	rounds   map[dag.Round]*tally
	next     dag.Round  // the oldest round that has not been handed out
	highest  dag.Round  // the newest round with a block
	stale    bool       // whether verdicts may have changed since decide
	open     []Decision // decide's: per round from next on, the first slot from there on that is not skipped
}

// NewCommitter returns a committer that decides the rounds after last, the newest round already
// decided (0 at genesis). Add gives it the blocks, also those that graph holds already.
func NewCommitter(graph *dag.DAG, schedule Schedule, last dag.Round) *Committer {
	return &Committer{
		size: graph.Committee().Size(), quorum: graph.Committee().Quorum(), schedule: schedule,
		rounds: make(map[dag.Round]*tally), next: last + 1,
	}
}

// Decided is the newest round that Next has handed out.
func (c *Committer) Decided() dag.Round { return c.next - 1 }

// Reschedule changes the anchors of all rounds that have not been handed out: their verdicts are
// forgotten and made again under the new schedule.
func (c *Committer) Reschedule(s Schedule) {
	c.schedule, c.stale = s, true
	for r := c.next; r <= c.highest; r++ {
		if t := c.rounds[r]; t != nil && !mutant.Planted(mutant.VerdictKept) {
			for a := range t.slots {
				t.slots[a].verdict, t.slots[a].anchor = SlotUndecided, nil
			}
		}
	}
}

// Collect forgets everything about rounds up to floor, which must be decided.
func (c *Committer) Collect(floor dag.Round) {
	for r := range c.rounds {
		if r <= floor {
			delete(c.rounds, r)
		}
	}
}

// Direct is the direct rule alone. It fails with ErrFault where two verdicts hold at once.
func (c *Committer) Direct(s dag.Slot) (Decision, error) {
	voters := c.rounds[s.Round+1]
	if voters == nil || voters.held.first.Len() < c.quorum {
		return Decision{Slot: s, Direct: true}, nil // too few to pass over it, and to be cited by a certificate
	}
	commitAt, skipAt := c.quorum, c.quorum
	switch {
	case mutant.Planted(mutant.CommitQuorum):
		commitAt--
	case mutant.Planted(mutant.SkipQuorum):
		skipAt--
	case mutant.Planted(mutant.SkipValidity):
		skipAt = c.size - c.quorum + 1
	}
	skip := true
	var committed []*candidate
	for _, l := range c.candidates(s) {
		if l.certifiers.Len() >= commitAt {
			committed = append(committed, l)
		}
		skip = skip && voters.held.outside(&l.voters) >= skipAt
	}
	switch {
	case len(committed) > 1 || (len(committed) == 1 && skip):
		return Decision{}, fmt.Errorf("%w: slot %v is committed twice, or committed and skipped", ErrFault, s)
	case len(committed) == 1:
		return Decision{Slot: s, Verdict: SlotCommitted, Anchor: committed[0].vertex, Direct: true}, nil
	case skip:
		return Decision{Slot: s, Verdict: SlotSkipped, Direct: true}, nil
	}
	return Decision{Slot: s, Direct: true}, nil
}

func (c *Committer) candidates(s dag.Slot) []*candidate {
	if t := c.rounds[s.Round]; t != nil {
		return t.slots[s.Author].candidates
	}
	return nil
}

// Indirect is the indirect rule with a given anchor of a round at least three later: the slot's
// block is committed if a certificate for it stands in the anchor's cone, else the slot is skipped.
func (c *Committer) Indirect(s dag.Slot, anchor *dag.Vertex) (Decision, error) {
	out := Decision{Slot: s, Verdict: SlotSkipped}
	candidates := c.candidates(s)
	if len(candidates) == 0 {
		return out, nil
	}
	if l := candidates[0]; l.certifiers.Len() > 0 && mutant.Planted(mutant.OutsideCone) {
		return Decision{Slot: s, Verdict: SlotCommitted, Anchor: l.vertex}, nil
	}
	for _, x := range c.cone(anchor, s.Round+waveLength-1) {
		for _, l := range candidates {
			if l.vertex == out.Anchor || !x.certifies(l, c.quorum) {
				continue
			}
			if out.Anchor != nil {
				return Decision{}, fmt.Errorf("%w: two blocks of slot %v are certified", ErrFault, s)
			}
			out.Verdict, out.Anchor = SlotCommitted, l.vertex
		}
	}
	return out, nil
}

// cone is the blocks of round r among v and its ancestors.
func (c *Committer) cone(v *dag.Vertex, r dag.Round) []*candidate {
	var out []*candidate
	seen := map[*dag.Vertex]bool{v: true}
	for stack := []*dag.Vertex{v}; len(stack) > 0; {
		x := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if x.Round() == r {
			slot := &c.rounds[r].slots[x.Author()]
			out = append(out, slot.candidates[slot.twin(x)])
			continue
		}
		for _, p := range x.Parents() {
			if p.Round() >= r && !seen[p] {
				seen[p] = true
				stack = append(stack, p)
			}
		}
	}
	return out
}

// Next hands out the oldest round that has not been, if all its anchor slots are decided. A round
// without anchor slots is handed out once a later round has blocks. Call until ok is false.
func (c *Committer) Next() (d RoundDecision, ok bool, err error) {
	if c.next >= c.highest {
		return RoundDecision{}, false, nil
	}
	if err := c.decide(); err != nil {
		return RoundDecision{}, false, err
	}
	d.Round = c.next
	for _, a := range c.schedule(c.next) {
		s := c.decision(dag.Slot{Round: c.next, Author: a})
		if s.Verdict == SlotUndecided && !(len(d.Decisions) > 0 && mutant.Planted(mutant.HalfDecided)) {
			return RoundDecision{}, false, nil
		}
		d.Decisions = append(d.Decisions, s)
	}
	c.next++
	return d, true, nil
}

// Pending is the verdicts on all slots from the oldest undecided round on, in slot order, decided
// or not.
func (c *Committer) Pending() ([]Decision, error) {
	if err := c.decide(); err != nil {
		return nil, err
	}
	var out []Decision
	for r := c.next; r < c.highest; r++ {
		for _, a := range c.schedule(r) {
			out = append(out, c.decision(dag.Slot{Round: r, Author: a}))
		}
	}
	return out, nil
}

func (c *Committer) decision(s dag.Slot) Decision {
	d := Decision{Slot: s}
	if t := c.rounds[s.Round]; t != nil {
		slot := &t.slots[s.Author]
		d.Verdict, d.Anchor, d.Direct = slot.verdict, slot.anchor, slot.direct
	}
	return d
}

// decide gives a verdict to every slot that has none and can have one, newest round first. For each
// round it keeps the first slot at or above it that is not skipped: that one is the anchor of all
// slots three and more rounds below.
func (c *Committer) decide() error {
	if !c.stale || c.highest <= c.next {
		return nil
	}
	c.open = slices.Grow(c.open[:0], int(c.highest-c.next))[:c.highest-c.next]
	first := Decision{Verdict: SlotSkipped} // none
	for r := c.highest - 1; r >= c.next; r-- {
		above, eligible := Decision{Verdict: SlotSkipped}, r+waveLength
		switch {
		case mutant.Planted(mutant.EligibleEarly):
			eligible--
		case mutant.Planted(mutant.EligibleLate):
			eligible++
		}
		if eligible < c.highest {
			above = c.open[eligible-c.next]
		}
		slots := c.schedule(r)
		for i := len(slots) - 1; i >= 0; i-- {
			d, err := c.settle(dag.Slot{Round: r, Author: slots[i]}, above)
			if err != nil {
				return err
			}
			switch {
			case d.Verdict == SlotUndecided && mutant.Planted(mutant.StepOver):
			case first.Slot.Round == r && first.Verdict != SlotSkipped && mutant.Planted(mutant.LastSlot):
			case d.Verdict != SlotSkipped || (i == 0 && mutant.Planted(mutant.FirstSlot)):
				first = d
			}
		}
		c.open[r-c.next] = first
	}
	c.stale = false
	return nil
}

// settle is the whole rule for one slot, given the first later slot that may be its anchor.
func (c *Committer) settle(s dag.Slot, above Decision) (Decision, error) {
	if d := c.decision(s); d.Verdict != SlotUndecided {
		return d, nil
	}
	d, err := c.Direct(s)
	if err == nil && d.Verdict == SlotUndecided && above.Verdict == SlotCommitted {
		d, err = c.Indirect(s, above.Anchor)
	}
	if err != nil || d.Verdict == SlotUndecided {
		return d, err
	}
	slot := &c.tally(s.Round).slots[s.Author]
	slot.verdict, slot.anchor, slot.direct = d.Verdict, d.Anchor, d.Direct
	return d, nil
}
