package sim

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// silent says nothing for some rounds, and answers nothing meanwhile.
type silent struct{ until dag.Round }

func newSilent(*adversary) any { return &silent{} }

func (s *silent) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) > 0 && drafts[0].block.Round > s.until && a.random.IntN(10) == 0 {
		s.until = drafts[0].block.Round + dag.Round(1+a.random.IntN(100))
	}
	if a.made <= s.until {
		return nil
	}
	return drafts
}

func (s *silent) answer(a *adversary, honest ordering.AnswerNewest) (blocks bool, newest *ordering.AnswerNewest) {
	if a.made <= s.until {
		return false, nil
	}
	return true, &honest
}
