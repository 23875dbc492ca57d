package sim

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// hopeless cannot recover: one of four has lost its log and needs the answers of all others, of
// whom one says nothing. Plan does not draw such a thing.
func hopeless(t *testing.T) Scenario {
	s := plan(t, 3, Options{Validators: 4, Rounds: 60, Topology: LAN, Profile: "slow"})
	s.Loss = 5
	s.Adversaries = []Adversary{{Author: 1, Behaviours: []string{"replay", "mute", "spam"}}}
	s.Faults = append(s.Faults,
		Fault{Do: "vanish", At: Duration(200 * time.Millisecond), For: Duration(100 * time.Millisecond), Nodes: []dag.Author{2}, Point: crashAfterSync, Number: 90},
		Fault{Do: "clock", At: Duration(300 * time.Millisecond), Nodes: []dag.Author{0}, Amount: 9999, Number: 91})
	return s
}

func TestShrinkLeavesWhatMatters(t *testing.T) {
	s := hopeless(t)
	before, err := Run(s)
	if err != nil || before.Violation == nil || before.Violation.Invariant != "progress" {
		t.Fatalf("violation %+v, error %v", before.Violation, err)
	}
	small, r, runs := Shrink(s)
	if r.Violation == nil || r.Violation.Invariant != "progress" {
		t.Fatalf("after %d runs the violation is %+v", runs, r.Violation)
	}
	if len(small.Faults) != 1 || small.Faults[0].Do != "vanish" || small.Loss != 0 || small.Horizon >= s.Horizon {
		t.Errorf("faults %+v, loss %d, horizon %v are left", small.Faults, small.Loss, time.Duration(small.Horizon))
	}
	if len(small.Adversaries) != 1 || !slices.Equal(small.Adversaries[0].Behaviours, []string{"mute"}) {
		t.Errorf("adversaries %+v are left", small.Adversaries)
	}
	if len(s.Faults) < 3 || len(s.Adversaries[0].Behaviours) != 3 {
		t.Error("shrinking has changed the scenario that it was given")
	}
	trace := TraceFile{Scenario: small, Digest: r.Digest, Violation: r.Violation}
	again, err := DecodeTrace(trace.Encode())
	if err != nil {
		t.Fatal(err)
	}
	replayed, err := again.Replay()
	if err != nil || *replayed.Violation != *r.Violation || len(replayed.Lines) == 0 || len(replayed.Picture) == 0 {
		t.Errorf("replay: %v, %+v, %d lines, %d of a picture", err, replayed.Violation, len(replayed.Lines), len(replayed.Picture))
	}
	again.Digest[0]++
	if _, err := again.Replay(); !errors.Is(err, ErrTrace) {
		t.Errorf("another digest: error %v", err)
	}
}

// TestShrinkTakesFewerValidatorsAndRounds has three of ten say nothing and a fourth lose its log.
func TestShrinkTakesFewerValidatorsAndRounds(t *testing.T) {
	s := plan(t, 3, Options{Validators: 10, Rounds: 60, Topology: LAN, Profile: "none"})
	s.Adversaries = nil
	for a := range dag.Author(3) {
		s.Adversaries = append(s.Adversaries, Adversary{Author: 2 * a, Behaviours: []string{"mute"}})
	}
	s.Faults = []Fault{
		{Do: "slow", At: Duration(50 * time.Millisecond), For: Duration(time.Second), Nodes: []dag.Author{1, 7}, Amount: 5, Number: 1},
		{Do: "vanish", At: Duration(800 * time.Millisecond), For: Duration(100 * time.Millisecond), Nodes: []dag.Author{9}, Point: crashBetween, Number: 2},
	}
	small, r, runs := Shrink(s)
	if r.Violation == nil || r.Violation.Invariant != "progress" {
		t.Fatalf("after %d runs the violation is %+v", runs, r.Violation)
	}
	if small.Validators != 4 || len(small.Adversaries) != 1 || len(small.Faults) != 1 || small.Faults[0].Do != "vanish" {
		t.Errorf("%d validators, adversaries %+v, faults %+v are left", small.Validators, small.Adversaries, small.Faults)
	}
	if rounds := time.Duration(small.Horizon) / roundTime[LAN]; rounds > 4 {
		t.Errorf("%d of 60 rounds are left", rounds)
	}
}

// A smaller scenario must not ask for more than the order promises.
func TestSmallerKeepsWhatIsPromised(t *testing.T) {
	mute := []string{"mute"}
	lost := []Fault{{Do: "vanish", For: 1, Nodes: []dag.Author{6}}}
	for _, c := range []struct {
		name        string
		adversaries []Adversary
		faults      []Fault
		n           int
		want        bool
	}{
		{"nothing", nil, nil, 4, true},
		{"a lost log", nil, lost, 4, true},
		{"an adversary", []Adversary{{6, mute}}, nil, 4, true},
		{"one of two adversaries", []Adversary{{5, mute}, {6, mute}}, nil, 4, true},
		{"a lost log beside an adversary", []Adversary{{5, mute}}, lost, 4, false},
		{"a lost log that was too much before", []Adversary{{4, mute}, {5, mute}}, lost, 4, true},
	} {
		s := plan(t, 1, Options{Validators: 7, Rounds: 20, Topology: LAN, Profile: "none"})
		s.Adversaries, s.Faults = c.adversaries, c.faults
		small, ok := s.smaller(c.n, 0)
		if err := small.Check(); ok != c.want || (ok && err != nil) || small.Validators != c.n {
			t.Errorf("%s: %v, want %v; error %v", c.name, ok, c.want, err)
		}
	}
}

