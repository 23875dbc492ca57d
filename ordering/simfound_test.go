package ordering

import (
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// What simulation found, reduced to the rule that was wrong.

// TestRoundOneHasNoClock: the first anchor of round 1 may belong to anybody, and time is monotone.
func TestRoundOneHasNoClock(t *testing.T) {
	c := newCluster(t, 4, 1)
	b := dag.Block{Round: 1, Author: 0, Time: 1<<64 - 1, Parents: []dag.Ref{c.committee.Genesis(0), c.committee.Genesis(1), c.committee.Genesis(2)}}
	v, err := dag.Seal(c.committee, b, c.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	added := dag.New(c.committee).Add(v, 0)
	if got := medianTime(added.Accepted[0]); got != 0 {
		t.Errorf("the anchor's own clock sets the time of its commit to %d", got)
	}
}

// TestOwnRoundsAboveTheDecidedOneAreMade: decided is three rounds behind the clock in the ordinary
// course, and whoever leaves those out waits for anchors behind the others for ever.
func TestOwnRoundsAboveTheDecidedOneAreMade(t *testing.T) {
	c := newCluster(t, 4, 1)
	c.run(3 * time.Second)
	e := c.nodes[0].engine
	decided, clock := e.committer.Decided(), e.graph.Clock()
	if decided+3 > clock || decided < 10 {
		t.Fatalf("decided %d, clock %d: not the ordinary course", decided, clock)
	}
	e.proposer.last.Round = decided - 5
	if got := e.nextRound(); got != decided+1 {
		t.Errorf("next own round %d with %d decided and clock %d, want %d", got, decided, clock, decided+1)
	}
}

// TestWhoLeavesOutRoundsIsNotWaitedFor: an author that leaves out every second round comes back in
// time in every other one.
func TestWhoLeavesOutRoundsIsNotWaitedFor(t *testing.T) {
	c := newCluster(t, 4, 1)
	e := c.nodes[0].engine
	for round := range dag.Round(20) {
		var present []dag.Author
		for a := range dag.Author(3) {
			present = append(present, a)
		}
		if round%2 == 0 {
			present = append(present, 3)
		}
		for _, a := range present {
			e.graph.Insert(dag.Ref{Round: round + 1, Author: a}, nil)
		}
		e.noteArrivals(round + 1)
	}
	if got := e.proposer.missed[3]; got < maxMissed {
		t.Errorf("misses of every second round weigh %d, waited for below %d", got, maxMissed)
	}
	for range 2 * maxMissed {
		e.noteArrivals(1)
	}
	if got := e.proposer.missed[3]; got != 0 {
		t.Errorf("misses weigh %d after as many rounds in time", got)
	}
}

// TestEverySourceIsAskedForABlock: sources come before others, a silent one is not asked twice at once,
// and where the sources do not have the block every member has its turn.
func TestEverySourceIsAskedForABlock(t *testing.T) {
	e := newCluster(t, 7, 1).nodes[0].engine
	for p := range Peer(6) {
		e.Step(PeerConnected{p + 1})
	}
	ref := dag.Ref{Round: 1, Author: 3}
	e.want([]dag.Ref{ref}, 3)
	e.want([]dag.Ref{ref}, 5)
	e.graph.Add(waiterFor(t, e, ref), 3)
	asked := make(map[Peer]int)
	var order []Peer
	for now := time.Duration(0); now < 10*time.Second; now += 10 * time.Millisecond {
		e.Step(Tick{Now: now})
		for _, f := range e.Ready().Fetches {
			if len(f.Refs) == 0 {
				continue // a range, for want of progress
			}
			asked[f.To]++
			order = append(order, f.To)
			if f.To != 5 {
				e.Step(FetchEnded{Fetch: f})
			}
		}
	}
	if len(order) < 2 || order[0]+order[1] != 3+5 {
		t.Errorf("asked in the order %v, want the sources 3 and 5 first", order)
	}
	for p := Peer(1); p < 7; p++ {
		if asked[p] == 0 {
			t.Errorf("%d is never asked: %v", p, asked)
		}
	}
	if asked[5] != 1 {
		t.Errorf("the silent source is asked %d times at once", asked[5])
	}
}

// waiterFor is a block that waits for ref.
func waiterFor(t *testing.T, e *Engine, ref dag.Ref) *dag.Verified {
	t.Helper()
	parents := []dag.Ref{{Round: 1, Author: 0}, {Round: 1, Author: 1}, {Round: 1, Author: 2}, ref, {Round: 1, Author: 4}}
	b, err := dag.Seal(e.cfg.Committee, dag.Block{Round: 2, Author: 0, Parents: parents}, e.cfg.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLateArrivalsBeyondAnyWaitDoNotCount: after a partition everything is late.
func TestLateArrivalsBeyondAnyWaitDoNotCount(t *testing.T) {
	s := spread{wait: 250 * time.Millisecond, floor: 50 * time.Millisecond, ceil: time.Second}
	for range spreadSamples {
		s.add(arrival{1, 20 * time.Millisecond})
		s.add(arrival{2, 15 * time.Second})
	}
	if s.wait != 50*time.Millisecond {
		t.Errorf("wait %v, want the floor", s.wait)
	}
}

// TestAdversariesDoNotChooseTheWait: f authors come late in every round.
func TestAdversariesDoNotChooseTheWait(t *testing.T) {
	for faults, want := range []time.Duration{700 * time.Millisecond, 2 * 80 * time.Millisecond} {
		s := spread{wait: 250 * time.Millisecond, floor: 50 * time.Millisecond, ceil: time.Second, faults: faults}
		for range spreadSamples / 4 {
			for a, late := range []time.Duration{20, 350, 30, 40} {
				s.add(arrival{dag.Author(a), late * time.Millisecond})
			}
		}
		if s.wait != want {
			t.Errorf("f = %d: wait %v, want %v", faults, s.wait, want)
		}
	}
}

// TestALiarCannotSilenceWhoAsks: an answer names a round that nobody has reached.
func TestALiarCannotSilenceWhoAsks(t *testing.T) {
	s := dagtest.Build(t, "n=7\n"+fiveRounds)
	r := newReturning(t, s, Restored{LogLost: true})
	for _, b := range s.Blocks {
		r.step(BlockReceived{From: 1, Block: b})
	}
	r.answer(1, nil, 1<<40)
	for from := range Peer(4) {
		r.answer(from+2, nil, 5)
	}
	r.pass(3)
	if len(r.spoken) > 0 {
		t.Fatal("spoke after four answers and a lie, want five answers")
	}
	r.answer(6, nil, 5)
	r.pass(3)
	if r.engine.restart.asking() || r.engine.nextRound() != 7 {
		t.Errorf("asking %v, next own round %d, want 7 = 5 + 2", r.engine.restart.asking(), r.engine.nextRound())
	}
}

// TestAnOwnChainIsFetchedByRounds: one validator was not heard for many rounds; block by block, its
// chain was walked down more slowly than it grew.
func TestAnOwnChainIsFetchedByRounds(t *testing.T) {
	e := newCluster(t, 4, 1).nodes[0].engine
	e.now = time.Minute
	parents := []dag.Ref{{Round: 49, Author: 2}, {Round: 49, Author: 1}, {Round: 49, Author: 3}}
	b, err := dag.Seal(e.cfg.Committee, dag.Block{Round: 50, Author: 2, Parents: parents}, e.cfg.Signer)
	if err != nil {
		t.Fatal(err)
	}
	pushed := BlockReceived{From: 3, Block: b}
	e.missing(pushed, parents)
	if w := e.sync.wants.blocks[parents[0]]; len(e.ready.Fetches) != 0 || w.due+e.grace(w) <= e.now {
		t.Errorf("a pushed block: %d fetches at once, or no grace", len(e.ready.Fetches))
	}
	e.sync.wants.blocks[b.Ref()] = &want{asking: []Peer{3}}
	e.missing(pushed, parents)
	if w := e.sync.wants.blocks[parents[1]]; w.due+e.grace(w) > e.now {
		t.Error("the parents of a fetched block are given time to come by push")
	}
	if f := e.ready.Fetches; len(f) != 1 || f[0].To != 3 || f[0].FromRound > 20 || f[0].ToRound != 49 {
		t.Errorf("fetches %+v, want the rounds up to 49 from 3", f)
	}
}
