package ordering

import (
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// oracle is the commit rule as it is written down, without memory: the check of the committer,
// which counts votes as they come. It walks references and counts authors anew for every question.
type oracle struct {
	graph    *dag.DAG
	schedule Schedule
}

func (o *oracle) quorum(authors dag.AuthorSet) bool {
	return authors.Len() >= o.graph.Committee().Quorum()
}

// supports is the block of slot s that a walk of v's references meets first.
func (o *oracle) supports(v *dag.Vertex, s dag.Slot) *dag.Vertex {
	for _, p := range v.Parents() {
		if p.Slot() == s {
			return p
		}
	}
	return nil
}

// certifies reports whether a quorum of the authors of x's parents support l.
func (o *oracle) certifies(x, l *dag.Vertex) bool {
	var authors dag.AuthorSet
	for _, v := range x.Parents() {
		if v.Round() == l.Round()+1 && o.supports(v, l.Slot()) == l {
			authors.Add(v.Author())
		}
	}
	return x.Round() == l.Round()+2 && o.quorum(authors)
}

func (o *oracle) direct(s dag.Slot) (Decision, error) {
	var commit []*dag.Vertex
	for _, l := range o.graph.At(s) {
		var authors dag.AuthorSet
		for _, x := range o.graph.Arrived(s.Round + 2) {
			if o.certifies(x, l) {
				authors.Add(x.Author())
			}
		}
		if o.quorum(authors) {
			commit = append(commit, l)
		}
	}
	skip := o.skipsPerCandidate(s)
	switch {
	case len(commit) > 1 || (len(commit) == 1 && skip):
		return Decision{}, ErrFault
	case len(commit) == 1:
		return Decision{Slot: s, Verdict: SlotCommitted, Anchor: commit[0], Direct: true}, nil
	case skip:
		return Decision{Slot: s, Verdict: SlotSkipped, Direct: true}, nil
	}
	return Decision{Slot: s, Direct: true}, nil
}

// skipsPerCandidate: a quorum of voters, and every known candidate has a quorum of voters that do
// not support it.
func (o *oracle) skipsPerCandidate(s dag.Slot) bool {
	skip := o.quorum(o.graph.Authors(s.Round + 1))
	for _, l := range o.graph.At(s) {
		var authors dag.AuthorSet
		for _, v := range o.graph.Arrived(s.Round + 1) {
			if o.supports(v, s) != l {
				authors.Add(v.Author())
			}
		}
		skip = skip && o.quorum(authors)
	}
	return skip
}

// skipsPerSlot: a quorum of voters supports no candidate at all.
func (o *oracle) skipsPerSlot(s dag.Slot) bool {
	var authors dag.AuthorSet
	for _, v := range o.graph.Arrived(s.Round + 1) {
		if o.supports(v, s) == nil {
			authors.Add(v.Author())
		}
	}
	return o.quorum(authors)
}

// skipsAbsent: a quorum of voters cites no block of the author, of any round.
func (o *oracle) skipsAbsent(s dag.Slot) bool {
	var authors dag.AuthorSet
	for _, v := range o.graph.Arrived(s.Round + 1) {
		if !slices.ContainsFunc(v.Parents(), func(p *dag.Vertex) bool { return p.Author() == s.Author }) {
			authors.Add(v.Author())
		}
	}
	return o.quorum(authors)
}

func (o *oracle) indirect(s dag.Slot, anchor *dag.Vertex) (Decision, error) {
	var ok []*dag.Vertex
	for _, l := range o.graph.At(s) {
		if slices.ContainsFunc(o.cone(anchor, s.Round), func(x *dag.Vertex) bool { return o.certifies(x, l) }) {
			ok = append(ok, l)
		}
	}
	switch len(ok) {
	case 0:
		return Decision{Slot: s, Verdict: SlotSkipped}, nil
	case 1:
		return Decision{Slot: s, Verdict: SlotCommitted, Anchor: ok[0]}, nil
	}
	return Decision{}, ErrFault
}

// cone is v and its ancestors above a round.
func (o *oracle) cone(v *dag.Vertex, above dag.Round) []*dag.Vertex {
	out, seen := []*dag.Vertex{v}, map[*dag.Vertex]bool{v: true}
	for i := 0; i < len(out); i++ {
		for _, p := range out[i].Parents() {
			if p.Round() > above && !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// verdicts is the verdict on every slot after round last, in slot order.
func (o *oracle) verdicts(last dag.Round) ([]Decision, error) {
	var out []Decision
	for r := o.graph.Highest(); r > last; r-- {
		slots := o.schedule(r)
		for i := len(slots) - 1; i >= 0; i-- {
			d, err := o.decide(dag.Slot{Round: r, Author: slots[i]}, out)
			if err != nil {
				return nil, err
			}
			out = append([]Decision{d}, out...)
		}
	}
	return out, nil
}

// decide is the whole rule for one slot, given the verdicts on the later ones.
func (o *oracle) decide(s dag.Slot, later []Decision) (Decision, error) {
	d, err := o.direct(s)
	if err != nil || d.Verdict != SlotUndecided {
		return d, err
	}
	for _, above := range later {
		switch {
		case above.Slot.Round < s.Round+3 || above.Verdict == SlotSkipped:
			continue
		case above.Verdict == SlotCommitted:
			return o.indirect(s, above.Anchor)
		}
		break
	}
	return d, nil
}

// sequence is the verdicts after round last up to the first that is undecided.
func (o *oracle) sequence(last dag.Round) ([]Decision, error) {
	all, err := o.verdicts(last)
	if err != nil {
		return nil, err
	}
	if end := slices.IndexFunc(all, func(d Decision) bool { return d.Verdict == SlotUndecided }); end >= 0 {
		all = all[:end]
	}
	return all, nil
}

// show is a decision as scenarios print it: A3 commit direct.
func show(d Decision, name func(*dag.Vertex) string) string {
	switch d.Verdict {
	case SlotCommitted:
		return fmt.Sprintf("%v commit %s %s", d.Slot, name(d.Anchor), how(d))
	case SlotSkipped:
		return fmt.Sprintf("%v skip %s", d.Slot, how(d))
	}
	return fmt.Sprintf("%v undecided", d.Slot)
}

func how(d Decision) string {
	if d.Direct {
		return "direct"
	}
	return "indirect"
}
