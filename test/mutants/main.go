//go:build mutants

// Command mutants plants the errors of package dag/mutant one after the other and says what notices
// each: simulations with adversaries and faults, or the tests of ordering and dag. It exits with 1
// if an error survives both, or if something fails without one. It wants the build tags mutants and
// tiny: `make mutants`.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"

	"github.com/dunlin-network/dunlin/internal/sim"
)

func main() {
	var h hunt
	var only string
	flag.Uint64Var(&h.seeds, "seeds", 200, "most simulations per error")
	flag.IntVar(&h.workers, "workers", runtime.NumCPU(), "how many simulations or tests at once")
	flag.StringVar(&h.root, "root", ".", "the repository")
	flag.StringVar(&only, "only", "", "names of errors, separated by commas; all if empty")
	flag.BoolVar(&h.simulationsOnly, "simulations-only", false, "leave the tests out")
	flag.Func("checks", "nodes: hold simulated nodes against each other only, not against the written rule", func(s string) error {
		h.checks = sim.Checks(s)
		return nil
	})
	flag.Parse()
	survivors, err := h.run(only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(3)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}
