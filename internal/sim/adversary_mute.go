package sim

import "github.com/dunlin-network/dunlin/ordering"

// mute never says anything, as a validator that has crashed for good.
type mute struct{}

func newMute(*adversary) any { return mute{} }

func (mute) shape(*adversary, []draft) []draft { return nil }

func (mute) answer(*adversary, ordering.AnswerNewest) (blocks bool, newest *ordering.AnswerNewest) {
	return false, nil
}
