package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dunlin-network/dunlin/dag"
)

// pictureRounds is how many rounds a picture shows.
const pictureRounds = 10

// picture draws the newest rounds of all that was said, one line a block: * stands for the one block
// of every author of the round before, - for an author of it that is left out; twins bear their
// digests. A block that was ordered is marked with a dot.
func (w *world) picture() []string {
	rounds := make(map[dag.Round][]*dag.Verified)
	top := dag.Round(0)
	for _, b := range w.spoken {
		rounds[b.Round()] = append(rounds[b.Round()], b)
		if w.nodes[b.Author()] != nil {
			top = max(top, b.Round())
		}
	}
	var out []string
	for r := max(top, pictureRounds) - pictureRounds + 1; r <= top; r++ {
		slices.SortFunc(rounds[r], func(a, b *dag.Verified) int {
			return cmp.Or(cmp.Compare(a.Author(), b.Author()), a.Ref().Compare(b.Ref()))
		})
		for _, b := range rounds[r] {
			out = append(out, w.pictureLine(b, rounds))
		}
	}
	return out
}

func (w *world) pictureLine(b *dag.Verified, rounds map[dag.Round][]*dag.Verified) string {
	mark := " "
	if w.check.slots[b.Slot()] {
		mark = "."
	}
	var strong dag.AuthorSet
	var others []string
	for _, p := range b.Block().Parents {
		switch {
		case p.Round+1 == b.Round() && len(of(rounds[p.Round], p.Author)) < 2:
			strong.Add(p.Author)
		case p.Round+1 == b.Round():
			strong.Add(p.Author)
			others = append(others, p.String())
		default:
			others = append(others, p.Slot().String())
		}
	}
	line := fmt.Sprintf("%s %-10v -> *", mark, b.Ref())
	for a := range dag.Author(w.scenario.Validators) {
		if !strong.Has(a) {
			line += " -" + a.String()
		}
	}
	return line + " " + strings.Join(others, " ")
}

func of(blocks []*dag.Verified, a dag.Author) []*dag.Verified {
	var out []*dag.Verified
	for _, b := range blocks {
		if b.Author() == a {
			out = append(out, b)
		}
	}
	return out
}
