package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Limits of an adversary.
const (
	never        = time.Duration(-1)     // a receiver that a draft does not go to
	maxDrafts    = 8                     // blocks that an adversary makes for one round
	adversaryGC  = 100                   // rounds that it remembers
	maxReaction  = 4 * time.Millisecond  // until it acts on a new round
	adversaryNap = 50 * time.Millisecond // after which it looks again
)

// adversary is a validator that signs what it likes. It holds its own DAG, completes it from
// everything that was ever said - the strongest view that an attacker can have - and makes its blocks
// by itself, as its behaviours shape them.
type adversary struct {
	world    *world
	self     dag.Author
	random   *rand.Rand
	graph    *dag.DAG
	last     *dag.Verified // its own newest block; nil for genesis
	made     dag.Round
	wakeAt   time.Duration // when it acts; 0 for not scheduled
	sealer   *sealer       // nil in a network without sealing
	shapers  []shaper
	meddlers []meddler
	deniers  []denier
	waiters  []waiter
}

// shaper changes the blocks that an adversary is about to make for a round, and who gets which when.
type shaper interface {
	shape(a *adversary, drafts []draft) []draft
}

// meddler does something beside the blocks of a round.
type meddler interface {
	meddle(a *adversary, round dag.Round)
}

// denier chooses what an adversary answers to questions.
type denier interface {
	answer(a *adversary, honest ordering.AnswerNewest) (blocks bool, newest *ordering.AnswerNewest)
}

// waiter can put the blocks of a round off until more is known, or until the next round.
type waiter interface {
	ready(a *adversary, round dag.Round) bool
}

// draft is a block to be made. The first draft of a round becomes the adversary's own newest block.
type draft struct {
	block  dag.Block
	delays []time.Duration // by receiver; or never
}

// behaviour makes what implements one behaviour; it implements some of the four interfaces.
type behaviour func(a *adversary) any

// behaviours is every behaviour by name.
var behaviours = map[string]behaviour{
	"equivocate": newEquivocate, "twins": newTwins, "half": newHalf, "late": newLate, "silent": newSilent, "forge": newForge,
	"badparents": newBadParents, "future": newFuture, "old": newOld, "spam": newSpam, "replay": newReplay, "selective": newSelective,
	"amnesia": newAmnesia, "bare": newBare, "liar": newLiar, "clock": newSkewed, "edge": newEdge, "mute": newMute,
	"hide": newHide,

	"badsigns": newBadSigns, "badshares": newBadShares, "noshares": newNoShares, "earlyshares": newEarlyShares,
	"baddeals": newBadDeals, "twodeals": newTwoDeals, "nodeals": newNoDeals, "complain": newComplain,
}

