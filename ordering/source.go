package ordering

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// Whom the synchroniser asks, and at how many at once.

// source is whom to ask next for a missing block: in turn somebody who sent what refers to it, the
// latest first, and any member, first those who owe no answer. The turn is the block's own: where all
// blocks share one, a block can come to the same member every time.
func (s *synchroniser) source(r dag.Ref, w *want) (Peer, bool) {
	if n := len(w.sources); n > 0 && w.tried%2 == 0 {
		if p := w.sources[n-1-w.tried/2%n]; s.free(p) && !slices.Contains(w.asking, p) {
			return p, true
		}
	}
	start := int(r.Digest[0]) + w.tried/2
	for _, owed := range [...]int{0, maxFetchesPerPeer - 1} {
		for i := range s.members {
			p := Peer((start + i) % s.members)
			if s.reachable(p) && s.load[p] <= owed && !slices.Contains(w.asking, p) {
				return p, true
			}
		}
	}
	return s.anyPeer()
}

// flights is at how many peers at once one block or range may be asked for. With f+1 there is an
// honest one among them, however long the others are silent.
func (e *Engine) flights() int { return max(minFlights, e.cfg.Committee.Validity()) }

// retry is the pause after so many tries in vain.
func (e *Engine) retry(tried int) time.Duration {
	return min(e.cfg.Timing.FetchGrace<<min(tried, maxBackoff), e.cfg.Timing.FetchRetry)
}

// free reports whether a peer can be asked now.
func (s *synchroniser) free(p Peer) bool { return s.reachable(p) && s.load[p] < maxFetchesPerPeer }

func (s *synchroniser) reachable(p Peer) bool {
	if int(p) < s.members {
		return s.connected[p]
	}
	_, found := slices.BinarySearch(s.strangers, p)
	return found
}

// anyPeer takes the connected members in turn, and others where no member is connected.
func (s *synchroniser) anyPeer() (Peer, bool) {
	for range s.members {
		s.turn = (s.turn + 1) % s.members
		if s.free(Peer(s.turn)) {
			return Peer(s.turn), true
		}
	}
	if len(s.strangers) > 0 {
		s.turn++
		return s.strangers[s.turn%len(s.strangers)], true
	}
	return 0, false
}
