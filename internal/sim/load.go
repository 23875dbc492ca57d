package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

const (
	loadNamespace   dag.Namespace = 1
	minItemBytes                  = 16
	loadAfterCalm                 = time.Second // how long the load goes on after the faults
	tightPercent                  = 10          // of the items expire within a few commits
	tightWindow                   = 8           // so many
	duplicatePermil               = 150         // of the items enter at a second validator as well
)

// load submits items to honest validators.
type load struct {
	world  *world
	random *rand.Rand
	hasher *dag.ItemHasher
	honest []*node
	ticket uint64
}

func newLoad(w *world) *load {
	l := &load{
		world: w, random: newStream(w.scenario.Seed, "load"), hasher: dag.NewItemHasher(w.committee.Network()),
	}
	for _, n := range w.nodes {
		if n != nil {
			l.honest = append(l.honest, n)
		}
	}
	w.after(time.Duration(w.scenario.ItemEvery), l.tick)
	newClient(l)
	newRegistrant(l)
	return l
}

// tick submits one item and schedules the next.
func (l *load) tick() {
	w := l.world
	if w.check.phase >= draining {
		return
	}
	w.after(time.Duration(w.scenario.ItemEvery), l.tick)
	first := l.honest[l.random.IntN(len(l.honest))]
	second := l.honest[l.random.IntN(len(l.honest))]
	tight, duplicate, ahead := l.random.IntN(100) < tightPercent, l.random.IntN(1000) < duplicatePermil, l.random.IntN(tightWindow)
	tx := dag.Transaction{Namespace: loadNamespace, Payload: l.payload()}
	if tight {
		tx.ValidUntil = w.check.longest() + 1 + dag.CommitIndex(ahead)
	}
	l.submit(first, tx)
	if duplicate {
		l.submit(second, tx)
	}
}

// payload is one that has not been before.
func (l *load) payload() []byte {
	payload := make([]byte, l.world.scenario.ItemBytes)
	binary.BigEndian.PutUint64(payload, l.world.scenario.Seed)
	binary.BigEndian.PutUint64(payload[8:], l.ticket)
	return payload
}

func (l *load) submit(n *node, tx dag.Transaction) {
	item, err := tx.Encode(l.hasher)
	if err != nil {
		panic("sim: item of a checked scenario: " + err.Error())
	}
	l.enter(n, item)
}

// enter hands an item to a node.
func (l *load) enter(n *node, item dag.Item) {
	l.ticket++
	w := l.world
	w.check.submitted(item.ID)
	if w.up(n.self) {
		w.check.asked(n.self, l.ticket)
		w.hand(0, n.self, ordering.Submitted{Ticket: l.ticket, Items: []dag.Item{item}})
	}
}
