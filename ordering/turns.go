package ordering

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// A block's room is shared among the namespaces that have items waiting: by deficit round robin
// (Shreedhar and Varghese, SIGCOMM 1995) over bytes, by their weights. A namespace that
// asks for less than its share is served in the next block, however much others ask for. Inside a
// namespace it is first in, first out, for sealed items apart from the others; so a sender that uses
// one validator keeps its order.
//
// A bundle or sealed item stands with the namespace that it names first, which pays for all of it:
// if every namespace paid its part, naming many would buy room that is theirs. The quotas of the
// others are charged with their legs.
//
// It is a rule of who proposes and not of the order: what stands in a block is ordered.

const (
	// turnBytes is what a namespace of weight 1 may put into a block in one turn. It is small, so that many
	// namespaces have a turn in each block; more than a turn's worth waits for several turns.
	turnBytes = 4 << 10
	// leastCost is what an item counts for at least: small ones use a block up by their number.
	leastCost = dag.MaxPayloadBytes / dag.MaxItems
	// shareOfFree bounds a namespace's part of the pool by a multiple of what is free of it (Choudhury and
	// Hahne, 1998): a lone one may fill four fifths, two that flood come to four ninths each.
	shareOfFree = 4
	// An eighth of the pool is for namespaces that hold no more than a 256th: however many flood and
	// however suddenly, one that comes anew finds room.
	reserve, modest = 8, 256
	// quotaBurst is how many blocks' worth of a quota may be saved up.
	quotaBurst = 16
	// quotaBacklog is how many blocks' worth of a quota may wait: what would wait longer is refused at once.
	quotaBacklog = 128
)

// lane is what waits of one namespace.
type lane struct {
	namespace dag.Namespace
	weight    int
	quota     int    // bytes per own block on average; 0 for no limit
	credit    int    // bytes that the quota has left; below 0 after a large item
	credited  uint64 // the block up to which credit is counted
	items     int
	bytes     int
	plain     flow
	sealed    flow
}

// flow is one line of a lane, first in, first out.
type flow struct {
	fifo
	lane    *lane
	deficit int   // bytes that it may still bring in in this turn
	next    *flow // in the ring
}

// fifo is entries one behind the other.
type fifo struct{ first, last *entry }

func (f *fifo) push(e *entry) {
	if f.first == nil {
		f.first = e
	} else {
		f.last.next = e
	}
	f.last = e
}

// front is the oldest entry, nil for none.
func (f *fifo) front() *entry { return f.first }

// pop takes the oldest entry off.
func (f *fifo) pop() { f.first, f.first.next = f.first.next, nil }

// turns is the ring of the flows that have entries. The zero value is empty.
type turns struct {
	last    *flow   // whose turn comes last; its next has the present turn. Nil for an empty ring
	resting []*flow // have used up their quota until the next block
	block   uint64  // counts own blocks
}

// begin starts the next block.
func (t *turns) begin() {
	t.block++
	for i, f := range t.resting {
		t.link(f)
		t.resting[i] = nil
	}
	t.resting = t.resting[:0]
}

// waits reports whether anybody has a turn to come.
func (t *turns) waits() bool { return t.last != nil }

func (t *turns) push(f *flow, e *entry) {
	e.flow = f
	if f.first == nil {
		t.link(f)
	}
	f.push(e)
}

func (t *turns) link(f *flow) {
	if t.last == nil {
		f.next = f
	} else {
		f.next, t.last.next = t.last.next, f
	}
	t.last = f
}

// unlink takes the flow whose turn it is out of the ring.
func (t *turns) unlink() {
	f := t.last.next
	if t.last.next = f.next; f == t.last {
		t.last = nil
	}
	f.next = nil
}

// front is the entry that comes next: it passes on the turn until somebody may bring in its oldest. One
// call costs at most as many steps as there are flows, times the turns that one item takes, and the
// turns are kept: a block costs some steps per 4 KiB.
func (t *turns) front() *entry {
	for t.last != nil {
		f := t.last.next
		if !f.lane.mayTake(t.block) {
			t.unlink()
			t.resting = append(t.resting, f)
			continue
		}
		if f.deficit >= f.first.cost() {
			return f.first
		}
		f.deficit += turnBytes * f.lane.weight
		t.last = f
	}
	return nil
}

