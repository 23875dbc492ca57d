package ordering

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// Restored is what a node found on its disk.
type Restored struct {
	Head   *Commit         // newest commit; nil at genesis
	States []State         // the carried states of Head, see ReadStates
	Window []*Commit       // the last dag.ValidityWindow commits up to Head, oldest first; bodies are not needed
	Blocks []*dag.Verified // all held blocks above the round that Head collects, ancestors first
	Own    *dag.Verified   // newest own block on disk, nil for none

	// OwnRecent is own blocks, oldest first, that may hold acknowledged items which no commit brought in.
	OwnRecent []*dag.Verified

	// LogLost says that the log of own blocks is missing, damaged or was restored from a backup: the
	// node cannot know what it signed.
	LogLost bool
}

// restart is the question that a validator asks before it speaks again: what did I say last? With a
// whole log f+1 answers that show nothing newer are enough. Without one, or where somebody shows a
// newer block, 2f+1 answers bound what can have been signed: a lost block of round r cited a quorum
// of r-1, so among 2f+1 others an honest one has signed a block of r-1 or later, and whoever starts
// at two rounds above the highest answer cannot equivocate. An answer is a bare number, and a liar
// could name any: it counts once the DAG bears it out, by a quorum of the round before. A block of the
// answerer's that is not in the DAG proves nothing, since its parents may be made up. Where more than f have lost
// their logs at once nobody goes on: too few are left to make the round after the highest, and who has
// lost a log as well may have signed more than it says.
type restart struct {
	done    bool
	lost    bool
	needed  int
	claims  map[dag.Author]dag.Round // answers that the DAG does not bear out yet
	answers dag.AuthorSet
	forgot  dag.AuthorSet // who has lost its log as well, by its newest answer
	highest dag.Round
	asked   time.Duration
	newest  []*dag.Verified // per author: the newest verified block seen, in the DAG or not
}

func (r *restart) asking() bool { return !r.done }

// asksReason says for people what the restart waits for, and what to do about it.
func (e *Engine) asksReason() string {
	r := &e.restart
	var silent dag.AuthorSet
	for a := range dag.Author(e.cfg.Committee.Size()) {
		if _, claimed := r.claims[a]; a != e.cfg.Self && !r.answers.Has(a) && !claimed {
			silent.Add(a)
		}
	}
	switch {
	case e.tooManyLost():
		return fmt.Sprintf("the log of own blocks is not whole, nor are those of %s: more than f disks are lost, and nobody knows what this validator signed; "+
			"put an undamaged disk back, or halt and found the network anew as docs/disaster.md says", e.names(r.forgot))
	case r.lost && silent.Len() > 0:
		return fmt.Sprintf("the log of own blocks is not whole: asking others what this validator signed: %d of %d answers, none yet from %s; "+
			"start them and see that they are connected; if their disks are lost for good, found the network anew as docs/disaster.md says", r.answers.Len(), r.needed, e.names(silent))
	case r.lost:
		return fmt.Sprintf("the log of own blocks is not whole: asking others what this validator signed: %d of %d answers", r.answers.Len(), r.needed)
	case silent.Len() > 0:
		return fmt.Sprintf("asking others for this validator's newest block: %d of %d answers, none yet from %s", r.answers.Len(), r.needed, e.names(silent))
	}
	return fmt.Sprintf("asking others for this validator's newest block: %d of %d answers", r.answers.Len(), r.needed)
}

// names is how people call some validators.
func (e *Engine) names(set dag.AuthorSet) string {
	var out []string
	for a := range dag.Author(e.cfg.Committee.Size()) {
		if set.Has(a) {
			out = append(out, cmp.Or(e.cfg.Committee.Validator(a).Name, a.String()))
		}
	}
	return strings.Join(out, " ")
}

// tooManyLost reports whether more than f validators have lost their logs, this one among them.
func (e *Engine) tooManyLost() bool {
	return e.restart.lost && e.restart.forgot.Len()+1 > e.cfg.Committee.Faults() && !mutant.Planted(mutant.AmnesiaOff)
}

