package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// Duration is a time.Duration that reads and writes as text ("1.5s") in JSON.
type Duration time.Duration

// MarshalText writes the exact text of time.Duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Signing says how blocks are signed and checked.
type Signing string

// The ways of signing. Fake signatures cost nothing, and blocks reach the engines without a
// check; real ones are ed25519, and every receiver verifies the bytes.
const (
	SigningFake Signing = "fake"
	SigningReal Signing = "real"
)

// Checks says what a run is held against.
type Checks string

// The checks. ChecksNodes holds the nodes against each other and against what they promise, but not
// against the written rule: what it finds shows in the order that somebody gets.
const (
	ChecksAll   Checks = ""
	ChecksNodes Checks = "nodes"
)

// Limits of a scenario.
const (
	scenarioVersion = 1
	maxValidators   = 100             // more take minutes per run
	maxHorizon      = 24 * time.Hour  // virtual
	maxFaults       = 4096            // entries
	maxItemBytes    = 16 << 10        // payload of one item of the load
	maxItemEvery    = 1 * time.Second // a slower load leaves the engines idle
)

// Scenario is one run, made explicit: the same Scenario gives the same trace everywhere.
type Scenario struct {
	Version      int         `json:"version"`
	Seed         uint64      `json:"seed"`
	Validators   int         `json:"validators"`
	Topology     Topology    `json:"topology"`
	Signing      Signing     `json:"signing"`
	Checks       Checks      `json:"checks,omitempty"`
	Horizon      Duration    `json:"horizon"` // when the faults end and the network is calm
	Loss         int         `json:"loss"`    // of 1000 messages, until then
	ItemEvery    Duration    `json:"item_every"`
	ItemBytes    int         `json:"item_bytes"`
	SealedEvery  Duration    `json:"sealed_every,omitempty"`  // between sealed items; 0 for a network without sealing
	ControlEvery Duration    `json:"control_every,omitempty"` // between changes of the registry; 0 for a network without
	Certified    bool        `json:"certified,omitempty"`     // certificates are made; only with sealed items
	Faults       []Fault     `json:"faults"`
	Adversaries  []Adversary `json:"adversaries"`
}

// Adversary is a validator that does what it likes. Behaviours act together.
type Adversary struct {
	Author     dag.Author `json:"author"`
	Behaviours []string   `json:"behaviours"`
}

// ErrScenario wraps everything that makes a scenario impossible to run.
var ErrScenario = errors.New("unusable scenario")

// Check says whether the scenario can be run. Errors wrap ErrScenario.
func (s *Scenario) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrScenario, fmt.Sprintf(format, args...))
	}
	switch {
	case s.Version != scenarioVersion:
		return bad("version %d, this program reads version %d", s.Version, scenarioVersion)
	case s.Validators < dag.MinCommittee || s.Validators > maxValidators:
		return bad("%d validators, want %d to %d", s.Validators, dag.MinCommittee, maxValidators)
	case s.Signing != SigningFake && s.Signing != SigningReal:
		return bad("signing %q, want %s or %s", s.Signing, SigningFake, SigningReal)
	case s.Checks != ChecksAll && s.Checks != ChecksNodes:
		return bad("checks %q, want nothing or %s", s.Checks, ChecksNodes)
	case s.Horizon <= 0 || time.Duration(s.Horizon) > maxHorizon:
		return bad("horizon %v, want more than 0 and at most %v", time.Duration(s.Horizon), maxHorizon)
	case s.Loss < 0 || s.Loss >= 1000:
		return bad("loss of %d in 1000", s.Loss)
	case s.ItemEvery <= 0 || time.Duration(s.ItemEvery) > maxItemEvery || s.ItemBytes < minItemBytes || s.ItemBytes > maxItemBytes:
		return bad("an item of %d bytes every %v, want %d to %d bytes and more than 0, at most %v",
			s.ItemBytes, time.Duration(s.ItemEvery), minItemBytes, maxItemBytes, maxItemEvery)
	case s.SealedEvery != 0 && time.Duration(s.SealedEvery) < minSealedEvery:
		return bad("a sealed item every %v, want none or at least %v between them", time.Duration(s.SealedEvery), minSealedEvery)
	case s.ControlEvery != 0 && time.Duration(s.ControlEvery) < minControlEvery:
		return bad("a change of the registry every %v, want none or at least %v between them", time.Duration(s.ControlEvery), minControlEvery)
	case s.Certified && s.SealedEvery == 0:
		return bad("certificates without sealed items")
	case len(s.Faults) > maxFaults:
		return bad("%d faults, limit %d", len(s.Faults), maxFaults)
	case len(s.Adversaries) > faulty(s.Validators):
		return bad("%d adversaries among %d validators, the order survives %d", len(s.Adversaries), s.Validators, faulty(s.Validators))
	}
	if !slices.Contains(Topologies(), s.Topology) {
		return bad("topology %q, want one of %v", s.Topology, Topologies())
	}
	return s.checkLists(bad)
}

func (s *Scenario) checkLists(bad func(string, ...any) error) error {
	taken := make(map[dag.Author]bool)
	for _, a := range s.Adversaries {
		if int(a.Author) >= s.Validators || taken[a.Author] {
			return bad("adversary %d of %d, or twice", a.Author, s.Validators)
		}
		taken[a.Author] = true
		for _, b := range a.Behaviours {
			if behaviours[b] == nil {
				return bad("behaviour %q, want some of %v", b, Behaviours())
			}
		}
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		if faultKinds[f.Do] == nil {
			return bad("fault %q", f.Do)
		}
		if f.At < 0 || f.For < 0 || f.At+f.For > s.Horizon {
			return bad("fault %d (%s) from %v for %v, beyond the horizon", i, f.Do, time.Duration(f.At), time.Duration(f.For))
		}
		for _, n := range f.Nodes {
			if int(n) >= s.Validators {
				return bad("fault %d (%s) names validator %d of %d", i, f.Do, n, s.Validators)
			}
		}
	}
	return nil
}

// faulty is f: how many of n validators may be adversaries.
func faulty(n int) int { return (n - 1) / 3 }

// adversary reports whether a is one.
func (s *Scenario) adversary(a dag.Author) bool {
	return slices.ContainsFunc(s.Adversaries, func(x Adversary) bool { return x.Author == a })
}

// clone is a copy whose lists can be changed.
func (s *Scenario) clone() Scenario {
	c := *s
	c.Faults, c.Adversaries = slices.Clone(s.Faults), slices.Clone(s.Adversaries)
	return c
}

// DecodeScenario reads and checks a scenario in JSON. Errors wrap ErrScenario.
func DecodeScenario(raw []byte) (Scenario, error) {
	var s Scenario
	if err := json.Unmarshal(raw, &s); err != nil {
		return Scenario{}, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	return s, s.Check()
}
