package ordering

import (
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// Nobody waits for an author whose misses weigh maxMissed or more. A round without its block in time
// weighs missWeight, a round with it takes one off: an author that leaves out every second round
// would otherwise make everybody wait in each of them. It is a local choice without effect on
// safety.
const (
	maxMissed  = 3
	missWeight = 2
)

// proposer is what making own blocks needs to remember.
type proposer struct {
	last     dag.Ref       // newest own block; genesis at the start
	lastAt   time.Duration // when it was made
	notBelow dag.Round     // first round allowed after a lost log
	cited    []dag.Round   // per author: the newest round that the own chain refers to
	missed   []int         // per author: the weight of its misses, at most 2*maxMissed
	exposed  dag.AuthorSet // authors caught in equivocation: neither cited nor waited for
	spread   spread
	diskFull bool
}

func newProposer(cfg Config) proposer {
	n := cfg.Committee.Size()
	p := proposer{
		cited: make([]dag.Round, n), missed: make([]int, n),
		spread: spread{
			wait: cfg.Timing.AnchorWait, floor: cfg.Timing.AnchorFloor, ceil: cfg.Timing.AnchorCeil, faults: cfg.Committee.Faults(),
		},
	}
	if cfg.Self != Observer {
		p.last = cfg.Committee.Genesis(cfg.Self)
	}
	return p
}

// nextRound is the round of the next own block. No round is skipped, since validators that jump
// allow an endless run without commits (Qiu, Xiao, Shao: IEEE S&P 2026), but for rounds that are
// decided, and after a lost log. A round above the newest decided one is made up for at once, without
// waiting: whoever skipped it to wait for the anchors of the present round could wait behind the
// others for ever.
func (e *Engine) nextRound() dag.Round {
	decided := min(e.committer.Decided()+1, e.graph.Clock())
	if mutant.Planted(mutant.SkipOwnRounds) {
		decided = e.graph.Clock()
	}
	return max(e.proposer.last.Round+1, decided, e.proposer.notBelow)
}

// proposeAt is when the next own block may be made; ok is false while that hangs on an event.
func (e *Engine) proposeAt() (at time.Duration, ok bool) {
	if e.notProposing() != "" {
		return 0, false
	}
	next := e.nextRound()
	authors := e.graph.Authors(next - 1)
	own := e.proposer.last
	switch {
	case authors.Len() < e.cfg.Committee.Quorum():
		return 0, false
	case own.Round > e.graph.Floor() && e.graph.Get(own) == nil:
		return 0, false // the own newest block waits for its ancestors
	case e.graph.Clock() > next:
		return e.now, true // others have gone on: catch up without waiting
	}
	at = max(e.proposer.lastAt+e.pace(), e.holdUntil())
	if !e.anchorsHeld(next - 1) {
		if mutant.Planted(mutant.WaitForever) {
			return 0, false
		}
		at = max(at, e.marks[next-1]+e.proposer.spread.wait)
	}
	return at, true
}

// anchorsHeld reports whether the blocks of all anchor slots of r are held, of authors that are
// worth waiting for.
func (e *Engine) anchorsHeld(r dag.Round) bool {
	authors := e.graph.Authors(r)
	for _, a := range e.scores.active {
		if a != e.cfg.Self && !authors.Has(a) && e.proposer.missed[a] < maxMissed && !e.proposer.exposed.Has(a) {
			return false
		}
	}
	return true
}

// propose makes the next own block if its time has come, and reports whether it did.
func (e *Engine) propose() bool {
	at, ok := e.proposeAt()
	if !ok || at > e.now {
		return false
	}
	next := e.nextRound()
	items, taken := e.takeItems()
	b, err := dag.Seal(e.cfg.Committee, dag.Block{
		Epoch: e.cfg.Committee.Epoch(), Round: next, Author: e.cfg.Self, Time: e.wall,
		LastCommit: e.head, Parents: e.parents(next), System: e.system(next), Items: items,
	}, e.cfg.Signer)
	if err != nil {
		panic(fmt.Sprintf("ordering: own block breaks the rules of validity: %v", err))
	}
	e.noteArrivals(next - 1)
	for _, p := range b.Block().Parents {
		e.proposer.cited[p.Author] = max(e.proposer.cited[p.Author], p.Round)
	}
	e.proposer.last, e.proposer.lastAt = b.Ref(), e.now
	e.pool.included(b)
	for _, t := range taken {
		e.answer(t, Included, 0, b.Ref())
	}
	e.joined(e.graph.Add(b, uint32(e.cfg.Self)))
	e.ready.Broadcast = append(e.ready.Broadcast, b)
	return true
}

// parents are the own newest block, then the blocks of the round before in their order of arrival,
// then of everybody else the newest older block that the own chain has not referred to: such weak
// references are what gets a late block ordered at all. Of twins the first to arrive is cited.
// Authors caught in equivocation are cited only where there is no quorum without them.
func (e *Engine) parents(next dag.Round) []dag.Ref {
	refs := []dag.Ref{e.proposer.last}
	var cited dag.AuthorSet
	cited.Add(e.cfg.Self)
	strong := 0
	if e.proposer.last.Round == next-1 {
		strong = 1
	}
	if next == 1 {
		for a := range dag.Author(e.cfg.Committee.Size()) {
			if a != e.cfg.Self {
				refs = append(refs, e.cfg.Committee.Genesis(a))
			}
		}
		return refs
	}
	for _, v := range e.graph.Arrived(next - 1) {
		if (!cited.Has(v.Author()) && !e.proposer.exposed.Has(v.Author())) || mutant.Planted(mutant.CiteBothTwins) {
			cited.Add(v.Author())
			refs = append(refs, v.Ref())
			strong++
		}
	}
	for _, v := range e.graph.Arrived(next - 1) {
		if strong < e.cfg.Committee.Quorum() && !cited.Has(v.Author()) {
			cited.Add(v.Author())
			refs = append(refs, v.Ref())
			strong++
		}
	}
	for a := range dag.Author(e.cfg.Committee.Size()) {
		if cited.Has(a) || e.proposer.exposed.Has(a) {
			continue
		}
		if v := e.newestBelow(a, next-1); v != nil {
			refs = append(refs, v.Ref())
		}
	}
	return refs
}

// newestBelow is a's newest block below round r that the own chain has not referred to.
func (e *Engine) newestBelow(a dag.Author, r dag.Round) *dag.Vertex {
	lowest := max(e.proposer.cited[a], e.graph.Floor())
	if mutant.Planted(mutant.CiteNoWeak) {
		return nil
	}
	for r--; r > lowest; r-- {
		if at := e.graph.At(dag.Slot{Round: r, Author: a}); len(at) > 0 {
			return at[0]
		}
	}
	return nil
}

// noteArrivals counts who was in time for round r, just before the own block that builds on it.
func (e *Engine) noteArrivals(r dag.Round) {
	authors := e.graph.Authors(r)
	for a := range e.proposer.missed {
		if authors.Has(dag.Author(a)) {
			e.proposer.missed[a] = max(0, e.proposer.missed[a]-1)
		} else {
			e.proposer.missed[a] = min(e.proposer.missed[a]+missWeight, 2*maxMissed)
		}
	}
}
