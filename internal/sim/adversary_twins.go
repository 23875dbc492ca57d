package sim

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// equivocate makes two blocks of a round and tells each to one half. The twins have different
// parents: with equal ones they vote alike, and the error of skipping at f+1 stays unseen.
type equivocate struct{}

func newEquivocate(*adversary) any { return equivocate{} }

func (equivocate) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 || a.random.IntN(3) == 0 {
		return drafts
	}
	t := a.differ(&drafts[0])
	others := a.othersOf()
	cut := 1 + a.random.IntN(len(others)-1)
	drafts[0].only(others[:cut])
	t.only(others[cut:])
	if a.random.IntN(3) == 0 { // some get both, one late
		t.delays[others[0]] = time.Duration(a.random.IntN(100)) * time.Millisecond
	}
	if a.random.IntN(2) == 0 {
		drafts[0], t = t, drafts[0] // the own chain goes on from either
	}
	return append(drafts, t)
}

// differ is a twin with other parents.
func (a *adversary) differ(d *draft) draft {
	t := d.twin()
	t.block.Time++
	a.shuffle(&t)
	if a.random.IntN(2) == 0 {
		a.trim(&t, func(dag.Author) bool { return false })
	} else {
		a.trim(d, func(dag.Author) bool { return false })
	}
	for i, p := range t.block.Parents { // cite the other twin of another adversary
		if at := a.graph.At(p.Slot()); len(at) > 1 && i > 0 {
			t.block.Parents[i] = at[a.random.IntN(len(at))].Ref()
		}
	}
	return t
}

// twins floods everybody with many blocks of one round.
type twins struct{}

func newTwins(*adversary) any { return twins{} }

func (twins) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 || a.random.IntN(4) != 0 {
		return drafts
	}
	for range maxDrafts - len(drafts) {
		t := a.differ(&drafts[0])
		t.block.Time += uint64(a.random.IntN(1000))
		for i := range t.delays {
			t.delays[i] = time.Duration(a.random.IntN(50)) * time.Millisecond
		}
		drafts = append(drafts, t)
	}
	return drafts
}

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
