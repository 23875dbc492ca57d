package sim

import (
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// badShares says shares of the right form that are wrong: sometimes for all, sometimes in one of two twins,
// so that some see a right share and some a wrong one.
type badShares struct{}

func newBadShares(*adversary) any { return badShares{} }

const (
	shareAt    = 10 // where the share begins in its message
	sharePoint = 32
)

// pointsAt is where the points begin in a share.
var pointsAt = shareAt + seal.ShareSize(0) - 3*sharePoint

func (badShares) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 || len(drafts[0].block.System) == 0 {
		return drafts
	}
	kept := a.random.IntN(3) == 0
	if kept {
		t := drafts[0].twin()
		t.block.Time++
		t.only(a.othersOf()[:1])
		drafts = append(drafts, t)
	}
	for i := range drafts {
		if kept && i == len(drafts)-1 {
			break
		}
		respoken(drafts[i:i+1], ordering.KindShare, func(m dag.SystemMessage) []dag.SystemMessage {
			return []dag.SystemMessage{wrongShare(m)}
		})
	}
	return drafts
}

// wrongShare has the first point of the proof in place of the first of the ciphertexts'.
func wrongShare(m dag.SystemMessage) dag.SystemMessage {
	payload := append([]byte(nil), m.Payload...)
	copy(payload[pointsAt:pointsAt+sharePoint], payload[len(payload)-3*sharePoint:])
	return dag.SystemMessage{Kind: m.Kind, Payload: payload}
}
