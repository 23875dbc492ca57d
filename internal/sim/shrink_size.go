package sim

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// validators looks for the smallest committee; where fewer adversaries than there are may take part, for
// any neighbouring ones of them.
func (h *shrinking) validators() {
	for n := dag.MinCommittee; n < h.best.Validators; n++ {
		for first := range max(1, len(h.best.Adversaries)-faulty(n)+1) {
			if c, ok := h.best.smaller(n, first); ok && h.try(c) {
				return
			}
		}
	}
}

// smaller is the scenario with n validators: with as many adversaries as these survive, from the first
// one named, then those that faults name, then the others. It reports false where the order would
// survive less than it did: a lost log counts as faulty.
func (s *Scenario) smaller(n, first int) (c Scenario, ok bool) {
	c = s.clone()
	c.Validators = n
	c.Adversaries = c.Adversaries[first:min(first+faulty(n), len(c.Adversaries))]
	var kept []dag.Author
	keep := func(a dag.Author) {
		if len(kept) < n && !slices.Contains(kept, a) && (!s.adversary(a) || c.adversary(a)) {
			kept = append(kept, a)
		}
	}
	for _, a := range c.Adversaries {
		keep(a.Author)
	}
	for i := range c.Faults {
		for _, a := range c.Faults[i].Nodes {
			keep(a)
		}
	}
	for a := range dag.Author(s.Validators) {
		keep(a)
	}
	slices.Sort(kept)
	c.rename(kept)
	spare := func(s *Scenario) bool { return len(s.Adversaries) < faulty(s.Validators) }
	loses := slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.loses() })
	return c, len(kept) == n && (!loses || spare(&c) || !spare(s))
}

// rename gives the kept validators the numbers from 0 on, and drops the faults that are left without one.
func (s *Scenario) rename(kept []dag.Author) {
	s.Adversaries = slices.Clone(s.Adversaries)
	for i := range s.Adversaries {
		s.Adversaries[i].Author = dag.Author(slices.Index(kept, s.Adversaries[i].Author))
	}
	var faults []Fault
	for _, f := range s.Faults {
		var nodes []dag.Author
		for _, a := range f.Nodes {
			if i := slices.Index(kept, a); i >= 0 {
				nodes = append(nodes, dag.Author(i))
			}
		}
		if len(nodes) > 0 || len(f.Nodes) == 0 {
			f.Nodes = nodes
			faults = append(faults, f)
		}
	}
	s.Faults = faults
}

// time looks for the fewest rounds: it ends the faults when the violation is seen, then takes away at
// the end and before the first fault, by halves first.
func (h *shrinking) time() {
	if at := h.result.Violation.At; at < h.best.Horizon {
		h.try(h.best.between(0, at))
	}
	least := Duration(roundTime[h.best.Topology])
	for cut := h.best.Horizon / 2; cut >= least; {
		if cut >= h.best.Horizon || !h.try(h.best.between(0, h.best.Horizon-cut)) {
			cut /= 2
		}
	}
	for cut := h.best.earliest(); cut >= least; {
		if cut > h.best.earliest() || !h.try(h.best.between(cut, h.best.Horizon)) {
			cut /= 2
		}
	}
}

// between is the scenario of what goes wrong from one time to another.
func (s *Scenario) between(from, to Duration) Scenario {
	c := s.clone()
	c.Horizon = to - from
	for i := range c.Faults {
		f := &c.Faults[i]
		f.At -= min(f.At, from)
		f.For = min(f.For, c.Horizon-min(f.At, c.Horizon))
	}
	c.Faults = slices.DeleteFunc(c.Faults, func(f Fault) bool { return f.At >= c.Horizon })
	return c
}

// earliest is when the first fault begins; 0 without any.
func (s *Scenario) earliest() Duration {
	first := s.Horizon
	for i := range s.Faults {
		first = min(first, s.Faults[i].At)
	}
	if len(s.Faults) == 0 {
		return 0
	}
	return min(first, s.Horizon-Duration(time.Millisecond))
}
