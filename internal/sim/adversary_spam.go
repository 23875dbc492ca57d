package sim

import (
	"encoding/binary"

	"github.com/dunlin-network/dunlin/dag"
)

// spam fills its blocks: with items of its own, with those of others once more, and with such as no
// filter lets through.
type spam struct {
	hasher *dag.ItemHasher
	count  uint64
}

func newSpam(a *adversary) any {
	return &spam{hasher: dag.NewItemHasher(a.world.committee.Network())}
}

// maxSpam is how many items one block of spam has at most; larger ones slow the simulation only.
const maxSpam = 40

func (s *spam) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		b := &drafts[i].block
		for range a.random.IntN(maxSpam) {
			b.Items = append(b.Items, s.item(a))
		}
		for _, v := range a.graph.Arrived(b.Round - 1) {
			if items := v.Verified().Block().Items; len(items) > 0 && len(b.Items) < dag.MaxItems {
				b.Items = append(b.Items, items[a.random.IntN(len(items))])
			}
		}
	}
	return drafts
}

func (s *spam) item(a *adversary) dag.Item {
	s.count++
	tx := dag.Transaction{
		Namespace: loadNamespace, Payload: make([]byte, 24),
		ValidUntil: a.world.check.longest() + dag.CommitIndex(a.random.IntN(dag.ValidityWindow)),
	}
	binary.BigEndian.PutUint64(tx.Payload, a.world.scenario.Seed)
	binary.BigEndian.PutUint64(tx.Payload[8:], uint64(a.self)+1)
	binary.BigEndian.PutUint64(tx.Payload[16:], s.count/2) // every other is new
	switch a.random.IntN(6) {
	case 0:
		tx.Namespace++
	case 1:
		tx.ValidUntil = 0
	case 2:
		tx.ValidUntil += 2 * dag.ValidityWindow
	case 3:
		return dag.Item{Kind: dag.KindMalformed, Raw: tx.Payload}
	}
	item, err := tx.Encode(s.hasher)
	if err != nil {
		panic("sim: spam that does not encode: " + err.Error())
	}
	a.world.check.submitted(item.ID)
	return item
}
