package sim

import (
	"encoding/binary"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// complain accuses dealers that dealt well, in place of what it should have acknowledged or behind it.
type complain struct{}

func newComplain(*adversary) any { return complain{} }

// ackFixed is what stands before the complaints of an acknowledgement; their number is its end.
const ackFixed = 1 + 8 + 4 + 32 + 2

func (complain) shape(a *adversary, drafts []draft) []draft {
	return respoken(drafts, keygen.KindAck, func(m dag.SystemMessage) []dag.SystemMessage {
		lie := append([]byte(nil), m.Payload[:ackFixed]...)
		count := 0
		for dealer := range uint16(a.world.scenario.Validators) {
			if a.random.IntN(2) == 0 {
				count++
				lie = binary.BigEndian.AppendUint16(lie, dealer)
				lie = append(lie, a.accusation()...)
			}
		}
		binary.BigEndian.PutUint16(lie[ackFixed-2:], uint16(count))
		return []dag.SystemMessage{{Kind: m.Kind, Payload: lie}, m}
	})
}

// accusation opens nothing: its point is one, its proof is none.
func (a *adversary) accusation() []byte {
	out := make([]byte, dkg.ComplaintSize)
	point := a.world.committee.Validator(a.self).KEM
	copy(out, point[:])
	out[crypto.KEMPublicSize] = byte(a.random.Uint32())
	return out
}
