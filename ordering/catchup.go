package ordering

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// Limits of catching up. A node far behind asks several peers for different runs of rounds at once. What
// comes out of turn is held: memory is bounded by these limits and does not grow with the gap.
const (
	// catchUpLag is how many rounds behind a node asks for whole rounds instead of single blocks.
	catchUpLag = 30
	// catchUpSpan is how many rounds one such question covers at most.
	catchUpSpan = 400
	// firstSpan is how many the first ones cover, as long as the size of the rounds is not known.
	firstSpan = 64
	// minSpan is how few a question covers where rounds are large.
	minSpan = 4
	// maxSpans is how many runs of rounds are asked for, held or left over at once.
	maxSpans = 16
	// maxSpansPerPeer is how many of them one peer is asked for at a time: one on its way while the next
	// is being read.
	maxSpansPerPeer = 2
	// answerBytes is how much one answer holds at most, encoded; p2p sees to it.
	answerBytes = 4 << 20
	// maxHeldBytes bounds what is held and may still come for runs above the lowest: six full answers.
	maxHeldBytes = 6 * answerBytes
	// feedAhead is how many rounds above the clock held blocks go into the DAG; the DAG lets fewer than
	// this and liveAhead together wait for ancestors.
	feedAhead = 50
	// feedBytes is how much of what is held goes into the DAG in one Ready.
	feedBytes = answerBytes
	// liveAhead is how many rounds above the clock blocks are taken that were not asked for, while the
	// node is farther behind than that.
	liveAhead = 150
	// flightAges is how many FetchRetry an answer that others wait for may take while blocks arrive.
	flightAges = 4
)

// arranged sees to a block that does not go into the DAG now: one that was asked for ahead of its turn
// is held, and one that was not asked for and is far ahead of a node far behind is left out. Its author's
// round has been noted, and whole rounds will bring it.
func (e *Engine) arranged(ev BlockReceived) bool {
	s, r := &e.sync.spans, ev.Block.Round()
	for _, sp := range s.list {
		if !sp.awaits(r, ev.From) {
			continue
		}
		if !sp.note(ev, e.now) {
			return true
		}
		if r <= e.graph.Clock()+feedAhead {
			return false
		}
		if size := len(ev.Block.Bytes()); s.held+size <= maxHeldBytes {
			l := sp.layer(r)
			l.held = append(l.held, ev)
			s.held += size
		} else {
			sp.layer(r).authors.Remove(ev.Block.Author()) // it did not come
		}
		return true
	}
	if r <= e.graph.Clock()+liveAhead || e.behind() <= liveAhead {
		return false
	}
	w := e.sync.wants.blocks[ev.Block.Ref()]
	return w == nil || !slices.Contains(w.asking, ev.From)
}

// feed puts held blocks into the DAG whose turn has come, as many as one Ready bears.
func (e *Engine) feed() {
	s := &e.sync.spans
	fed := 0
	for _, sp := range s.list {
		for i := range sp.layers {
			if l := &sp.layers[i]; len(l.held) > 0 {
				if sp.from+dag.Round(i) > e.graph.Clock()+feedAhead || fed >= feedBytes {
					return
				}
				for _, ev := range l.held {
					fed += len(ev.Block.Bytes())
					s.held -= len(ev.Block.Bytes())
					e.enter(ev)
				}
				l.held = nil
			}
		}
	}
}

// goal is the newest round to ask for: one that f+1 authors have reached, or what one peer claims, which
// only that peer is asked for. It is 0 while the node is near enough to the others.
func (e *Engine) goal() (to dag.Round, claimed bool) {
	clock := e.graph.Clock()
	if behind := e.behind(); behind > catchUpLag {
		return clock + behind - 1, false
	}
	if e.sync.ahead > clock+catchUpLag {
		return e.sync.ahead, true
	}
	return 0, false
}

