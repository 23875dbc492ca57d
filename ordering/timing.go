package ordering

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
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
			e.proposer.spread.add(e.now - at)
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

// spread adapts the wait for anchors to twice the 99th percentile of how long after the quorum
// their blocks arrive.
type spread struct {
	samples []time.Duration
	wait    time.Duration
	floor   time.Duration
	ceil    time.Duration
}

func (s *spread) add(d time.Duration) {
	if d > s.ceil {
		return // no wait would have covered it
	}
	if s.samples = append(s.samples, d); len(s.samples) < spreadSamples {
		return
	}
	slices.Sort(s.samples)
	s.wait = min(max(2*s.samples[len(s.samples)*99/100], s.floor), s.ceil)
	s.samples = s.samples[:0]
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
	for _, w := range e.sync.wanted {
		if len(w.asking) < maxFlights && (w.tried == 0 || !mutant.Planted(mutant.FetchOnce)) {
			at = min(at, w.due+e.grace(w))
		}
	}
	return max(at, e.now+1)
}
