package sim

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// trim leaves a draft exactly a quorum of the round before, dropping those first that avoid names.
func (a *adversary) trim(d *draft, avoid func(dag.Author) bool) {
	round := d.block.Round
	strong := 0
	for _, p := range d.block.Parents {
		if p.Round == round-1 {
			strong++
		}
	}
	parents := d.block.Parents
	for _, pass := range []func(dag.Author) bool{avoid, func(dag.Author) bool { return true }} {
		for i := len(parents) - 1; i > 0 && strong > a.world.committee.Quorum(); i-- {
			if parents[i].Round == round-1 && pass(parents[i].Author) {
				parents = append(parents[:i:i], parents[i+1:]...)
				strong--
			}
		}
	}
	d.block.Parents = parents
}

// shuffle changes the order of all parents but the own one, which decides who is dropped and who
// counts as timely.
func (a *adversary) shuffle(d *draft) {
	rest := d.block.Parents[1:]
	a.random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
}

// bare cites exactly a quorum, at random: its certificates are as few as the rules allow.
type bare struct{}

func newBare(*adversary) any { return bare{} }

func (bare) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		a.shuffle(&drafts[i])
		a.trim(&drafts[i], func(dag.Author) bool { return false })
	}
	return drafts
}

// selective never cites a victim where there is a quorum without it.
type selective struct{ victim dag.Author }

func newSelective(a *adversary) any {
	// All selective adversaries of a run choose the same victim, which hurts it most.
	random := newStream(a.world.scenario.Seed, "victim")
	for {
		v := dag.Author(random.IntN(a.world.scenario.Validators))
		if !a.world.scenario.adversary(v) {
			return selective{v}
		}
	}
}

func (s selective) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		parents := drafts[i].block.Parents
		strong := 0
		for _, p := range parents {
			if p.Round == drafts[i].block.Round-1 {
				strong++
			}
		}
		for j := len(parents) - 1; j > 0; j-- {
			if parents[j].Author == s.victim && strong > a.world.committee.Quorum() {
				drafts[i].block.Parents = append(parents[:j:j], parents[j+1:]...)
			}
		}
	}
	return drafts
}

// badParents makes twins that refer to blocks that do not exist.
type badParents struct{}

func newBadParents(*adversary) any { return badParents{} }

func (badParents) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 || a.random.IntN(2) == 0 {
		return drafts
	}
	t := drafts[0].twin()
	parents := t.block.Parents
	for range 1 + a.random.IntN(len(parents)) {
		i := a.random.IntN(len(parents))
		if parents[i].Round > 0 {
			parents[i].Digest = a.noise()
		}
	}
	return append(drafts, t)
}

// noise is a digest that nothing has.
func (a *adversary) noise() (d crypto.Digest) {
	for i := range d {
		d[i] = byte(a.random.Uint32())
	}
	return d
}

// future makes blocks of rounds to come, on a quorum that does not exist.
type future struct{}

func newFuture(*adversary) any { return future{} }

func (future) meddle(a *adversary, round dag.Round) {
	d := a.honestDraft(round)
	d.block.Round = round + 1 + dag.Round(a.random.IntN(3))
	if a.random.IntN(4) == 0 {
		d.block.Round = round + 1 + dag.Round(a.random.IntN(2*dag.MaxAhead))
	}
	d.block.Parents = d.block.Parents[:1]
	for x := range dag.Author(a.world.scenario.Validators) {
		if x != a.self {
			d.block.Parents = append(d.block.Parents, dag.Ref{Round: d.block.Round - 1, Author: x, Digest: a.noise()})
		}
	}
	if d.block.Parents[0].Round < d.block.Round {
		a.publish(&d)
	}
}

// old cites blocks of long past rounds, at and below where others have collected, where an honest
// validator would cite new ones.
type old struct{}

func newOld(*adversary) any { return old{} }

func (old) shape(a *adversary, drafts []draft) []draft {
	for i := range drafts {
		b := &drafts[i].block
		if b.Round < 3 {
			continue
		}
		a.trim(&drafts[i], func(dag.Author) bool { return false })
		var cited dag.AuthorSet
		for _, p := range b.Parents {
			cited.Add(p.Author)
		}
		for x := range dag.Author(a.world.scenario.Validators) {
			back := dag.Round(2 + a.random.IntN(70))
			if a.random.IntN(2) == 0 {
				back = dag.Round(56 + a.random.IntN(12)) // about the collected round
			}
			if back >= b.Round || cited.Has(x) {
				continue
			}
			if at := a.graph.At(dag.Slot{Round: b.Round - back, Author: x}); len(at) > 0 {
				b.Parents = append(b.Parents, at[a.random.IntN(len(at))].Ref())
			}
		}
	}
	return drafts
}
