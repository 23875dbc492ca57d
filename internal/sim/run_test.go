package sim

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// plan is the scenario of a seed with adversaries drawn from it.
func plan(t testing.TB, seed uint64, o Options) Scenario {
	t.Helper()
	if o.Adversaries == nil {
		o.Adversaries = []string{RandomAdversaries}
	}
	s, err := Plan(seed, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pass runs a scenario that must not violate anything.
func pass(t testing.TB, s Scenario) Result {
	t.Helper()
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	if r.Violation != nil {
		t.Errorf("%d validators, seed %d: %+v", s.Validators, s.Seed, *r.Violation)
	}
	return r
}

func TestSweepFindsNothing(t *testing.T) {
	for _, c := range []struct {
		validators int
		seeds      uint64
	}{{4, 60}, {5, 12}, {6, 12}, {7, 12}, {10, 6}, {13, 3}} {
		t.Run(fmt.Sprint("n=", c.validators), func(t *testing.T) {
			if testing.Short() {
				c.seeds = (c.seeds + 5) / 6
			}
			tally, err := Sweep{Options: Options{Validators: c.validators, Rounds: 100, Adversaries: []string{RandomAdversaries}}, From: 1, To: c.seeds, Workers: 2}.Run(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range tally.Failed {
				t.Errorf("seed %d: %+v", f.Scenario.Seed, *f.Result.Violation)
			}
			if tally.Seeds != c.seeds || tally.Commits < 50*c.seeds || tally.Items < 10*c.seeds {
				t.Errorf("%d seeds, %d commits, %d items: the sweep did too little", tally.Seeds, tally.Commits, tally.Items)
			}
		})
	}
}

func TestRealSignatures(t *testing.T) {
	for seed := range uint64(2) {
		s := plan(t, seed, Options{Validators: 4, Rounds: 30, Signing: SigningReal, Topology: LAN, Adversaries: []string{"forge", "equivocate"}})
		if r := pass(t, s); r.Forged == 0 || r.Commits < 20 {
			t.Errorf("seed %d: %d forged messages, %d commits", seed, r.Forged, r.Commits)
		}
	}
}

// digestOfSeeds runs some seeds one after the other.
func digestOfSeeds(t testing.TB) string {
	var out []string
	for seed := range uint64(4) {
		r := pass(t, plan(t, seed, Options{Validators: 4 + int(seed), Rounds: 40, Topology: LAN, Profile: "chaos"}))
		out = append(out, r.Digest.String())
	}
	colluding := plan(t, 4, Options{Validators: 7, Rounds: 40, Topology: LAN, Profile: "chaos", Adversaries: []string{"hide", "equivocate"}})
	out = append(out, pass(t, colluding).Digest.String())
	return strings.Join(out, " ")
}

// childVariable makes this test's process print digests and nothing else.
const childVariable = "DUNLIN_SIM_DIGESTS"

func TestSameSeedSameTrace(t *testing.T) {
	want := digestOfSeeds(t)
	if os.Getenv(childVariable) != "" {
		fmt.Println("digests:", want)
		return
	}
	for _, procs := range []int{1, 2} {
		before := runtime.GOMAXPROCS(procs)
		if got := digestOfSeeds(t); got != want {
			t.Errorf("GOMAXPROCS %d: digests %s, want %s", procs, got, want)
		}
		runtime.GOMAXPROCS(before)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestSameSeedSameTrace$", "-test.v")
	child.Env = append(os.Environ(), childVariable+"=1", "GOGC=20")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "digests: "+want) {
		t.Errorf("another process: error %v, wrote %s, want %s", err, out, want)
	}
	other := pass(t, plan(t, 99, Options{Validators: 4, Rounds: 40, Topology: LAN, Profile: "chaos"}))
	if strings.Contains(want, other.Digest.String()) {
		t.Error("another seed gives the same trace")
	}
}

// TestEveryBehaviourActs holds one adversary of each kind against the same network without it.
func TestEveryBehaviourActs(t *testing.T) {
	digests := make(map[crypto.Digest]string)
	for _, name := range append(Behaviours(), "") {
		s := plan(t, 5, Options{Validators: 4, Rounds: 120, Topology: LAN, Profile: "none", Sealing: SealingAlways})
		s.Adversaries = []Adversary{{Author: 2}}
		if name != "" {
			s.Adversaries[0].Behaviours = []string{name}
		}
		r := pass(t, s)
		if same, twice := digests[r.Digest]; twice && !passive[name] && !passive[same] {
			t.Errorf("%q and %q give the same trace", name, same)
		}
		digests[r.Digest] = name
	}
}

// passive are behaviours that no engine sees in a quiet network of four with fake signatures.
var passive = map[string]bool{"": true, "forge": true, "liar": true}

// TestEveryFaultActs holds one fault of each kind against the same network without it.
func TestEveryFaultActs(t *testing.T) {
	digests := make(map[crypto.Digest]string)
	for name := range faultKinds {
		s := plan(t, 6, Options{Validators: 4, Rounds: 60, Topology: LAN, Profile: "none"})
		s.Adversaries = nil
		s.Faults = []Fault{{Do: name, At: Duration(500 * time.Millisecond), For: Duration(500 * time.Millisecond), Nodes: []dag.Author{1}, Amount: 300, Point: crashMidSend}}
		if r := pass(t, s); digests[r.Digest] != "" {
			t.Errorf("%q and %q give the same trace", name, digests[r.Digest])
		} else {
			digests[r.Digest] = name
		}
	}
}

// TestLargeCommittee runs the largest committees for a moment only.
func TestLargeCommittee(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := plan(t, 1, Options{Validators: 25, Rounds: 12, Topology: LAN, Profile: "crash"})
	if r := pass(t, s); r.Commits < 10 {
		t.Errorf("%d commits", r.Commits)
	}
}

// TestWorldWideLatency is a short form of the benchmark: the order of magnitude.
func TestWorldWideLatency(t *testing.T) {
	l, err := MeasureLatency(LatencyCases()[0], 1, 10*time.Second, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if l.Blocks < 500 || l.Floor < 200*time.Millisecond || l.Mean < l.Floor || l.Mean > 3*l.Floor {
		t.Errorf("%d blocks, mean %v, floor %v", l.Blocks, l.Mean, l.Floor)
	}
}

func BenchmarkSeed(b *testing.B) {
	for _, n := range []int{4, 7, 10} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			seed, events, virtual := uint64(0), uint64(0), time.Duration(0)
			for b.Loop() {
				seed++
				r := pass(b, plan(b, seed, Options{Validators: n, Rounds: 150}))
				events, virtual = events+r.Events, virtual+r.Virtual
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(virtual.Seconds()/b.Elapsed().Seconds(), "virtual-s/s")
		})
	}
}
