package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/frontrun"
)

func newDemo() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "Demonstrations that run on this machine alone",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDemoFrontrun())
	return c
}

// frontrunFlags are the flags of dunlin demo frontrun.
type frontrunFlags struct {
	config frontrun.Config
	svg    string
	json   bool
}

func newDemoFrontrun() *cobra.Command {
	f := frontrunFlags{config: frontrun.Config{Seed: 1, Trades: 500}}
	c := &cobra.Command{
		Use:   "frontrun",
		Short: "Show what front-running across rollups earns, with contents open and sealed",
		Long: `Run two demo rollups with a constant-product market each, victims who swap on one or both, and a bot
that owns one of four validators. It gets every message at once, sees all blocks of a round before it
says its own, holds blocks back and publishes them late, orders its own blocks as it likes, and a
quarter of the victims hand their swap to it.

plain     victims submit in the open
sealed    they seal; the bot guesses, or holds its block back until the contents open
leaked    they seal, and the bot holds the keys of 2f+1 validators: the control

front-running is what the bot made beyond trading behind the victims; behind is what that alone would
have made of the same swaps. Sealing does not take it away: whoever is first once a swap is opened
brings the market back to the outside price. Amounts are in coins; a market holds a million.

Real engines and real encryption run in virtual time, so a seed gives the same result every time.`,
		Example: `  dunlin demo frontrun
  dunlin demo frontrun --json --svg frontrun.svg`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	flags := c.Flags()
	flags.Uint64Var(&f.config.Seed, "seed", f.config.Seed, "what determines victims and network")
	flags.IntVar(&f.config.Trades, "trades", f.config.Trades, "victims in each flow")
	flags.StringVar(&f.svg, "svg", "", "file to draw the profits into")
	flags.BoolVar(&f.json, "json", false, "print one JSON object instead of the table")
	return c
}

func (f *frontrunFlags) run(c *cobra.Command) error {
	report, err := frontrun.Run(f.config)
	switch {
	case errors.Is(err, frontrun.ErrConfig):
		return usage(c, "%w", err)
	case err != nil:
		return fmt.Errorf("run demonstration: %w", err)
	}
	if f.svg != "" {
		if err := os.WriteFile(f.svg, drawFrontrun(report), 0o644); err != nil {
			return &hinted{fmt.Errorf("draw the plot: %w", err), "name a file that can be written with --svg", exitError}
		}
	}
	if f.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(report)
	}
	printFrontrun(c.OutOrStdout(), report)
	return nil
}

// frontrunFlow is a flow with its name.
type frontrunFlow struct {
	name string
	flow *frontrun.Flow
}

func frontrunFlows(r *frontrun.Report) []frontrunFlow {
	return []frontrunFlow{{"plain", &r.Plain}, {"sealed", &r.Sealed}, {"leaked", &r.Leaked}}
}

func printFrontrun(out io.Writer, r *frontrun.Report) {
	fmt.Fprintf(out, "%d victims, a bot that owns one of %d validators, seed %d; profits in coins, +- one standard error\n\n", r.Trades, r.Validators, r.Seed)
	fmt.Fprintf(out, "%-8s%-28s%9s%18s%26s\n", "flow", "the bot's way", "trades", "ahead of victim", "front-running")
	for _, f := range frontrunFlows(r) {
		name := f.name
		for _, t := range f.flow.Tactics {
			fmt.Fprintf(out, "%-8s%-28s%9d%18d%26s\n", name, t.Name, t.Trades, t.Ahead, profit(t.Profit, t.StandardError))
			name = ""
		}
	}
	fmt.Fprintf(out, "\n%-8s%26s%26s\n", "flow", "front-running", "behind")
	for _, f := range frontrunFlows(r) {
		fmt.Fprintf(out, "%-8s%26s%26s\n", f.name, profit(f.flow.BotProfit, f.flow.StandardError), profit(f.flow.BackRun, f.flow.BackRunError))
	}
	fmt.Fprintf(out, "\nsealed: %d orders read before their place was fixed, %d copied ciphertexts taken\n", r.Sealed.OpenedEarly, r.Sealed.CopiesTaken)
}

// profit is an amount with its error in whole coins.
func profit(sum, standardError float64) string {
	return fmt.Sprintf("%.0f +- %.0f", sum, standardError)
}
