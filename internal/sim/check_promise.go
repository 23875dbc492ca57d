package sim

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// promise is an acknowledged item: it will be committed exactly once or expire, as long as the node
// that acknowledged it returns with its disk.
type promise struct {
	node  dag.Author
	until dag.CommitIndex
}

// submitted notes an item that somebody made.
func (c *checker) submitted(id crypto.Digest) { c.known[id] = true }

// asked notes a submission that a node must answer while it lives.
func (c *checker) asked(node dag.Author, ticket uint64) { c.tickets[ticket] = node }

// answered takes a node's answer to a submission.
func (c *checker) answered(node dag.Author, o *ordering.Outcome) {
	if c.tickets[o.Ticket] != node {
		c.failf("answer", node, "a second answer to one submission, or one that nobody asked for")
	}
	delete(c.tickets, o.Ticket)
	switch o.State {
	case ordering.Included:
		block := c.world.nodes[node].disk.byRef[o.Block]
		if block == nil {
			c.failf("durable", node, "item %v is acknowledged in %v, which is not on disk", o.ID.Short(), o.Block)
			return
		}
		c.promised(node, o.ID, block)
	case ordering.Committed:
		if c.items[o.ID] != o.Commit {
			c.failf("answer", node, "item %v is said to be in commit %d, it is in %d", o.ID.Short(), o.Commit, c.items[o.ID])
		}
	}
}

func (c *checker) promised(node dag.Author, id crypto.Digest, block *dag.Verified) {
	items := block.Block().Items
	for i := range items {
		if items[i].ID == id {
			if _, before := c.acknowledged[id]; !before {
				c.order = append(c.order, id)
			}
			c.acknowledged[id] = promise{node, items[i].ValidUntil}
			return
		}
	}
	c.failf("durable", node, "item %v is acknowledged in %v, which does not hold it", id.Short(), block.Ref())
}

// forgets frees a node from what it promised before it lost its disk.
func (c *checker) forgets(node dag.Author) {
	for id, p := range c.acknowledged {
		if p.node == node {
			delete(c.acknowledged, id)
		}
	}
}

// excuse frees nodes from promises for namespaces that were closed meanwhile.
func (c *checker) excuse(commit *ordering.Commit) {
	for i := range commit.Dropped {
		if d := &commit.Dropped[i]; d.Reason == ordering.DropClosedNamespace {
			delete(c.acknowledged, d.ID)
		}
	}
}

// unkept is the first promise that is still open, if any.
func (c *checker) unkept() (crypto.Digest, bool) {
	for len(c.order) > 0 {
		id := c.order[0]
		p, open := c.acknowledged[id]
		if _, done := c.items[id]; open && !done && p.until > c.longest() {
			return id, true
		}
		c.order = c.order[1:]
	}
	return crypto.Digest{}, false
}