func TestScenarioCheck(t *testing.T) {
	good := plan(t, 1, Options{Validators: 7, Rounds: 20, Topology: LAN, Profile: "crash"})
	for name, change := range map[string]func(*Scenario){
		"version":           func(s *Scenario) { s.Version++ },
		"too few":           func(s *Scenario) { s.Validators = 3 },
		"too many":          func(s *Scenario) { s.Validators = maxValidators + 1 },
		"topology":          func(s *Scenario) { s.Topology = "moon" },
		"signing":           func(s *Scenario) { s.Signing = "" },
		"checks":            func(s *Scenario) { s.Checks = "few" },
		"horizon":           func(s *Scenario) { s.Horizon = 0 },
		"loss":              func(s *Scenario) { s.Loss = 1000 },
		"items":             func(s *Scenario) { s.ItemBytes = minItemBytes - 1 },
		"no items":          func(s *Scenario) { s.ItemEvery = 0 },
		"f+1 adversaries":   func(s *Scenario) { s.Adversaries = []Adversary{{Author: 0}, {Author: 1}, {Author: 2}} },
		"twice":             func(s *Scenario) { s.Adversaries = []Adversary{{Author: 0}, {Author: 0}} },
		"behaviour":         func(s *Scenario) { s.Adversaries = []Adversary{{Behaviours: []string{"nice"}}} },
		"fault":             func(s *Scenario) { s.Faults = []Fault{{Do: "meteor"}} },
		"beyond":            func(s *Scenario) { s.Faults = []Fault{{Do: "loss", At: s.Horizon, For: 1}} },
		"fault of a nobody": func(s *Scenario) { s.Faults = []Fault{{Do: "loss", Nodes: []dag.Author{7}}} },
	} {
		s := good.clone()
		change(&s)
		if err := s.Check(); !errors.Is(err, ErrScenario) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestQueueIsAStableOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q eventQueue
		var popped []happening
		times := rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 200).Draw(t, "times")
		for i, at := range times {
			q.push(happening{at: time.Duration(at), order: uint64(i)})
			if at%3 == 0 && len(q.heap) > 1 && i%2 == 0 {
				first := q.pop()
				for _, h := range q.heap {
					if h.before(&first) {
						t.Fatalf("%v comes before %v", h, first)
					}
				}
			}
		}
		for len(q.heap) > 0 {
			popped = append(popped, q.pop())
		}
		if !slices.IsSortedFunc(popped, func(a, b happening) int {
			if a.before(&b) {
				return -1
			}
			return 1
		}) {
			t.Fatalf("popped %v", popped)
		}
	})
}

// TestDiskLosesWhatWasNotSynced looks at the disk alone.
func TestDiskLosesWhatWasNotSynced(t *testing.T) {
	s := plan(t, 1, Options{Validators: 4, Rounds: 10, Topology: LAN, Profile: "none"})
	s.Adversaries = nil
	w := newWorld(&s, digestOnly)
	for w.now < 300*time.Millisecond {
		w.step()
	}
	random := newStream(1, "test")
	n := w.nodes[0]
	n.disk.sync()
	log := slices.Clone(n.disk.log)
	unsynced := w.nodes[1].disk.log[len(w.nodes[1].disk.log)-1]
	if len(log) < 8 {
		t.Fatalf("%d blocks on disk", len(log))
	}
	d := newDisk()
	d.write(log)
	d.sync()
	d.write([]*dag.Verified{unsynced})
	d.crash(w.now, random)
	if len(d.log) < len(log) || d.byRef[log[3].Ref()] == nil {
		t.Errorf("%d blocks of %d synced ones are left", len(d.log), len(log))
	}
	d.synced = 2
	short := false
	for range 20 {
		e := newDisk()
		e.write(log)
		e.synced = 2
		e.crash(w.now, random)
		short = short || len(e.log) < len(log)
		if len(e.log) < 2 {
			t.Fatal("a synced block is lost")
		}
	}
	if !short {
		t.Error("no crash of 20 loses anything")
	}
	d.vanish()
	r, err := d.restored(0)
	if err != nil || !r.LogLost || len(r.Blocks) != 0 || r.Own != nil {
		t.Errorf("restored %+v, error %v", r, err)
	}
	found := n.disk.find(&ordering.Fetch{FromRound: 2, ToRound: 3})
	for _, b := range found {
		if b.Round() < 2 || b.Round() > 3 {
			t.Errorf("a fetch of rounds 2 to 3 finds %v", b.Ref())
		}
	}
	if len(found) < 3 {
		t.Errorf("a fetch of two rounds finds %d blocks", len(found))
	}
}

// TestWhatWasFoundStaysMended runs the traces of what was found once.
func TestWhatWasFoundStaysMended(t *testing.T) {
	files, err := filepath.Glob("testdata/found/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := DecodeTrace(raw)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if r := pass(t, trace.Scenario); r.Violation != nil {
			t.Errorf("%s is back", file)
		}
	}
}
