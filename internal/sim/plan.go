package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// Profile names a mixture of faults.
type Profile string

// profiles says of which faults each profile is made.
var profiles = map[Profile][]string{
	"none":      nil,
	"crash":     {"crash"},
	"partition": {"partition", "isolate", "oneway"},
	"loss":      {"loss"},
	"slow":      {"slow", "busy", "stall"},
	"disk":      {"crash", "vanish", "rollback", "forget"},
	"clock":     {"clock", "slow"},
	"power":     {"power", "crash"},
	"chaos":     {"crash", "partition", "isolate", "oneway", "loss", "slow", "busy", "stall", "clock", "vanish", "rollback", "power"},
}

// Profiles lists all profiles in order.
func Profiles() []Profile {
	out := make([]Profile, 0, len(profiles))
	for p := range profiles {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// RandomAdversaries as Options.Adversaries draws them from the seed.
const RandomAdversaries = "random"

// Options say what scenarios a sweep is made of.
type Options struct {
	Validators  int
	Rounds      int      // about how many rounds the faults last
	Profile     Profile  // "" for one drawn from the seed
	Adversaries []string // names that f validators share out, or RandomAdversaries alone
	Topology    Topology // "" for one drawn from the seed
	Signing     Signing  // "" for fake
	Checks      Checks   // "" for all
	Sealing     SealingChoice
}

// roundTime is about how long a round takes with faults, by topology.
var roundTime = map[Topology]time.Duration{LAN: 25 * time.Millisecond, Regions3: 90 * time.Millisecond, WAN12: 300 * time.Millisecond}

// Plan draws the scenario of a seed. Errors wrap ErrScenario.
func Plan(seed uint64, o Options) (Scenario, error) {
	random := newStream(seed, "plan")
	s := Scenario{
		Version: scenarioVersion, Seed: seed, Validators: o.Validators, Topology: o.Topology, Signing: o.Signing, Checks: o.Checks,
		ItemEvery: Duration(time.Duration(3+random.IntN(20)) * time.Millisecond), ItemBytes: minItemBytes + random.IntN(200),
	}
	if topology := drawTopology(random); s.Topology == "" {
		s.Topology = topology
	}
	if s.Signing == "" {
		s.Signing = SigningFake
	}
	s.Horizon = Duration(time.Duration(o.Rounds) * roundTime[s.Topology])
	profile := Profiles()[random.IntN(len(profiles))]
	if o.Profile != "" {
		profile = o.Profile
	}
	kinds, ok := profiles[profile]
	if !ok {
		return s, fmt.Errorf("%w: profile %q, want one of %v", ErrScenario, profile, Profiles())
	}
	if loss := random.IntN(40); profile == "loss" || profile == "chaos" {
		s.Loss = loss
	}
	s.Adversaries = drawAdversaries(newStream(seed, "adversaries"), o)
	sealing := newStream(seed, "sealing")
	if s.SealedEvery = drawSealing(sealing, o); s.SealedEvery > 0 && drawnFrom(o) {
		s.drawSealers(sealing)
	}
	s.ControlEvery = drawControls(newStream(seed, "controls"))
	s.drawCertified(newStream(seed, "certificates"), o)
	if o.Validators > 0 && s.Horizon > 0 {
		s.Faults = drawFaults(newStream(seed, "faults"), &s, kinds)
	}
	return s, s.Check()
}

func drawTopology(random *rand.Rand) Topology {
	switch x := random.IntN(100); {
	case x < 85:
		return LAN
	case x < 97:
		return Regions3
	}
	return WAN12
}

// drawAdversaries makes up to f validators adversaries with one to three behaviours each.
func drawAdversaries(random *rand.Rand, o Options) []Adversary {
	if len(o.Adversaries) == 0 || o.Validators < dag.MinCommittee {
		return nil
	}
	authors := random.Perm(o.Validators)
	var out []Adversary
	if drawnFrom(o) {
		names := orderBehaviours()
		for i := range random.IntN(faulty(o.Validators) + 1) {
			a := Adversary{Author: dag.Author(authors[i])}
			for range 1 + random.IntN(3) {
				if name := names[random.IntN(len(names))]; !slices.Contains(a.Behaviours, name) {
					a.Behaviours = append(a.Behaviours, name)
				}
			}
			out = append(out, a)
		}
		return out
	}
	for i := range faulty(o.Validators) {
		out = append(out, Adversary{Author: dag.Author(authors[i]), Behaviours: slices.Clone(o.Adversaries)})
	}
	return out
}

func drawnFrom(o Options) bool {
	return len(o.Adversaries) == 1 && o.Adversaries[0] == RandomAdversaries
}

// drawFaults draws a list of faults. At most one node ever loses its log, and none where that would
// make f+1 faulty ones: the restart rule promises nothing then.
func drawFaults(random *rand.Rand, s *Scenario, kinds []string) []Fault {
	if len(kinds) == 0 {
		return nil
	}
	mayLose := len(s.Adversaries) < faulty(s.Validators)
	var out []Fault
	for number := range 2 + random.IntN(8) {
		f := drawFault(random, s, kinds[random.IntN(len(kinds))])
		f.Number = number
		loses := f.loses()
		switch {
		case loses && !mayLose && f.Do == "power":
			f.Nodes = nil
		case loses && !mayLose:
			f.Do = "crash"
		case loses:
			mayLose = false
		}
		out = append(out, f)
	}
	return out
}

func drawFault(random *rand.Rand, s *Scenario, kind string) Fault {
	horizon := int64(s.Horizon)
	at := random.Int64N(horizon * 9 / 10)
	longest := min(horizon-at, horizon/2)
	f := Fault{Do: kind, At: Duration(at), For: Duration(1 + random.Int64N(longest))}
	if random.IntN(2) == 0 {
		f.For = Duration(1 + random.Int64N(max(longest/8, 1)))
	}
	order := random.Perm(s.Validators)
	many, amount, point := 1+random.IntN(max(s.Validators/2, 1)), random.IntN(1000), crashPoints[random.IntN(len(crashPoints))]
	switch kind {
	case "crash":
		f.Point = point
		if random.IntN(2) == 0 {
			many = 1
		}
	case "vanish", "rollback":
		many, f.Point, f.Amount = 1, point, amount
	case "forget":
		many, f.For = 1, Duration(min(int64(forgetFor(amount)), longest))
	case "power":
		many = amount % 2
	case "loss":
		f.Amount = 1 + amount/2
	case "slow":
		f.Amount = 1 + amount/4
	case "busy":
		f.Amount = 1 + amount*5
	case "clock":
		f.Amount = (amount - 500) * 100
	}
	for _, a := range order {
		if len(f.Nodes) < many && (many > 1 || !s.adversary(dag.Author(a))) {
			f.Nodes = append(f.Nodes, dag.Author(a))
		}
	}
	slices.Sort(f.Nodes)
	return f
}

var crashPoints = []crashPoint{crashBetween, crashBeforeSync, crashAfterSync, crashMidSend}
