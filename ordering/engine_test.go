package ordering

import (
	"fmt"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
)

func TestFourValidatorsCommitWhatIsSubmitted(t *testing.T) {
	for _, n := range []int{1, 4, 5, 6, 7, 10} {
		t.Run(fmt.Sprint("n=", n), func(t *testing.T) {
			c := newCluster(t, n, 1)
			c.run(300 * time.Millisecond)
			var ids []crypto.Digest
			for k := range 20 {
				ids = append(ids, c.submit(k%n, fmt.Sprint("payload ", k)).ID)
				c.run(7 * time.Millisecond)
			}
			c.run(200 * time.Millisecond)
			if got := c.agree(); got < 15 {
				t.Errorf("%d commits, want at least 15", got)
			}
			for i := range c.nodes {
				for k, id := range ids {
					if got := c.committed(i)[id]; got != 1 {
						t.Errorf("node %d committed item %d %d times", i, k, got)
					}
				}
			}
		})
	}
}

func TestIdleNetworkKeepsAQuietPace(t *testing.T) {
	c := newCluster(t, 4, 1)
	c.run(10 * time.Second)
	rounds := c.nodes[0].engine.Status().Round
	if rounds < 80 || rounds > 105 {
		t.Errorf("%d rounds in 10 idle seconds, want about 100", rounds)
	}
	c.submit(2, "wake up")
	c.run(60 * time.Millisecond)
	for i := range c.nodes {
		if len(c.committed(i)) != 1 {
			t.Errorf("node %d has not committed within 60 ms of a submission to an idle network", i)
		}
	}
}

func TestOneCrashedValidatorIsSurvivedAndReturns(t *testing.T) {
	c := newCluster(t, 4, 3)
	c.run(time.Second)
	c.kill(3)
	before := len(c.nodes[0].commits)
	for k := range 200 {
		c.submit(k%3, fmt.Sprint("while down ", k))
		c.run(10 * time.Millisecond)
	}
	if got := len(c.nodes[0].commits) - before; got < 50 {
		t.Errorf("%d commits in two seconds with one crashed, want at least 50", got)
	}
	r := c.restored(3)
	own := r.Own.Round()
	c.start(3, r)
	c.connect(3)
	c.run(2 * time.Second)
	c.agree()
	status := c.nodes[3].engine.Status()
	if !status.Proposing || status.Own < c.nodes[0].engine.Status().Round-3 || status.Own <= own {
		t.Errorf("restarted validator does not take part: %+v", status)
	}
	if got, want := len(c.committed(3)), 200; got != want {
		t.Errorf("restarted validator committed %d items, want %d", got, want)
	}
}

func TestWholeClusterRestarts(t *testing.T) {
	c := newCluster(t, 4, 4)
	c.run(100 * time.Millisecond)
	for k := range 30 {
		c.submit(k%4, fmt.Sprint("before ", k))
		c.run(5 * time.Millisecond)
	}
	c.queue = nil // everything on the way is lost
	for i := range c.nodes {
		c.start(i, c.restored(i))
	}
	for i := range c.nodes {
		c.connect(i)
	}
	c.run(time.Second)
	c.agree()
	acknowledged := 0
	for _, node := range c.nodes {
		for _, o := range node.outcomes {
			if o.State != Included {
				t.Fatalf("outcome %+v, want Included", o)
			}
			acknowledged++
			for i := range c.nodes {
				if got := c.committed(i)[o.ID]; got != 1 {
					t.Errorf("node %d committed an acknowledged item %d times", i, got)
				}
			}
		}
	}
	if acknowledged < 25 {
		t.Errorf("%d of 30 items acknowledged before the restart", acknowledged)
	}
}
