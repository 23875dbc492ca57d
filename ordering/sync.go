package ordering

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// Limits of fetching.
const (
	// MaxFetchRefs is how many blocks one Fetch may name.
	MaxFetchRefs = 1000
	// maxFetchesPerPeer is how many fetches may be under way at one peer.
	maxFetchesPerPeer = 4
	// maxWanted bounds how many missing blocks are tracked; more are asked for as these arrive.
	maxWanted = 16 << 10
	// maxHinted is up to how many of them a frontier may add to: what it names may not exist, and must
	// not keep out what blocks refer to.
	maxHinted = maxWanted / 2
	// catchUpLag is how many rounds behind a node asks for whole rounds instead of single blocks.
	catchUpLag = 30
	// maxFlights is at how many peers at once one block or range is asked for: a second one once the
	// first has let it wait.
	maxFlights = 2
	// fetchLater is when to look again at a block that nobody can be asked for now.
	fetchLater = 100 * time.Millisecond
	// catchUpSpan is how many rounds one such question covers at most.
	catchUpSpan = 400
)

// synchroniser asks for what is missing: single blocks that others refer to, and whole rounds when
// the node has fallen behind. Gossip and push are hints; this is what makes the DAG whole.
type synchroniser struct {
	members   int
	connected []bool // by author
	strangers []Peer // others that can be asked, sorted
	wanted    map[dag.Ref]*want
	fetches   map[uint64]Fetch
	load      map[Peer]int // fetches under way
	nextID    uint64
	newest    []dag.Round   // per author: the newest round of a verified block
	ahead     dag.Round     // highest round that somebody claims
	aheadOf   Peer          // who claims it
	ranges    int           // ranges under way
	rangeAt   dag.Round     // the clock when it was asked for
	rangeDue  time.Duration // when another may be asked for
	progress  time.Duration
	stalled   time.Duration // when the node last said what it has for want of progress
	turn      int           // rotates over peers
}

// want is one missing block.
type want struct {
	hint    bool // a frontier named it; no block refers to it yet
	sources []Peer
	tried   int
	asking  []Peer // who is asked now
	due     time.Duration
}

func newSynchroniser(cfg Config) synchroniser {
	return synchroniser{
		members: cfg.Committee.Size(), connected: make([]bool, cfg.Committee.Size()), wanted: make(map[dag.Ref]*want),
		fetches: make(map[uint64]Fetch), load: make(map[Peer]int), newest: make([]dag.Round, cfg.Committee.Size()),
	}
}

// maxBackoff is how often the pause between tries doubles.
const maxBackoff = 6

// maxSources is how many peers are remembered as holding one missing block.
const maxSources = 4

// missing notes parents of a block that are not held. Those of a pushed block may still be on their
// way; those of a block that had to be fetched are not. Where its author's own chain is missing, it may
// be so for many rounds: walking down it block by block would cost a round trip for each.
func (e *Engine) missing(ev BlockReceived, parents []dag.Ref) {
	s, b := &e.sync, ev.Block.Block()
	w := s.wanted[ev.Block.Ref()]
	fetched := w != nil && len(w.asking) > 0
	s.want(parents, ev.From, e.now)
	if !fetched {
		return
	}
	for _, r := range parents {
		if w := s.wanted[r]; w != nil {
			w.due = min(w.due, e.now-e.grace(w))
		}
	}
	if own := b.Parents[0]; slices.Contains(parents, own) && s.ranges == 0 && e.now >= s.rangeDue {
		first := max(own.Round, catchUpLag) - catchUpLag
		e.askRounds(ev.From, max(first, e.graph.Floor()+1), own.Round)
	}
}

// want notes missing blocks that from must have, since it sent what refers to them.
func (s *synchroniser) want(missing []dag.Ref, from Peer, now time.Duration) {
	for _, r := range missing {
		w := s.wanted[r]
		if w == nil {
			if len(s.wanted) >= maxWanted {
				return
			}
			w = &want{due: now}
			s.wanted[r] = w
		}
		w.hint = false
		w.mention(from, now)
	}
}

// mention notes that p has sent something that refers to the block: it is asked next, and the oldest
// source beyond the limit is forgotten. Whoever was asked before it had the block may have it now.
func (w *want) mention(p Peer, now time.Duration) {
	if i := slices.Index(w.sources, p); i >= 0 {
		w.sources = slices.Delete(w.sources, i, i+1)
	} else {
		w.due = now
	}
	if len(w.sources) == maxSources {
		w.sources = slices.Delete(w.sources, 0, 1)
	}
	w.sources = append(w.sources, p)
}

