package ordering

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// Explanation is what a verdict on one slot rests on.
type Explanation struct {
	Decision
	Candidates []Support
	By         *Decision // the later slot that decides this one where the direct rule does not; nil for none yet
}

// Support is what the DAG says of one block of a slot. A list may name several blocks of one author,
// who counts once.
type Support struct {
	Block        *dag.Vertex
	Votes        []*dag.Vertex // blocks of the next round that vote for it
	Blames       []*dag.Vertex // blocks of the next round that do not
	Certificates []*dag.Vertex // blocks two rounds on that certify it
	Seen         []*dag.Vertex // the certificates in the cone of By's block
}

// Explain says what the verdict on a slot that is not collected rests on.
func (c *Committer) Explain(s dag.Slot) (Explanation, error) {
	if err := c.decide(); err != nil {
		return Explanation{}, err
	}
	direct, err := c.Direct(s)
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Decision: c.decision(s)}
	var cone []*candidate
	if direct.Verdict == SlotUndecided {
		out.By = c.decider(s.Round + waveLength)
	}
	if out.By != nil && out.By.Verdict == SlotCommitted {
		cone = c.cone(out.By.Anchor, s.Round+waveLength-1)
	}
	for _, l := range c.candidates(s) {
		out.Candidates = append(out.Candidates, c.support(l, cone))
	}
	return out, nil
}

// decider is the first slot from round r on that is not skipped.
func (c *Committer) decider(r dag.Round) *Decision {
	for ; r < c.highest; r++ {
		for _, a := range c.schedule(r) {
			if d := c.decision(dag.Slot{Round: r, Author: a}); d.Verdict != SlotSkipped {
				return &d
			}
		}
	}
	return nil
}

func (c *Committer) support(l *candidate, cone []*candidate) Support {
	out := Support{Block: l.vertex}
	r := l.vertex.Round()
	c.each(r+1, func(v *candidate, twin int) {
		if l.voters.has(v.vertex.Author(), twin) {
			out.Votes = append(out.Votes, v.vertex)
		} else {
			out.Blames = append(out.Blames, v.vertex)
		}
	})
	c.each(r+2, func(x *candidate, _ int) {
		if !x.certifies(l, c.quorum) {
			return
		}
		out.Certificates = append(out.Certificates, x.vertex)
		if slices.Contains(cone, x) {
			out.Seen = append(out.Seen, x.vertex)
		}
	})
	return out
}

// each visits the blocks of a round by author and twin.
func (c *Committer) each(r dag.Round, visit func(*candidate, int)) {
	t := c.rounds[r]
	if t == nil {
		return
	}
	for a := range t.slots {
		for twin, cand := range t.slots[a].candidates {
			visit(cand, twin)
		}
	}
}
