package sim

import (
	"slices"
	"time"
)

// maxShrinkRuns bounds how many candidates one shrinking tries; each costs one run.
const maxShrinkRuns = 400

// Shrink looks for the shortest scenario that violates the same invariant: it takes fewer validators,
// leaves out faults (by delta debugging), then adversaries and their behaviours, then loss and load,
// then time. It never leaves less than the scenario had of what the order survives. It returns the scenario with its result, and how many runs that took. A scenario without a violation
// is returned as it is.
func Shrink(s Scenario) (Scenario, Result, int) {
	first, err := Run(s)
	if err != nil || first.Violation == nil {
		return s, first, 1
	}
	h := &shrinking{best: s, result: first, runs: 1}
	for before := -1; before != h.size(); {
		before = h.size()
		h.validators()
		h.faults()
		h.adversaries()
		h.rest()
		h.time()
	}
	return h.best, h.result, h.runs
}

type shrinking struct {
	best   Scenario
	result Result
	runs   int
}

// size falls with every success, but for shorter horizons, which are searched for once per turn.
func (h *shrinking) size() int {
	n := h.best.Validators + len(h.best.Faults) + h.best.Loss
	for _, a := range h.best.Adversaries {
		n += 1 + len(a.Behaviours)
	}
	return n
}

// try runs a candidate and keeps it if it violates the same invariant.
func (h *shrinking) try(candidate Scenario) bool {
	if h.runs >= maxShrinkRuns {
		return false
	}
	h.runs++
	r, err := Run(candidate)
	if err != nil || r.Violation == nil || r.Violation.Invariant != h.result.Violation.Invariant {
		return false
	}
	h.best, h.result = candidate, r
	return true
}

// faults leaves out parts of the list, halves first, then ever smaller ones.
func (h *shrinking) faults() {
	for parts := 2; len(h.best.Faults) > 0; {
		n := len(h.best.Faults)
		parts = min(parts, n)
		size, dropped := (n+parts-1)/parts, false
		for at := 0; at < len(h.best.Faults); {
			c := h.best.clone()
			c.Faults = slices.Delete(c.Faults, at, min(at+size, len(c.Faults)))
			if h.try(c) {
				dropped = true
			} else {
				at += size
			}
		}
		switch {
		case dropped:
			parts = 2
		case parts == n:
			return
		default:
			parts *= 2
		}
	}
}

func (h *shrinking) adversaries() {
	for i := len(h.best.Adversaries) - 1; i >= 0; i-- {
		c := h.best.clone()
		c.Adversaries = slices.Delete(c.Adversaries, i, i+1)
		if h.try(c) {
			continue
		}
		for j := len(h.best.Adversaries[i].Behaviours) - 1; j >= 0; j-- {
			c := h.best.clone()
			c.Adversaries[i].Behaviours = slices.Delete(slices.Clone(c.Adversaries[i].Behaviours), j, j+1)
			h.try(c)
		}
	}
}

// rest tries a network without loss and a thin load.
func (h *shrinking) rest() {
	if h.best.Loss > 0 {
		c := h.best.clone()
		c.Loss = 0
		h.try(c)
	}
	if h.best.SealedEvery > 0 {
		c := h.best.clone()
		c.SealedEvery, c.Certified = 0, false
		h.try(c)
	}
	if h.best.Certified {
		c := h.best.clone()
		c.Certified = false
		h.try(c)
	}
	if h.best.ControlEvery > 0 {
		c := h.best.clone()
		c.ControlEvery = 0
		h.try(c)
	}
	if thin := Duration(500 * time.Millisecond); h.best.ItemEvery < thin {
		c := h.best.clone()
		c.ItemEvery = thin
		h.try(c)
	}
}
