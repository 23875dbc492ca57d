package ordering

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// laggard is a cluster whose last node has missed rounds and comes back while the others go on.
type laggard struct {
	*cluster
	who   int
	asked []Fetch // for rounds, by the laggard
	held  int     // the most bytes that it held
}

// newLaggard lets the last of n nodes miss so many rounds.
func newLaggard(t *testing.T, n int, rounds dag.Round) *laggard {
	t.Helper()
	l := &laggard{cluster: newCluster(t, n, 3), who: n - 1}
	l.run(time.Second)
	l.kill(l.who)
	for goal := l.nodes[0].engine.Status().Round + rounds; l.nodes[0].engine.Status().Round < goal; {
		l.step()
	}
	l.seen = func(i int, r *Ready) {
		if i != l.who {
			return
		}
		for _, f := range r.Fetches {
			if len(f.Refs) == 0 {
				l.asked = append(l.asked, f)
			}
		}
		e := l.nodes[i].engine
		l.held = max(l.held, e.sync.spans.held)
		if held := l.heldNow(); held != e.sync.spans.held {
			t.Fatalf("%d bytes are held, counted %d", held, e.sync.spans.held)
		}
		if e.sync.spans.held > maxHeldBytes || len(e.sync.spans.list) > 2*maxSpans {
			t.Fatalf("%d bytes held in %d runs", e.sync.spans.held, len(e.sync.spans.list))
		}
		if w := e.graph.Waiting(); w > n*(feedAhead+liveAhead) {
			t.Fatalf("%d blocks wait for ancestors", w)
		}
	}
	return l
}

func (l *laggard) heldNow() (bytes int) {
	for _, sp := range l.nodes[l.who].engine.sync.spans.list {
		for i := range sp.layers {
			for _, ev := range sp.layers[i].held {
				bytes += len(ev.Block.Bytes())
			}
		}
	}
	return bytes
}

// step lets ten milliseconds pass under load.
func (l *laggard) step() {
	l.submit(0, fmt.Sprint("at ", l.now))
	l.run(10 * time.Millisecond)
}

// back starts the laggard and runs until it is near the others; it says how long that took.
func (l *laggard) back(limit time.Duration) time.Duration {
	l.t.Helper()
	began := l.now
	l.start(l.who, l.restored(l.who))
	l.connect(l.who)
	for l.nodes[l.who].engine.Status().Round+10 < l.nodes[0].engine.Status().Round {
		if l.step(); l.now > began+limit {
			s := l.nodes[l.who].engine.Status()
			l.t.Fatalf("round %d of %d after %s", s.Round, l.nodes[0].engine.Status().Round, limit)
		}
	}
	took := l.now - began
	l.run(2 * time.Second)
	l.agree()
	if s := l.nodes[l.who].engine.Status(); !s.Proposing || s.Behind > catchUpLag || len(l.nodes[l.who].engine.sync.spans.list) > 1 {
		l.t.Errorf("it does not take part again: %+v", s)
	}
	return took
}

// Different rounds come from different peers at the same time, and none comes twice.
func TestCatchUpAsksForDifferentRounds(t *testing.T) {
	l := newLaggard(t, 4, 2000)
	l.delay = func(from, _ int) time.Duration { return time.Duration(20+40*(2-from%3)) * time.Millisecond }
	most := dag.CommitIndex(0)
	watch := l.seen
	l.seen = func(i int, r *Ready) {
		watch(i, r)
		most = max(most, l.nodes[l.who].engine.Status().BehindCommits)
	}
	took := l.back(20 * time.Second)
	if s := l.nodes[l.who].engine.Status(); most < 1900 || most > 2200 || s.BehindCommits > 10 {
		t.Errorf("it was %d commits behind, and is %d; want some 2000 and next to none", most, s.BehindCommits)
	}
	covered := make(map[dag.Round]int)
	peers := make(map[Peer]bool)
	for _, f := range l.asked {
		peers[f.To] = true
		for r := f.FromRound; r <= f.ToRound; r++ {
			covered[r]++
		}
	}
	twice := 0
	for _, n := range covered {
		if n > 1 {
			twice++
		}
	}
	if n := len(l.asked); n > 18 {
		t.Errorf("%d questions: they do not grow", n)
	}
	if len(peers) != 3 || twice > 10 || l.held == 0 {
		t.Errorf("%d rounds of %d were asked for more than once, of %d peers, and %d bytes were held; want few, 3 and some", twice, len(covered), len(peers), l.held)
	}
	t.Logf("%d rounds in %d questions took %s; at most %d bytes held", len(covered), len(l.asked), took, l.held)
}

