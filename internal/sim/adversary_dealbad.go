package sim

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// badDeals deals so that somebody must notice: a bad share to one or to many, which only they see, or a
// proof or commitment that does not hold, which everybody sees.
type badDeals struct{ how int }

func newBadDeals(a *adversary) any { return &badDeals{how: a.random.IntN(4)} }

// Where the parts of a deal are: before the ephemeral key and the commitments, and per encrypted share.
const (
	dealPrefix  = 1 + 8 + 4
	sealedShare = dkg.ScalarSize + 16
)

func (b *badDeals) shape(a *adversary, drafts []draft) []draft {
	return respoken(drafts, keygen.KindDeal, func(m dag.SystemMessage) []dag.SystemMessage {
		n := a.world.scenario.Validators
		switch b.how {
		case 0:
			return []dag.SystemMessage{spoilt(m, n, a.othersOf()[:1])}
		case 1:
			return []dag.SystemMessage{spoilt(m, n, a.othersOf()[:1+faulty(n)])}
		case 2:
			return []dag.SystemMessage{flipped(m, len(m.Payload)-n*sealedShare-1)} // the end of the proofs
		}
		return []dag.SystemMessage{flipped(m, dealPrefix+crypto.KEMPublicSize)} // the first commitment
	})
}

// spoilt is a deal among n whose encrypted shares for some do not open.
func spoilt(m dag.SystemMessage, n int, victims []dag.Author) dag.SystemMessage {
	for _, v := range victims {
		m = flipped(m, len(m.Payload)-sealedShare*(n-int(v)))
	}
	return m
}
