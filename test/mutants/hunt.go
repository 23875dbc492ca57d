//go:build mutants

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-network/dunlin/dag/mutant"
	"github.com/dunlin-network/dunlin/internal/sim"
)

// hunt is one run over the catalogue.
type hunt struct {
	seeds           uint64
	workers         int
	root            string
	simulationsOnly bool
	checks          sim.Checks
}

// run hunts the named errors, or all, and returns how many survived.
func (h *hunt) run(only string) (survivors int, err error) {
	chosen, err := choose(only)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	mutant.Plant("")
	if s, err := h.simulate(); err != nil || s.invariant != "" {
		return 0, fmt.Errorf("simulation without a planted error: seed %d, %s %s: %w", s.seed, s.invariant, s.detail, err)
	}
	tests := &suites{}
	if !h.simulationsOnly {
		if tests, err = h.buildTests(); err != nil {
			return 0, err
		}
		defer os.RemoveAll(tests.dir)
		if name, err := tests.run(""); err != nil || name != "" {
			return 0, fmt.Errorf("tests without a planted error: %s: %w", name, err)
		}
	}
	noticed := make(chan []string, len(chosen))
	go func() { noticed <- tests.runAll(chosen) }()
	rows := make([]row, len(chosen))
	simulated := 0
	for i, m := range chosen {
		mutant.Plant(m.Name)
		rows[i].mutant = m
		if rows[i].sighting, err = h.simulate(); err != nil {
			return 0, fmt.Errorf("simulate %s: %w", m.Name, err)
		}
		if rows[i].sighting.invariant != "" {
			simulated++
		}
		fmt.Fprintf(os.Stderr, "%3d/%d %-34s %s\n", i+1, len(chosen), m.Name, rows[i].sighting)
	}
	for i, name := range <-noticed {
		rows[i].test = name
	}
	for i := range rows {
		if rows[i].survived() {
			survivors++
		}
	}
	printTable(rows)
	fmt.Printf("\n%d errors, %d noticed by simulation within %d seeds, %d survivors, %v.\n",
		len(rows), simulated, h.seeds, survivors, time.Since(start).Round(time.Second))
	return survivors, nil
}

func choose(only string) ([]mutant.Mutant, error) {
	all := mutant.Catalogue()
	if only == "" {
		return all, nil
	}
	var out []mutant.Mutant
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(m mutant.Mutant) bool { return string(m.Name) == name })
		if i < 0 {
			return nil, fmt.Errorf("no error is named %q", name)
		}
		out = append(out, all[i])
	}
	return out, nil
}
