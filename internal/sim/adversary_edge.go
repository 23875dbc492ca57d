package sim

import (
	"encoding/binary"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// edge works at both ends of the window in which items are valid and remembered: it aims at the last
// commit at which an item is not too far ahead and at the last at which it has not expired, and says
// the same item again at both.
type edge struct {
	hasher *dag.ItemHasher
	count  uint64
	made   []dag.Item // that have not expired, oldest first
}

func newEdge(a *adversary) any { return &edge{hasher: dag.NewItemHasher(a.world.committee.Network())} }

// Limits of edge, for every block.
const (
	edgeItems = 4   // new ones
	edgeAim   = 8   // commits about which it can be wrong
	edgeKept  = 512 // items that it remembers
)

func (e *edge) shape(a *adversary, drafts []draft) []draft {
	head := a.world.check.longest()
	e.made = slices.DeleteFunc(e.made, func(i dag.Item) bool { return i.ValidUntil < head })
	for i := range drafts {
		b := &drafts[i].block
		for k := range e.made {
			until := e.made[k].ValidUntil
			ends := until <= head+edgeAim || (until >= head+dag.ValidityWindow && until <= head+dag.ValidityWindow+edgeAim)
			if ends && a.random.IntN(4) == 0 {
				b.Items = append(b.Items, e.made[k])
			}
		}
		for range edgeItems {
			b.Items = append(b.Items, e.item(a, head))
		}
	}
	e.made = e.made[max(0, len(e.made)-edgeKept):]
	return drafts
}

// item is a new item that expires soon, or lies about as far ahead as it may.
func (e *edge) item(a *adversary, head dag.CommitIndex) dag.Item {
	e.count++
	tx := dag.Transaction{Namespace: loadNamespace, Payload: make([]byte, 24), ValidUntil: head + dag.CommitIndex(a.random.IntN(edgeAim))}
	if a.random.IntN(4) != 0 {
		tx.ValidUntil += dag.ValidityWindow
	}
	binary.BigEndian.PutUint64(tx.Payload, a.world.scenario.Seed)
	binary.BigEndian.PutUint64(tx.Payload[8:], uint64(a.self)+1)
	binary.BigEndian.PutUint64(tx.Payload[16:], ^e.count)
	item, err := tx.Encode(e.hasher)
	if err != nil {
		panic("sim: item of an adversary that does not encode: " + err.Error())
	}
	a.world.check.submitted(item.ID)
	e.made = append(e.made, item)
	return item
}