// Behaviours lists all behaviours of adversaries in order.
func Behaviours() []string {
	out := make([]string, 0, len(behaviours))
	for name := range behaviours {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func newAdversary(w *world, spec Adversary) *adversary {
	a := &adversary{
		world: w, self: spec.Author, graph: dag.New(w.committee),
		random: newStream(w.scenario.Seed, numbered("adversary", int(spec.Author))), sealer: newSealer(w, spec.Author),
	}
	for _, name := range spec.Behaviours {
		b := behaviours[name](a)
		if s, ok := b.(shaper); ok {
			a.shapers = append(a.shapers, s)
		}
		if m, ok := b.(meddler); ok {
			a.meddlers = append(a.meddlers, m)
		}
		if d, ok := b.(denier); ok {
			a.deniers = append(a.deniers, d)
		}
		if w, ok := b.(waiter); ok {
			a.waiters = append(a.waiters, w)
		}
	}
	return a
}

func (a *adversary) receive(what any) {
	switch x := what.(type) {
	case wake:
		if a.world.now != a.wakeAt {
			return // an earlier one has replaced it
		}
		a.wakeAt = 0
		a.act()
	case ordering.BlockReceived:
		a.learn(x.Block)
	case ask:
		a.serve(x)
	case ordering.NewestAsked:
		a.answerNewest(dag.Author(x.From))
	}
	switch now := a.world.now; {
	case a.graph.Clock() > a.made && (a.wakeAt == 0 || a.wakeAt > now+maxReaction):
		a.wakeIn(1 + time.Duration(a.random.Int64N(int64(maxReaction))))
	case a.wakeAt == 0:
		a.wakeIn(adversaryNap)
	}
}

func (a *adversary) wakeIn(d time.Duration) {
	a.wakeAt = a.world.now + d
	a.world.hand(d, a.self, wake{})
}

// learn takes a block and whatever it is missing from all that was said.
func (a *adversary) learn(b *dag.Verified) {
	todo := []*dag.Verified{b}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, r := range a.graph.Add(next, uint32(a.self)).Missing {
			if known := a.world.spoken[r]; known != nil {
				todo = append(todo, known)
			}
		}
	}
	if clock := a.graph.Clock(); clock > a.graph.Floor()+2*adversaryGC {
		a.graph.SetFloor(clock - adversaryGC)
	}
}

// act makes the blocks of a new round.
func (a *adversary) act() {
	round := a.graph.Clock()
	if round <= a.made || slices.ContainsFunc(a.waiters, func(w waiter) bool { return !w.ready(a, round) }) {
		return
	}
	a.made = round
	drafts := []draft{a.honestDraft(round)}
	drafts[0].block.System = a.sealer.system(round)
	for _, s := range a.shapers {
		drafts = s.shape(a, drafts)
	}
	for i := range drafts[:min(len(drafts), maxDrafts)] {
		if b := a.publish(&drafts[i]); b != nil && i == 0 {
			a.last = b
			a.learn(b)
		}
	}
	for _, m := range a.meddlers {
		m.meddle(a, round)
	}
}

// honestDraft is the block that an honest validator without patience would make.
func (a *adversary) honestDraft(round dag.Round) draft {
	own := a.world.committee.Genesis(a.self)
	if a.last != nil {
		own = a.last.Ref()
	}
	b := dag.Block{Epoch: dag.FirstEpoch, Round: round, Author: a.self, Time: uint64(wallStart + a.world.now.Milliseconds()), Parents: []dag.Ref{own}}
	var cited dag.AuthorSet
	cited.Add(a.self)
	if round == 1 {
		for x := range dag.Author(a.world.scenario.Validators) {
			if x != a.self {
				b.Parents = append(b.Parents, a.world.committee.Genesis(x))
			}
		}
	}
	for _, v := range a.graph.Arrived(round - 1) {
		if !cited.Has(v.Author()) {
			cited.Add(v.Author())
			b.Parents = append(b.Parents, v.Ref())
		}
	}
	return draft{b, make([]time.Duration, a.world.scenario.Validators)}
}

// publish seals a draft and sends it to its receivers; nil where the block breaks the rules of
// validity, so that no engine would ever see it.
func (a *adversary) publish(d *draft) *dag.Verified {
	w := a.world
	b, err := dag.Seal(w.committee, d.block, w.signers[a.self])
	if err != nil {
		w.invalid++
		return nil
	}
	w.trace.note('a', w.now, a.self, uint64(b.Round()), b.Ref().Digest)
	w.trace.say(w.now, a.self, "(adversary) makes %v of %v, delays %v", b.Ref(), d.block.Parents, d.delays)
	w.speak(b)
	for to, delay := range d.delays {
		if delay != never && dag.Author(to) != a.self {
			a.tell(b, dag.Author(to), delay)
		}
	}
	return b
}

// tell sends a block to one validator after a delay.
func (a *adversary) tell(b *dag.Verified, to dag.Author, delay time.Duration) {
	event := ordering.BlockReceived{From: ordering.Peer(a.self), Block: b}
	if delay == 0 {
		a.world.send(a.self, to, event)
		return
	}
	a.world.after(delay, func() { a.world.send(a.self, to, event) })
}

// serve answers a fetch from all that was said, unless a behaviour denies it.
func (a *adversary) serve(x ask) {
	for _, d := range a.deniers {
		if blocks, _ := d.answer(a, ordering.AnswerNewest{}); !blocks {
			return
		}
	}
	var found []*dag.Verified
	size := 0
	for _, r := range x.fetch.Refs {
		if b := a.world.spoken[r]; b != nil && size+len(b.Bytes()) <= maxAnswer {
			size += len(b.Bytes())
			found = append(found, b)
		}
	}
	if len(x.fetch.Refs) == 0 {
		for r := max(x.fetch.FromRound, a.graph.Floor()+1); r <= min(x.fetch.ToRound, a.graph.Clock()); r++ {
			for _, v := range a.graph.Arrived(r) {
				found = append(found, v.Verified())
			}
		}
	}
	a.world.send(a.self, x.from, answer{fetch: x.fetch, from: a.self, blocks: found})
}

func (a *adversary) answerNewest(from dag.Author) {
	reply := &ordering.AnswerNewest{Signed: a.made}
	for r := a.graph.Clock(); r > a.graph.Floor() && reply.Newest == nil; r-- {
		if at := a.graph.At(dag.Slot{Round: r, Author: from}); len(at) > 0 {
			reply.Newest = at[0].Verified()
		}
	}
	for _, d := range a.deniers {
		if _, reply = d.answer(a, *reply); reply == nil {
			return
		}
	}
	a.world.send(a.self, from, received(ordering.Peer(a.self), *reply))
}

// othersOf is all validators but the adversary, in random order.
func (a *adversary) othersOf() []dag.Author {
	var out []dag.Author
	for _, x := range a.random.Perm(a.world.scenario.Validators) {
		if dag.Author(x) != a.self {
			out = append(out, dag.Author(x))
		}
	}
	return out
}

// only makes a draft go to these receivers at once, and to nobody else.
func (d *draft) only(to []dag.Author) {
	for i := range d.delays {
		d.delays[i] = never
	}
	for _, x := range to {
		d.delays[x] = 0
	}
}

// twin is a copy of the draft that can be changed.
func (d *draft) twin() draft {
	t := draft{d.block, slices.Clone(d.delays)}
	t.block.Parents = slices.Clone(d.block.Parents)
	t.block.Items = slices.Clone(d.block.Items)
	return t
}
