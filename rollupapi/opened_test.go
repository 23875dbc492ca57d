package rollupapi

import (
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// TestOpeningsBound: what was opened lately is known, and no more is kept than two generations.
func TestOpeningsBound(t *testing.T) {
	o := newOpenings()
	legs := []dag.Leg{{Namespace: 1, Payload: make([]byte, 64<<10)}}
	most := 2 * (maxOpenedBytes/len(legs[0].Payload) + 1)
	for i := range dag.CommitIndex(4 * most) {
		o.add(Location{Commit: i}, legs)
		if _, ok := o.find(Location{Commit: i}); !ok {
			t.Fatalf("entry %d is forgotten at once", i)
		}
		if kept := len(o.young) + len(o.old); kept > most {
			t.Fatalf("%d entries are kept, limit %d", kept, most)
		}
	}
	if _, ok := o.find(Location{Commit: dag.CommitIndex(4*most - most/2)}); !ok {
		t.Error("what half a generation came after is forgotten")
	}
	if _, ok := o.find(Location{}); ok {
		t.Error("the first entry is still kept")
	}
}

// TestVerdicts: the API knows every verdict by its name, and all but one are failures with a reason.
func TestVerdicts(t *testing.T) {
	for v := reveal.Opened; v <= reveal.ContentInvalid; v++ {
		if name := verdictName(pb.Verdict(v)); name != v.String() {
			t.Errorf("verdict %s is told as %s", v, name)
		}
		state, refused := verdictState(v)
		if want := v == reveal.Opened; (state == pb.State_STATE_REVEALED) != want || (refused == nil) != want {
			t.Errorf("%s: %v, %v", v, state, refused)
		}
		if refused != nil && v != reveal.KeyStale && string(refused.Reason) != v.String() {
			t.Errorf("%s has reason %s", v, refused.Reason)
		}
	}
	if verdictName(pb.Verdict_VERDICT_UNSPECIFIED) != "" || len(pb.Verdict_name) != int(reveal.ContentInvalid)+1 {
		t.Error("the API has verdicts that the order has not")
	}
}
