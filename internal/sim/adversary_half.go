package sim

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
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