// catchUp asks for runs of rounds while the node is far behind, and goes on with those under way.
func (e *Engine) catchUp() {
	s := &e.sync.spans
	s.wake = never
	for len(s.list) > 0 && s.list[0].to < e.graph.Clock() {
		s.held -= s.list[0].drop(0)
		s.grow(s.list[0]) // often before its answer has ended
		s.list = s.list[1:]
	}
	for i := 0; i < len(s.list); i++ {
		switch sp := s.list[i]; {
		case sp.answered:
		case len(sp.flights) == 0:
			e.begin(i)
		default:
			e.hurry(sp, i)
		}
	}
	if to, claimed := e.goal(); to > 0 {
		for e.extend(to, claimed) && e.begin(len(s.list)-1) { // as far as peers and limits allow
		}
	}
	if s.fedLater(e.graph.Clock() + feedAhead) {
		s.wake = e.now
	}
}

// extend adds the next run of rounds below the goal, and reports whether there is one to add. A claim is one
// peer's word: one run at a time.
func (e *Engine) extend(goal dag.Round, claimed bool) bool {
	s := &e.sync.spans
	next := e.graph.Clock()
	if n := len(s.list); n > 0 {
		last := s.list[n-1]
		if waits := len(last.flights) == 0 && !last.answered; waits || claimed || n >= maxSpans {
			return false
		}
		next = last.to + 1
	}
	if next > goal {
		return false
	}
	s.list = append(s.list, newSpan(next, min(next+s.size-1, goal)))
	return true
}

// begin asks a peer for a run that nobody is asked for, and reports whether there was one to ask. All but the
// lowest run need room for what they bring.
func (e *Engine) begin(i int) bool {
	s := &e.sync.spans
	sp := s.list[i]
	if i > 0 && s.held+(s.flying()+1)*answerBytes > maxHeldBytes {
		return false
	}
	p, ok := e.spanPeer(sp)
	if !ok {
		return false
	}
	if rest := sp.from + s.size; sp.to >= rest && len(s.list) < maxSpans {
		s.list = slices.Insert(s.list, i+1, newSpan(rest, sp.to))
		sp.to = rest - 1
	}
	e.askSpan(sp, p)
	return true
}

// hurry asks a second peer for a run on which the first lets the node wait.
func (e *Engine) hurry(sp *span, i int) {
	s := &e.sync.spans
	due := sp.heard + e.cfg.Timing.FetchRetry
	if i == 0 { // all others wait for it
		due = min(due, sp.asked+flightAges*e.cfg.Timing.FetchRetry)
	}
	if len(sp.flights) > 1 {
		return
	}
	if e.now < due {
		s.wake = min(s.wake, due)
		return
	}
	first := sp.flights[0].to
	e.sync.late(first, e.now)
	if !slices.Contains(sp.tried, first) {
		sp.tried = append(sp.tried, first)
	}
	if p, ok := e.spanPeer(sp); ok && p != first {
		e.askSpan(sp, p)
		return
	}
	s.wake = min(s.wake, e.now+fetchLater)
}

// spanPeer is whom to ask for a run: the one who claims the rounds, then members in turn, then others.
func (e *Engine) spanPeer(sp *span) (Peer, bool) {
	s := &e.sync
	if s.ahead >= sp.from && s.ahead > e.graph.Clock()+catchUpLag && e.behind() <= catchUpLag && s.free(s.aheadOf) {
		return s.aheadOf, e.rested(s.aheadOf)
	}
	may := func(p Peer) bool {
		return !slices.Contains(sp.tried, p) && s.spansAt(p) < maxSpansPerPeer && e.rested(p)
	}
	s.turn++
	if p, ok := s.members(s.turn, may); ok {
		return p, true
	}
	for i := range s.strangers {
		if p := s.strangers[(s.turn+i)%len(s.strangers)]; s.free(p) && may(p) {
			return p, true
		}
	}
	if len(sp.tried) > 0 && len(sp.flights) == 0 {
		sp.tried = nil
		s.spans.wake = min(s.spans.wake, e.now+fetchLater)
	}
	return 0, false
}

