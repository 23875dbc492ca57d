package sim

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// maxEvents ends a run that does not end by itself; an ordinary one has some ten thousand.
const maxEvents = 50_000_000

// Result is what one run found.
type Result struct {
	Violation *Violation      // nil if nothing was violated
	Digest    crypto.Digest   // of the trace; equal scenarios give equal digests
	Virtual   time.Duration   // how much virtual time passed
	Events    uint64          // how many events the validators took
	Commits   dag.CommitIndex // of the longest sequence
	Round     dag.Round       // of its newest commit
	Items     int             // accepted
	Opened    int             // sealed ones that were opened
	Recovery  time.Duration   // from the end of the faults until everybody took part again
	Inclusion dag.Round       // the most rounds that an honest block waited in the settled phase
	Forged    uint64          // invalid messages, which no engine sees
	Lines     []string        // the last lines of the trace, from Explain only
	Picture   []string        // the newest rounds of the DAG, from Explain only
}

// Run runs a scenario to its end or to the first violation. It is a pure function of the scenario;
// several may run at once. Errors wrap ErrScenario.
func Run(s Scenario) (Result, error) { return run(&s, digestOnly) }

// Explain is Run that keeps the last lines of the trace for people.
func Explain(s Scenario) (Result, error) { return run(&s, withLines) }

func run(s *Scenario, wanted linesWanted) (Result, error) {
	if err := s.Check(); err != nil {
		return Result{}, err
	}
	w := newWorld(s, wanted)
	w.play()
	c := w.check
	r := Result{
		Violation: c.violation, Virtual: w.now, Events: w.events, Commits: c.longest(), Items: len(c.items),
		Recovery: c.took[recovering], Inclusion: c.widest, Forged: w.invalid, Lines: w.trace.last(),
	}
	if c.reveals != nil {
		r.Opened = c.reveals.opened
	}
	if n := len(c.sequence); n > 0 {
		r.Round = c.sequence[n-1].round
	}
	if wanted == withLines {
		r.Picture = w.picture()
	}
	r.Digest = w.trace.digest()
	return r, nil
}

// play lets things happen until the checks are through. A panic of the code under test is a
// violation like any other.
func (w *world) play() {
	defer func() {
		if p := recover(); p != nil {
			w.check.fail("panic", fmt.Sprintf("%v\n%s", p, debug.Stack()), 0)
		}
	}()
	w.check.begin()
	for w.check.violation == nil && w.check.phase != finished && w.events < maxEvents && w.step() {
	}
	if w.events >= maxEvents {
		w.check.failf("memory", 0, "%d events without an end", w.events)
	}
}
