package test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/ordering"
)

// defaultKills is how often a test that kills under load does so unless DUNLIN_KILLS says otherwise.
const defaultKills = 3

// number reads an environment variable.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	return numbers(t, name, otherwise)[0]
}

// numbers reads an environment variable with numbers between commas.
func numbers(t *testing.T, name string, otherwise uint64) []uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return []uint64{otherwise}
	}
	var out []uint64
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q: %v", name, text, err)
		}
		out = append(out, n)
	}
	return out
}

// chance is a source of random choices. The seed in the log makes the same choices again; what the
// processes were doing meanwhile is another matter.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := number(t, "DUNLIN_SEED", uint64(time.Now().UnixNano()))
	t.Logf("DUNLIN_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Under load, a random one of four processes is killed every few seconds and started again: the
// others go on, it catches up and takes part again, all orders agree, nothing acknowledged is lost
// or ordered twice, and nobody equivocates. Then all four are killed at once, and go on.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for a while")
	}
	t.Parallel()
	random, kills := chance(t), number(t, "DUNLIN_KILLS", defaultKills)
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(100)
	for range kills {
		f.killOne(random)
	}
	t.Logf("%d kills, %d transactions acknowledged, %d batches unanswered", kills, len(l.promised()), l.unanswered)
	l.stop()
	before := f.checkCommitted(l.promised())
	f.checkHonest()

	l = startLoad(f)
	l.untilMore(100)
	f.kill(f.all()...)
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l.untilMore(100)
	l.stop()
	after := f.checkCommitted(l.promised())
	for i, o := range after {
		if at := divergence(before[i], o); at != 0 || len(o.digests) <= len(before[i].digests) {
			t.Errorf("%s had %d commits and has %d after all were killed; they differ from commit %d on (0: nowhere)",
				o.name, len(before[i].digests), len(o.digests), at)
		}
		for id := range before[i].items {
			if o.items[id] != 1 {
				t.Errorf("%s had %s and has it %d times after all were killed", o.name, id, o.items[id])
			}
		}
	}
	f.checkHonest()
	for _, i := range f.all() {
		f.stop(i)
	}
}

// killOne kills a random node in the middle of what it does, looks whether the others go on, and
// starts it again some time later.
func (f *fleet) killOne(random *rand.Rand) {
	f.t.Helper()
	time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
	victim := random.IntN(len(f.network.Nodes))
	witness := (victim + 1 + random.IntN(len(f.network.Nodes)-1)) % len(f.network.Nodes)
	f.kill(victim)
	at := f.until(witness, "answers", func(s status) bool { return true }).Commit
	f.untilPast(witness, at+5)
	time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
	f.start(victim)
	f.untilProposing(victim)
	f.untilCaughtUp(victim, witness)
}

// untilCaughtUp waits until a node has committed all that another one has committed by now.
func (f *fleet) untilCaughtUp(i, other int) {
	f.t.Helper()
	var goal dag.CommitIndex = f.until(other, "answers", func(s status) bool { return true }).Commit
	f.untilPast(i, goal-1)
}

// A node acknowledges what stands in a block that no other node has seen, and dies. The others go
// on until that block is too old to be ordered. When the node comes back it keeps its promise.
func TestPromiseOfALostBlock(t *testing.T) {
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	for range 3 {
		l.untilMore(50)
		f.kill(1, 2, 3)
		time.Sleep(300 * time.Millisecond) // in which node 0 makes its last block without hearers
		f.kill(0)
		f.start(1, 2, 3)
		f.untilProposing(1, 2, 3)
		at := f.until(1, "answers", func(status) bool { return true }).Commit
		f.untilPast(1, at+2*ordering.GCDepth)
		f.start(0)
		f.untilProposing(0)
	}
	l.stop()
	f.checkCommitted(l.promised())
	f.checkHonest()
	t.Logf("%d transactions acknowledged", len(l.promised()))
}
