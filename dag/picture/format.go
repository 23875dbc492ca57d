package picture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/dag"
)

// String is the picture's canonical text, which Parse reads back to the same picture: the shortest
// form of each list of parents, and one line for each run of blocks of one round.
func (p *Picture) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "n=%d\n", p.Authors)
	seen := newIndex(p.Authors)
	for from := 0; from < len(p.Blocks); {
		to := from + 1
		for to < len(p.Blocks) && p.Blocks[to].Name.Round == p.Blocks[from].Name.Round {
			to++
		}
		writeLine(&out, seen, p.Blocks[from:to])
		from = to
	}
	return out.String()
}

// group is a clause: blocks side by side whose parents have the same text.
type group struct {
	names   []Name
	parents string
}

func writeLine(out *strings.Builder, seen *index, blocks []Block) {
	var groups []group
	for i := range blocks {
		text := parentsText(seen, &blocks[i])
		if last := len(groups) - 1; last >= 0 && groups[last].parents == text {
			groups[last].names = append(groups[last].names, blocks[i].Name)
			continue
		}
		groups = append(groups, group{[]Name{blocks[i].Name}, text})
	}
	texts := make([]string, len(groups))
	wild := wildcard(groups, seen.authors)
	for i, g := range groups {
		texts[i] = g.text()
		if i == wild {
			texts[i] = "*"
		}
		if g.parents != "*" {
			texts[i] += " -> " + g.parents
		}
	}
	fmt.Fprintf(out, "%d: %s\n", blocks[0].Name.Round, strings.Join(texts, "; "))
	for i := range blocks {
		seen.note(blocks[i].Name)
	}
	seen.flush()
}

// text is the left side of the clause.
func (g *group) text() string {
	names := make([]string, len(g.names))
	for i, n := range g.names {
		names[i] = n.Author.String()
		if n.Twin > 0 {
			names[i] += "." + strconv.Itoa(int(n.Twin))
		}
	}
	return strings.Join(names, " ")
}

// wildcard is the index of the group that can be written *: all first blocks, in the order of
// authors, of everybody whom no other group names. -1 if there is none.
func wildcard(groups []group, authors int) int {
	named := make(map[dag.Author]int) // by author of a first block: its group
	for i, g := range groups {
		for _, n := range g.names {
			if n.Twin == 0 {
				named[n.Author] = i
			}
		}
	}
	if len(named) < authors {
		return -1
	}
	return slices.IndexFunc(groups, func(g group) bool {
		ordered := slices.IsSortedFunc(g.names, func(a, b Name) int { return int(a.Author) - int(b.Author) })
		return len(g.names) > 1 && ordered && !slices.ContainsFunc(g.names, func(n Name) bool { return n.Twin > 0 })
	})
}

// parentsText is the shortest text for the parents of b.
func parentsText(seen *index, b *Block) string {
	star := seen.star(b.Name, nil)
	if slices.Equal(star, b.Parents) {
		return "*"
	}
	literal := "[" + joined(b.Parents) + "]"
	if short, ok := differenceText(seen, b, star); ok && len(short) < len(literal) {
		return short
	}
	return literal
}

// differenceText writes the parents of b as changes of *; ok is false where that is not possible.
func differenceText(seen *index, b *Block, star []Name) (text string, ok bool) {
	var without, plus []Name
	for _, s := range star {
		same := slices.IndexFunc(b.Parents, func(p Name) bool { return p.Author == s.Author })
		if same < 0 {
			without = append(without, s)
		} else if b.Parents[same] != s {
			plus = append(plus, b.Parents[same])
		}
	}
	for _, p := range b.Parents {
		if !slices.ContainsFunc(star, func(s Name) bool { return s.Author == p.Author }) {
			plus = append(plus, p)
		}
	}
	if !slices.Equal(change(seen.star(b.Name, without), plus), b.Parents) {
		return "", false
	}
	words := []string{"*"}
	if len(without) > 0 {
		words = nil
		for _, w := range without {
			words = append(words, "-"+w.String())
		}
	}
	for _, p := range plus {
		words = append(words, p.String())
	}
	return "[" + strings.Join(words, " ") + "]", true
}

func joined(names []Name) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = n.String()
	}
	return strings.Join(words, " ")
}
