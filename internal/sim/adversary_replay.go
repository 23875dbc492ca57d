package sim

import "github.com/dunlin-network/dunlin/dag"

// replay says old blocks of everybody again.
type replay struct{}

func newReplay(*adversary) any { return replay{} }

func (replay) meddle(a *adversary, round dag.Round) {
	for range 3 {
		back := dag.Round(1 + a.random.IntN(80))
		if back >= round {
			continue
		}
		for _, v := range a.graph.Arrived(round - back) {
			to := dag.Author(a.random.IntN(a.world.scenario.Validators))
			if to != a.self && a.random.IntN(2) == 0 {
				a.tell(v.Verified(), to, 0)
			}
		}
	}
}
