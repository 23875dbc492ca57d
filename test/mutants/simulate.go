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

// plans are the scenarios that the seeds have in turn. Most are small, since these are fast; in some a
// quorum, 2f+1 and f+1 lie farther apart. The adversaries are random ones, and those that keep
// certificates few, hide them until others have decided without them, make twins, and work at the
// edges of the windows. Disks are lost only where no adversary uses up the faults that the order
// survives, and what a validator said before a long partition is collected before it comes back.
var plans = []sim.Options{
	{Validators: 4, Rounds: rounds, Adversaries: []string{sim.RandomAdversaries}},
	{Validators: 4, Rounds: rounds, Adversaries: []string{"bare", "half", "equivocate"}},
	{Validators: 7, Rounds: rounds, Adversaries: []string{sim.RandomAdversaries}},
	{Validators: 4, Rounds: rounds, Adversaries: []string{"hide"}},
	{Validators: 4, Rounds: rounds, Profile: "disk"},
	{Validators: 4, Rounds: rounds, Adversaries: []string{"old", "late", "equivocate"}},
	{Validators: 7, Rounds: rounds, Adversaries: []string{"edge", "equivocate"}},
	{Validators: 4, Rounds: 2 * rounds, Profile: "partition"},
	{Validators: 4, Rounds: rounds, Adversaries: []string{sim.RandomAdversaries}},
	{Validators: 7, Rounds: rounds, Adversaries: []string{"hide"}},
	{Validators: 10, Rounds: rounds, Adversaries: []string{sim.RandomAdversaries}},
	{Validators: 5, Rounds: rounds, Profile: "chaos", Adversaries: []string{sim.RandomAdversaries}},
}

// rounds is about how long most simulations last: beyond the depth of collection.
const rounds = 150

func options(seed uint64) sim.Options { return plans[seed%uint64(len(plans))] }

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
				s, err := h.runSeed(seed)
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
func (h *hunt) runSeed(seed uint64) (s sighting, err error) {
	o := options(seed)
	o.Checks = h.checks
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
