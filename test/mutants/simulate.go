//go:build mutants

package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dunlin-network/dunlin/internal/sim"
)

// sighting is the first simulation that noticed an error; invariant is empty if none did.
type sighting struct {
	seed       uint64
	validators int
	invariant  string
	detail     string
}

func (s sighting) String() string {
	if s.invariant == "" {
		return "-"
	}
	return fmt.Sprintf("seed %d, n = %d, %s", s.seed, s.validators, s.invariant)
}

// sizes is how many validators the seeds have in turn: most of them few, since these are fast, and
// some where a quorum, 2f+1 and f+1 lie farther apart.
var sizes = []int{4, 4, 7, 4, 4, 7, 4, 4, 10, 5}

// mixtures are the adversaries that the seeds have in turn, beside random ones: those that keep
// certificates few and hidden, those that make twins, those that work at the edges of the windows.
var mixtures = [][]string{
	{sim.RandomAdversaries},
	{"bare", "half", "equivocate"},
	{sim.RandomAdversaries},
	{"old", "late", "equivocate"},
	{sim.RandomAdversaries},
	{"edge", "equivocate"},
}

// rounds is about how long a simulation lasts: beyond the depth of collection.
const rounds = 150

func options(seed uint64) sim.Options {
	return sim.Options{
		Validators: sizes[seed%uint64(len(sizes))], Rounds: rounds, Adversaries: mixtures[seed%uint64(len(mixtures))],
	}
}

// simulate runs the seeds until one violates an invariant; the lowest of them counts.
func (h *hunt) simulate() (sighting, error) {
	var (
		next, lowest atomic.Uint64
		mutex        sync.Mutex
		found        sighting
		failed       error
		group        sync.WaitGroup
	)
	lowest.Store(h.seeds + 1)
	for range h.workers {
		group.Go(func() {
			for seed := next.Add(1); seed < lowest.Load(); seed = next.Add(1) {
				s, err := runSeed(seed)
				mutex.Lock()
				failed = errors.Join(failed, err)
				if s.invariant != "" && seed < lowest.Load() {
					lowest.Store(seed)
					found = s
				}
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	return found, failed
}

// runSeed runs one simulation. A panic of the code under test outside of it counts as noticed.
func runSeed(seed uint64) (s sighting, err error) {
	o := options(seed)
	defer func() {
		if p := recover(); p != nil {
			s = sighting{seed, o.Validators, "panic", fmt.Sprint(p)}
		}
	}()
	scenario, err := sim.Plan(seed, o)
	if err != nil {
		return s, err
	}
	r, err := sim.Run(scenario)
	if err != nil || r.Violation == nil {
		return s, err
	}
	detail, _, _ := strings.Cut(r.Violation.Detail, "\n")
	return sighting{seed, o.Validators, r.Violation.Invariant, detail}, nil
}
