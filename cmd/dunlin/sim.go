package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/sim"
)

// Exit codes of dunlin sim.
const (
	exitLiveness    = 2 // nothing unsafe, but a bound on time or memory was broken
	exitEnvironment = 3 // the machine would not let it run
	exitScenario    = 4 // the scenario makes no sense
)

// simFlags are the flags of dunlin sim.
type simFlags struct {
	validators, rounds, workers int
	seeds, faults, adversaries  string
	topology, signing, save     string
	json                        bool
}

func newSimCommand() *cobra.Command {
	var f simFlags
	c := &cobra.Command{
		Use:   "sim",
		Short: "Try to break the order in virtual time",
		Long: fmt.Sprintf(`Run real ordering engines through virtual time with faults and adversaries, and check after every
step what must hold. One seed determines a run, bit for bit.

Faults:       %s; empty for one drawn from the seed
Adversaries:  %s; or random, or none

A failure is shrunk to a short list of faults and kept in a file; dunlin sim replay FILE steps
through it.

Exit codes:  0 passed   1 safety violated   2 liveness or a limit violated   3 could not run   4 bad scenario`,
			join(sim.Profiles()), strings.Join(sim.Behaviours(), ", ")),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	flags := c.Flags()
	flags.IntVar(&f.validators, "validators", 4, "number of validators")
	flags.StringVar(&f.seeds, "seeds", "1..1000", "first and last seed")
	flags.StringVar(&f.faults, "faults", "", "profile of faults")
	flags.StringVar(&f.adversaries, "adversaries", sim.RandomAdversaries, "behaviours that f validators show together, comma-separated")
	flags.IntVar(&f.rounds, "rounds", 150, "about how many rounds the faults last")
	flags.StringVar(&f.topology, "topology", "", "delays: "+join(sim.Topologies())+"; empty for one drawn from the seed")
	flags.StringVar(&f.signing, "signing", string(sim.SigningFake), "fake, or real for ed25519 signatures that every receiver verifies")
	flags.IntVar(&f.workers, "workers", runtime.GOMAXPROCS(0), "runs at once")
	flags.StringVar(&f.save, "save", ".", "directory for the traces of failures")
	flags.BoolVar(&f.json, "json", false, "print one JSON object instead of text")
	c.AddCommand(newSimReplay(), newSimLatency(), newSimCost())
	return c
}

func join[S ~string](list []S) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

// sweep is what the flags ask for.
func (f *simFlags) sweep() (sim.Sweep, error) {
	first, last, _ := strings.Cut(f.seeds, "..")
	if last == "" {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 64)
	to, err2 := strconv.ParseUint(last, 10, 64)
	if err = errors.Join(err, err2); err != nil || from > to {
		return sim.Sweep{}, fmt.Errorf("seeds %q: want A..B", f.seeds)
	}
	o := sim.Options{
		Validators: f.validators, Rounds: f.rounds, Profile: sim.Profile(f.faults),
		Topology: sim.Topology(f.topology), Signing: sim.Signing(f.signing),
	}
	if f.adversaries != "none" && f.adversaries != "" {
		o.Adversaries = strings.Split(f.adversaries, ",")
	}
	return sim.Sweep{Options: o, From: from, To: to, Workers: f.workers}, nil
}

func (f *simFlags) run(c *cobra.Command) error {
	s, err := f.sweep()
	if err != nil {
		return badScenario(c, err)
	}
	started := time.Now()
	p := progressLine{out: c.ErrOrStderr(), total: s.To - s.From + 1, next: started.Add(progressEvery)}
	tally, err := s.Run(c.Context(), p.show)
	p.end()
	if errors.Is(err, sim.ErrScenario) {
		return badScenario(c, err)
	}
	if err != nil {
		return &hinted{err, "look at the machine and try again", exitEnvironment}
	}
	if err := f.report(c, &tally, time.Since(started)); err != nil {
		return err
	}
	if len(tally.Failed) > 0 {
		return f.failed(c, tally.Failed[0])
	}
	if tally.Seeds < s.To-s.From+1 {
		return &hinted{fmt.Errorf("stopped after %d seeds: %w", tally.Seeds, context.Canceled), "run it again to the end", exitEnvironment}
	}
	return nil
}

func badScenario(c *cobra.Command, err error) error {
	return &hinted{err, c.CommandPath() + " --help", exitScenario}
}

// simReport is the object that --json prints.
type simReport struct {
	Seeds                   uint64  `json:"seeds"`
	Violations              int     `json:"violations"`
	VirtualSeconds          float64 `json:"virtual_seconds"`
	WallSeconds             float64 `json:"wall_seconds"`
	VirtualSecondsPerSecond float64 `json:"virtual_seconds_per_second"`
	Events                  uint64  `json:"events"`
	EventsPerSecond         float64 `json:"events_per_second"`
	Commits                 uint64  `json:"commits"`
	Items                   uint64  `json:"items"`
	LongestRecovery         float64 `json:"longest_recovery_seconds"`
	WidestInclusion         uint64  `json:"widest_inclusion_rounds"`
}

func (f *simFlags) report(c *cobra.Command, t *sim.Tally, wall time.Duration) error {
	r := simReport{
		Seeds: t.Seeds, Violations: len(t.Failed), VirtualSeconds: t.Virtual.Seconds(), WallSeconds: wall.Seconds(),
		VirtualSecondsPerSecond: t.Virtual.Seconds() / wall.Seconds(), Events: t.Events, EventsPerSecond: float64(t.Events) / wall.Seconds(),
		Commits: t.Commits, Items: t.Items, LongestRecovery: t.Recovery.Seconds(), WidestInclusion: t.Inclusion,
	}
	if f.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(r)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), `seeds       %d, %d violated something
virtual     %v, %.0f seconds per second
events      %d, %.0f per second
order       %d commits, %d items
longest     %v until all took part again, %d rounds until a block was ordered
`, r.Seeds, r.Violations, t.Virtual.Round(time.Second), r.VirtualSecondsPerSecond, r.Events, r.EventsPerSecond, r.Commits, r.Items,
		t.Recovery.Round(time.Millisecond), r.WidestInclusion)
	return err
}

