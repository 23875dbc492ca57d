package sim

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Limits of what an engine may hold or have under way, as it promises.
const (
	maxWaitingPerValidator = 256       // blocks, as the DAG promises
	maxPoolItems           = 128 << 10 // as PoolLimits say by default
	maxPoolBytes           = 64 << 20  // the same
	maxFetchesPerPeer      = 4 + 1     // questions that one peer has not answered: for blocks, and for whole rounds
	maxHeldPerSlot         = 4         // blocks of one slot, where every validator makes as many twins as are kept
	maxOpenRounds          = 200       // from the newest decided round to the clock; 180 seeds showed 20 at most
)

// bounded checks that a node holds no more than it promises, and that a quorum bears its clock out.
func (c *checker) bounded(n *node) {
	s := n.engine.Status()
	c.holds(n.self, &s)
	if c.violation == nil && !c.rule.complete(s.Round-1) {
		c.failf("clock", n.self, "round %d, and no quorum of the round before was accepted", s.Round)
	}
}

// holds checks what an engine says that it holds.
func (c *checker) holds(self dag.Author, s *ordering.Status) {
	switch size := c.world.scenario.Validators; {
	case s.Waiting > maxWaitingPerValidator*size:
		c.failf("memory", self, "%d blocks wait for ancestors", s.Waiting)
	case s.PoolItems > maxPoolItems || s.PoolBytes > maxPoolBytes:
		c.failf("memory", self, "%d items of %d bytes in the pool", s.PoolItems, s.PoolBytes)
	case s.Wanted > ordering.MaxWanted(size):
		c.failf("memory", self, "%d missing blocks are tracked", s.Wanted)
	case s.Held > maxHeldPerSlot*size*int(s.Round-min(s.Floor, s.Round)+dag.MaxAhead):
		c.failf("memory", self, "%d blocks of rounds from %d to %d are held", s.Held, s.Floor, s.Round)
	case s.Round > s.Decided+maxOpenRounds:
		c.failf("memory", self, "round %d, decided is %d", s.Round, s.Decided)
	}
}

// asks checks a question that a node asks: how much it names, and how many the same peer has not
// answered.
func (c *checker) asks(n *node, f *ordering.Fetch) {
	if len(f.Refs) > ordering.MaxFetchRefs {
		c.failf("memory", n.self, "%d blocks are asked for at once", len(f.Refs))
	}
	open := 0
	for _, other := range n.fetches {
		if other == f.To {
			open++
		}
	}
	if open > maxFetchesPerPeer {
		c.failf("memory", n.self, "%d questions to one peer are open", open)
	}
}
