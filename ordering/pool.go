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

// pool is what was submitted here: first what waits for an own block, in order of arrival, then
// what stands in own blocks that no commit has brought in yet.
type pool struct {
	limits   PoolLimits
	items    int // waiting
	bytes    int
	queue    []*entry
	waiting  map[crypto.Digest]*entry
	proposed map[crypto.Digest]dag.Ref
	blocks   []*dag.Verified // own blocks with items, not ordered, by round
	sealed   []*entry        // as queue, of sealed items: a block may hold only so many
	resume   []*entry        // returned from collected blocks, oldest first; come before both
}

// entry is one waiting item with the submissions that wait for it.
type entry struct {
	item    dag.Item
	waiters []waiter
}

type waiter struct {
	ticket uint64
	index  int
}

func newPool(l PoolLimits) *pool {
	return &pool{limits: l, waiting: make(map[crypto.Digest]*entry), proposed: make(map[crypto.Digest]dag.Ref)}
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
	if !e.pool.add(item, w) {
		return Busy, 0, dag.Ref{}
	}
	if item.ValidUntil == 0 {
		e.pool.waiting[item.ID].item.SetValidUntil(e.head.Index + dag.ValidityWindow)
	}
	return 0, 0, dag.Ref{}
}

func (p *pool) add(item *dag.Item, w waiter) bool {
	if p.items+1 > p.limits.Items || p.bytes+len(item.Raw) > p.limits.Bytes {
		return false
	}
	e := &entry{item: *item, waiters: []waiter{w}}
	if item.Kind == dag.KindSealed {
		p.sealed = append(p.sealed, e)
	} else {
		p.queue = append(p.queue, e)
	}
	p.count(e)
	return true
}

func (p *pool) count(e *entry) {
	p.waiting[e.item.ID] = e
	p.items++
	p.bytes += len(e.item.Raw)
}

func (p *pool) uncount(e *entry) {
	delete(p.waiting, e.item.ID)
	p.items--
	p.bytes -= len(e.item.Raw)
}

// takeItems fills a block with the oldest waiting items and returns their entries: what comes back from
// collected blocks first, then sealed items, which take half of it at most while others wait, then the
// others.
func (e *Engine) takeItems() (items []dag.Item, taken []*entry) {
	t := taking{sealed: dag.MaxSealedItems(e.cfg.Committee.Size())}
	e.takeFrom(&e.pool.resume, &t, dag.MaxPayloadBytes)
	half := dag.MaxPayloadBytes
	if len(e.pool.queue) > 0 {
		half /= 2
	}
	e.takeFrom(&e.pool.sealed, &t, half)
	e.takeFrom(&e.pool.queue, &t, dag.MaxPayloadBytes)
	return t.items, t.entries
}

// taking is the payload of a block in the making.
type taking struct {
	items   []dag.Item
	entries []*entry
	bytes   int
	sealed  int // how many more sealed items may come in
}

// takeFrom takes entries off the front of a list until a limit is reached. Items that have been committed
// through another validator or have expired meanwhile are answered instead.
func (e *Engine) takeFrom(list *[]*entry, t *taking, bytes int) {
	for len(*list) > 0 && len(t.items) < dag.MaxItems {
		next := (*list)[0]
		sealed := next.item.Kind == dag.KindSealed
		if t.bytes+len(next.item.Raw) > bytes || (sealed && t.sealed == 0) {
			return
		}
		e.pool.popFrom(list)
		if at, known := e.seen.has(next.item.ID); known {
			e.answer(next, Committed, at, dag.Ref{})
			continue
		}
		if next.item.ValidUntil <= e.head.Index {
			e.answer(next, Expired, 0, dag.Ref{})
			continue
		}
		if sealed {
			t.sealed--
		}
		t.bytes += len(next.item.Raw)
		t.items, t.entries = append(t.items, next.item), append(t.entries, next)
	}
}

func (e *Engine) answer(n *entry, state OutcomeState, at dag.CommitIndex, block dag.Ref) {
	for _, w := range n.waiters {
		e.ready.Outcomes = append(e.ready.Outcomes, Outcome{
			Ticket: w.ticket, Index: w.index, ID: n.item.ID, State: state, Commit: at, Block: block,
		})
	}
}

func (p *pool) popFrom(list *[]*entry) {
	p.uncount((*list)[0])
	(*list)[0] = nil
	*list = (*list)[1:]
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
			p.resume = append(p.resume, e)
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
	for _, list := range []*[]*entry{&e.pool.queue, &e.pool.sealed} {
		for ; len(*list) > 0 && left > 0; left-- {
			next := (*list)[0]
			e.pool.popFrom(list)
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
	default:
		return DropMalformed
	}
}

// busy reports whether anybody waits for a round.
func (e *Engine) busy() bool {
	return e.pool.items > 0 || len(e.unordered) > 0 || e.sealing.saysMore()
}

// pace is the least time between own blocks now.
func (e *Engine) pace() time.Duration {
	if e.busy() {
		return e.cfg.Timing.RoundFloor
	}
	return e.cfg.Timing.KeepAlive
}