// pop takes the oldest entry of the flow whose turn it is. A flow that is empty keeps nothing of its turn.
func (t *turns) pop() {
	f := t.last.next
	f.pop()
	if f.first == nil {
		f.deficit = 0
		t.unlink()
	}
}

// remove takes a flow out, whoever's turn it is, and gives its entries.
func (t *turns) remove(f *flow) []*entry {
	t.resting = slices.DeleteFunc(t.resting, func(o *flow) bool { return o == f })
	if f.next != nil { // in the ring: turn it until it is f's turn
		last := t.last
		for t.last.next != f {
			t.last = t.last.next
		}
		t.unlink()
		if f != last && t.last != nil {
			t.last = last
		}
	}
	var out []*entry
	for f.deficit = 0; f.first != nil; {
		out = append(out, f.first)
		f.fifo.pop()
	}
	return out
}

func (e *entry) cost() int { return max(len(e.item.Raw), leastCost) }

// mayTake reports whether the lane's quota has anything left for a block.
func (l *lane) mayTake(block uint64) bool {
	if l.quota == 0 {
		return true
	}
	if block > l.credited {
		blocks := int(min(block-l.credited, quotaBurst))
		l.credit, l.credited = min(l.credit+blocks*l.quota, quotaBurst*l.quota), block
	}
	return l.credit > 0
}

// lane finds the lane of a namespace, or makes one.
func (p *pool) lane(ns dag.Namespace) *lane {
	if l := p.lanes[ns]; l != nil {
		return l
	}
	l := &lane{namespace: ns, credited: p.plain.block}
	l.plain.lane, l.sealed.lane = l, l
	l.follow(p.rules)
	l.credit = quotaBurst * l.quota
	p.lanes[ns] = l
	return l
}

// follow takes weight and quota from the registry. What was saved up or is owed under another quota is at most a burst of the
// new one: the debt of a large quota would else stand in the way of a small one for hours.
func (l *lane) follow(rules *dag.Registry) {
	rule, _ := rules.Rule(l.namespace)
	if l.quota != rule.Quota {
		l.credit = min(max(l.credit, -quotaBurst*rule.Quota), quotaBurst*rule.Quota)
	}
	l.weight, l.quota = max(rule.Weight, 1), rule.Quota
}

// tidy forgets a lane that holds nothing. One with a quota is kept for what it has used: there are no more
// than namespaces.
func (p *pool) tidy(l *lane) {
	if l.items == 0 && l.quota == 0 {
		delete(p.lanes, l.namespace)
	}
}

// room says whether size bytes more of a lane find room: 0, or why not.
func (p *pool) room(l *lane, size int) OutcomeState {
	items, bytes := p.limits.Items-p.items, p.limits.Bytes-p.bytes
	switch {
	case items < 1 || bytes < size:
		return Busy
	case l.quota > 0 && l.items > 0 && l.bytes+size > quotaBacklog*l.quota:
		return OverShare
	case l.items < p.limits.Items/modest && l.bytes+size <= p.limits.Bytes/modest:
		return 0
	}
	items, bytes = items-p.limits.Items/reserve, bytes-p.limits.Bytes/reserve
	if l.items >= shareOfFree*items || l.bytes+size > shareOfFree*bytes || bytes < size {
		return OverShare
	}
	return 0
}

// pay charges an entry that comes into a block. What came back from a collected block has been paid.
func (p *pool) pay(e *entry) {
	if e.flow == nil {
		return
	}
	l := e.flow.lane
	e.flow.deficit -= e.cost()
	if l.quota > 0 {
		l.credit -= len(e.item.Raw)
	}
	switch e.item.Kind {
	case dag.KindBundle:
		bundle := e.item.Bundle()
		for _, leg := range bundle.Legs {
			p.charge(l, leg.Namespace, len(leg.Payload))
		}
	case dag.KindSealed:
		sealed := e.item.Sealed()
		for _, ns := range sealed.Namespaces {
			p.charge(l, ns, len(sealed.Ciphertext)/len(sealed.Namespaces))
		}
	}
}

// charge takes bytes off the quota of another namespace than the one that has paid, as far as a whole burst.
func (p *pool) charge(paid *lane, ns dag.Namespace, bytes int) {
	if rule, _ := p.rules.Rule(ns); ns == paid.namespace || rule.Quota == 0 {
		return
	}
	l := p.lane(ns)
	l.mayTake(p.plain.block)
	l.credit = max(l.credit-bytes, -quotaBurst*l.quota)
}