// seen notes a verified block, whether or not it could join the DAG.
func (s *synchroniser) seen(r dag.Ref) { s.newest[r.Author] = max(s.newest[r.Author], r.Round) }

// behind is how many rounds f+1 authors are ahead of the clock: one faulty author cannot move it.
func (e *Engine) behind() dag.Round {
	rounds := slices.Clone(e.sync.newest)
	slices.Sort(rounds)
	top := rounds[len(rounds)-e.cfg.Committee.Validity()]
	if top < e.graph.Clock() {
		return 0
	}
	return top + 1 - e.graph.Clock()
}

func (e *Engine) peerConnected(p Peer) {
	if int(p) < e.sync.members {
		e.sync.connected[p] = true
	} else if i, found := slices.BinarySearch(e.sync.strangers, p); !found {
		e.sync.strangers = slices.Insert(e.sync.strangers, i, p)
	}
	if e.restart.asking() {
		e.ready.Sends = append(e.ready.Sends, Send{To: p, Message: AskNewest{}})
	}
	e.sayAgain(p)
}

func (s *synchroniser) disconnected(p Peer) {
	if int(p) < s.members {
		s.connected[p] = false
	} else if i, found := slices.BinarySearch(s.strangers, p); found {
		s.strangers = slices.Delete(s.strangers, i, i+1)
	}
}

// sayAgain tells a peer (or everyone) the newest own block and the newest blocks known.
func (e *Engine) sayAgain(to Peer) {
	if e.validator() && !e.restart.asking() {
		if own := e.graph.Get(e.proposer.last); own != nil {
			e.ready.Sends = append(e.ready.Sends, Send{To: to, Message: BlockMessage{Block: own.Verified()}})
		}
	}
	var frontier []dag.Ref
	for a := range dag.Author(e.cfg.Committee.Size()) {
		for r := e.graph.Clock(); r > e.graph.Floor(); r-- {
			if at := e.graph.At(dag.Slot{Round: r, Author: a}); len(at) > 0 {
				frontier = append(frontier, at[0].Ref())
				break
			}
		}
	}
	e.ready.Sends = append(e.ready.Sends, Send{To: to, Message: FrontierMessage{Newest: frontier}})
}

// frontierReceived takes a peer's word for what it has; nothing is believed before it is fetched.
func (e *Engine) frontierReceived(ev FrontierReceived) {
	if len(ev.Newest) > e.cfg.Committee.Size() {
		return
	}
	for _, r := range ev.Newest {
		switch {
		case !e.cfg.Committee.Has(r.Author) || r.Round <= e.graph.Floor() || e.graph.Get(r) != nil:
		case r.Round > e.graph.Clock()+catchUpLag:
			if r.Round > e.sync.ahead {
				e.sync.ahead, e.sync.aheadOf = r.Round, ev.From
			}
		case e.sync.wanted[r] == nil && len(e.sync.wanted) < maxHinted:
			e.sync.wanted[r] = &want{hint: true, sources: []Peer{ev.From}, due: e.now + e.cfg.Timing.FetchGrace}
		}
	}
}

// synchronise asks for what is due: answers after a restart, ranges, single blocks; and says again
// what the node has if the round does not move.
func (e *Engine) synchronise() {
	e.ask()
	e.catchUp()
	e.fetchWanted()
	if e.now >= max(e.sync.progress, e.sync.stalled)+e.cfg.Timing.StallAfter {
		e.sync.stalled = e.now
		if mutant.Planted(mutant.StallSilent) {
			return
		}
		e.sayAgain(Everyone)
		e.wantAgain()
		if e.sync.ranges == 0 {
			if p, ok := e.sync.anyPeer(); ok {
				e.askRange(p)
			}
		}
	}
}

// wantAgain notes what waiting blocks refer to and nobody asks for any more: a block that came, waited
// for its own ancestors and had to make room for lower ones.
func (e *Engine) wantAgain() {
	for _, r := range e.graph.Wanted() {
		if e.sync.wanted[r] == nil && len(e.sync.wanted) < maxWanted {
			e.sync.wanted[r] = &want{due: e.now}
		}
	}
}

// catchUp asks for whole rounds while the node is far behind.
func (e *Engine) catchUp() {
	s := &e.sync
	if s.ranges >= maxFlights || e.now < s.rangeDue {
		return
	}
	claimed := s.ahead > e.graph.Clock()+catchUpLag
	if !claimed && e.behind() <= catchUpLag {
		return
	}
	p := s.aheadOf
	if !claimed || s.ranges > 0 || !s.free(p) {
		var ok bool
		if p, ok = s.anyPeer(); !ok {
			return
		}
	}
	e.askRange(p)
}

