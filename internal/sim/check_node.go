package sim

import (
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// resumed takes the blocks that a node found on its disk. They do not count as held: the head on disk
// can be older than the one before the crash, and a block whose ancestors were collected then waits
// for them again.
func (c *checker) resumed(n *node, blocks []*dag.Verified) {
	c.rule.add(blocks)
	n.held = make(map[dag.Slot]dag.Ref)
}

// accepted takes the blocks that a node has accepted and written. A second block of a slot comes
// with the evidence.
func (c *checker) accepted(n *node, r *ordering.Ready) {
	c.rule.add(r.Persist)
	for _, b := range r.Persist {
		first, twin := n.held[b.Slot()]
		if !twin {
			n.held[b.Slot()] = b.Ref()
			continue
		}
		told := slices.ContainsFunc(r.Evidence, func(ev dag.Evidence) bool { return ev.Slot() == b.Slot() })
		if first != b.Ref() && !told && !n.accused[b.Slot()] {
			c.failf("evidence", n.self, "%v and %v are accepted and nobody is accused", first, b.Ref())
		}
	}
	for _, ev := range r.Evidence {
		n.accused[ev.Slot()] = true
	}
}

// unskipped checks that a node makes a block for every round that was not decided when it came to it;
// one that has lost its log goes on where others say.
func (c *checker) unskipped(n *node, b *dag.Verified) {
	before := n.spoke
	n.spoke = max(before, b.Round())
	if !n.faultless {
		return
	}
	for r := max(before, n.engine.Status().Decided) + 1; r < b.Round(); r++ {
		if !slices.ContainsFunc(n.disk.byRound[r], func(o *dag.Verified) bool { return o.Author() == n.self }) {
			c.failf("own-rounds", n.self, "%v follows a block of round %d, round %d is not decided", b.Ref(), before, r)
		}
	}
}
