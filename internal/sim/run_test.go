package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestScratch(t *testing.T) {
	n, from, to := 4, 1, 20
	get := func(k string, v *int) {
		if s := os.Getenv(k); s != "" {
			*v, _ = strconv.Atoi(s)
		}
	}
	get("N", &n)
	get("FROM", &from)
	get("TO", &to)
	adv := []string{RandomAdversaries}
	if os.Getenv("ADV") == "none" {
		adv = nil
	}
	var events uint64
	var virtual, worst time.Duration
	start := time.Now()
	bad := 0
	for seed := from; seed <= to; seed++ {
		s, err := Plan(uint64(seed), Options{Validators: n, Rounds: 150, Profile: Profile(os.Getenv("PROFILE")), Adversaries: adv})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(s)
		if err != nil {
			t.Fatal(err)
		}
		events += r.Events
		virtual += r.Virtual
		worst = max(worst, r.Recovery)
		if os.Getenv("V") != "" {
			fmt.Println(seed, s.Topology, len(s.Faults), s.Adversaries, r.Virtual, r.Events, r.Commits, r.Round, r.Items, r.Recovery, r.Inclusion)
		}
		if r.Violation != nil {
			bad++
			fmt.Printf("seed %d %s %v adv %v: %+v\n", seed, s.Topology, func() (k []string) {
				for _, f := range s.Faults {
					k = append(k, f.Do)
				}
				return
			}(), s.Adversaries, *r.Violation)
		}
	}
	wall := time.Since(start)
	fmt.Println(to-from+1, "seeds", bad, "bad", wall, "events", events, "virtual", virtual, "worst recovery", worst, "ev/s", float64(events)/wall.Seconds())
}

func TestExplainScratch(t *testing.T) {
	n, seed := 4, 0
	n, _ = strconv.Atoi(os.Getenv("N"))
	seed, _ = strconv.Atoi(os.Getenv("SEED"))
	s, _ := Plan(uint64(seed), Options{Validators: n, Rounds: 150, Profile: Profile(os.Getenv("PROFILE")), Adversaries: []string{RandomAdversaries}})
	w := newWorld(&s, withLines)
	w.play()
	for _, l := range w.trace.last() {
		fmt.Println(l)
	}
	fmt.Println(w.check.violation)
	for _, n := range w.nodes {
		if n != nil {
			fmt.Printf("%v %+v\n", n.self, n.engine.Status())
		}
	}
	k := 0
	for id, p := range w.check.tickets {
		if k++; k < 5 {
			fmt.Println(id, p)
		}
	}
}
