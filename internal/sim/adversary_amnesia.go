package sim

import "github.com/dunlin-network/dunlin/dag"

// amnesia forgets what it signed, as a validator without a disk that speaks at once: it goes on
// from an older own block, in rounds in which it has spoken before.
type amnesia struct{ forgot *dag.Verified }

func newAmnesia(*adversary) any { return &amnesia{} }

func (m *amnesia) meddle(a *adversary, round dag.Round) {
	if a.random.IntN(8) != 0 || a.last == nil {
		return
	}
	back := dag.Round(a.random.IntN(6))
	if back+1 >= round {
		return
	}
	kept := a.last
	a.last = m.forgot
	m.forgot = kept
	for r := round - back; r <= round; r++ {
		d := a.honestDraft(r)
		if d.block.Parents[0].Round >= r {
			d.block.Parents[0] = a.world.committee.Genesis(a.self)
		}
		if b := a.publish(&d); b != nil {
			a.last = b
			a.learn(b)
		}
	}
}
