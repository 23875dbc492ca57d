package sim

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// liar answers a validator that asks what it has said with made-up rounds, and fetches with nothing.
type liar struct{}

func newLiar(*adversary) any { return liar{} }

func (liar) answer(a *adversary, honest ordering.AnswerNewest) (blocks bool, newest *ordering.AnswerNewest) {
	reply := &honest
	switch a.random.IntN(3) {
	case 0:
		reply.Signed = 0
	case 1:
		reply.Signed = a.made + dag.Round(a.random.IntN(1<<40))
	}
	return a.random.IntN(2) == 0, reply
}
