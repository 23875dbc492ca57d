package sim

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// noDeals takes no part in the key generation.
type noDeals struct{}

func newNoDeals(*adversary) any { return noDeals{} }

func (noDeals) shape(_ *adversary, drafts []draft) []draft {
	nothing := func(dag.SystemMessage) []dag.SystemMessage { return nil }
	return respoken(respoken(drafts, keygen.KindDeal, nothing), keygen.KindAck, nothing)
}
