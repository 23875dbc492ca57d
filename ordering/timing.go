package ordering

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// Timing is the pace of an engine. The zero value of a field stands for its default.
type Timing struct {
	RoundFloor    time.Duration // least time between own blocks under load; 10 ms
	KeepAlive     time.Duration // time between own blocks while nobody waits for anything; 100 ms
	AnchorWait    time.Duration // first wait for anchors after a quorum, before it adapts; 250 ms
	AnchorFloor   time.Duration // least wait for anchors; 50 ms
	AnchorCeil    time.Duration // longest wait for anchors; 1 s
	FetchGrace    time.Duration // how long a missing block may still be on its way; 20 ms
	FetchPatience time.Duration // how long one peer may take with a block before another is asked, at first; 250 ms
	FetchRetry    time.Duration // longest time until a missing block is asked for again elsewhere; 1 s
	StallAfter    time.Duration // without a new round for so long, the node says again what it has; 1 s
	ShareWait     time.Duration // how long an own block waits for the shares of the newest commit; 5 ms
	RestartRetry  time.Duration // time between questions for the own newest block; 500 ms
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.RoundFloor, 10*time.Millisecond)
	set(&t.KeepAlive, 100*time.Millisecond)
	set(&t.AnchorWait, 250*time.Millisecond)
	set(&t.AnchorFloor, 50*time.Millisecond)
	set(&t.AnchorCeil, time.Second)
	set(&t.FetchGrace, 20*time.Millisecond)
	set(&t.FetchPatience, 250*time.Millisecond)
	set(&t.FetchRetry, time.Second)
	set(&t.StallAfter, time.Second)
	set(&t.ShareWait, 5*time.Millisecond)
	set(&t.RestartRetry, 500*time.Millisecond)
	return t
}

// roundMarks is when a quorum of each round above the floor was reached here.
type roundMarks map[dag.Round]time.Duration

// accepted notes a quorum, and how long after the quorum an anchor's block came.
func (m roundMarks) accepted(e *Engine, v *dag.Vertex) {
	r := v.Round()
	authors := e.graph.Authors(r)
	switch at, reached := m[r]; {
	case reached:
		if e.now > 0 && e.graph.Clock() <= r+2 && slices.Contains(e.scores.active, v.Author()) {
			e.proposer.spread.add(arrival{v.Author(), e.now - at})
		}
		e.forgive(v, e.now-at)
	case authors.Len() >= e.cfg.Committee.Quorum():
		m[r] = e.now
		e.sync.progress = e.now
	}
}

// forgive takes a miss back where the block came within the wait that its author would have been
// given. Whoever is not waited for is rarely there before the own block: without this some would
// leave it out for ever and others not, which keeps its slots undecided.
func (e *Engine) forgive(v *dag.Vertex, late time.Duration) {
	if p := &e.proposer; p.last.Round > v.Round() && late <= p.spread.wait {
		p.missed[v.Author()] = max(0, p.missed[v.Author()]-missWeight-1)
	}
}

func (m roundMarks) collect(floor dag.Round) {
	for r := range m {
		if r <= floor {
			delete(m, r)
		}
	}
}

// spreadSamples is how many late arrivals one adaptation of the wait looks at.
const spreadSamples = 128

// latestFactor is how far the f latest authors can stretch the wait beyond what suits the others.
const latestFactor = 2

// spread adapts the wait for anchors to twice the 99th percentile of how long after the quorum
// their blocks arrive. The f authors that come latest count within limits: without them the slots of
// distant validators stay undecided, and without limits f adversaries choose how long everybody waits.
type spread struct {
	samples []arrival
	wait    time.Duration
	floor   time.Duration
	ceil    time.Duration
	faults  int // f
}

// arrival is a block that came after the quorum of its round.
type arrival struct {
	author dag.Author
	late   time.Duration
}

func (s *spread) add(a arrival) {
	if a.late > s.ceil {
		return // no wait would have covered it
	}
	if s.samples = append(s.samples, a); len(s.samples) < spreadSamples {
		return
	}
	latest := s.latest()
	var all, timely []time.Duration
	for _, a := range s.samples {
		all = append(all, a.late)
		if !latest.Has(a.author) {
			timely = append(timely, a.late)
		}
	}
	s.wait = min(s.covers(all), latestFactor*s.covers(timely))
	s.samples = s.samples[:0]
}

// covers is the wait that suits some arrivals.
func (s *spread) covers(late []time.Duration) time.Duration {
	if len(late) == 0 {
		return s.floor
	}
	slices.Sort(late)
	return min(max(2*late[len(late)*99/100], s.floor), s.ceil)
}

// latest is the f authors whose blocks come latest in the mean.
func (s *spread) latest() dag.AuthorSet {
	type mean struct {
		author dag.Author
		sum    time.Duration
		n      int
	}
	means := make(map[dag.Author]mean)
	for _, a := range s.samples {
		m := means[a.author]
		means[a.author] = mean{a.author, m.sum + a.late, m.n + 1}
	}
	order := slices.SortedFunc(maps.Values(means), func(a, b mean) int {
		return cmp.Or(cmp.Compare(b.sum/time.Duration(b.n), a.sum/time.Duration(a.n)), cmp.Compare(a.author, b.author))
	})
	var out dag.AuthorSet
	for _, m := range order[:min(s.faults, len(order))] {
		out.Add(m.author)
	}
	return out
}

// wakeAt is when something becomes due without an event.
func (e *Engine) wakeAt() time.Duration {
	if e.fault != nil {
		return 0
	}
	at := max(e.sync.progress, e.sync.stalled) + e.cfg.Timing.StallAfter
	if propose, ok := e.proposeAt(); ok {
		at = min(at, propose)
	}
	if e.restart.asking() {
		at = min(at, e.restart.asked+e.cfg.Timing.RestartRetry)
	}
	at = min(at, e.sync.wants.lookAt, e.sync.spans.wake)
	return max(at, e.now+1)
}
