package sim

// skewed has a clock that shows anything.
type skewed struct{}

func newSkewed(*adversary) any { return skewed{} }

func (skewed) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		switch a.random.IntN(3) {
		case 0:
			drafts[i].block.Time = 0
		case 1:
			drafts[i].block.Time = 1<<64 - 1
		default:
			drafts[i].block.Time += uint64(a.random.IntN(1_000_000))
		}
	}
	return drafts
}
