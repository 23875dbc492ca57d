package picture

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
)

// index knows which blocks stand before a line of a picture.
type index struct {
	authors int
	known   map[Name]bool              // true once the line is over
	rounds  map[dag.Round][]Name       // visible blocks, by author and twin
	own     map[dag.Author][]dag.Round // rounds with a visible first block, ascending
	line    []Name                     // blocks of the present line
}

func newIndex(authors int) *index {
	return &index{
		authors: authors, known: make(map[Name]bool), rounds: make(map[dag.Round][]Name), own: make(map[dag.Author][]dag.Round),
	}
}

// has reports whether the block was noted.
func (x *index) has(n Name) bool { _, ok := x.known[n]; return ok }

// visible reports whether the block can be a parent on the present line.
func (x *index) visible(n Name) bool {
	if n.Round == 0 {
		return int(n.Author) < x.authors && n.Twin == 0
	}
	return x.known[n]
}

// note adds a block that becomes visible with flush.
func (x *index) note(n Name) {
	x.known[n] = false
	x.line = append(x.line, n)
}

// flush ends a line.
func (x *index) flush() {
	for _, n := range x.line {
		x.known[n] = true
		at, _ := slices.BinarySearchFunc(x.rounds[n.Round], n, compareInRound)
		x.rounds[n.Round] = slices.Insert(x.rounds[n.Round], at, n)
		if at, found := slices.BinarySearch(x.own[n.Author], n.Round); !found {
			x.own[n.Author] = slices.Insert(x.own[n.Author], at, n.Round)
		}
	}
	x.line = x.line[:0]
}

func compareInRound(a, b Name) int {
	if a.Author != b.Author {
		return int(a.Author) - int(b.Author)
	}
	return int(a.Twin) - int(b.Twin)
}

// star is what * means for a block: the author's own newest older block, then the first block of
// everybody else in the round before; blocks of without are passed over.
func (x *index) star(n Name, without []Name) []Name {
	out := []Name{x.newestOwn(n, without)}
	for a, p := range x.firsts(n.Round-1, without) {
		if a != n.Author {
			out = append(out, p)
		}
	}
	return out
}

// firsts gives per author, ascending, the lowest twin of a round that is not in without.
func (x *index) firsts(r dag.Round, without []Name) func(func(dag.Author, Name) bool) {
	blocks := x.rounds[r]
	if r == 0 {
		for a := range dag.Author(x.authors) {
			blocks = append(blocks, Name{Author: a})
		}
	}
	return func(yield func(dag.Author, Name) bool) {
		done := -1
		for _, p := range blocks {
			if int(p.Author) == done || slices.Contains(without, p) {
				continue
			}
			done = int(p.Author)
			if !yield(p.Author, p) {
				return
			}
		}
	}
}

// newestOwn is the author's newest visible block below n's round, genesis if there is none.
func (x *index) newestOwn(n Name, without []Name) Name {
	rounds := x.own[n.Author]
	at, _ := slices.BinarySearch(rounds, n.Round)
	for at--; at >= 0; at-- {
		blocks := x.rounds[rounds[at]]
		first, _ := slices.BinarySearchFunc(blocks, Name{Round: rounds[at], Author: n.Author}, compareInRound)
		for _, p := range blocks[first:] {
			if p.Author != n.Author {
				break
			}
			if !slices.Contains(without, p) {
				return p
			}
		}
	}
	return Name{Author: n.Author}
}
