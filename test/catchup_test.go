package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
)

// What a validator is made to miss, and what catching up may take.
const (
	defaultCatchUpCommits = 400       // unless DUNLIN_CATCHUP_COMMITS says otherwise
	catchUpMemory         = 640 << 20 // bytes; what the limits of catching up and of the store's caches come to
	extraMemory           = 192 << 20 // bytes beyond what a validator takes that missed nothing, whatever the gap
	catchUpStep           = 100       // commits that one wait is for
)

// A validator is killed and misses commits while the others go on under load. It catches up while they
// go on, takes part again, has the same order, and its memory stays within a bound that does not hang on
// how much it missed: near to that of one that missed nothing. DUNLIN_CATCHUP_COMMITS is how many it misses, or
// several such numbers, of which it misses one after the other; DUNLIN_CATCHUP_WARM is how many commits
// there are before, so that all that fills up with time is full. DUNLIN_CATCHUP_RATE is how many transactions a
// second the load is, instead of eight clients that wait for their answers.
func TestCatchUp(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a gap of some hundred commits")
	}
	t.Parallel()
	const late = 3
	gaps := numbers(t, "DUNLIN_CATCHUP_COMMITS", defaultCatchUpCommits)
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	var l *load
	if rate := number(t, "DUNLIN_CATCHUP_RATE", 0); rate > 0 {
		l = startPacedLoad(f, int(rate))
	} else {
		l = startLoad(f)
	}
	l.untilMore(100)
	f.untilFarPast(late, dag.CommitIndex(number(t, "DUNLIN_CATCHUP_WARM", 0)))
	for _, gap := range gaps {
		f.missAndCatchUp(late, dag.CommitIndex(gap))
	}
	l.stop()
	f.checkCommitted(l.promised())
	f.checkHonest()
}

// missAndCatchUp kills a node, starts it again when others have made so many commits more, and holds its memory to
// the bounds until it has caught up.
func (f *fleet) missAndCatchUp(late int, gap dag.CommitIndex) {
	f.t.Helper()
	f.kill(late)
	from := f.commitOf(0)
	f.untilFarPast(0, from+gap)
	goal := f.commitOf(0)
	began := time.Now()
	f.start(late)
	memory, others := watchMemory(f, late), watchMemory(f, 0)
	f.untilFarPast(late, goal-1)
	took := time.Since(began)
	f.untilProposing(late)
	f.untilCaughtUp(late, 0)
	peak, other := memory(), others()
	f.t.Logf("%d commits behind at %d; had them %s after its start, and the others' %d more after %s; at most %d MiB of memory, and one that missed nothing %d",
		goal-from, from, took.Round(10*time.Millisecond), f.commitOf(0)-goal, time.Since(began).Round(10*time.Millisecond), peak>>20, other>>20)
	if peak > catchUpMemory {
		f.t.Errorf("catching up took %d bytes of memory, limit %d", peak, catchUpMemory)
	}
	if peak > other+extraMemory && other > 0 {
		f.t.Errorf("catching up took %d bytes of memory, %d more than a validator took that missed nothing; limit %d", peak, peak-other, extraMemory)
	}
}

// untilFarPast waits, in steps, until a node has committed more than it had.
func (f *fleet) untilFarPast(i int, goal dag.CommitIndex) {
	f.t.Helper()
	for at := f.commitOf(i); at <= goal; at = f.commitOf(i) {
		f.untilPast(i, min(at+catchUpStep, goal))
	}
}

func (f *fleet) commitOf(i int) dag.CommitIndex {
	f.t.Helper()
	return f.until(i, "answers", func(status) bool { return true }).Commit
}

// watchMemory looks at what a node has for itself, as flood.watch does, until the result is called, which
// tells the most that was seen; 0 without /proc.
func watchMemory(f *fleet, i int) func() uint64 {
	path := fmt.Sprintf("/proc/%d/status", f.running[i].cmd.Process.Pid)
	ended, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			most = max(most, anonymous(path))
			select {
			case <-ended:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(ended)
		return <-peak
	}
}

// anonymous is the memory in bytes that a process has for itself, by its status file in /proc.
func anonymous(path string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	var kib uint64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return 0
	}
	return kib << 10
}