// A peer that is silent, lies or gives next to nothing costs the time of its own rounds.
func TestCatchUpDespiteAPeer(t *testing.T) {
	const bad = 1
	cases := map[string]func(found []*dag.Verified) ([]*dag.Verified, bool){
		"silent": func([]*dag.Verified) ([]*dag.Verified, bool) { return nil, false },
		"empty":  func([]*dag.Verified) ([]*dag.Verified, bool) { return nil, true },
		"one":    func(found []*dag.Verified) ([]*dag.Verified, bool) { return found[:min(1, len(found))], true },
		"newest": func(found []*dag.Verified) ([]*dag.Verified, bool) { return found[max(0, len(found)-3):], true },
		"gaps": func(found []*dag.Verified) ([]*dag.Verified, bool) {
			return except(found, func(b *dag.Verified) bool { return b.Round()%7 == 3 }), true
		},
		"omits": func(found []*dag.Verified) ([]*dag.Verified, bool) {
			return except(found, func(b *dag.Verified) bool { return b.Author() == 0 && b.Round()%5 == 0 }), true
		},
		"shuffle": func(found []*dag.Verified) ([]*dag.Verified, bool) { slices.Reverse(found); return found, true },
	}
	for name, shape := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLaggard(t, 4, 1200)
			l.shape = func(d delivery, found []*dag.Verified) ([]*dag.Verified, bool) {
				if d.to != bad {
					return found, true
				}
				return shape(found)
			}
			t.Logf("%s, %d questions", l.back(10*time.Second), len(l.asked))
		})
	}
}

func except(blocks []*dag.Verified, out func(*dag.Verified) bool) []*dag.Verified {
	return slices.DeleteFunc(blocks, out)
}

// Answers that hold part of what was asked are gone on with, wherever they were cut.
func TestCatchUpOfLargeRounds(t *testing.T) {
	for _, blocks := range []int{3, 10, 50} {
		t.Run(fmt.Sprint(blocks), func(t *testing.T) {
			l := newLaggard(t, 4, 300)
			l.shape = func(_ delivery, found []*dag.Verified) ([]*dag.Verified, bool) {
				return found[:min(blocks, len(found))], true
			}
			t.Logf("%s, %d questions", l.back(time.Minute), len(l.asked))
		})
	}
}

// Blocks that nobody asked for are left out while the node is far behind; where their authors are is
// noted.
func TestLiveBlocksAreLeftOutFarBehind(t *testing.T) {
	l := newLaggard(t, 4, 600)
	e, far := l.nodes[l.who].engine, 0
	watch := l.seen
	l.seen = func(i int, r *Ready) {
		if watch(i, r); i != l.who {
			return
		}
		if e = l.nodes[i].engine; e.behind() > liveAhead {
			if far++; e.graph.Waiting() > 0 || len(e.sync.wants.blocks) > 0 {
				t.Fatalf("%d rounds behind, %d blocks wait, %d are wanted", e.behind(), e.graph.Waiting(), len(e.sync.wants.blocks))
			}
		}
	}
	l.delay = func(from, _ int) time.Duration { return 200 * time.Millisecond } // live blocks come before any answer
	l.back(20 * time.Second)
	if newest := e.sync.newest[:l.who]; slices.Min(newest) < 600 || far == 0 {
		t.Errorf("newest rounds %v, want all above 600; %d times far behind", newest, far)
	}
}
