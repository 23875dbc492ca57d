package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// certified is a scenario that certifies.
func certified(t testing.TB, seed uint64, o Options) Scenario {
	t.Helper()
	o.Sealing = SealingAlways
	s := plan(t, seed, o)
	s.Certified = true
	return s
}

// TestCertifiedSweepFindsNothing holds certificates against faults of all kinds.
func TestCertifiedSweepFindsNothing(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	made := 0
	for seed := range seeds {
		w := played(t, certified(t, seed, Options{Validators: 4, Rounds: 40}))
		made += len(w.check.certificates.seen)
	}
	if made < 5*int(seeds) {
		t.Errorf("%d seeds, %d certificates", seeds, made)
	}
}

// TestCertifiedWithoutF: f validators are silent from the middle on, and commits go on being certified.
func TestCertifiedWithoutF(t *testing.T) {
	s := calm(t, 4, 8*time.Second)
	s.Certified = true
	s.Faults = []Fault{{At: Duration(3 * time.Second), For: Duration(4 * time.Second), Do: "crash", Nodes: []dag.Author{2}}}
	w := played(t, s)
	c := w.check.certificates
	during := 0
	for i := range c.seen {
		if at := time.Duration(w.check.sequence[i-1].time-w.check.sequence[1].time) * time.Millisecond; at > 4*time.Second && at < 6*time.Second {
			during++
		}
	}
	if during < 5 {
		t.Errorf("%d certificates while one validator was silent, %d in all", during, len(c.seen))
	}
}

// TestWrongSignaturesInSimulation: f adversaries that sign wrongly are found out, and all commits are certified.
func TestWrongSignaturesInSimulation(t *testing.T) {
	for _, n := range []int{4, 7} {
		t.Run(fmt.Sprint("n=", n), func(t *testing.T) {
			s := certified(t, 2, Options{Validators: n, Rounds: 40, Topology: LAN, Profile: "none", Adversaries: []string{"badsigns"}})
			w := played(t, s)
			if c := w.check.certificates; len(c.seen) < 5 || c.faults == 0 {
				t.Errorf("%d certificates, %d wrong signatures found", len(c.seen), c.faults)
			}
		})
	}
}

// TestCertifiedSeedRepeats runs one seed twice.
func TestCertifiedSeedRepeats(t *testing.T) {
	s := certified(t, 5, Options{Validators: 4, Rounds: 40, Topology: LAN, Profile: "chaos", Adversaries: []string{"badsigns", "baddeals"}})
	first, second := pass(t, s), pass(t, s)
	if first.Digest != second.Digest {
		t.Errorf("digests %v and %v", first.Digest, second.Digest)
	}
	s.Certified = false
	if pass(t, s).Digest == first.Digest {
		t.Error("certificates leave no trace")
	}
}