// failed shrinks a failure, keeps its trace and says how to replay it.
func (f *simFlags) failed(c *cobra.Command, o sim.Outcome) error {
	fmt.Fprintf(c.ErrOrStderr(), "seed %d violates %s; shrinking\n", o.Scenario.Seed, o.Result.Violation.Invariant)
	small, result, runs := sim.Shrink(o.Scenario)
	t := sim.TraceFile{Scenario: small, Digest: result.Digest, Violation: result.Violation}
	file := filepath.Join(f.save, fmt.Sprintf("sim-%d-%d.json", small.Validators, small.Seed))
	if err := os.WriteFile(file, t.Encode(), 0o644); err != nil {
		return &hinted{fmt.Errorf("keep the trace: %w", err), "name a directory that can be written with --save", exitEnvironment}
	}
	v := result.Violation
	fmt.Fprintf(c.ErrOrStderr(), "%d faults, %d adversaries left after %d runs\n", len(small.Faults), len(small.Adversaries), runs)
	code := exitLiveness
	if v.Severity == sim.Safety {
		code = exitError
	}
	return &hinted{
		fmt.Errorf("%s violated (%s) by seed %d at %v at %v: %s", v.Invariant, v.Severity, small.Seed, time.Duration(v.At), v.Node, v.Detail),
		"dunlin sim replay " + file, code,
	}
}

// progressLine prints the progress of a sweep, in place on a terminal's last line.
type progressLine struct {
	out   io.Writer
	total uint64
	next  time.Time
	shown int
}

func (p *progressLine) show(t *sim.Tally) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(progressEvery)
	p.shown++
	fmt.Fprintf(p.out, "\r%d of %d seeds, %d violations, %v virtual ", t.Seeds, p.total, len(t.Failed), t.Virtual.Round(time.Second))
}

func (p *progressLine) end() {
	if p.shown > 0 {
		fmt.Fprintln(p.out)
	}
}
