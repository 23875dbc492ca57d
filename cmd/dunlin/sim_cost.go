package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/sim"
)

// costFlags are the flags of dunlin sim cost.
type costFlags struct {
	validators                  []int
	rounds, transactions, bytes int
	svg                         string
	json                        bool
}

// costReport is the object that --json prints: the same networks without load and with it.
type costReport struct {
	Transactions int        `json:"transactions_per_validator_and_round"`
	Bytes        int        `json:"transaction_bytes"`
	Idle         []sim.Cost `json:"idle"`
	Loaded       []sim.Cost `json:"loaded"`
}

func newSimCost() *cobra.Command {
	f := costFlags{validators: []int{4, 7, 10, 16, 25, 50, 100}, rounds: 20, transactions: 2, bytes: 512}
	c := &cobra.Command{
		Use:   "cost",
		Short: "Measure CPU and bytes per validator and round, by number of validators",
		Long: `Run real engines with ed25519 signatures in virtual time, every message taking 2 ms, and measure one
of them: CPU microseconds per round (medians; the thread's, so that what else the machine does counts
little) and bytes pushed per round. First without load, then with transactions at every validator.

verify    decode, check and verify the blocks of the others, one by one
add       these blocks join the DAG, their votes are counted
commit    the rule, the order, the filters, the digests
propose   the pool, the parents, encoding and signing the own block
header    bytes of own blocks without items, to all others; beside 48 B x n^2
payload   bytes of items with their lengths, to all others

Network encryption, disk and API are not in it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	flags := c.Flags()
	flags.IntSliceVar(&f.validators, "validators", f.validators, "numbers of validators")
	flags.IntVar(&f.rounds, "rounds", f.rounds, "rounds to measure, after 70 that are left out")
	flags.IntVar(&f.transactions, "transactions", f.transactions, "transactions that each validator takes in per round under load")
	flags.IntVar(&f.bytes, "size", f.bytes, "bytes of a transaction")
	flags.StringVar(&f.svg, "svg", "", "file to draw a plot into")
	flags.BoolVar(&f.json, "json", false, "print one JSON object instead of text")
	return c
}

func (f *costFlags) run(c *cobra.Command) error {
	report := costReport{Transactions: f.transactions, Bytes: f.bytes}
	for _, n := range f.validators {
		idle, err := sim.MeasureCost(sim.CostCase{Validators: n, Rounds: f.rounds})
		if err != nil {
			return badScenario(c, err)
		}
		loaded, err := sim.MeasureCost(sim.CostCase{Validators: n, Rounds: f.rounds, Transactions: f.transactions, Bytes: f.bytes})
		if err != nil {
			return badScenario(c, err)
		}
		report.Idle, report.Loaded = append(report.Idle, idle), append(report.Loaded, loaded)
		fmt.Fprintf(c.ErrOrStderr(), "%d validators measured\n", n)
	}
	if f.svg != "" {
		if err := os.WriteFile(f.svg, report.plot(), 0o644); err != nil {
			return &hinted{fmt.Errorf("draw the plot: %w", err), "name a file that can be written with --svg", exitEnvironment}
		}
	}
	if f.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(report)
	}
	fmt.Fprintln(c.OutOrStdout(), "without load")
	printCosts(c, report.Idle)
	fmt.Fprintf(c.OutOrStdout(), "\n%d transactions of %d bytes per validator and round\n", f.transactions, f.bytes)
	printCosts(c, report.Loaded)
	return nil
}

func printCosts(c *cobra.Command, costs []sim.Cost) {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%5s %10s %10s %10s %10s %10s %10s %10s %10s\n",
		"n", "verify", "add", "commit", "propose", "CPU us", "header B", "48n^2 B", "payload B")
	for _, k := range costs {
		fmt.Fprintf(out, "%5d %10.0f %10.0f %10.0f %10.0f %10.0f %10.0f %10.0f %10.0f\n",
			k.Validators, k.Verify, k.Add, k.Commit, k.Propose, k.CPU, k.Header, k.Reference, k.Payload)
	}
}
