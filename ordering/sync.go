package ordering

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// synchroniser asks for what is missing: single blocks that others refer to, and whole rounds when
// the node has fallen behind. Gossip and push are hints; this is what makes the DAG whole.
type synchroniser struct {
	peers
	wants    wants
	fetches  map[uint64]Fetch
	nextID   uint64
	newest   []dag.Round       // per author: the newest round of a verified block
	commits  []dag.CommitIndex // per author: the newest commit that its blocks tell of
	ahead    dag.Round         // highest round that somebody claims
	aheadOf  Peer              // who claims it
	spans    spans             // the rounds that are asked for while the node is far behind
	aside    uint64            // a question for rounds beside them; 0 for none
	asideAt  dag.Round         // the clock when it was asked
	asideDue time.Duration     // when another may be asked
	progress time.Duration
	stalled  time.Duration // when the node last said what it has for want of progress
}

func newSynchroniser(cfg Config) synchroniser {
	n := cfg.Committee.Size()
	return synchroniser{
		peers: newPeers(n), wants: newWants(n), spans: newSpans(), fetches: make(map[uint64]Fetch), newest: make([]dag.Round, n),
		commits: make([]dag.CommitIndex, n),
	}
}

// missing notes what a block lacks. Parents of a pushed block may still be on their way; those of a
// block that had to be fetched are not. Where its author's own chain is missing, it may be so for many
// rounds: walking down it block by block would cost a round trip for each.
func (e *Engine) missing(ev BlockReceived, lacking []dag.Ref) {
	s, b := &e.sync, ev.Block.Block()
	w := s.wants.blocks[ev.Block.Ref()]
	fetched := w != nil && len(w.asking) > 0
	e.want(lacking, ev.From)
	if !fetched {
		return
	}
	for _, r := range lacking {
		if w := s.wants.blocks[r]; w != nil && w.tried == 0 {
			w.due = min(w.due, e.now-e.grace(w))
			s.wants.dueAt(e.now)
		}
	}
	if own := b.Parents[0]; slices.Contains(lacking, own) && e.now >= s.asideDue {
		first := max(own.Round, catchUpLag) - catchUpLag
		e.askAside(ev.From, max(first, e.graph.Floor()+1), own.Round)
	}
}

// seen notes a verified block, whether or not it could join the DAG.
func (s *synchroniser) seen(b *dag.Verified) {
	s.newest[b.Author()] = max(s.newest[b.Author()], b.Round())
	s.commits[b.Author()] = max(s.commits[b.Author()], b.Block().LastCommit.Index)
}

// behindCommits is how many commits f+1 authors say they have beyond those of this node: one of them is
// honest, and has them.
func (e *Engine) behindCommits() dag.CommitIndex {
	commits := slices.Sorted(slices.Values(e.sync.commits))
	return max(commits[len(commits)-e.cfg.Committee.Validity()], e.head.Index) - e.head.Index
}

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
	e.sync.came(p)
	if e.restart.asking() {
		e.ready.Sends = append(e.ready.Sends, Send{To: p, Message: AskNewest{}})
	}
	e.sayAgain(p)
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
		default:
			e.hinted(r, ev.From)
		}
	}
}

// hinted asks for a block that a peer says it has.
func (e *Engine) hinted(r dag.Ref, from Peer) {
	t := &e.sync.wants
	w := t.blocks[r]
	if w == nil {
		w = t.track(r, from, true, e.now)
	}
	if w != nil {
		w.mention(from, t.members, e.now+e.cfg.Timing.FetchGrace)
		t.dueAt(w.due)
	}
}

// synchronise asks for what is due: runs of rounds, single blocks; and says again
// what the node has if the round does not move.
func (e *Engine) synchronise() {
	e.sync.now = e.now
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
		e.restartSpans()
		if len(e.sync.spans.list) == 0 {
			if p, ok := e.sync.anyPeer(); ok {
				e.askAside(p, max(e.graph.Clock(), e.graph.Floor()+1), e.graph.Clock()+catchUpSpan)
			}
		}
	}
}

// askAside asks for rounds beside the runs of a node far behind, one question at a time.
func (e *Engine) askAside(p Peer, from, to dag.Round) {
	s := &e.sync
	if s.aside == 0 {
		s.asideAt, s.asideDue = e.graph.Clock(), e.now+e.cfg.Timing.FetchRetry
		s.aside = e.fetch(Fetch{To: p, FromRound: from, ToRound: to})
	}
}

// fetch asks, and returns the number of the question.
func (e *Engine) fetch(f Fetch) uint64 {
	e.sync.nextID++
	f.ID = e.sync.nextID
	e.sync.fetches[f.ID] = f
	e.sync.load[f.To]++
	e.ready.Fetches = append(e.ready.Fetches, f)
	return f.ID
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
	if ev.Blocks > 0 {
		delete(s.lateUntil, f.To)
	}
	if f.ID == s.aside {
		s.aside, s.asideDue = 0, e.now
		if e.graph.Clock() == s.asideAt {
			s.asideDue = e.now + fetchLater // in vain: after a pause
		}
		return
	}
	e.spanEnded(f)
	for _, r := range f.Refs {
		e.answered(r, f.To)
	}
}
