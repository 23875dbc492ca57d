package sim

import "time"

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
