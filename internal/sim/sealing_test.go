package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

func TestSealingSweepFindsNothing(t *testing.T) {
	for _, c := range []struct {
		validators int
		seeds      uint64
		least      int // items to open, so that the sweep does something
	}{{4, 24, 50}, {5, 6, 5}, {7, 6, 5}, {13, 2, 0}} {
		t.Run(fmt.Sprint("n=", c.validators), func(t *testing.T) {
			if testing.Short() {
				c.seeds, c.least = (c.seeds+5)/6, 0
			}
			opened := 0
			for seed := range c.seeds {
				opened += pass(t, plan(t, seed, Options{Validators: c.validators, Rounds: 120, Sealing: SealingAlways})).Opened
			}
			if opened < c.least {
				t.Errorf("%d seeds, %d sealed items opened, want at least %d", c.seeds, opened, c.least)
			}
		})
	}
}

// TestSealedSeedRepeats runs one seed twice, with everything in it.
func TestSealedSeedRepeats(t *testing.T) {
	s := plan(t, 3, Options{Validators: 4, Rounds: 60, Topology: LAN, Profile: "chaos", Sealing: SealingAlways, Adversaries: []string{"badshares", "baddeals"}})
	first, second := pass(t, s), pass(t, s)
	if first.Digest != second.Digest || first.Opened == 0 {
		t.Errorf("digests %v and %v, %d items opened", first.Digest, second.Digest, first.Opened)
	}
	s.SealedEvery = 0
	if pass(t, s).Digest == first.Digest {
		t.Error("sealing leaves no trace")
	}
}

// TestSealedRealSignatures has blocks with deals and shares encoded, decoded and verified.
func TestSealedRealSignatures(t *testing.T) {
	s := plan(t, 1, Options{Validators: 4, Rounds: 40, Signing: SigningReal, Topology: LAN, Profile: "none", Sealing: SealingAlways, Adversaries: []string{"twodeals", "earlyshares"}})
	if r := pass(t, s); r.Opened == 0 {
		t.Error("nothing opened")
	}
}

// TestSealingSurvives holds f adversaries of each kind against seven validators: what clients seal is opened.
func TestSealingSurvives(t *testing.T) {
	for _, name := range sealingBehaviours {
		if name == "nodeals" {
			continue // see TestKeyWithoutSilentDealers
		}
		t.Run(name, func(t *testing.T) {
			s := plan(t, 2, Options{Validators: 7, Rounds: 80, Topology: LAN, Profile: "none", Sealing: SealingAlways, Adversaries: []string{name}})
			s.SealedEvery = Duration(100 * time.Millisecond)
			if r := pass(t, s); r.Opened < 10 {
				t.Errorf("%d items opened", r.Opened)
			}
		})
	}
}

// calm is a scenario without anything but what a test puts in.
func calm(t testing.TB, validators int, horizon time.Duration) Scenario {
	t.Helper()
	s := plan(t, 1, Options{Validators: validators, Rounds: 10, Topology: LAN, Profile: "none", Sealing: SealingAlways, Adversaries: []string{}})
	s.Horizon, s.ItemEvery, s.SealedEvery = Duration(horizon), Duration(200*time.Millisecond), Duration(300*time.Millisecond)
	return s
}

// played runs a scenario that must not violate anything and returns what it left.
func played(t testing.TB, s Scenario) *world {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(&s, digestOnly)
	w.play()
	if v := w.check.violation; v != nil {
		t.Fatalf("%+v", *v)
	}
	return w
}

// window is longer than the windows of the key generation with everybody slow.
const window = (keygen.DealWindow + keygen.AckWindow) * 110 * time.Millisecond

// TestKeyWithoutSilentDealers: f validators take no part, and one of them comes from the start to the
// end of the window.
func TestKeyWithoutSilentDealers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := calm(t, 7, window)
	s.Adversaries = []Adversary{{Author: 2, Behaviours: []string{"nodeals"}}, {Author: 5, Behaviours: []string{"nodeals", "noshares"}}}
	w := played(t, s)
	keys := w.check.reveals.keys
	if len(keys) != 1 || !slices.Equal(keys[0].Dealers, []dag.Author{0, 1, 3, 4, 6}) || keys[0].From < keygen.AckWindow {
		t.Fatalf("keys %+v", keys)
	}
	if w.check.reveals.opened == 0 {
		t.Error("nothing opened")
	}
}

