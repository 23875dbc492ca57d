package sim

import "time"

// late holds blocks back and says them later, some of them after their round has been collected.
type late struct{}

func newLate(*adversary) any { return late{} }

func (late) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		hold := time.Duration(a.random.IntN(300)) * time.Millisecond
		switch a.random.IntN(20) {
		case 0:
			hold = time.Duration(a.random.IntN(4000)) * time.Millisecond
		case 1:
			hold = never
		}
		for to := range drafts[i].delays {
			if drafts[i].delays[to] == never || hold == never {
				drafts[i].delays[to] = never
			} else {
				drafts[i].delays[to] += hold + time.Duration(a.random.IntN(20))*time.Millisecond
			}
		}
	}
	return drafts
}
