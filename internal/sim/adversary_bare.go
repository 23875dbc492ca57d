package sim

import "github.com/dunlin-network/dunlin/dag"

// bare cites exactly a quorum, at random: its certificates are as few as the rules allow.
type bare struct{}

func newBare(*adversary) any { return bare{} }

func (bare) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		a.shuffle(&drafts[i])
		a.trim(&drafts[i], func(dag.Author) bool { return false })
	}
	return drafts
}
