package ordering

import (
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
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
// the DAG, so that Next touches undecided slots only.
//
// A block of round r+1 votes for the block of (r, A) that it refers to. A block of round r+2
// certifies a block for which the authors of a quorum of its parents voted. Certificates by a quorum
// commit an anchor directly; a quorum of voters that pass over every candidate skips its slot
// directly. What neither decides, the first later slot that is not skipped decides, by what stands
// in the cone of its block.
type Committer struct {
	graph    *dag.DAG
	size     int
	quorum   int
	schedule Schedule
	rounds   map[dag.Round]*tally
	ballots  map[*dag.Vertex]*ballot
	next     dag.Round // the oldest round that has not been handed out
	highest  dag.Round // the newest round with a block
}

// tally is the count of votes for the slots of one round.
type tally struct {
	slots  []slotTally   // by author
	voters dag.AuthorSet // who has a block in the next round
}

type slotTally struct {
	candidates []*candidate
	verdict    Verdict // final under the present schedule unless SlotUndecided
	anchor     *candidate
	direct     bool
}

// candidate is a block in a slot; twins make several.
type candidate struct {
	vertex     *dag.Vertex
	blamers    dag.AuthorSet // authors of next-round blocks that do not vote for it
	certifiers dag.AuthorSet // authors of blocks two rounds on that certify it
}

// ballot is what one block says of the two rounds before it.
type ballot struct {
	votes     []*candidate
	certified []*candidate
}

// NewCommitter returns a committer that decides the rounds after last, the newest round already
// decided (0 at genesis). Blocks that graph holds already are added in their order of acceptance.
func NewCommitter(graph *dag.DAG, schedule Schedule, last dag.Round) *Committer {
	return &Committer{
		graph: graph, size: graph.Committee().Size(), quorum: graph.Committee().Quorum(), schedule: schedule,
		rounds: make(map[dag.Round]*tally), ballots: make(map[*dag.Vertex]*ballot), next: last + 1,
	}
}

// Decided is the newest round that Next has handed out.
func (c *Committer) Decided() dag.Round { return c.next - 1 }

// Reschedule changes the anchors of all rounds that have not been handed out: their verdicts are
// forgotten and made again under the new schedule.
func (c *Committer) Reschedule(s Schedule) {
	c.schedule = s
	for r := c.next; r <= c.highest; r++ {
		if t := c.rounds[r]; t != nil {
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
			for a := range c.rounds[r].slots {
				for _, cand := range c.rounds[r].slots[a].candidates {
					delete(c.ballots, cand.vertex)
				}
			}
			delete(c.rounds, r)
		}
	}
}

// Add counts a vertex. Every vertex is added once, after its parents.
func (c *Committer) Add(v *dag.Vertex) {
	r := v.Round()
	c.highest = max(c.highest, r)
	own := c.tally(r)
	cand := &candidate{vertex: v, blamers: own.voters} // who voted before v came did not vote for it
	slot := &own.slots[v.Author()]
	slot.candidates = append(slot.candidates, cand)
	b := &ballot{}
	c.ballots[v] = b
	if r > 1 {
		c.vote(v, b)
	}
	if r > 2 {
		c.certify(v, b)
	}
}

// vote counts v's votes for the round before it, and its blame for all it does not vote for.
func (c *Committer) vote(v *dag.Vertex, b *ballot) {
	t := c.tally(v.Round() - 1)
	t.voters.Add(v.Author())
	var voted dag.AuthorSet
	for _, p := range v.Parents() {
		if p.Round() != v.Round()-1 || voted.Has(p.Author()) {
			continue // with two parents of one author the first is the vote
		}
		voted.Add(p.Author())
		for _, cand := range t.slots[p.Author()].candidates {
			if cand.vertex == p {
				b.votes = append(b.votes, cand)
			} else {
				cand.blamers.Add(v.Author())
			}
		}
	}
	for a := range t.slots {
		if !voted.Has(dag.Author(a)) {
			for _, cand := range t.slots[a].candidates {
				cand.blamers.Add(v.Author())
			}
		}
	}
}

// certify finds what v certifies: the blocks two rounds before for which a quorum of authors of its
// parents voted.
func (c *Committer) certify(v *dag.Vertex, b *ballot) {
	counts := make(map[*candidate]*dag.AuthorSet, c.size)
	for _, p := range v.Parents() {
		if p.Round() != v.Round()-1 {
			continue
		}
		for _, cand := range c.ballots[p].votes {
			set := counts[cand]
			if set == nil {
				set = new(dag.AuthorSet)
				counts[cand] = set
			}
			set.Add(p.Author())
		}
	}
	t := c.tally(v.Round() - 2)
	for a := range t.slots {
		for _, cand := range t.slots[a].candidates {
			if set := counts[cand]; set != nil && set.Len() >= c.quorum {
				b.certified = append(b.certified, cand)
				cand.certifiers.Add(v.Author())
			}
		}
	}
}

func (c *Committer) tally(r dag.Round) *tally {
	t := c.rounds[r]
	if t == nil {
		t = &tally{slots: make([]slotTally, c.size)}
		c.rounds[r] = t
	}
	return t
}

// Direct is the direct rule alone. It fails with ErrFault where two verdicts hold at once.
func (c *Committer) Direct(s dag.Slot) (Decision, error) {
	t := c.rounds[s.Round]
	if t == nil {
		return Decision{Slot: s}, nil
	}
	var committed []*candidate
	skip := t.voters.Len() >= c.quorum
	for _, cand := range t.slots[s.Author].candidates {
		if cand.certifiers.Len() >= c.quorum {
			committed = append(committed, cand)
		}
		if cand.blamers.Len() < c.quorum {
			skip = false
		}
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

// Indirect is the indirect rule with a given anchor of a round at least three later: the slot's
// block is committed if a certificate for it stands in the anchor's cone, else the slot is skipped.
func (c *Committer) Indirect(s dag.Slot, anchor *dag.Vertex) (Decision, error) {
	found := make(map[*dag.Vertex]bool)
	seen := map[*dag.Vertex]bool{anchor: true}
	for stack := []*dag.Vertex{anchor}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v.Round() == s.Round+2 {
			for _, cand := range c.ballots[v].certified {
				if cand.vertex.Slot() == s {
					found[cand.vertex] = true
				}
			}
			continue
		}
		for _, p := range v.Parents() {
			if p.Round() >= s.Round+2 && !seen[p] {
				seen[p] = true
				stack = append(stack, p)
			}
		}
	}
	if len(found) > 1 {
		return Decision{}, fmt.Errorf("%w: two blocks of slot %v are certified", ErrFault, s)
	}
	for v := range found {
		return Decision{Slot: s, Verdict: SlotCommitted, Anchor: v}, nil
	}
	return Decision{Slot: s, Verdict: SlotSkipped}, nil
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
		if s.Verdict == SlotUndecided {
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
		d.Verdict, d.Direct = slot.verdict, slot.direct
		if slot.anchor != nil {
			d.Anchor = slot.anchor.vertex
		}
	}
	return d
}

// decide gives a verdict to every slot that has none and can have one, newest round first. For each
// round it keeps the first slot at or above it that is not skipped: that one is the anchor of all
// slots three and more rounds below.
func (c *Committer) decide() error {
	open := make(map[dag.Round]*Decision)
	for r := c.highest - 1; r >= c.next && r > 0; r-- {
		open[r] = open[r+1]
		slots := c.schedule(r)
		for i := len(slots) - 1; i >= 0; i-- {
			d, err := c.settle(dag.Slot{Round: r, Author: slots[i]}, open[r+waveLength])
			if err != nil {
				return err
			}
			if d.Verdict != SlotSkipped {
				open[r] = &d
			}
		}
	}
	return nil
}

// settle is the whole rule for one slot, given the first later slot that may be its anchor.
func (c *Committer) settle(s dag.Slot, above *Decision) (Decision, error) {
	t := c.tally(s.Round)
	slot := &t.slots[s.Author]
	if slot.verdict != SlotUndecided {
		return c.decision(s), nil
	}
	d, err := c.Direct(s)
	if err == nil && d.Verdict == SlotUndecided && above != nil && above.Verdict == SlotCommitted {
		d, err = c.Indirect(s, above.Anchor)
	}
	if err != nil || d.Verdict == SlotUndecided {
		return d, err
	}
	slot.verdict, slot.direct = d.Verdict, d.Direct
	for _, cand := range slot.candidates {
		if cand.vertex == d.Anchor {
			slot.anchor = cand
		}
	}
	return d, nil
}
