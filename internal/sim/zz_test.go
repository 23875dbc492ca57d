package sim

import ("testing";"os";"strconv";"fmt";"time")

func TestZZ(t *testing.T) {
	n,_ := strconv.Atoi(os.Getenv("N")); to,_ := strconv.Atoi(os.Getenv("TO")); rounds,_ := strconv.Atoi(os.Getenv("R"))
	start := time.Now(); bad := 0; var virtual time.Duration
	for seed := 1; seed <= to; seed++ {
		s, err := Plan(uint64(seed), Options{Validators: n, Rounds: rounds, Adversaries: []string{RandomAdversaries}})
		if err != nil { t.Fatal(err) }
		r, err := Run(s)
		if err != nil { t.Fatal(err) }
		virtual += r.Virtual
		if r.Violation != nil { bad++; fmt.Println(seed, s.Adversaries, *r.Violation) }
	}
	fmt.Println(to, "seeds", bad, "bad", time.Since(start), virtual)
}
