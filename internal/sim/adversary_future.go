package sim

import "github.com/dunlin-network/dunlin/dag"

// future makes blocks of rounds to come, on a quorum that does not exist.
type future struct{}

func newFuture(*adversary) any { return future{} }

func (future) meddle(a *adversary, round dag.Round) {
	d := a.honestDraft(round)
	d.block.Round = round + 1 + dag.Round(a.random.IntN(3))
	if a.random.IntN(4) == 0 {
		d.block.Round = round + 1 + dag.Round(a.random.IntN(2*dag.MaxAhead))
	}
	d.block.Parents = d.block.Parents[:1]
	for x := range dag.Author(a.world.scenario.Validators) {
		if x != a.self {
			d.block.Parents = append(d.block.Parents, dag.Ref{Round: d.block.Round - 1, Author: x, Digest: a.noise()})
		}
	}
	if d.block.Parents[0].Round < d.block.Round {
		a.publish(&d)
	}
}
