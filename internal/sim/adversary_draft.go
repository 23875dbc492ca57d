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

// noise is a digest that nothing has.
func (a *adversary) noise() (d crypto.Digest) {
	for i := range d {
		d[i] = byte(a.random.Uint32())
	}
	return d
}

// withoutStrong drops drafts that have no quorum any more.
func (a *adversary) withoutStrong(drafts []draft) []draft {
	strong := 0
	for _, p := range drafts[0].block.Parents {
		if p.Round == drafts[0].block.Round-1 {
			strong++
		}
	}
	if strong < a.world.committee.Quorum() {
		return drafts[1:]
	}
	return drafts
}

// cites reports whether x's block of a round refers to the adversary's block of an earlier one.
func (a *adversary) cites(x dag.Author, round, earlier dag.Round) bool {
	for _, v := range a.graph.At(dag.Slot{Round: round, Author: x}) {
		for _, p := range v.Parents() {
			if p.Author() == a.self && p.Round() == earlier {
				return true
			}
		}
	}
	return false
}

// preferTwins cites those twins that support the attacked anchor.
func (a *adversary) preferTwins(d *draft, start dag.Round) {
	for i, p := range d.block.Parents {
		for _, v := range a.graph.At(p.Slot()) {
			for _, q := range v.Parents() {
				if i > 0 && q.Author() == a.self && q.Round() == start {
					d.block.Parents[i] = v.Ref()
				}
			}
		}
	}
}

// differ is a twin with other parents.
func (a *adversary) differ(d *draft) draft {
	t := d.twin()
	t.block.Time++
	a.shuffle(&t)
	if a.random.IntN(2) == 0 {
		a.trim(&t, func(dag.Author) bool { return false })
	} else {
		a.trim(d, func(dag.Author) bool { return false })
	}
	for i, p := range t.block.Parents { // cite the other twin of another adversary
		if at := a.graph.At(p.Slot()); len(at) > 1 && i > 0 {
			t.block.Parents[i] = at[a.random.IntN(len(at))].Ref()
		}
	}
	return t
}
