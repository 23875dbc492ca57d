package sim

import "time"

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
