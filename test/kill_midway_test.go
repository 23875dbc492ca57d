package test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
)

// How often the tests kill in the middle of something unless DUNLIN_KILLS says otherwise.
const (
	defaultKeyKills     = 3
	defaultCatchUpKills = 3
	killGap             = 150 // commits that a validator has to catch up with at the least when it is killed
)

// Validators are killed while a network makes its key: one, two or all, at a random moment between the first
// deal and the last acknowledgement. Every time the key is made, all have the same one, and what is sealed
// with it is opened by everybody.
func TestKillDuringKeyGeneration(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for a while")
	}
	t.Parallel()
	random, kills := chance(t), int(number(t, "DUNLIN_KILLS", defaultKeyKills))
	for done := 0; done < kills; {
		done += killWhileDealing(t, random)
	}
}

// killWhileDealing takes a network through its key generation and gives how many processes were killed on the way.
func killWhileDealing(t *testing.T, random *rand.Rand) (kills int) {
	t.Helper()
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	for {
		victims := random.Perm(4)[:[]int{1, 1, 2, 4}[random.IntN(4)]]
		f.untilReached(victims[0], 0)
		time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
		phases, ready := f.phases(victims)
		if ready {
			break
		}
		f.kill(victims...)
		t.Logf("killed %v while %v", victims, phases)
		kills += len(victims)
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		f.start(victims...)
	}
	f.untilProposing(f.all()...)
	want := f.untilSealing(0)
	for i := range f.network.Nodes {
		if got := f.untilSealing(i); got.ID != want.ID || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%s has key %d (%x), %s has key %d (%x)", f.network.Nodes[i].Name, got.ID, got.Bytes(), f.network.Nodes[0].Name, want.ID, want.Bytes())
		}
	}
	var sealed []crypto.Digest
	for i := range f.network.Nodes {
		sealed = append(sealed, f.submitSealed(i, "after the kills"))
	}
	f.checkCommitted(sealed)
	for i := 1; i < len(f.network.Nodes); i++ {
		f.sameReveals(i, 0, sealed)
	}
	f.checkHonest()
	for _, i := range f.all() {
		f.stop(i)
	}
	return kills
}

// phases says how far nodes are with the key, and whether one of them has it.
func (f *fleet) phases(nodes []int) (phases []string, ready bool) {
	f.t.Helper()
	for _, i := range nodes {
		phase := "starting"
		if s, err := f.clients[i].NodeStatus(f.t.Context()); err == nil {
			phase = s.Sealing.Phase
			ready = ready || s.Sealing.Serving != 0
		}
		phases = append(phases, phase)
	}
	return phases, ready
}

// A validator that has missed commits is killed again and again while it catches up, at a random point between
// where it stood and where the others are. In the end it has the same order, and takes part.
func TestKillDuringCatchUp(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for a while")
	}
	t.Parallel()
	const late = 3
	random, kills := chance(t), int(number(t, "DUNLIN_KILLS", defaultCatchUpKills))
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(100)
	from := f.commitOf(late)
	f.kill(late)
	midway := 0
	for range kills {
		f.untilPast(0, from+killGap)
		goal := f.commitOf(0)
		f.start(late)
		target := from + dag.CommitIndex(random.Uint64N(uint64(goal-from)))
		at := f.untilReached(late, target)
		f.kill(late)
		if at < goal {
			midway++
		}
		from = at
	}
	f.start(late)
	f.untilProposing(late)
	f.untilCaughtUp(late, 0)
	l.stop()
	t.Logf("%d of %d kills came before it had caught up; %d transactions acknowledged", midway, kills, len(l.promised()))
	f.checkCommitted(l.promised())
	f.checkHonest()
	for _, i := range f.all() {
		f.stop(i)
	}
}

// untilReached looks at a node without a pause until it has a commit, and gives which one it has then.
func (f *fleet) untilReached(i int, commit dag.CommitIndex) dag.CommitIndex {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if s, err := f.clients[i].NodeStatus(f.t.Context()); err == nil && s.Commit >= commit {
			return s.Commit
		}
	}
	f.t.Fatalf("%s does not reach commit %d", f.network.Nodes[i].Name, commit)
	return 0
}
