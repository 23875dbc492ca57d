package sim

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// twoDeals deals twice, with two good deals: one after the other in a block, in two twins for half of the
// others each, or in later blocks once more.
type twoDeals struct{ other *crypto.KEMKey }

func newTwoDeals(a *adversary) any {
	key, err := crypto.GenerateKEMKey(newSource(a.world.scenario.Seed, numbered("second deal", int(a.self))))
	if err != nil {
		panic("sim: draw kem key: " + err.Error())
	}
	return &twoDeals{key}
}

func (t *twoDeals) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 {
		return drafts
	}
	second := a.dealWith(t.other)
	switch how := a.random.IntN(4); {
	case second == nil:
	case how == 0:
		respoken(drafts[:1], keygen.KindDeal, func(m dag.SystemMessage) []dag.SystemMessage {
			return []dag.SystemMessage{*second, m}
		})
	case how == 1:
		drafts[0].block.System = append(drafts[0].block.System[:len(drafts[0].block.System):len(drafts[0].block.System)], *second)
	default:
		others := a.othersOf()
		twin := drafts[0].twin()
		twin.block.Time++
		twin.only(others[:len(others)/2])
		twin.block.System = []dag.SystemMessage{*second}
		drafts = append(drafts, twin)
	}
	return drafts
}

// dealWith is the deal of the present run that somebody with another secret would make; nil where none is
// awaited.
func (a *adversary) dealWith(secret *crypto.KEMKey) *dag.SystemMessage {
	w := a.world
	if w.scenario.SealedEvery == 0 {
		return nil
	}
	status := w.check.reveals.state.Status()
	if status.Phase != keygen.Dealing {
		return nil
	}
	var members []crypto.KEMPublicKey
	for x := range dag.Author(w.scenario.Validators) {
		members = append(members, w.committee.Validator(x).KEM)
	}
	run, err := dkg.NewRun(dkg.Context{Group: dkg.Ristretto255, Network: w.committee.Network(), Key: status.Key, Attempt: status.Attempt}, members)
	if err != nil {
		panic("sim: run of a checked committee: " + err.Error())
	}
	return &dag.SystemMessage{Kind: keygen.KindDeal, Payload: run.MakeDeal(int(a.self), secret)}
}
