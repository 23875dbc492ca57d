package ordering

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

const (
	// maxFetchesPerPeer is how many fetches may be under way at one peer.
	maxFetchesPerPeer = 4
	// lateFor is how long a peer that let the node wait is asked only where nobody else can be.
	lateFor = 10 * time.Second
)

// peers is who can be asked, and how they have answered.
type peers struct {
	connected []bool // by author
	strangers []Peer // others that can be asked, sorted
	load      map[Peer]int
	lateUntil map[Peer]time.Duration
	now       time.Duration
	turn      int // rotates over them
}

func newPeers(members int) peers {
	return peers{connected: make([]bool, members), load: make(map[Peer]int), lateUntil: make(map[Peer]time.Duration)}
}

// source is whom to ask next for a missing block: a member that must have it and was not asked in this
// turn, in every later turn first some other member, and a stranger where no member is a source. The
// rotation is the block's own: where all blocks share one, a block can come to the same member every
// time.
func (s *synchroniser) source(r dag.Ref, w *want) (Peer, bool) {
	if len(w.asking) > 0 && !s.sourceLeft(w) {
		w.again() // all who were asked let the node wait
	}
	start := int(r.Digest[0]) + w.turn
	if w.turn > 0 && !w.strayed {
		if p, ok := s.members(start, func(p Peer) bool { return !w.sources.Has(dag.Author(p)) && !slices.Contains(w.asking, p) }); ok {
			w.strayed = true
			return p, true
		}
	}
	p, ok := s.members(start, func(p Peer) bool {
		return w.sources.Has(dag.Author(p)) && !w.asked.Has(dag.Author(p)) && !slices.Contains(w.asking, p)
	})
	if ok {
		return p, true
	}
	if n := len(w.strangers); n > 0 {
		if p := w.strangers[n-1-w.tried%n]; s.free(p) && !slices.Contains(w.asking, p) {
			return p, true
		}
	}
	if len(w.asking) > 0 {
		return 0, false
	}
	return s.anyPeer()
}

// sourceLeft reports whether a source of w can be asked that was not asked in this turn.
func (s *synchroniser) sourceLeft(w *want) bool {
	for a := range dag.Author(len(s.connected)) {
		if w.sources.Has(a) && !w.asked.Has(a) && s.reachable(Peer(a)) && !slices.Contains(w.asking, Peer(a)) {
			return true
		}
	}
	return false
}

// members is the first free one from start on that may be asked; those that let nobody wait and owe
// the fewest answers come first.
func (p *peers) members(start int, may func(Peer) bool) (best Peer, found bool) {
	least := 0
	for i := range p.connected {
		m := Peer((start + i) % len(p.connected))
		if !p.free(m) || !may(m) {
			continue
		}
		rank := p.load[m]
		if p.lateUntil[m] > p.now {
			rank += maxFetchesPerPeer
		}
		if !found || rank < least {
			best, found, least = m, true, rank
		}
	}
	return best, found
}

// anyPeer takes the connected members in turn, and others where no member is connected.
func (p *peers) anyPeer() (Peer, bool) {
	p.turn++
	if m, ok := p.members(p.turn, func(Peer) bool { return true }); ok {
		p.turn = int(m)
		return m, true
	}
	if len(p.strangers) > 0 {
		return p.strangers[p.turn%len(p.strangers)], true
	}
	return 0, false
}

// late notes that a peer has let the node wait for an answer.
func (p *peers) late(who Peer, now time.Duration) { p.lateUntil[who] = now + lateFor }

// free reports whether a peer can be asked now.
func (p *peers) free(who Peer) bool { return p.reachable(who) && p.load[who] < maxFetchesPerPeer }

func (p *peers) reachable(who Peer) bool {
	if int(who) < len(p.connected) {
		return p.connected[who]
	}
	_, found := slices.BinarySearch(p.strangers, who)
	return found
}

// came notes that a peer can be reached (again).
func (p *peers) came(who Peer) {
	if int(who) < len(p.connected) {
		p.connected[who] = true
	} else if i, found := slices.BinarySearch(p.strangers, who); !found {
		p.strangers = slices.Insert(p.strangers, i, who)
	}
}

// left notes that a peer is gone.
func (p *peers) left(who Peer) {
	delete(p.lateUntil, who)
	if int(who) < len(p.connected) {
		p.connected[who] = false
	} else if i, found := slices.BinarySearch(p.strangers, who); found {
		p.strangers = slices.Delete(p.strangers, i, i+1)
	}
}
