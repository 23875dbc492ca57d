package sim

import "github.com/dunlin-network/dunlin/dag"

// old cites blocks of long past rounds, at and below where others have collected, where an honest
// validator would cite new ones.
type old struct{}

func newOld(*adversary) any { return old{} }

func (old) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		b := &drafts[i].block
		if b.Round < 3 {
			continue
		}
		a.trim(&drafts[i], func(dag.Author) bool { return false })
		var cited dag.AuthorSet
		for _, p := range b.Parents {
			cited.Add(p.Author)
		}
		for x := range dag.Author(a.world.scenario.Validators) {
			back := dag.Round(2 + a.random.IntN(70))
			if a.random.IntN(2) == 0 {
				back = dag.Round(56 + a.random.IntN(12)) // about the collected round
			}
			if back >= b.Round || cited.Has(x) {
				continue
			}
			if at := a.graph.At(dag.Slot{Round: b.Round - back, Author: x}); len(at) > 0 {
				b.Parents = append(b.Parents, at[a.random.IntN(len(at))].Ref())
			}
		}
	}
	return drafts
}
