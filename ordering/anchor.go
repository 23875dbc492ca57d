package ordering

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// Schedule says which authors have an anchor slot in a round, in slot order. It must be the same
// function on every node for every round that is decided under it.
type Schedule func(dag.Round) []dag.Author

// Rotate is the schedule in which every active author has a slot in every round. The first slot
// moves on every third round: recovery from undecided slots steps through rounds r, r+3, r+6, ...,
// and with a step of one round the first slots of that chain would be drawn from one residue class
// for ever wherever the number of active authors is divisible by three.
func Rotate(active []dag.Author) Schedule {
	active = slices.Clone(active)
	turns := make([][]dag.Author, len(active))
	for i := range turns {
		turns[i] = append(append(make([]dag.Author, 0, len(active)), active[i:]...), active[:i]...)
	}
	stay := uint64(waveLength)
	if mutant.Planted(mutant.RotateEveryRound) {
		stay = 1
	}
	return func(r dag.Round) []dag.Author {
		if len(turns) == 0 {
			return nil
		}
		return turns[uint64(r)/stay%uint64(len(turns))]
	}
}

// waveLength is how many rounds a decision spans: propose, vote, certify.
const waveLength = 3
