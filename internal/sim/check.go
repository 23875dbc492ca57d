package sim

import (
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Severity says what kind of promise a violation breaks.
type Severity string

// The severities.
const (
	Safety   Severity = "safety"
	Liveness Severity = "liveness"
	Limit    Severity = "limit"
)

// severities of the invariants. What is not listed is safety.
var severities = map[string]Severity{
	"progress": Liveness, "delivery": Liveness, "inclusion": Liveness, "answer": Liveness, "recovery": Liveness, "unrevealed": Liveness, "uncertified": Liveness, "memory": Limit,
}

// Violation is the first promise that a run broke.
type Violation struct {
	Invariant string     `json:"invariant"`
	Severity  Severity   `json:"severity"`
	At        Duration   `json:"at"`
	Node      dag.Author `json:"node"`
	Detail    string     `json:"detail"`
}

// checker holds what all nodes have done so far against what must hold. It is told of every step and
// keeps the first violation.
type checker struct {
	world        *world
	violation    *Violation
	rule         *rule
	reveals      *reveals      // nil in a network without sealing
	certificates *certificates // nil in a network without

	sequence []agreed          // the longest commit sequence
	heads    []dag.CommitIndex // per node: its newest commit in this life
	slots    map[dag.Slot]bool // ordered
	items    map[crypto.Digest]dag.CommitIndex
	known    map[crypto.Digest]bool // submitted by anybody
	said     map[dag.Slot]crypto.Digest
	made     []madeBlock // own blocks of honest nodes since the settled phase that no commit has ordered
	clocks   [2]uint64   // lowest and highest time in an honest block

	acknowledged map[crypto.Digest]promise
	order        []crypto.Digest // of acknowledgement
	tickets      map[uint64]dag.Author

	stopwatch *stopwatch // of the latency benchmark; nil otherwise

	phase  phase
	since  time.Duration           // when the phase began
	target dag.Round               // what it waits for
	took   [finished]time.Duration // per phase that is over
	widest dag.Round               // the most rounds that an honest block waited for its commit
}

// agreed is one commit of the sequence.
type agreed struct {
	digest crypto.Digest
	round  dag.Round
	time   uint64
	anchor int // committed anchors
}

func newChecker(w *world) *checker {
	c := &checker{
		world: w, rule: newRule(w.committee, w.registry), heads: make([]dag.CommitIndex, w.scenario.Validators), slots: make(map[dag.Slot]bool),
		items: make(map[crypto.Digest]dag.CommitIndex), known: make(map[crypto.Digest]bool), said: make(map[dag.Slot]crypto.Digest),
		acknowledged: make(map[crypto.Digest]promise), tickets: make(map[uint64]dag.Author),
	}
	c.reveals, c.certificates = newReveals(c), newCertificates(c)
	return c
}

// fail keeps the first violation.
func (c *checker) fail(invariant, detail string, node dag.Author) {
	if c.violation != nil || (invariant == "rule" && c.world.scenario.Checks == ChecksNodes) {
		return
	}
	severity := severities[invariant]
	if severity == "" {
		severity = Safety
	}
	c.violation = &Violation{invariant, severity, Duration(c.world.now), node, detail}
	c.world.trace.say(c.world.now, node, "-- %s violated: %s", invariant, detail)
}

func (c *checker) failf(invariant string, node dag.Author, format string, args ...any) {
	if c.violation == nil {
		c.fail(invariant, sprintf(format, args...), node)
	}
}

// longest is how many commits the longest sequence has.
func (c *checker) longest() dag.CommitIndex { return dag.CommitIndex(len(c.sequence)) }

// started notes from which commit a node goes on.
func (c *checker) started(node dag.Author, head *ordering.Commit) {
	c.heads[node] = 0
	if head != nil {
		c.heads[node] = head.Index
		c.agree(node, head)
	}
}

// stopped notes that a node's submissions will not be answered any more.
func (c *checker) stopped(node dag.Author) {
	for ticket, n := range c.tickets {
		if n == node {
			delete(c.tickets, ticket)
		}
	}
}

// committed holds a commit of a node against the sequence, and extends it.
func (c *checker) committed(node dag.Author, commit *ordering.Commit) {
	if commit.Index != c.heads[node]+1 {
		c.failf("gapless", node, "commit %d follows commit %d", commit.Index, c.heads[node])
	}
	c.heads[node] = commit.Index
	if c.stopwatch != nil {
		c.stopwatch.committed(node, commit.Blocks, c.world.now)
	}
	if !c.agree(node, commit) {
		c.extend(node, commit)
		c.included(commit)
		c.excuse(commit)
	}
}

// agree reports whether the sequence has a commit of this index already, which must be the same.
func (c *checker) agree(node dag.Author, commit *ordering.Commit) bool {
	if commit.Index == 0 || commit.Index > c.longest() {
		return false
	}
	if have := &c.sequence[commit.Index-1]; have.digest != commit.Digest {
		c.failf("prefix", node, "commit %d is %v of round %d here and %v of round %d elsewhere",
			commit.Index, commit.Digest.Short(), commit.Round, have.digest.Short(), have.round)
	}
	return true
}

// extend checks a commit that is the first of its index, and makes it the end of the sequence.
func (c *checker) extend(node dag.Author, commit *ordering.Commit) {
	previous := agreed{}
	if n := len(c.sequence); n > 0 {
		previous = c.sequence[n-1]
	}
	switch {
	case commit.Index != c.longest()+1:
		c.failf("gapless", node, "commit %d after a sequence of %d", commit.Index, c.longest())
	case commit.Previous != previous.digest:
		c.failf("chain", node, "commit %d does not follow commit %d", commit.Index, commit.Index-1)
	case commit.ComputeDigest() != commit.Digest:
		c.failf("chain", node, "commit %d does not have the digest that it names", commit.Index)
	case commit.Round <= previous.round:
		c.failf("rounds", node, "commit %d of round %d follows one of round %d", commit.Index, commit.Round, previous.round)
	case commit.Time < previous.time:
		c.failf("time", node, "commit %d at %d follows one at %d", commit.Index, commit.Time, previous.time)
	case commit.Time > c.clocks[1] || (previous.time < commit.Time && commit.Time < c.clocks[0]):
		c.failf("time", node, "commit %d at %d, no honest clock showed that: %d to %d", commit.Index, commit.Time, c.clocks[0], c.clocks[1])
	}
	c.sequence = append(c.sequence, agreed{commit.Digest, commit.Round, commit.Time, len(commit.Anchors)})
	if wrong := c.rule.check(commit); wrong != "" {
		c.fail("rule", wrong, node)
	}
	c.contents(node, commit)
	c.reveals.extend(node, commit)
	c.certificates.extend(commit)
}

// contents checks that a commit orders no slot and no item for a second time.
func (c *checker) contents(node dag.Author, commit *ordering.Commit) {
	for _, r := range commit.Blocks {
		if c.slots[r.Slot()] {
			c.failf("one-block", node, "commit %d orders a second block of %v", commit.Index, r.Slot())
		}
		c.slots[r.Slot()] = true
	}
	for i := range commit.Accepted {
		a := &commit.Accepted[i]
		if at, twice := c.items[a.ID]; twice {
			c.failf("once", node, "commit %d accepts item %v, which commit %d has accepted", commit.Index, a.ID.Short(), at)
		}
		c.items[a.ID] = commit.Index
		item := &commit.Bodies[a.Block].Block().Items[a.Item]
		if item.ValidUntil < commit.Index || item.ValidUntil > commit.Index+dag.ValidityWindow {
			c.failf("window", node, "commit %d accepts item %v, which is valid until %d", commit.Index, a.ID.Short(), item.ValidUntil)
		}
		if !c.known[a.ID] {
			c.failf("submitted", node, "commit %d accepts item %v, which nobody submitted", commit.Index, a.ID.Short())
		}
	}
}

// left notes a block that has left its author. An honest one fills a slot once, whatever happened
// to it in between.
func (c *checker) left(b *dag.Verified) {
	w := c.world
	if w.nodes[b.Author()] == nil {
		return
	}
	if have, twice := c.said[b.Slot()]; twice && have != b.Ref().Digest {
		c.failf("equivocation", b.Author(), "honest %v said %v and %v", b.Slot(), have.Short(), b.Ref().Digest.Short())
	}
	c.said[b.Slot()] = b.Ref().Digest
	c.unskipped(w.nodes[b.Author()], b)
	c.reveals.left(b)
	if c.stopwatch != nil {
		c.stopwatch.left(b.Ref(), w.now)
	}
	at := b.Block().Time
	if c.clocks[1] == 0 {
		c.clocks[0] = at
	}
	c.clocks = [2]uint64{min(c.clocks[0], at), max(c.clocks[1], at)}
	if c.phase == settled {
		m := madeBlock{b.Ref(), b.Round(), c.world.now + c.lossAllowance()}
		if n := len(c.sequence); n > 0 {
			m.from = max(m.from, c.sequence[n-1].round)
		}
		c.made = append(c.made, m)
	}
}

// accused checks that evidence names adversaries only.
func (c *checker) accused(node dag.Author, ev dag.Evidence) {
	author := ev.Slot().Author
	if c.world.nodes[author] != nil {
		c.failf("evidence", node, "honest %v is accused at %v", author, ev.Slot())
	}
	if ev.First.Slot() != ev.Second.Slot() || ev.First.Ref() == ev.Second.Ref() {
		c.failf("evidence", node, "%v and %v prove nothing", ev.First.Ref(), ev.Second.Ref())
	}
}

// madeBlock is an own block of an honest node, and from which round on its commit is waited for: a
// node that catches up makes blocks of rounds that are over.
type madeBlock struct {
	ref  dag.Ref
	from dag.Round
	by   time.Duration // it may be late until then where messages are lost for good
}

var sprintf = fmt.Sprintf
