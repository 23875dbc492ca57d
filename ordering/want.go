package ordering

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// Limits of what is asked for by name.
const (
	// MaxFetchRefs is how many blocks one Fetch may name.
	MaxFetchRefs = 1000
	// minQuota is how many missing blocks one member can make the node track; in a large committee it
	// is quotaRounds whole rounds. What one member makes up keeps out nothing that another refers to.
	minQuota    = 256
	quotaRounds = 4
	// strangersQuota is the same for all strangers together, of whom an observer may know nobody else.
	strangersQuota = 16 << 10
	// maxStrangers is how many strangers are remembered as holding one missing block, the latest ones.
	maxStrangers = 4
	// maxFlights is at how many peers at once one block is asked for: each has let the ones before wait.
	// With f+1 among them, one is honest.
	maxFlights = 8
	// fetchLater is when to look again at a block that nobody can be asked for now.
	fetchLater = 100 * time.Millisecond
	// fetchTick is how far apart two looks at what is due are: what falls due together is asked for together.
	fetchTick = 5 * time.Millisecond
	// maxBackoff is how often the pause between turns doubles.
	maxBackoff = 6
	// never is later than every time.
	never = time.Duration(1<<63 - 1)
)

// want is one missing block: who should have it, and who has been asked.
type want struct {
	hint      bool          // a frontier named it; no block refers to it yet
	owner     int           // whose quota it counts in
	sources   dag.AuthorSet // members that sent what refers to it: an honest one has it
	strangers []Peer        // the same among others
	asked     dag.AuthorSet // members that were asked in this turn
	asking    []Peer        // who is asked now
	tried     int
	turn      int  // how often all sources have been asked in vain
	strayed   bool // a member that is no source was asked in this turn
	due       time.Duration
}

// wants is all missing blocks that are asked for by name.
type wants struct {
	members int
	blocks  map[dag.Ref]*want
	tracked []int         // how many in whose quota: by member, then all strangers
	lookAt  time.Duration // nothing is due before; never where nothing is wanted
	looked  time.Duration // the last look
}

func newWants(members int) wants {
	return wants{members: members, blocks: make(map[dag.Ref]*want), tracked: make([]int, members+1), lookAt: never}
}

// MaxWanted is how many missing blocks an engine of n validators tracks at most.
func MaxWanted(n int) int { return n*max(minQuota, quotaRounds*n) + strangersQuota }

// owner is the quota that a peer's references count in.
func (t *wants) owner(p Peer) int { return min(int(p), t.members) }

func (t *wants) quota(owner int) int {
	if owner == t.members {
		return strangersQuota
	}
	return max(minQuota, quotaRounds*t.members)
}

// track begins to want a block on the word of p; nil if p's quota does not allow it. Frontiers may use
// half of a quota: what they name may not exist, and must not keep out what blocks refer to.
func (t *wants) track(r dag.Ref, p Peer, hint bool, now time.Duration) *want {
	owner := t.owner(p)
	limit := t.quota(owner)
	if hint {
		limit /= 2
	}
	if t.tracked[owner] >= limit {
		t.dueAt(max(now, t.looked+fetchLater)) // some may be held by now
		return nil
	}
	w := &want{hint: hint, owner: owner, due: now}
	t.blocks[r] = w
	t.tracked[owner]++
	return w
}

func (t *wants) drop(r dag.Ref) {
	t.tracked[t.blocks[r].owner]--
	delete(t.blocks, r)
}

// dueAt makes sure that the next look is not later.
func (t *wants) dueAt(at time.Duration) { t.lookAt = min(t.lookAt, max(at, t.looked+fetchTick)) }

// mention notes that p has sent something that refers to the block. Whoever was asked before it had
// the block may have it now.
func (w *want) mention(p Peer, members int, now time.Duration) {
	if int(p) >= members {
		if i := slices.Index(w.strangers, p); i >= 0 {
			w.strangers = slices.Delete(w.strangers, i, i+1)
		} else {
			w.due = now
		}
		if len(w.strangers) == maxStrangers {
			w.strangers = slices.Delete(w.strangers, 0, 1)
		}
		w.strangers = append(w.strangers, p)
		return
	}
	if a := dag.Author(p); !w.sources.Has(a) {
		w.sources.Add(a)
		w.asked.Remove(a)
		w.due = now
	}
}

// again begins a new turn.
func (w *want) again() { w.turn, w.asked, w.strayed = w.turn+1, dag.AuthorSet{}, false }