func (e *Engine) askRange(p Peer) {
	e.askRounds(p, max(e.graph.Clock(), e.graph.Floor()+1), e.graph.Clock()+catchUpSpan)
}

func (e *Engine) askRounds(p Peer, from, to dag.Round) {
	e.sync.ranges++
	e.sync.rangeAt, e.sync.rangeDue = e.graph.Clock(), e.now+e.cfg.Timing.FetchRetry
	e.fetch(Fetch{To: p, FromRound: from, ToRound: to})
}

// fetchWanted asks for the single blocks that are due, oldest first, many in one question.
func (e *Engine) fetchWanted() {
	s := &e.sync
	if len(s.wanted) == 0 {
		return
	}
	var due []dag.Ref
	for r, w := range s.wanted {
		switch {
		case r.Round <= e.graph.Floor() || e.graph.Get(r) != nil || (!w.hint && len(w.asking) == 0 && !e.graph.Wants(r)):
			delete(s.wanted, r)
		case w.tried > 0 && mutant.Planted(mutant.FetchOnce):
		case len(w.asking) < maxFlights && w.due+e.grace(w) <= e.now:
			due = append(due, r)
		}
	}
	slices.SortFunc(due, dag.Ref.Compare)
	batches := make(map[Peer][]dag.Ref)
	var order []Peer
	for _, r := range due {
		p, ok := s.source(s.wanted[r])
		far := s.ranges > 0 && r.Round > e.graph.Clock()+catchUpLag // the range will bring it
		w := s.wanted[r]
		if !ok || far || len(batches[p]) >= MaxFetchRefs {
			w.due = e.now + fetchLater
			continue
		}
		if batches[p] == nil {
			order = append(order, p)
		}
		batches[p] = append(batches[p], r)
		w.asking = append(w.asking, p)
		w.tried++
		w.due = e.now + min(e.cfg.Timing.FetchPatience<<min(w.tried-1, maxBackoff), e.cfg.Timing.FetchRetry)
	}
	for _, p := range order {
		e.fetch(Fetch{To: p, Refs: batches[p]})
	}
}

// grace is how long a block that was just found missing may still be on its way by push.
func (e *Engine) grace(w *want) time.Duration {
	if w.tried == 0 && !w.hint {
		return e.cfg.Timing.FetchGrace
	}
	return 0
}

func (e *Engine) fetch(f Fetch) {
	e.sync.nextID++
	f.ID = e.sync.nextID
	e.sync.fetches[f.ID] = f
	e.sync.load[f.To]++
	e.ready.Fetches = append(e.ready.Fetches, f)
}

func (e *Engine) fetchEnded(ev FetchEnded) {
	s := &e.sync
	f, known := s.fetches[ev.Fetch.ID]
	if !known {
		return
	}
	delete(s.fetches, f.ID)
	if s.load[f.To]--; s.load[f.To] <= 0 {
		delete(s.load, f.To)
	}
	if len(f.Refs) == 0 {
		s.ranges--
		s.rangeDue = e.now
		if e.graph.Clock() == s.rangeAt {
			s.ahead, s.rangeDue = 0, e.now+fetchLater // the claim was empty: somebody else next, after a pause
		}
		return
	}
	for _, r := range f.Refs {
		w := s.wanted[r]
		if w == nil {
			continue
		}
		w.asking = slices.DeleteFunc(w.asking, func(p Peer) bool { return p == f.To })
		if w.hint {
			delete(s.wanted, r) // nothing refers to it: one try is enough
		} else {
			w.due = min(w.due, e.now+e.retry(w.tried))
		}
	}
}

// source is whom to ask next for a missing block: in turn somebody who sent what refers to it, the
// latest first, and any member. The turn is the block's own: where all blocks share one, a block can
// come to the same member every time.
func (s *synchroniser) source(w *want) (Peer, bool) {
	if n := len(w.sources); n > 0 && w.tried%2 == 0 {
		if p := w.sources[n-1-w.tried/2%n]; s.free(p) && !slices.Contains(w.asking, p) {
			return p, true
		}
	}
	for i := range s.members {
		if p := Peer((w.tried/2 + i) % s.members); s.free(p) && !slices.Contains(w.asking, p) {
			return p, true
		}
	}
	return s.anyPeer()
}

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
