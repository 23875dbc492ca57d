// Package ordering turns the DAG into one total order: the anchors of each round, the commit rule,
// the order inside a commit, the filters that items pass, and the proposer that makes own blocks.
//
// All of it is driven through the Engine, a state machine without I/O: Step tells it what happened,
// Ready hands out what is to be done. The package is pure: no clock, randomness, goroutine, lock,
// log or I/O, and no output that depends on map order, so that a recorded list of events replays
// a node exactly. One goroutine owns an Engine.
package ordering

import (
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// Observer as Config.Self makes an engine that follows the order without taking part.
const Observer dag.Author = 1<<16 - 1

// Config is what an engine is made of.
type Config struct {
	Committee *dag.Committee
	Registry  *dag.Registry // the genesis'
	Self      dag.Author    // or Observer
	Signer    dag.Signer    // signs own blocks; nil for an observer
	Created   uint64        // the genesis' time, Unix milliseconds: no commit is older
	Sealing   Sealing
	KEM       *crypto.KEMKey // this validator's, for the key generations; nil for an observer or where there are none
	Timing    Timing

	Certification Certification
	Pool          PoolLimits
}

// Engine orders the blocks of one committee. See the package comment for its contract.
type Engine struct {
	cfg       Config
	now       time.Duration
	wall      uint64
	graph     *dag.DAG
	committer *Committer
	lines     *linearizer
	seen      *dedupe
	chains    *Chains
	scores    *reputation

	head      dag.CommitRef
	headRound dag.Round
	headTime  uint64

	pool      *pool
	proposer  proposer
	sync      synchroniser
	restart   restart
	unordered map[dag.Ref]bool // accepted blocks with a payload that no commit has brought in

	registrar    *registrar
	sealing      *sealing      // nil in a network without
	certificates *certificates // nil in a network without
	checkpoints  checkpoints
	carried      []carried // by ascending kind

	ready Ready
	fault error
	marks roundMarks
}

// NewEngine returns an engine that goes on from what r holds; the zero Restored is a fresh start
// at genesis. Its first Ready carries the commits that r's blocks allow beyond r's head.
func NewEngine(cfg Config, r Restored) (*Engine, error) {
	cfg.Timing = cfg.Timing.withDefaults()
	cfg.Pool = cfg.Pool.withDefaults()
	e := &Engine{
		cfg: cfg, graph: dag.New(cfg.Committee), lines: newLinearizer(cfg.Committee.Size()),
		seen: newDedupe(), chains: NewChains(cfg.Committee.Network()), scores: newReputation(cfg.Committee), pool: newPool(cfg.Pool, cfg.Registry),
		registrar: &registrar{network: cfg.Committee.Network(), registry: cfg.Registry}, unordered: make(map[dag.Ref]bool), marks: make(roundMarks), headTime: cfg.Created,
	}
	e.proposer = newProposer(cfg)
	e.sync = newSynchroniser(cfg)
	if err := e.startStates(); err != nil {
		return nil, fmt.Errorf("begin the order: %w", err)
	}
	if err := e.restore(r); err != nil {
		return nil, fmt.Errorf("restore the order: %w", err)
	}
	return e, nil
}

// Step takes one event. It only changes the engine; what follows from it is handed out by Ready.
func (e *Engine) Step(event Event) {
	switch ev := event.(type) {
	case Tick:
		e.now, e.wall = max(e.now, ev.Now), ev.Wall
	case BlockReceived:
		e.ownShown(ev.Block)
		e.receive(ev)
	case Submitted:
		e.submit(ev)
	case PeerConnected:
		e.peerConnected(ev.Peer)
	case PeerDisconnected:
		e.sync.left(ev.Peer)
	case FrontierReceived:
		e.frontierReceived(ev)
	case FetchEnded:
		e.fetchEnded(ev)
	case NewestAsked:
		e.answerNewest(ev.From)
	case NewestAnswered:
		e.newestAnswered(ev)
	case SharesMade:
		e.sharesMade(ev)
	case SignaturesMade:
		e.signaturesMade(ev)
	case DiskSpace:
		e.proposer.diskFull = !ev.Enough
	default:
		panic(fmt.Sprintf("ordering: event of unknown type %T", event))
	}
}

// Ready does what the events so far allow - commit rounds, make own blocks, ask for what is
// missing - and hands out the work. Call it after one or many Steps; the caller must carry out a
// Ready before a later one.
func (e *Engine) Ready() Ready {
	if e.fault == nil {
		e.feed()
		e.advance()
		for e.propose() {
			e.advance()
		}
		e.turnAway()
		e.synchronise()
	}
	out := e.ready
	out.Fault = e.fault
	out.WakeAt = e.wakeAt()
	e.ready = Ready{}
	return out
}

// receive takes a verified block from a peer.
func (e *Engine) receive(ev BlockReceived) {
	e.restart.remember(ev.Block)
	e.sync.seen(ev.Block)
	if !e.arranged(ev) {
		e.enter(ev)
	}
}

// enter lets a block into the DAG, or makes it wait there for its ancestors.
func (e *Engine) enter(ev BlockReceived) {
	added := e.graph.Add(ev.Block, uint32(ev.From))
	if len(added.Missing) > 0 {
		e.missing(ev, added.Missing)
	}
	e.joined(added)
}

// joined counts what became part of the DAG.
func (e *Engine) joined(added dag.Added) {
	for _, v := range added.Accepted {
		e.committer.Add(v)
		b := v.Verified()
		if b.Author() != e.cfg.Self || !mutant.Planted(mutant.OwnNotPersisted) {
			e.ready.Persist = append(e.ready.Persist, b)
		}
		if mutant.Planted(mutant.ScoresLocal) {
			e.scores.count(b.Block())
		}
		if carriesPayload(b) {
			e.unordered[v.Ref()] = true
		}
		e.shareSeen(b)
		e.signaturesSeen(b)
		e.marks.accepted(e, v)
	}
	for _, ev := range added.Evidence {
		e.proposer.exposed.Add(ev.First.Author())
		if !mutant.Planted(mutant.EvidenceDropped) {
			e.ready.Evidence = append(e.ready.Evidence, ev)
		}
	}
}

// carriesPayload reports whether a block holds anything that somebody waits for. Signatures are not: they
// count once they are accepted, ordered or not.
func carriesPayload(b *dag.Verified) bool {
	for _, m := range b.Block().System {
		if m.Kind != KindSignatures || mutant.Planted(mutant.SignaturesWake) {
			return true
		}
	}
	return len(b.Block().Items) > 0
}

// validator reports whether the engine makes blocks at all.
func (e *Engine) validator() bool { return e.cfg.Self != Observer }

// Status is a picture of the engine for its operator.
type Status struct {
	Round         dag.Round    // the threshold clock
	Own           dag.Round    // the newest own block's round
	Decided       dag.Round    // the newest round that the commit rule has decided
	Absent        []dag.Author // who has no block in round Round, which a quorum has to have before the next
	Commit        dag.CommitRef
	CommitTime    uint64 // Unix milliseconds
	Proposing     bool
	Reason        string // why not, for people; empty while proposing
	PoolItems     int
	PoolBytes     int
	Waiting       int       // blocks that wait for ancestors
	Wanted        int       // missing blocks that are asked for by name
	Held          int       // blocks of the DAG in memory
	Floor         dag.Round // of the DAG: rounds up to it are forgotten
	Behind        dag.Round
	BehindCommits dag.CommitIndex // that f+1 validators have and this node does not
	Active        []dag.Author    // who has anchor slots
	Keygen        keygen.Status   // of the sealing key; zero in a network without sealing

	CertificateKeygen keygen.Status // of the certificate key; zero in a network without certification
	Exposed           int           // authors caught in equivocation
}

// Status is how the engine stands now.
func (e *Engine) Status() Status {
	s := Status{
		Round: e.graph.Clock(), Own: e.proposer.last.Round, Decided: e.committer.Decided(), Commit: e.head, CommitTime: e.headTime,
		PoolItems: e.pool.items, PoolBytes: e.pool.bytes, Waiting: e.graph.Waiting(),
		Wanted: len(e.sync.wants.blocks), Held: e.graph.Held(), Floor: e.graph.Floor(), Behind: e.behind(),
		BehindCommits: e.behindCommits(),
		Active:        append([]dag.Author(nil), e.scores.active...), Exposed: e.proposer.exposed.Len(),
	}
	if e.sealing != nil {
		s.Keygen = e.sealing.keygen.Status()
	}
	for a, there := dag.Author(0), e.graph.Authors(s.Round); int(a) < e.cfg.Committee.Size(); a++ {
		if !there.Has(a) {
			s.Absent = append(s.Absent, a)
		}
	}
	if e.certificates != nil {
		s.CertificateKeygen = e.certificates.keygen.Status()
	}
	s.Reason = e.notProposing()
	s.Proposing = s.Reason == ""
	return s
}

// notProposing says why the engine makes no blocks; empty if it does.
func (e *Engine) notProposing() string {
	switch {
	case e.fault != nil:
		return "stopped: " + e.fault.Error()
	case !e.validator():
		return "observer: follows the order without a validator key"
	case e.proposer.diskFull:
		return "disk almost full: free space in the node's home and proposing resumes"
	case e.proposer.exposed.Has(e.cfg.Self):
		return "stopped: this validator's key signed two blocks of one round; another copy of it may be running"
	case e.restart.asking():
		return e.asksReason()
	}
	return ""
}

// Head is the newest commit.
func (e *Engine) Head() dag.CommitRef { return e.head }

// digestOf is the digest of the ordering state: all that the next commit depends on beside the DAG.
func digestOf(resume []byte, window crypto.Digest) crypto.Digest {
	return crypto.Hash(crypto.DomainState, resume, window[:])
}
