package sim

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// costNet is a network without faults whose messages all take equally long, so that the blocks of a
// round arrive together and each engine takes them as one batch.
type costNet struct {
	load      CostCase
	committee *dag.Committee
	engines   []*ordering.Engine
	inbox     [][]any
	wakeAt    []time.Duration // per engine: its newest wish
	queue     eventQueue
	scheduled uint64
	now       time.Duration
	hasher    *dag.ItemHasher
	made      uint64 // transactions so far
	err       error

	rounds []costRoundWork // of the measured validator; the last one is under way
	pushed func(b *dag.Verified, to dag.Author)
}

func newCostNet(c CostCase) (*costNet, error) {
	committee, registry, signers := newCommittee(&Scenario{Seed: costSeed, Validators: c.Validators, Signing: SigningReal})
	net := &costNet{
		load: c, committee: committee, inbox: make([][]any, c.Validators), wakeAt: make([]time.Duration, c.Validators), hasher: dag.NewItemHasher(committee.Network()),
		rounds: make([]costRoundWork, 1), pushed: func(*dag.Verified, dag.Author) {},
	}
	for a := range dag.Author(c.Validators) {
		e, err := ordering.NewEngine(ordering.Config{Committee: committee, Registry: registry, Self: a, Signer: signers[a]}, ordering.Restored{})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCost, err)
		}
		net.engines = append(net.engines, e)
		for b := range dag.Author(c.Validators) {
			if b != a {
				net.hand(costDelay, a, ordering.PeerConnected{Peer: ordering.Peer(b)})
			}
		}
	}
	if c.Transactions > 0 {
		net.at(costRound, net.submit)
	}
	return net, nil
}

func (net *costNet) at(t time.Duration, act func()) {
	net.scheduled++
	net.queue.push(happening{at: t, order: net.scheduled, act: act})
}

func (net *costNet) hand(delay time.Duration, to dag.Author, what any) {
	net.scheduled++
	net.queue.push(happening{at: net.now + delay, order: net.scheduled, to: to, what: what})
}

// step lets all happen that happens at the next moment, and reports whether there was any.
func (net *costNet) step() bool {
	if len(net.queue.heap) == 0 {
		return false
	}
	net.now = net.queue.heap[0].at
	for len(net.queue.heap) > 0 && net.queue.heap[0].at == net.now {
		h := net.queue.pop()
		if h.act != nil {
			h.act()
			continue
		}
		if _, tick := h.what.(wake); tick && net.wakeAt[h.to] != net.now {
			continue // a newer wish has replaced it
		}
		net.inbox[h.to] = append(net.inbox[h.to], h.what)
	}
	for a := range dag.Author(len(net.engines)) {
		if batch := net.inbox[a]; len(batch) > 0 {
			net.inbox[a] = nil
			net.work(a, batch)
		}
	}
	return true
}

// work gives one engine all that has come for it.
func (net *costNet) work(a dag.Author, batch []any) {
	e := net.engines[a]
	e.Step(ordering.Tick{Now: net.now, Wall: uint64(wallStart + net.now.Milliseconds())})
	if a == costMeasured {
		net.carryOut(a, net.measured(e, batch))
		return
	}
	for _, what := range batch {
		if event, ok := what.(ordering.Event); ok {
			e.Step(event)
		}
	}
	net.carryOut(a, e.Ready())
}

// measured is the work of the measured validator. A Ready counts as the commit rule's if blocks came
// and none was made, otherwise as the proposer's.
func (net *costNet) measured(e *ordering.Engine, batch []any) (r ordering.Ready) {
	work := &net.rounds[len(net.rounds)-1]
	var blocks, others []ordering.Event
	for _, what := range batch {
		if block, ok := what.(ordering.BlockReceived); ok {
			blocks = append(blocks, block)
		} else if event, ok := what.(ordering.Event); ok {
			others = append(others, event)
		}
	}
	took(&work.verify, func() {
		for i := range blocks {
			blocks[i] = net.verify(blocks[i].(ordering.BlockReceived))
		}
	})
	if net.err != nil {
		return r
	}
	work.blocks += len(blocks)
	took(&work.add, func() { stepAll(e, blocks) })
	took(&work.propose, func() { stepAll(e, others) })
	var ready time.Duration
	took(&ready, func() { r = e.Ready() })
	for _, c := range r.Commits {
		work.commits++
		work.ordered += len(c.Accepted)
	}
	if len(blocks) > 0 && len(r.Broadcast) == 0 {
		work.commit += ready
	} else {
		work.propose += ready
	}
	return r
}

