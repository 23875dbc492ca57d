package sim

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// noShares keeps its shares to itself; every other one it gives to a single validator, in a twin of its
// block, so that this one can open a commit before the others.
type noShares struct{}

func newNoShares(*adversary) any { return noShares{} }

func (noShares) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 || len(drafts[0].block.System) == 0 {
		return drafts
	}
	if a.random.IntN(2) == 0 {
		t := drafts[0].twin()
		t.block.Time++
		t.only(a.othersOf()[:1])
		drafts = append(drafts, t)
	}
	respoken(drafts[:1], ordering.KindShare, func(dag.SystemMessage) []dag.SystemMessage { return nil })
	return drafts
}
