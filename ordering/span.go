package ordering

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// spans is the runs of rounds that a node far behind asks for, in order and without gaps between them.
type spans struct {
	list  []*span
	size  dag.Round              // how many rounds the next question covers
	held  int                    // bytes of all blocks that are held
	rests map[Peer]time.Duration // until when a peer that had nothing is not asked
	wake  time.Duration          // when to look again; never for no wish
}

// span is one run of rounds. It is asked of one peer, and of a second one if the first lets the node
// wait. What is missing at its end becomes a span of its own, for somebody else.
type span struct {
	from, to dag.Round
	layers   []spanLayer // by round, from on
	flights  []flight
	tried    []Peer // in vain, or late
	bytes    int    // that came
	heard    time.Duration
	asked    time.Duration
	answered bool
}

// spanLayer is what has come of one round.
type spanLayer struct {
	authors dag.AuthorSet
	held    []BlockReceived
}

// flight is a question under way.
type flight struct {
	id uint64
	to Peer
}

func newSpans() spans {
	return spans{size: firstSpan, rests: make(map[Peer]time.Duration), wake: never}
}

func newSpan(from, to dag.Round) *span { return &span{from: from, to: to} }

// awaits reports whether p was asked for a round by this span.
func (s *span) awaits(r dag.Round, p Peer) bool {
	return r >= s.from && r <= s.to && slices.ContainsFunc(s.flights, func(f flight) bool { return f.to == p })
}

// note counts a block that came for the span; false if it came before.
func (s *span) note(ev BlockReceived, now time.Duration) bool {
	if s.layers == nil {
		s.layers = make([]spanLayer, s.to-s.from+1)
	}
	l := s.layer(ev.Block.Round())
	if slices.ContainsFunc(l.held, func(o BlockReceived) bool { return o.Block.Ref() == ev.Block.Ref() }) {
		return false
	}
	l.authors.Add(ev.Block.Author())
	s.bytes += len(ev.Block.Bytes())
	s.heard = now
	return true
}

func (s *span) layer(r dag.Round) *spanLayer { return &s.layers[r-s.from] }

// whole is the first round that is not there: one without blocks of a quorum, which no round in the past
// is. Of the first round any block will do: what is missing in it, the next ones refer to.
func (s *span) whole(quorum int) dag.Round {
	for i := range s.layers {
		if n := s.layers[i].authors.Len(); n < quorum && (i > 0 || n == 0) {
			return s.from + dag.Round(i)
		}
	}
	if s.layers == nil {
		return s.from
	}
	return s.to + 1
}

// drop forgets what is held of the rounds from r on, and returns how many bytes it was.
func (s *span) drop(r dag.Round) (bytes int) {
	for i := range s.layers {
		if l := &s.layers[i]; s.from+dag.Round(i) >= r {
			for _, ev := range l.held {
				bytes += len(ev.Block.Bytes())
			}
			l.held = nil
		}
	}
	return bytes
}

// fedLater reports whether something is held that may go into the DAG by now.
func (s *spans) fedLater(to dag.Round) bool {
	for _, sp := range s.list {
		for i := range sp.layers {
			if len(sp.layers[i].held) > 0 {
				return sp.from+dag.Round(i) <= to
			}
		}
	}
	return false
}

// flying is how many runs above the lowest are under way.
func (s *spans) flying() (n int) {
	for _, sp := range s.list[min(1, len(s.list)):] {
		if len(sp.flights) > 0 {
			n++
		}
	}
	return n
}

// grow notes that a run came in full: where it left room in the answer, the next ones may be longer.
func (s *spans) grow(sp *span) {
	if !sp.answered && sp.bytes < answerBytes/2 {
		s.size = min(2*s.size, catchUpSpan)
	}
	sp.answered = true
}
