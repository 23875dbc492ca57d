package sim

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// badSigns signs checkpoints wrongly: with its signature of another one, which is an element of the group, or with
// bytes that are none.
type badSigns struct{ last ordering.Signed }

func newBadSigns(*adversary) any { return &badSigns{} }

func (b *badSigns) shape(a *adversary, drafts []draft) []draft {
	return respoken(drafts, ordering.KindSignatures, func(m dag.SystemMessage) []dag.SystemMessage {
		signed, err := ordering.DecodeSigned(m.Payload)
		if err != nil {
			return []dag.SystemMessage{m}
		}
		for i := range signed {
			signed[i].Signature, b.last.Signature = b.last.Signature, signed[i].Signature
			if a.random.IntN(4) == 0 {
				signed[i].Signature[9] ^= 1
			}
		}
		return []dag.SystemMessage{{Kind: m.Kind, Payload: ordering.EncodeSigned(signed)}}
	})
}
