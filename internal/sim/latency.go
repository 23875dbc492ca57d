package sim

import (
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// LatencyCase is one situation of the world-wide latency benchmark.
type LatencyCase struct {
	Name    string
	Crashed int           // so many validators never start
	Slow    int           // so many have slowBy more on every message, each way
	Target  time.Duration // of the block mean
}

// slowBy is how much longer the messages of a slow validator take, each way.
const slowBy = 300 * time.Millisecond

// LatencyCases lists the benchmark's situations.
func LatencyCases() []LatencyCase {
	return []LatencyCase{
		{Name: "no fault", Target: 480 * time.Millisecond},
		{Name: "1 crashed", Crashed: 1, Target: 480 * time.Millisecond},
		{Name: "3 crashed", Crashed: 3, Target: 610 * time.Millisecond},
		{Name: "1 slow", Slow: 1, Target: 480 * time.Millisecond},
	}
}

// Latency is what one case measured: from the creation of a block to its commit at its author.
type Latency struct {
	Case           LatencyCase
	Mean, P50, P99 time.Duration
	Floor          time.Duration // mean of three message delays under the rule, without any waiting
	Blocks, Rounds int
	Active         []dag.Author // who has anchor slots at the end
}

// latencyVictims are the validators that crash or are slow, a row a run: where they sit matters.
var latencyVictims = [][]dag.Author{{4, 7, 1}, {7, 4, 1}, {10, 4, 7}, {0, 4, 7}}

// MeasureLatency runs twelve validators in twelve regions for a virtual time, of which the first
// part is left out: scores need a window of commits to settle. Where validators crash or are slow, it
// does so for several choices of them and takes all blocks together.
func MeasureLatency(c LatencyCase, seed uint64, warm, measured time.Duration) (Latency, error) {
	all := &stopwatch{}
	out := Latency{Case: c}
	runs := latencyVictims
	if c.Crashed+c.Slow == 0 {
		runs = runs[:1]
	}
	for _, victims := range runs {
		one, err := c.measure(victims, seed, warm, measured, &out)
		if err != nil {
			return Latency{}, err
		}
		all.samples = append(all.samples, one.samples...)
		out.Floor += c.floor(victims) / time.Duration(len(runs))
	}
	out.Mean, out.P50, out.P99, out.Blocks = all.summary()
	return out, nil
}

// measure is one run.
func (c LatencyCase) measure(victims []dag.Author, seed uint64, warm, measured time.Duration, out *Latency) (*stopwatch, error) {
	s := Scenario{
		Version: scenarioVersion, Seed: seed, Validators: len(wan12), Topology: WAN12, Signing: SigningFake,
		Horizon: Duration(warm + measured), ItemEvery: Duration(20 * time.Millisecond), ItemBytes: 64,
	}
	if c.Crashed > 0 {
		s.Faults = append(s.Faults, Fault{Do: "crash", For: s.Horizon, Nodes: victims[:c.Crashed], Point: crashBetween})
	}
	if c.Slow > 0 {
		s.Faults = append(s.Faults, Fault{Do: "slow", For: s.Horizon, Nodes: victims[:c.Slow], Amount: int(slowBy / time.Millisecond)})
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	w := newWorld(&s, digestOnly)
	w.check.stopwatch = &stopwatch{from: warm, made: make(map[dag.Ref]time.Duration)}
	for w.check.violation == nil && w.now < warm+measured && w.step() {
	}
	for _, n := range w.nodes {
		if w.up(n.self) {
			out.Active = n.engine.Status().Active
			out.Rounds = max(out.Rounds, int(n.engine.Status().Decided))
		}
	}
	return w.check.stopwatch, nil
}

// stopwatch measures blocks from their creation to their commit at their author.
type stopwatch struct {
	from    time.Duration
	made    map[dag.Ref]time.Duration
	samples []time.Duration
}

func (s *stopwatch) left(r dag.Ref, now time.Duration) {
	if now >= s.from {
		s.made[r] = now
	}
}

func (s *stopwatch) committed(node dag.Author, refs []dag.Ref, now time.Duration) {
	for _, r := range refs {
		if at, known := s.made[r]; known && r.Author == node {
			s.samples = append(s.samples, now-at)
			delete(s.made, r)
		}
	}
}

func (s *stopwatch) summary() (mean, p50, p99 time.Duration, n int) {
	n = len(s.samples)
	if n == 0 {
		return 0, 0, 0, 0
	}
	slices.Sort(s.samples)
	var sum time.Duration
	for _, d := range s.samples {
		sum += d
	}
	return sum / time.Duration(n), s.samples[n/2], s.samples[n*99/100], n
}

// floor is the mean over the live authors of how long three message delays take at least: every
// voter votes when it has the block, every certifier certifies when it has a quorum of votes, and
// the author commits when it has a quorum of certificates.
func (c LatencyCase) floor(victims []dag.Author) time.Duration {
	n := len(wan12)
	quorum := n - faulty(n)
	delay := func(a, b int) time.Duration {
		if a == b {
			return 0
		}
		d := WAN12.base(a, b) + wanProcessing
		for _, v := range victims[:c.Slow] {
			if int(v) == a || int(v) == b {
				d += slowBy
			}
		}
		return d
	}
	var live []int
	for a := range n {
		if !slices.Contains(victims[:c.Crashed], dag.Author(a)) {
			live = append(live, a)
		}
	}
	nth := func(times []time.Duration) time.Duration { slices.Sort(times); return times[quorum-1] }
	var sum time.Duration
	for _, author := range live {
		var certificates []time.Duration
		for _, k := range live {
			var votes []time.Duration
			for _, j := range live {
				votes = append(votes, delay(author, j)+delay(j, k))
			}
			certificates = append(certificates, nth(votes)+delay(k, author))
		}
		sum += nth(certificates)
	}
	return sum / time.Duration(len(live))
}
