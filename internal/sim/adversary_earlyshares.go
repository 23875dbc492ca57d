package sim

import (
	"encoding/binary"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// earlyShares says shares for commits that nobody has made: its own under other numbers, and noise, near and
// far ahead, more of it than anybody keeps.
type earlyShares struct{}

func newEarlyShares(*adversary) any { return earlyShares{} }

// maxEarlyNoise is the largest number of ciphertexts that noise is for.
const maxEarlyNoise = 8

func (earlyShares) shape(a *adversary, drafts []draft) []draft {
	next := a.world.check.longest() + 1
	respoken(drafts, ordering.KindShare, func(m dag.SystemMessage) []dag.SystemMessage {
		early := flipped(m, 0)
		binary.BigEndian.PutUint64(early.Payload, uint64(next)+uint64(a.random.IntN(4)))
		return []dag.SystemMessage{early, m}
	})
	for i := range drafts {
		if a.random.IntN(4) == 0 && len(drafts[i].block.System) < dag.MaxSystemMessages/2 {
			drafts[i].block.System = append(drafts[i].block.System, a.noisyShare(next))
		}
	}
	return drafts
}

// noisyShare is bytes that look like a share up to where one has to compute.
func (a *adversary) noisyShare(next dag.CommitIndex) dag.SystemMessage {
	count := 1 + a.random.IntN(maxEarlyNoise)
	payload := make([]byte, shareAt+seal.ShareSize(count))
	binary.BigEndian.PutUint64(payload, uint64(next)+uint64(a.random.IntN(2000)))
	for i := pointsAt; i < len(payload); i++ {
		payload[i] = byte(a.random.Uint32())
	}
	share := payload[shareAt:]
	share[0] = 1
	binary.BigEndian.PutUint64(share[1:], 1)
	binary.BigEndian.PutUint16(share[9:], uint16(a.self)+1)
	binary.BigEndian.PutUint16(share[43:], uint16(count))
	return dag.SystemMessage{Kind: ordering.KindShare, Payload: payload}
}
