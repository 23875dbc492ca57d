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