// forgetful reports whether this validator may have signed more than it knows: its log is lost, and no
// block made since stands above what was.
func (e *Engine) forgetful() bool {
	return e.restart.lost && (e.restart.asking() || e.proposer.last.Round < e.proposer.notBelow)
}

// remember keeps the newest block per author, to answer its author's question after a restart.
func (r *restart) remember(b *dag.Verified) {
	if have := r.newest[b.Author()]; have == nil || have.Round() < b.Round() {
		r.newest[b.Author()] = b
	}
}

func (e *Engine) restore(r Restored) error {
	e.restart = restart{claims: make(map[dag.Author]dag.Round), newest: make([]*dag.Verified, e.cfg.Committee.Size()), done: !e.validator() || mutant.Planted(mutant.RestartSilent), lost: r.LogLost}
	e.restart.needed = e.answersNeeded()
	if err := e.restoreCommits(r); err != nil {
		return err
	}
	e.committer = NewCommitter(e.graph, Rotate(e.scores.active), e.headRound)
	floor := gcRound(e.headRound, GCDepth)
	e.joined(e.graph.SetFloor(floor))
	for _, b := range r.Blocks {
		e.receive(BlockReceived{From: Peer(b.Author()), Block: b})
	}
	e.forgetWalked()
	e.ready.Persist = nil // all of it came from the disk
	if e.validator() {
		e.restoreOwn(r, floor)
	}
	return nil
}

// restoreCommits rebuilds what derives from the commit sequence and checks it against the head.
func (e *Engine) restoreCommits(r Restored) error {
	if r.Head == nil {
		return nil
	}
	floor := gcRound(r.Head.Round, GCDepth)
	var window crypto.Digest
	for _, c := range r.Window {
		for i := range c.Accepted {
			e.seen.add(c.Accepted[i].ID, c.Index)
		}
		window = e.seen.close(c.Index, c.OrderRoot)
		if OrderRoot(c.Accepted) != c.OrderRoot {
			return fmt.Errorf("%w: commit %d does not hold the ids that it names", ErrCommit, c.Index)
		}
		if !mutant.Planted(mutant.RestartForgets) {
			e.lines.restore(c.Blocks, floor)
		}
	}
	if err := e.chains.restore(r.Window, r.Head.ChainRoot); err != nil {
		return err
	}
	rest, err := e.restoreStates(r)
	if err != nil {
		return err
	}
	e.restoreGenerations()
	reputation, err := e.checkpoints.decode(rest)
	if err != nil {
		return err
	}
	if err := e.scores.decode(reputation); err != nil {
		return err
	}
	if digestOf(r.Head.Resume, window) != r.Head.StateDigest {
		return fmt.Errorf("%w: the ordering state that was kept is not the one of commit %d", ErrCommit, r.Head.Index)
	}
	e.head, e.headRound, e.headTime = r.Head.Ref(), r.Head.Round, r.Head.Time
	return nil
}

// forgetWalked takes restored blocks that a commit brought in off the list of unordered payloads.
func (e *Engine) forgetWalked() {
	for r, m := range e.lines.walked {
		for digest := range m {
			for a := range dag.Author(e.cfg.Committee.Size()) {
				delete(e.unordered, dag.Ref{Round: r, Author: a, Digest: digest})
			}
		}
	}
}

// restoreOwn sets where the own chain goes on, and returns acknowledged items that no commit can
// bring in any more to the pool.
func (e *Engine) restoreOwn(r Restored, floor dag.Round) {
	if r.Own != nil {
		e.restart.remember(r.Own)
		e.proposer.last = r.Own.Ref()
		for _, p := range r.Own.Block().Parents {
			e.proposer.cited[p.Author] = p.Round
		}
	}
	for _, b := range r.OwnRecent {
		if b.Round() > floor && !e.lines.walked[b.Round()][b.Ref().Digest] {
			e.pool.included(b)
			continue
		}
		var lost []dag.Item
		for _, item := range b.Block().Items {
			if _, known := e.seen.has(item.ID); !known && item.ValidUntil > e.head.Index {
				lost = append(lost, item)
			}
		}
		e.pool.giveBack(lost)
	}
}

