package dagtest

import (
	"math/rand/v2"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// Shape says what a random DAG looks like. Probabilities are in percent.
type Shape struct {
	Authors      int
	Rounds       int
	Equivocators int // how many authors make twins; at most f where the rule shall hold
	Bare         int // that a block cites no more than a quorum
	Absent       int // that an author leaves out a round, as far as a quorum remains
	Late         int // that a block is seen by nobody else in the next round, as far as a quorum remains
	Weak         int // that a block cites an older block that its chain has not seen
	Split        int // that a round is split: some authors' blocks go to about half of the voters
}

// Wild is a shape with everything in it.
func Wild(authors, rounds int) Shape {
	return Shape{
		Authors: authors, Rounds: rounds, Equivocators: (authors - 1) / 3,
		Bare: 30, Absent: 8, Late: 10, Weak: 50, Split: 40,
	}
}

// maxTwins is how many blocks an equivocator makes of one slot at most.
const maxTwins = 3

// Random is a DAG of valid blocks. Honest authors make one block a round at most, each on top of
// their last; equivocators are the authors with the highest indices and make up to three, with
// different parents.
func Random(random *rand.Rand, s Shape) *picture.Picture {
	g := &generator{
		Shape: s, random: random, quorum: s.Authors - (s.Authors-1)/3,
		newest: make([][]picture.Name, s.Authors), seen: make(map[picture.Name][]dag.Round),
		picture: &picture.Picture{Authors: s.Authors},
	}
	for a := range s.Authors {
		genesis := picture.Name{Author: dag.Author(a)}
		g.newest[a] = []picture.Name{genesis}
		g.seen[genesis] = make([]dag.Round, s.Authors)
	}
	for r := 1; r <= s.Rounds; r++ {
		g.round(dag.Round(r))
	}
	return g.picture
}

type generator struct {
	Shape
	random  *rand.Rand
	quorum  int
	picture *picture.Picture
	newest  [][]picture.Name // by author: the blocks of its newest round
	seen    map[picture.Name][]dag.Round
	late    []bool // blocks of the round before that only their author cites
	half    []bool // blocks of the round before that half of the voters see
}

func (g *generator) chance(percent int) bool { return g.random.IntN(100) < percent }

// choose marks authors with a probability, at most as many as leave a quorum out.
func (g *generator) choose(percent int) []bool {
	marked, left := make([]bool, g.Authors), g.Authors-g.quorum
	for _, a := range g.random.Perm(g.Authors) {
		if left > 0 && g.chance(percent) {
			marked[a] = true
			left--
		}
	}
	return marked
}

func (g *generator) round(r dag.Round) {
	before := make([][]picture.Name, g.Authors) // blocks of the round before
	present := 0
	for a, newest := range g.newest {
		if newest[0].Round == r-1 {
			before[a] = newest
			present++
		}
	}
	absent := g.choose(g.Absent)
	g.late, g.half = g.choose(g.Late), make([]bool, g.Authors)
	if g.chance(g.Split) {
		g.half = g.choose(60)
	}
	made := make([][]picture.Name, g.Authors)
	for _, a := range g.random.Perm(g.Authors) {
		if absent[a] {
			continue
		}
		twins := 1
		if a >= g.Authors-g.Equivocators {
			twins += g.random.IntN(maxTwins)
		}
		for k := range twins {
			n := picture.Name{Round: r, Author: dag.Author(a), Twin: uint16(k)}
			g.picture.Blocks = append(g.picture.Blocks, picture.Block{Name: n, Parents: g.parents(n, before, present)})
			made[a] = append(made[a], n)
		}
	}
	for a := range made {
		if made[a] != nil {
			g.newest[a] = made[a]
		}
	}
}

// parents chooses an own block, at least a quorum of the round before, and maybe weak references.
func (g *generator) parents(n picture.Name, before [][]picture.Name, present int) []picture.Name {
	own := g.pick(g.newest[n.Author])
	out := []picture.Name{own}
	strong := 0
	if own.Round == n.Round-1 {
		strong = 1
	}
	want := present
	if g.chance(g.Bare) {
		want = g.quorum
	}
	var left []int
	for _, a := range g.random.Perm(g.Authors) {
		switch {
		case before[a] == nil || a == int(n.Author):
		case g.late[a], strong >= want, g.half[a] && g.chance(50):
			left = append(left, a)
		default:
			out, strong = append(out, g.pick(before[a])), strong+1
		}
	}
	for ; strong < g.quorum; strong++ {
		out, left = append(out, g.pick(before[left[0]])), left[1:]
	}
	out = g.weak(n, out)
	g.note(n, out)
	return out
}

func (g *generator) pick(blocks []picture.Name) picture.Name {
	return blocks[g.random.IntN(len(blocks))]
}

// weak adds older blocks of authors that out does not cite.
func (g *generator) weak(n picture.Name, out []picture.Name) []picture.Name {
	var cited dag.AuthorSet
	for _, p := range out {
		cited.Add(p.Author)
	}
	for a, blocks := range g.newest {
		newest := blocks[0].Round
		if cited.Has(dag.Author(a)) || newest == 0 || newest >= n.Round-1 || newest <= g.seen[out[0]][a] || !g.chance(g.Weak) {
			continue
		}
		out = append(out, g.pick(blocks))
	}
	return out
}

// note remembers what the chain of n has seen of each author.
func (g *generator) note(n picture.Name, parents []picture.Name) {
	seen := slices.Clone(g.seen[parents[0]])
	for _, p := range parents {
		seen[p.Author] = max(seen[p.Author], p.Round)
	}
	g.seen[n] = seen
}
