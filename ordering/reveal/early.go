//go:build mutants

package reveal

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
	"github.com/dunlin-network/dunlin/ordering"
)

// Early is the planted error mutant.ShareEarly, which builds with the tag mutants alone have: a share for the
// sealed items of a block that was accepted, in the form of one for the next commit.
func (t *Tracker) Early(b *dag.Verified) []ordering.OwnShare {
	if !mutant.Planted(mutant.ShareEarly) {
		return nil
	}
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: t.head + 1}, Bodies: []*dag.Verified{b}}
	for i := range b.Block().Items {
		c.Accepted = append(c.Accepted, ordering.Accepted{ID: b.Block().Items[i].ID, Item: uint32(i)})
	}
	opening := newCommit(c, t.keys.In(c.Index))
	if opening == nil {
		return nil
	}
	var out []ordering.OwnShare
	for part := range opening.parts {
		if payload := opening.offer(part); payload != nil {
			out = append(out, ordering.OwnShare{Commit: c.Index, Payload: payload})
		}
	}
	return out
}
