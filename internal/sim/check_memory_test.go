package sim

import (
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func TestQuestionsHaveLimits(t *testing.T) {
	for _, c := range []struct {
		name      string
		questions int
		refs      int
		want      string
	}{
		{"as many as promised", maxFetchesPerPeer, ordering.MaxFetchRefs, ""},
		{"one question more", maxFetchesPerPeer + 1, 1, "memory"},
		{"one reference more", 1, ordering.MaxFetchRefs + 1, "memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plan(t, 1, Options{Validators: 4, Rounds: 10, Topology: LAN, Profile: "none"})
			w := newWorld(&s, digestOnly)
			for id := range c.questions {
				w.nodes[0].fetch(ordering.Fetch{ID: uint64(id), To: 1, Refs: make([]dag.Ref, c.refs)})
				w.nodes[0].fetch(ordering.Fetch{ID: uint64(100 + id), To: 2})
			}
			got := ""
			if v := w.check.violation; v != nil {
				got = v.Invariant
			}
			if got != c.want {
				t.Errorf("%d questions of %d references violate %q, want %q", c.questions, c.refs, got, c.want)
			}
		})
	}
}

func TestWhatIsHeldHasLimits(t *testing.T) {
	const size = 4
	for name, c := range map[string]struct {
		status ordering.Status
		want   string
	}{
		"little":                 {ordering.Status{Round: 9, Decided: 6, Held: 40, Wanted: 3, Waiting: 2}, ""},
		"too many waiting":       {ordering.Status{Waiting: maxWaitingPerValidator*size + 1}, "memory"},
		"too many wanted":        {ordering.Status{Wanted: ordering.MaxWanted(size) + 1}, "memory"},
		"too many held":          {ordering.Status{Round: 100, Decided: 98, Floor: 40, Held: maxHeldPerSlot*size*(60+dag.MaxAhead) + 1}, "memory"},
		"a pool of too many":     {ordering.Status{PoolItems: maxPoolItems + 1}, "memory"},
		"too many rounds open":   {ordering.Status{Round: maxOpenRounds + 2, Decided: 1}, "memory"},
		"a floor past the clock": {ordering.Status{Round: 10, Decided: 9, Floor: 11, Held: 1}, ""},
	} {
		s := plan(t, 1, Options{Validators: size, Rounds: 10, Topology: LAN, Profile: "none"})
		w := newWorld(&s, digestOnly)
		w.check.holds(0, &c.status)
		got := ""
		if v := w.check.violation; v != nil {
			got = v.Invariant
		}
		if got != c.want {
			t.Errorf("%s: violates %q, want %q", name, got, c.want)
		}
	}
}