// rested reports whether a peer may be asked for rounds again, and notes when it may.
func (e *Engine) rested(p Peer) bool {
	s := &e.sync.spans
	until := s.rests[p]
	if until > e.now {
		s.wake = min(s.wake, until)
		return false
	}
	delete(s.rests, p)
	return true
}

// spansAt is how many runs a peer is asked for.
func (s *synchroniser) spansAt(p Peer) (n int) {
	for _, sp := range s.spans.list {
		for _, f := range sp.flights {
			if f.to == p {
				n++
			}
		}
	}
	return n
}

func (e *Engine) askSpan(sp *span, p Peer) {
	id := e.fetch(Fetch{To: p, FromRound: sp.from, ToRound: sp.to})
	sp.flights = append(sp.flights, flight{id, p})
	sp.heard, sp.asked = e.now, e.now
	e.sync.spans.wake = min(e.sync.spans.wake, e.now+e.cfg.Timing.FetchRetry)
}

// spanEnded takes the end of an answer, if it was for a run. What is not there is left to
// another peer.
func (e *Engine) spanEnded(f Fetch) {
	s := &e.sync.spans
	i := slices.IndexFunc(s.list, func(sp *span) bool {
		return slices.ContainsFunc(sp.flights, func(o flight) bool { return o.id == f.ID })
	})
	if i < 0 {
		return
	}
	sp := s.list[i]
	sp.flights = slices.DeleteFunc(sp.flights, func(o flight) bool { return o.id == f.ID })
	next := sp.whole(e.cfg.Committee.Quorum())
	switch {
	case next > sp.to:
		sp.flights = nil
		s.grow(sp)
	case len(sp.flights) > 0:
	case next == sp.from:
		e.empty(sp, i, f.To)
	default:
		e.short(i, next, f.To)
	}
	if f.To == e.sync.aheadOf {
		e.sync.ahead = 0 // what came of the claim has been noted by author
	}
}

// empty notes that a peer has nothing of a run. At the end of the list there may be nothing more.
func (e *Engine) empty(sp *span, i int, p Peer) {
	s := &e.sync.spans
	s.rests[p] = e.now + fetchLater
	sp.tried = append(sp.tried, p)
	if to, claimed := e.goal(); i == len(s.list)-1 && (to < sp.from+catchUpLag || claimed) {
		s.list = s.list[:i]
	}
}

// short splits a run that came in part. A peer that had room for more and is not near the newest round
// has not given what it must have.
func (e *Engine) short(i int, next dag.Round, p Peer) {
	s := &e.sync.spans
	sp := s.list[i]
	s.held -= sp.drop(next)
	rest := newSpan(next, sp.to)
	sp.to, sp.layers, sp.answered = next-1, sp.layers[:next-sp.from], true
	to, _ := e.goal()
	last := i == len(s.list)-1 && to < next+catchUpLag
	if sp.bytes < answerBytes/2 {
		rest.tried = []Peer{p}
		if !last {
			e.sync.late(p, e.now)
		}
	} else {
		s.size = max(next-sp.from, minSpan)
	}
	if last {
		return // near the newest round blocks come by name
	}
	if s.list = slices.Insert(s.list, i+1, rest); len(s.list) > 2*maxSpans {
		s.held -= s.list[2*maxSpans].drop(0) // many short answers: the rest is asked for later
		s.list = s.list[:2*maxSpans]
	}
}

// restartSpans gives up what is under way where the round does not move: the lowest run is asked for
// again, by its blocks' names or elsewhere.
func (e *Engine) restartSpans() {
	s := &e.sync.spans
	if len(s.list) > 0 && s.list[0].answered {
		s.held -= s.list[0].drop(0)
		s.list[0] = newSpan(max(s.list[0].from, e.graph.Clock()), s.list[0].to)
	}
}
