package ordering

import (
	"testing"
	"time"
)

// TestAcknowledgedByAValidatorThatNobodyHears: what a validator acknowledged while none of its blocks came through is
// committed once when they do, although no commit can bring in the block that it was acknowledged in: it goes into a
// new one when the order has left the old one behind.
func TestAcknowledgedByAValidatorThatNobodyHears(t *testing.T) {
	c := newCluster(t, 4, 3)
	c.run(time.Second)
	quick := c.delay
	unheard := true
	c.delay = func(from, to int) time.Duration {
		if from == 3 && unheard {
			return 40 * time.Second
		}
		return quick(from, to)
	}
	item := c.submit(3, "acknowledged and not heard")
	for i := range 30 {
		c.run(time.Second)
		c.submit(i%3, time.Duration(i).String()) // the others go on
	}
	outcomes := c.nodes[3].outcomes
	if len(outcomes) != 1 || outcomes[0].State != Included {
		t.Fatalf("outcomes %+v", outcomes)
	}
	acknowledged := outcomes[0].Block
	if floor := c.nodes[3].engine.graph.Floor(); floor < acknowledged.Round {
		t.Fatalf("round %d is not collected, the floor is %d: the test shows less than it says", acknowledged.Round, floor)
	}
	if n := c.committed(0)[item.ID]; n != 0 {
		t.Fatalf("committed %d times while nobody heard of it", n)
	}
	unheard = false
	c.run(30 * time.Second)
	c.agree()
	for i := range c.nodes {
		if n := c.committed(i)[item.ID]; n != 1 {
			t.Errorf("node %d has committed it %d times", i, n)
		}
		for _, commit := range c.nodes[i].commits {
			for _, ref := range commit.Blocks {
				if ref == acknowledged {
					t.Errorf("node %d has brought in block %v after all", i, ref)
				}
			}
		}
	}
}