// ask notes that p is asked.
func (w *want) ask(p Peer, members int) {
	w.asking = append(w.asking, p)
	w.tried++
	if int(p) < members {
		w.asked.Add(dag.Author(p))
	}
}

// want notes missing blocks that from must have, since it sent what refers to them.
func (e *Engine) want(missing []dag.Ref, from Peer) {
	t := &e.sync.wants
	for _, r := range missing {
		w := t.blocks[r]
		if w == nil {
			if w = t.track(r, from, false, e.now); w == nil {
				continue
			}
		}
		w.hint = false
		w.mention(from, t.members, e.now)
		t.dueAt(w.due + e.grace(w))
	}
}

// wantAgain notes what waiting blocks refer to and nobody asks for any more: a block that came, waited
// for its own ancestors and had to make room for lower ones.
func (e *Engine) wantAgain() {
	t := &e.sync.wants
	for _, r := range e.graph.Wanted() {
		if t.blocks[r] != nil {
			continue
		}
		if t.track(r, FirstStranger, false, e.now) == nil {
			return
		}
		t.dueAt(e.now)
	}
}

// fetchWanted asks for the single blocks that are due, oldest first, many in one question.
func (e *Engine) fetchWanted() {
	s, t := &e.sync, &e.sync.wants
	if e.now < t.lookAt {
		return
	}
	t.looked, t.lookAt = e.now, never
	batches := make(map[Peer][]dag.Ref)
	var order []Peer
	for _, r := range e.dueNow() {
		w := t.blocks[r]
		p, ok := s.source(r, w)
		far := len(s.spans.list) > 0 && r.Round > e.graph.Clock()+catchUpLag // a run of rounds will bring it
		if !ok || far || len(batches[p]) >= MaxFetchRefs {
			w.due = e.now + fetchLater
			t.dueAt(w.due)
			continue
		}
		if batches[p] == nil {
			order = append(order, p)
		}
		batches[p] = append(batches[p], r)
		for _, waiting := range w.asking {
			s.late(waiting, e.now)
		}
		w.ask(p, t.members)
		w.due = e.now + min(e.cfg.Timing.FetchPatience<<min(len(w.asking)-1, maxBackoff), e.cfg.Timing.FetchRetry)
		if len(w.asking) < e.flights() {
			t.dueAt(w.due)
		}
	}
	for _, p := range order {
		e.fetch(Fetch{To: p, Refs: batches[p]})
	}
}

// dueNow lists the wanted blocks to ask for now, oldest first, and forgets those that are not wanted
// any more.
func (e *Engine) dueNow() []dag.Ref {
	t := &e.sync.wants
	var due []dag.Ref
	for r, w := range t.blocks {
		switch {
		case r.Round <= e.graph.Floor() || e.graph.Get(r) != nil || (!w.hint && len(w.asking) == 0 && !e.graph.Wants(r)):
			t.drop(r)
		case w.tried > 0 && mutant.Planted(mutant.FetchOnce), len(w.asking) >= e.flights():
		case w.due+e.grace(w) <= e.now:
			due = append(due, r)
		default:
			t.dueAt(w.due + e.grace(w))
		}
	}
	slices.SortFunc(due, dag.Ref.Compare)
	return due
}

// flights is at how many peers at once one block is asked for.
func (e *Engine) flights() int { return min(max(2, e.cfg.Committee.Validity()), maxFlights) }

// grace is how long a block that was just found missing may still be on its way by push.
func (e *Engine) grace(w *want) time.Duration {
	if w.tried == 0 && !w.hint {
		return e.cfg.Timing.FetchGrace
	}
	return 0
}

// answered notes that p's answer to a question for r is over. Where r has not come, the next source
// is asked at once, and after the last of them all again, after a pause that grows.
func (e *Engine) answered(r dag.Ref, p Peer) {
	t := &e.sync.wants
	w := t.blocks[r]
	if w == nil {
		return
	}
	w.asking = slices.DeleteFunc(w.asking, func(o Peer) bool { return o == p })
	switch {
	case w.hint:
		t.drop(r) // nothing refers to it: one try is enough
		return
	case e.sync.sourceLeft(w):
		w.due = e.now
	case len(w.asking) == 0:
		pause := min(e.cfg.Timing.FetchGrace<<min(w.turn, maxBackoff), e.cfg.Timing.FetchRetry)
		w.again()
		w.due = roundUp(e.now+pause, pause/4)
	}
	t.dueAt(w.due)
}

// roundUp is the next multiple of step.
func roundUp(t, step time.Duration) time.Duration { return (t + step - 1) / step * step }