// answersNeeded is how many others must answer before the node speaks.
func (e *Engine) answersNeeded() int {
	others := e.cfg.Committee.Size() - 1
	if e.restart.lost && !mutant.Planted(mutant.AmnesiaOff) {
		return min(2*e.cfg.Committee.Faults()+1, others)
	}
	return min(e.cfg.Committee.Validity(), others)
}

// ask sends the question again while answers are missing.
func (e *Engine) ask() {
	if !e.restart.asking() {
		return
	}
	e.countAnswers()
	if e.restart.answers.Len() >= e.restart.needed && !e.tooManyLost() {
		e.speakAgain()
		return
	}
	if e.restart.asked == 0 || e.now >= e.restart.asked+e.cfg.Timing.RestartRetry {
		e.restart.asked = e.now
		e.ready.Sends = append(e.ready.Sends, Send{To: Everyone, Message: AskNewest{}})
	}
}

// answerNewest tells a member the newest block that this node has seen of it, also while this node
// is recovering itself: a cluster that restarts together has nobody else to ask.
func (e *Engine) answerNewest(from Peer) {
	if from >= Peer(e.cfg.Committee.Size()) || !e.validator() {
		return
	}
	e.ready.Sends = append(e.ready.Sends, Send{To: from, Message: AnswerNewest{
		Newest: e.restart.newest[from], Signed: e.proposer.last.Round, Lost: e.forgetful(),
	}})
}

func (e *Engine) newestAnswered(ev NewestAnswered) {
	if !e.restart.asking() || ev.From >= Peer(e.cfg.Committee.Size()) || dag.Author(ev.From) == e.cfg.Self {
		return
	}
	e.restart.claims[dag.Author(ev.From)] = ev.Signed
	e.restart.forgot.Remove(dag.Author(ev.From))
	if ev.Lost {
		e.restart.forgot.Add(dag.Author(ev.From))
	}
	if b := ev.Newest; b != nil && b.Author() == e.cfg.Self {
		e.ownShown(b)
		e.receive(BlockReceived{From: ev.From, Block: b})
	}
	e.countAnswers()
}

// countAnswers takes the answers that the DAG bears out by now.
func (e *Engine) countAnswers() {
	for a := range dag.Author(e.cfg.Committee.Size()) {
		if signed, claimed := e.restart.claims[a]; claimed && signed <= e.graph.Clock() {
			e.restart.highest = max(e.restart.highest, signed)
			e.restart.answers.Add(a)
			delete(e.restart.claims, a)
		}
	}
}

// ownShown looks at a block that somebody sent: one of this validator's own that its log does not
// have proves that the log is not whole, whatever the store said and even after the restart. The node
// falls silent and asks as many as it takes.
func (e *Engine) ownShown(b *dag.Verified) {
	r, last := &e.restart, e.proposer.last
	if !e.validator() || b.Author() != e.cfg.Self || b.Round() < last.Round || b.Ref() == last {
		return
	}
	if r.done && b.Round() < e.proposer.notBelow { // the answers have allowed for it
		if b.Round() > last.Round {
			e.proposer.last = b.Ref() // the own chain goes on from the newest that is known
		}
		return
	}
	r.highest = max(r.highest, b.Round())
	r.lost = true
	r.needed = e.answersNeeded()
	if r.done {
		r.done, r.answers, r.forgot, r.asked = false, dag.AuthorSet{}, dag.AuthorSet{}, 0
		clear(r.claims)
	}
}

// speakAgain ends the restart: it settles where the own chain goes on and says the newest own block
// again, which may never have left before the restart.
func (e *Engine) speakAgain() {
	e.restart.done = true
	newest := e.restart.newest[e.cfg.Self]
	if e.restart.lost && !mutant.Planted(mutant.AmnesiaOff) {
		e.proposer.notBelow = e.restart.highest + 2
		if mutant.Planted(mutant.AmnesiaOne) {
			e.proposer.notBelow--
		}
		if newest != nil && newest.Round() > e.proposer.last.Round {
			e.proposer.last = newest.Ref()
		}
	}
	if newest != nil && newest.Ref() == e.proposer.last {
		e.ready.Sends = append(e.ready.Sends, Send{To: Everyone, Message: BlockMessage{Block: newest}})
	}
}
