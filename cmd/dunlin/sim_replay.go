package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/sim"
)

func newSimReplay() *cobra.Command {
	lines := 60
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Step through a trace that a failure left",
		Long: `Run the scenario of a trace again and print what happened last, and the newest rounds of the DAG:
one line a block, * for all of the round before, -X without X's, a dot before what was ordered.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return replay(c, args[0], lines) },
	}
	c.Flags().IntVar(&lines, "lines", lines, "how many of the last events to print")
	return c
}

func replay(c *cobra.Command, file string, lines int) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return &hinted{err, "name a file that dunlin sim has left", exitEnvironment}
	}
	t, err := sim.DecodeTrace(raw)
	if err != nil {
		return badScenario(c, fmt.Errorf("read %s: %w", file, err))
	}
	r, err := t.Replay()
	if err != nil && !errors.Is(err, sim.ErrTrace) {
		return badScenario(c, err)
	}
	out := c.OutOrStdout()
	for _, f := range t.Scenario.Faults {
		fmt.Fprintf(out, "fault     %s of %v at %v for %v %s\n", f.Do, f.Nodes, time.Duration(f.At), time.Duration(f.For), f.Point)
	}
	for _, a := range t.Scenario.Adversaries {
		fmt.Fprintf(out, "adversary %v: %s\n", a.Author, strings.Join(a.Behaviours, ", "))
	}
	fmt.Fprintf(out, "\n%s\n\n", strings.Join(r.Lines[max(0, len(r.Lines)-lines):], "\n"))
	fmt.Fprintf(out, "%s\n\ndigest %v\n", strings.Join(r.Picture, "\n"), r.Digest)
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "note: %v: the code has changed since\n", err)
	}
	if v := r.Violation; v != nil {
		code := exitLiveness
		if v.Severity == sim.Safety {
			code = exitError
		}
		return &hinted{fmt.Errorf("%s violated (%s) at %v at %v: %s", v.Invariant, v.Severity, time.Duration(v.At), v.Node, v.Detail), "mend it, then replay the file once more", code}
	}
	_, err = fmt.Fprintln(out, "nothing is violated")
	return err
}

func newSimLatency() *cobra.Command {
	seed, warm, measured := uint64(1), 150*time.Second, 60*time.Second
	c := &cobra.Command{
		Use:   "latency",
		Short: "Measure the latency of twelve validators in twelve regions of the world, in virtual time",
		Long: `Measure from the creation of a block to its commit at its author, for twelve validators in twelve
regions, beside the floor: three message delays under the rule, without any waiting.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return latency(c, seed, warm, measured) },
	}
	c.Flags().Uint64Var(&seed, "seed", seed, "seed of the delays")
	c.Flags().DurationVar(&warm, "warm", warm, "virtual time before measuring")
	c.Flags().DurationVar(&measured, "for", measured, "virtual time to measure")
	return c
}

func latency(c *cobra.Command, seed uint64, warm, measured time.Duration) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%-10s %8s %8s %8s %8s %8s %8s\n", "case", "mean", "target", "floor", "p50", "p99", "blocks")
	var missed []string
	for _, k := range sim.LatencyCases() {
		l, err := sim.MeasureLatency(k, seed, warm, measured)
		if err != nil {
			return badScenario(c, err)
		}
		fmt.Fprintf(out, "%-10s %8s %8s %8s %8s %8s %8d\n", k.Name, inMillis(l.Mean), inMillis(k.Target), inMillis(l.Floor), inMillis(l.P50), inMillis(l.P99), l.Blocks)
		if l.Mean > k.Target {
			missed = append(missed, k.Name)
		}
	}
	if len(missed) > 0 {
		return &hinted{fmt.Errorf("slower than the target: %s", strings.Join(missed, ", ")), "see docs/chaos/record.md for what was measured before", exitLiveness}
	}
	return nil
}

func inMillis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