// TestKeyAcrossPowerCuts cuts everybody's power in the first rounds, several times, at every point of
// writing.
func TestKeyAcrossPowerCuts(t *testing.T) {
	for i, point := range crashPoints {
		s := calm(t, 4, 4*time.Second)
		s.Adversaries = []Adversary{{Author: 3, Behaviours: []string{"complain"}}}
		for k := range 6 {
			nodes := []dag.Author{dag.Author(k % 3)}
			s.Faults = append(s.Faults, Fault{Do: "crash", At: Duration(40*(k+1)+7*i) * Duration(time.Millisecond), For: Duration(50 * time.Millisecond), Nodes: nodes, Point: point, Number: k})
		}
		s.Faults = append(s.Faults, Fault{Do: "power", At: Duration(400 * time.Millisecond), For: Duration(100 * time.Millisecond), Number: 9})
		if w := played(t, s); len(w.check.reveals.keys) != 1 || w.check.reveals.opened == 0 {
			t.Errorf("%s: %d keys, %d items opened", point, len(w.check.reveals.keys), w.check.reveals.opened)
		}
	}
}

// TestKeyAfterALateComplaint: a validator that was cut off for the whole window was dealt a bad share. It
// complains when it is back, a new key is made without the cheat, and everybody holds a share of it.
func TestKeyAfterALateComplaint(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for seed := range uint64(12) { // the cheat draws its victim
		s := calm(t, 4, window+2*time.Second)
		s.Seed = seed
		s.Adversaries = []Adversary{{Author: 3, Behaviours: []string{"baddeals"}}}
		s.Faults = []Fault{{Do: "isolate", At: 0, For: Duration(window), Nodes: []dag.Author{1}}}
		w := played(t, s)
		r := w.check.reveals
		if len(r.keys) < 2 || r.lost[r.keys[0].ID] == 0 {
			continue
		}
		if len(r.keys) != 2 || slices.Contains(r.keys[1].Dealers, 3) || r.lost[r.keys[1].ID] != 0 || r.keys[1].From < keygen.AckWindow {
			t.Errorf("seed %d: keys %+v, lost %v", seed, r.keys, r.lost)
		}
		return
	}
	t.Error("no seed has a late complaint")
}

// TestKeyAfterALostDisk: a validator without its disk gets its share back from the log.
func TestKeyAfterALostDisk(t *testing.T) {
	for _, at := range []time.Duration{60 * time.Millisecond, 2 * time.Second} {
		s := calm(t, 7, 6*time.Second)
		s.Adversaries = []Adversary{{Author: 3, Behaviours: []string{"noshares"}}}
		s.Faults = []Fault{{Do: "vanish", At: Duration(at), For: Duration(300 * time.Millisecond), Nodes: []dag.Author{1}}}
		w := played(t, s)
		r := w.check.reveals
		if len(r.keys) == 0 || len(r.lost) != 0 || r.newest[1] != r.keys[0].ID || r.opened == 0 {
			t.Errorf("disk lost at %v: %d keys, lost %v, %d opened", at, len(r.keys), r.lost, r.opened)
		}
		if shares := r.shared[1]; shares == 0 {
			t.Errorf("disk lost at %v: its owner says no share", at)
		}
	}
}

// keyOf runs a scenario until every node has a key, without waiting for the end of the scenario.
func keyOf(t testing.TB, s Scenario) *world {
	t.Helper()
	w := newWorld(&s, digestOnly)
	w.check.begin()
	ready := func() bool {
		for _, n := range w.nodes {
			if n != nil && w.check.reveals.newest[n.self] == 0 {
				return false
			}
		}
		return true
	}
	for w.check.violation == nil && w.now < time.Duration(s.Horizon) && !ready() && w.step() {
	}
	if w.check.violation != nil || !ready() {
		t.Fatalf("no key after %v: %+v, %+v", w.now, w.check.violation, w.check.reveals.state.Status())
	}
	return w
}

// TestKeyOfAHundred makes the key of a hundred validators.
func TestKeyOfAHundred(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	w := keyOf(t, calm(t, 100, 10*time.Second))
	key := w.check.reveals.keys[0]
	if len(key.Dealers) != 100 || key.Threshold != 67 {
		t.Errorf("%d dealers, threshold %d", len(key.Dealers), key.Threshold)
	}
	t.Logf("key from commit %d on, after %v of virtual time, %d events", key.From, w.now, w.events)
}
