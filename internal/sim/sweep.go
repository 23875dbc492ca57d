package sim

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Sweep says which scenarios to run.
type Sweep struct {
	Options Options
	From    uint64 // first seed
	To      uint64 // last seed
	Workers int    // how many runs at once; at least 1
}

// Outcome is a run of a sweep that violated something.
type Outcome struct {
	Scenario Scenario
	Result   Result
}

// Tally is what a sweep has done so far.
type Tally struct {
	Seeds     uint64
	Events    uint64
	Commits   uint64
	Items     uint64
	Virtual   time.Duration
	Recovery  time.Duration // the longest
	Inclusion uint64        // the most rounds
	Failed    []Outcome     // by seed
}

// maxFailed is after how many failures a sweep gives up: one usually shows many times.
const maxFailed = 5

// Run runs all seeds, until ctx ends or too many have failed. progress, if not nil, is called after
// every run, never twice at once. Errors wrap ErrScenario.
func (s Sweep) Run(ctx context.Context, progress func(*Tally)) (Tally, error) {
	var (
		next  atomic.Uint64
		mutex sync.Mutex
		tally Tally
		first error
		group sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next.Store(s.From)
	for range max(s.Workers, 1) {
		group.Go(func() {
			for seed := next.Add(1) - 1; seed <= s.To && ctx.Err() == nil; seed = next.Add(1) - 1 {
				scenario, err := Plan(seed, s.Options)
				var r Result
				if err == nil {
					r, err = Run(scenario)
				}
				mutex.Lock()
				switch {
				case err != nil:
					first = err
					cancel()
				default:
					tally.add(scenario, r)
					if len(tally.Failed) >= maxFailed {
						cancel()
					}
				}
				if progress != nil {
					progress(&tally)
				}
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	tally.sort()
	return tally, first
}

func (t *Tally) add(s Scenario, r Result) {
	t.Seeds++
	t.Events += r.Events
	t.Commits += uint64(r.Commits)
	t.Items += uint64(r.Items)
	t.Virtual += r.Virtual
	t.Recovery = max(t.Recovery, r.Recovery)
	t.Inclusion = max(t.Inclusion, uint64(r.Inclusion))
	if r.Violation != nil {
		t.Failed = append(t.Failed, Outcome{s, r})
	}
}
