package sim

import "github.com/dunlin-network/dunlin/dag"

// selective never cites a victim where there is a quorum without it.
type selective struct{ victim dag.Author }

func newSelective(a *adversary) any {
	// All selective adversaries of a run choose the same victim, which hurts it most.
	random := newStream(a.world.scenario.Seed, "victim")
	for {
		v := dag.Author(random.IntN(a.world.scenario.Validators))
		if !a.world.scenario.adversary(v) {
			return selective{v}
		}
	}
}

func (s selective) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		parents := drafts[i].block.Parents
		strong := 0
		for _, p := range parents {
			if p.Round == drafts[i].block.Round-1 {
				strong++
			}
		}
		for j := len(parents) - 1; j > 0; j-- {
			if parents[j].Author == s.victim && strong > a.world.committee.Quorum() {
				drafts[i].block.Parents = append(parents[:j:j], parents[j+1:]...)
			}
		}
	}
	return drafts
}
