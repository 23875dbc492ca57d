package devnet

import (
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// What some validator has committed, or still holds while one is behind, is late and not lost.
func TestAuditOfLate(t *testing.T) {
	for name, test := range map[string]struct {
		committed, held bool
		behind          dag.CommitIndex
		late, lost      uint64
	}{
		"nobody has it":                     {false, false, 0, 0, 1},
		"nobody has it and one is behind":   {false, false, 200, 0, 1},
		"one has committed it":              {true, false, 0, 1, 0},
		"one holds it, and nobody is away":  {false, true, 0, 0, 1},
		"one holds it, and one catches up":  {false, true, 200, 1, 0},
		"one has it, and another lacks few": {true, false, 5, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			x, y := newFakeNode(), newFakeNode()
			d := id("a")
			if test.committed {
				x.commit(d[:])
			}
			x.held[string(d[:])], y.behind = test.held, test.behind
			var got finding
			got.judge(t.Context(), []*reading{{name: "x", client: x.serve(t)}, {name: "y", client: y.serve(t)}}, []crypto.Digest{d})
			if got.late != test.late || got.lost != test.lost || (len(got.behind) > 0) != (test.behind >= farBehind) {
				t.Errorf("%+v", got)
			}
			r := Result{Agreement: true, Commits: 1, Late: got.late, Lost: got.lost, Behind: got.behind}
			want := "not yet committed by every validator"
			if test.lost > 0 {
				want = "are lost"
			}
			if err := r.Fault(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("fault %v, want %q", err, want)
			}
		})
	}
}

// A node that comes nearer is waited for, however long one is waited for that does not.
func TestDrainWaitsForWhoCatchesUp(t *testing.T) {
	whole, slow := newFakeNode(), newFakeNode()
	for _, name := range []string{"a", "b", "c", "d"} {
		whole.commit(bytesOf(name)...)
	}
	slow.later = whole.commits
	readings := []*reading{{name: "x", client: whole.serve(t), cursor: "genesis"}, {name: "y", client: slow.serve(t), cursor: "genesis"}}
	missing, err := drain(t.Context(), readings, []crypto.Digest{id("d")}, time.Nanosecond)
	if err != nil || len(missing) > 0 {
		t.Errorf("missing %v, %v", missing, err)
	}
}
