package sim

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// half knows the rule and says its blocks to exactly enough validators: its anchor gets a bare quorum
// of votes or one vote less, the votes and certificates that decide it stay hidden for some
// rounds, and are then shown to some.
type half struct {
	start dag.Round // of the present attack
	tip   *dag.Verified
}

func newHalf(*adversary) any { return &half{} }

// hiddenFor is the longest time that a hidden block stays hidden.
const hiddenFor = 400 * time.Millisecond

func (h *half) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 {
		return drafts
	}
	d := &drafts[0]
	others := a.othersOf()
	quorum := a.world.committee.Quorum()
	switch step := d.block.Round - h.start; {
	case h.start == 0 || step > 3:
		if a.random.IntN(3) == 0 {
			h.start, h.tip = d.block.Round, a.last
		}
		voters := quorum - 1 - a.random.IntN(2) // beside the own vote: a bare quorum, or one less
		d.only(others[:min(max(voters, 1), len(others))])
		for _, x := range others {
			if d.delays[x] == never && a.random.IntN(2) == 0 {
				d.delays[x] = time.Duration(a.random.Int64N(int64(hiddenFor)))
			}
		}
	case step <= 2:
		a.preferTwins(d, h.start)
		a.trim(d, func(x dag.Author) bool { return !a.cites(x, d.block.Round-1, h.start) })
		d.only(others[:a.random.IntN(2)])
		for _, x := range others {
			if d.delays[x] == never && a.random.IntN(3) > 0 {
				d.delays[x] = time.Duration(a.random.Int64N(int64(hiddenFor)))
			}
		}
	default:
		if a.random.IntN(2) == 0 && h.tip != nil { // go on beside the hidden blocks
			d.block.Parents[0] = h.tip.Ref()
			drafts = a.withoutStrong(drafts)
		}
	}
	return drafts
}

// withoutStrong drops drafts that have no quorum any more.
func (a *adversary) withoutStrong(drafts []draft) []draft {
	strong := 0
	for _, p := range drafts[0].block.Parents {
		if p.Round == drafts[0].block.Round-1 {
			strong++
		}
	}
	if strong < a.world.committee.Quorum() {
		return drafts[1:]
	}
	return drafts
}

// cites reports whether x's block of a round refers to the adversary's block of an earlier one.
func (a *adversary) cites(x dag.Author, round, earlier dag.Round) bool {
	for _, v := range a.graph.At(dag.Slot{Round: round, Author: x}) {
		for _, p := range v.Parents() {
			if p.Author() == a.self && p.Round() == earlier {
				return true
			}
		}
	}
	return false
}

// preferTwins cites those twins that support the attacked anchor.
func (a *adversary) preferTwins(d *draft, start dag.Round) {
	for i, p := range d.block.Parents {
		for _, v := range a.graph.At(p.Slot()) {
			for _, q := range v.Parents() {
				if i > 0 && q.Author() == a.self && q.Round() == start {
					d.block.Parents[i] = v.Ref()
				}
			}
		}
	}
}

// late holds blocks back and says them later, some of them after their round has been collected.
type late struct{}

func newLate(*adversary) any { return late{} }

func (late) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		hold := time.Duration(a.random.IntN(300)) * time.Millisecond
		switch a.random.IntN(20) {
		case 0:
			hold = time.Duration(a.random.IntN(4000)) * time.Millisecond
		case 1:
			hold = never
		}
		for to := range drafts[i].delays {
			if drafts[i].delays[to] == never || hold == never {
				drafts[i].delays[to] = never
			} else {
				drafts[i].delays[to] += hold + time.Duration(a.random.IntN(20))*time.Millisecond
			}
		}
	}
	return drafts
}

// silent says nothing for some rounds, and answers nothing meanwhile.
type silent struct{ until dag.Round }

func newSilent(*adversary) any { return &silent{} }

func (s *silent) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) > 0 && drafts[0].block.Round > s.until && a.random.IntN(10) == 0 {
		s.until = drafts[0].block.Round + dag.Round(1+a.random.IntN(100))
	}
	if a.made <= s.until {
		return nil
	}
	return drafts
}

func (s *silent) answer(a *adversary, honest ordering.AnswerNewest) (blocks bool, newest *ordering.AnswerNewest) {
	if a.made <= s.until {
		return false, nil
	}
	return true, &honest
}

// mute never says anything, as a validator that has crashed for good.
type mute struct{}

func newMute(*adversary) any { return mute{} }

func (mute) shape(*adversary, []draft) []draft { return nil }

func (mute) answer(*adversary, ordering.AnswerNewest) (blocks bool, newest *ordering.AnswerNewest) {
	return false, nil
}

// liar answers a validator that asks what it has said with made-up rounds, and fetches with nothing.
type liar struct{}

func newLiar(*adversary) any { return liar{} }

func (liar) answer(a *adversary, honest ordering.AnswerNewest) (blocks bool, newest *ordering.AnswerNewest) {
	reply := &honest
	switch a.random.IntN(3) {
	case 0:
		reply.Signed = 0
	case 1:
		reply.Signed = a.made + dag.Round(a.random.IntN(1<<40))
	}
	return a.random.IntN(2) == 0, reply
}

// skewed has a clock that shows anything.
type skewed struct{}

func newSkewed(*adversary) any { return skewed{} }

func (skewed) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		switch a.random.IntN(3) {
		case 0:
			drafts[i].block.Time = 0
		case 1:
			drafts[i].block.Time = 1<<64 - 1
		default:
			drafts[i].block.Time += uint64(a.random.IntN(1_000_000))
		}
	}
	return drafts
}