func (net *costNet) verify(r ordering.BlockReceived) ordering.BlockReceived {
	b, err := dag.Verify(net.committee, r.Block.Bytes())
	if err != nil {
		net.err = fmt.Errorf("verify %v: %w", r.Block.Ref(), err)
	}
	return ordering.BlockReceived{From: r.From, Block: b}
}

func stepAll(e *ordering.Engine, events []ordering.Event) {
	for _, event := range events {
		e.Step(event)
	}
}

// carryOut sends what an engine hands out. Nothing is lost here, so a fetch is an error.
func (net *costNet) carryOut(a dag.Author, r ordering.Ready) {
	switch {
	case net.err != nil:
		return
	case r.Fault != nil:
		net.err = r.Fault
	case len(r.Fetches) > 0:
		net.err = fmt.Errorf("%v misses %v", a, r.Fetches[0].Refs)
	}
	for _, b := range r.Broadcast {
		net.push(a, ordering.Everyone, b)
		if a == costMeasured {
			net.rounds = append(net.rounds, costRoundWork{})
		}
	}
	for _, s := range r.Sends {
		if m, ok := s.Message.(ordering.BlockMessage); ok {
			net.push(a, s.To, m.Block)
			continue
		}
		net.send(a, s.To, received(ordering.Peer(a), s.Message))
	}
	if at := max(r.WakeAt, net.now+1); r.WakeAt > 0 && at != net.wakeAt[a] {
		net.wakeAt[a] = at
		net.hand(at-net.now, a, wake{})
	}
}

// push sends a block and counts its bytes at the measured validator: items with the length before
// each are payload, all else is header.
func (net *costNet) push(from dag.Author, to ordering.Peer, b *dag.Verified) {
	payload := 0
	for i := range b.Block().Items {
		payload += itemLength + len(b.Block().Items[i].Raw)
	}
	for _, receiver := range net.send(from, to, ordering.BlockReceived{From: ordering.Peer(from), Block: b}) {
		if from == costMeasured {
			work := &net.rounds[len(net.rounds)-1]
			work.payload += payload
			work.header += len(b.Bytes()) - payload
			net.pushed(b, receiver)
		}
	}
}

// itemLength is how many bytes of length stand before each item of a block.
const itemLength = 4

// send hands a message over and returns to whom.
func (net *costNet) send(from dag.Author, to ordering.Peer, event ordering.Event) (receivers []dag.Author) {
	for a := range dag.Author(len(net.engines)) {
		if a != from && (to == ordering.Everyone || to == ordering.Peer(a)) {
			net.hand(costDelay, a, event)
			receivers = append(receivers, a)
		}
	}
	return receivers
}

// submit gives every validator the transactions of one round, and schedules the next.
func (net *costNet) submit() {
	for a := range dag.Author(len(net.engines)) {
		items := make([]dag.Item, net.load.Transactions)
		for i := range items {
			net.made++
			payload := make([]byte, net.load.Bytes)
			binary.BigEndian.PutUint64(payload, net.made)
			tx := dag.Transaction{Namespace: loadNamespace, Payload: payload}
			item, err := tx.Encode(net.hasher)
			if err != nil {
				panic("sim: item of a checked case: " + err.Error())
			}
			items[i] = item
		}
		if a == costMeasured {
			net.rounds[len(net.rounds)-1].transactions += len(items)
		}
		net.hand(0, a, ordering.Submitted{Ticket: net.made, Items: items})
	}
	net.at(net.now+costRound, net.submit)
}
