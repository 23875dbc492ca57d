package ordering

import (
	"errors"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// PoolLimits bound what waits for inclusion at one validator. Beyond them submissions are answered
// Busy.
type PoolLimits struct {
	Items int
	Bytes int // encoded
}

func (l PoolLimits) withDefaults() PoolLimits {
	if l.Items == 0 {
		l.Items = 128 << 10
	}
	if l.Bytes == 0 {
		l.Bytes = 64 << 20
	}
	return l
}

// maxWaiters bounds how many submissions of one id wait for its inclusion.
const maxWaiters = 16

// pool is what was submitted here: first what waits for an own block, by namespace and in order of
// arrival, then what stands in own blocks that no commit has brought in yet.
type pool struct {
	limits   PoolLimits
	rules    *dag.Registry // weights and quotas
	items    int           // waiting
	bytes    int
	lanes    map[dag.Namespace]*lane
	plain    turns
	sealed   turns // a block may hold only so many
	resume   fifo  // returned from collected blocks, oldest first; come before plain
	resealed fifo  // the same of sealed items, before sealed
	waiting  map[crypto.Digest]*entry
	proposed map[crypto.Digest]dag.Ref
	blocks   []*dag.Verified // own blocks with items, not ordered, by round
}

// entry is one waiting item with the submissions that wait for it.
type entry struct {
	item    dag.Item
	waiters []waiter
	flow    *flow  // where it waits; nil in resume and resealed
	next    *entry // behind it there
}

type waiter struct {
	ticket uint64
	index  int
}

func newPool(l PoolLimits, rules *dag.Registry) *pool {
	return &pool{
		limits: l, rules: rules, lanes: make(map[dag.Namespace]*lane),
		waiting: make(map[crypto.Digest]*entry), proposed: make(map[crypto.Digest]dag.Ref),
	}
}

// submit takes items into the pool or answers why not.
func (e *Engine) submit(s Submitted) {
	for i := range s.Items {
		if state, at, block := e.admit(&s.Items[i], waiter{s.Ticket, i}); state != 0 {
			e.ready.Outcomes = append(e.ready.Outcomes, Outcome{
				Ticket: s.Ticket, Index: i, ID: s.Items[i].ID, State: state, Commit: at, Block: block,
			})
		}
	}
}

// admit takes one item; a state other than 0 is the final answer for it. The window of an item that
// brings none begins here and not with its block: a node that is cut off while the item waits could
// else have it accepted after all others, which took it from somebody else, have forgotten it.
func (e *Engine) admit(item *dag.Item, w waiter) (OutcomeState, dag.CommitIndex, dag.Ref) {
	if at, known := e.seen.has(item.ID); known {
		return Committed, at, dag.Ref{}
	}
	if block, known := e.pool.proposed[item.ID]; known {
		return Included, 0, block
	}
	if e.notProposing() != "" {
		return NotProposing, 0, dag.Ref{}
	}
	if same := e.pool.waiting[item.ID]; same != nil {
		if len(same.waiters) >= maxWaiters {
			return Busy, 0, dag.Ref{}
		}
		same.waiters = append(same.waiters, w)
		return 0, 0, dag.Ref{}
	}
	if item.Signed || item.ValidUntil != 0 {
		switch next := e.head.Index + 1; {
		case item.ValidUntil < next:
			return Expired, 0, dag.Ref{}
		case item.ValidUntil > e.head.Index+dag.ValidityWindow:
			return TooFarAhead, 0, dag.Ref{}
		}
	}
	if refused := e.pool.add(item, w); refused != 0 {
		return refused, 0, dag.Ref{}
	}
	if item.ValidUntil == 0 {
		e.pool.waiting[item.ID].item.SetValidUntil(e.head.Index + dag.ValidityWindow)
	}
	return 0, 0, dag.Ref{}
}

// add queues an item, or says why there is no room for it.
func (p *pool) add(item *dag.Item, w waiter) (refused OutcomeState) {
	l := p.lane(item.Namespace)
	if refused = p.room(l, len(item.Raw)); refused != 0 {
		p.tidy(l)
		return refused
	}
	e := &entry{item: *item, waiters: []waiter{w}}
	if item.Kind == dag.KindSealed {
		p.sealed.push(&l.sealed, e)
	} else {
		p.plain.push(&l.plain, e)
	}
	p.count(e)
	return 0
}

func (p *pool) count(e *entry) {
	p.waiting[e.item.ID] = e
	p.items++
	p.bytes += len(e.item.Raw)
	if e.flow != nil {
		e.flow.lane.items++
		e.flow.lane.bytes += len(e.item.Raw)
	}
}

func (p *pool) uncount(e *entry) {
	delete(p.waiting, e.item.ID)
	p.items--
	p.bytes -= len(e.item.Raw)
	if e.flow != nil {
		e.flow.lane.items--
		e.flow.lane.bytes -= len(e.item.Raw)
		p.tidy(e.flow.lane)
	}
}

// takeItems fills a block with waiting items and returns their entries: what comes back from collected
// blocks first, then sealed items, which take half of it at most while others wait, then the others.
// Among namespaces it goes by turns. Nothing overtakes what came back of its kind and found no room.
func (e *Engine) takeItems() (items []dag.Item, taken []*entry) {
	p := e.pool
	p.plain.begin()
	p.sealed.begin()
	t := taking{sealed: dag.MaxSealedItems(e.cfg.Committee.Size())}
	e.takeFrom(&p.resealed, &t, dag.MaxPayloadBytes)
	e.takeFrom(&p.resume, &t, dag.MaxPayloadBytes)
	half := dag.MaxPayloadBytes
	if p.plain.waits() {
		half /= 2
	}
	if p.resealed.front() == nil {
		e.takeFrom(&p.sealed, &t, half)
	}
	if p.resume.front() == nil {
		e.takeFrom(&p.plain, &t, dag.MaxPayloadBytes)
	}
	return t.items, t.entries
}

// taking is the payload of a block in the making.
type taking struct {
	items   []dag.Item
	entries []*entry
	bytes   int
	sealed  int // how many more sealed items may come in
}

// line is entries in the order in which they come into blocks.
type line interface {
	front() *entry // the next one; nil for none that may come in now
	pop()          // takes that one off
}

// takeFrom takes entries off the front of a line until a limit is reached. Items that have been committed
// through another validator or have expired meanwhile are answered instead.
func (e *Engine) takeFrom(from line, t *taking, bytes int) {
	for len(t.items) < dag.MaxItems {
		next := from.front()
		if next == nil {
			return
		}
		sealed := next.item.Kind == dag.KindSealed
		if t.bytes+len(next.item.Raw) > bytes || (sealed && t.sealed == 0) {
			return
		}
		at, known := e.seen.has(next.item.ID)
		gone := known || next.item.ValidUntil <= e.head.Index
		if !gone {
			e.pool.pay(next)
		}
		from.pop()
		e.pool.uncount(next)
		switch {
		case known:
			e.answer(next, Committed, at, dag.Ref{})
		case gone:
			e.answer(next, Expired, 0, dag.Ref{})
		default:
			if sealed {
				t.sealed--
			}
			t.bytes += len(next.item.Raw)
			t.items, t.entries = append(t.items, next.item), append(t.entries, next)
		}
	}
}

func (e *Engine) answer(n *entry, state OutcomeState, at dag.CommitIndex, block dag.Ref) {
	for _, w := range n.waiters {
		e.ready.Outcomes = append(e.ready.Outcomes, Outcome{
			Ticket: w.ticket, Index: w.index, ID: n.item.ID, State: state, Commit: at, Block: block,
		})
	}
}

// included moves the entries of an own block from waiting to proposed.
func (p *pool) included(b *dag.Verified) {
	items := b.Block().Items
	if len(items) == 0 {
		return
	}
	p.blocks = append(p.blocks, b)
	for i := range items {
		p.proposed[items[i].ID] = b.Ref()
	}
}

// ordered forgets an own block that a commit brought in.
func (p *pool) ordered(b *dag.Verified) {
	for i, own := range p.blocks {
		if own.Ref() == b.Ref() {
			p.blocks = append(p.blocks[:i], p.blocks[i+1:]...)
			p.unpropose(b)
			return
		}
	}
}

// collected returns the items of own blocks up to floor to the front of the queue, in order.
func (p *pool) collected(floor dag.Round) {
	for len(p.blocks) > 0 && p.blocks[0].Round() <= floor {
		p.unpropose(p.blocks[0])
		if !mutant.Planted(mutant.PoolForgets) {
			p.giveBack(p.blocks[0].Block().Items)
		}
		p.blocks = p.blocks[1:]
	}
}

func (p *pool) unpropose(b *dag.Verified) {
	for i := range b.Block().Items {
		delete(p.proposed, b.Block().Items[i].ID)
	}
}

// giveBack queues items that were acknowledged already; no limit applies to them, since their
// number is bounded by what own blocks held.
func (p *pool) giveBack(items []dag.Item) {
	for _, item := range items {
		if p.waiting[item.ID] == nil {
			e := &entry{item: item}
			if item.Kind == dag.KindSealed {
				p.resealed.push(e)
			} else {
				p.resume.push(e)
			}
			p.count(e)
		}
	}
}

// maxTurnedAway bounds how many waiting items are turned away at a time.
const maxTurnedAway = 1024

// turnAway answers waiting items while the node cannot propose, so that nobody waits for ever.
// Items that were acknowledged before stay, and hold up nobody.
func (e *Engine) turnAway() {
	if e.notProposing() == "" {
		return
	}
	left := maxTurnedAway
	for _, t := range []*turns{&e.pool.plain, &e.pool.sealed} {
		for t.begin(); t.waits() && left > 0; left-- {
			next := t.last.next.first
			t.pop()
			e.pool.uncount(next)
			e.answer(next, NotProposing, 0, dag.Ref{})
		}
	}
}

// formReason is the drop reason of an error of Registry.CheckForm.
func formReason(err error) DropReason {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, dag.ErrUnknownNamespace):
		return DropUnknownNamespace
	case errors.Is(err, dag.ErrClosedNamespace):
		return DropClosedNamespace
	default:
		return DropMalformed
	}
}

// busy reports whether anybody waits for a round.
func (e *Engine) busy() bool {
	return e.pool.items > 0 || len(e.unordered) > 0 || e.sealing.saysMore() || e.certificates.saysMore()
}

// pace is the least time between own blocks now.
func (e *Engine) pace() time.Duration {
	if e.busy() {
		return e.cfg.Timing.RoundFloor
	}
	return e.cfg.Timing.KeepAlive
}
