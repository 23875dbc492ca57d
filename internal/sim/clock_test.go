package sim

import (
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// TestClocksJumpByHours: the wall clocks of one, of some, of most or of all validators jump forwards and back by hours,
// at once and one after the other, with a crash in between. The order goes on, its time never runs backwards
// nor shows what no honest clock showed, and what was acknowledged is committed: nothing expires by the clock.
func TestClocksJumpByHours(t *testing.T) {
	const hours = int(time.Hour / time.Millisecond)
	type jump struct {
		at    time.Duration
		by    int
		nodes []dag.Author
	}
	some, most, all := []dag.Author{1}, []dag.Author{0, 2, 3}, []dag.Author{0, 1, 2, 3}
	for name, jumps := range map[string][]jump{
		"one ahead":            {{500 * time.Millisecond, 5 * hours, some}},
		"one back":             {{500 * time.Millisecond, -5 * hours, some}},
		"most ahead":           {{500 * time.Millisecond, 9 * hours, most}},
		"most back":            {{500 * time.Millisecond, -9 * hours, most}},
		"all ahead, then back": {{500 * time.Millisecond, 12 * hours, all}, {1200 * time.Millisecond, -24 * hours, all}},
		"one after the other":  {{400 * time.Millisecond, 3 * hours, []dag.Author{0}}, {700 * time.Millisecond, -3 * hours, []dag.Author{1}}, {1000 * time.Millisecond, 7 * hours, []dag.Author{2}}, {1300 * time.Millisecond, -7 * hours, []dag.Author{3}}},
	} {
		t.Run(name, func(t *testing.T) {
			quiet := plan(t, 7, Options{Validators: 4, Rounds: 150, Topology: LAN, Profile: "none", Sealing: SealingAlways})
			quiet.Adversaries = nil
			s := quiet.clone()
			for i, j := range jumps {
				s.Faults = append(s.Faults, Fault{Do: "clock", At: Duration(j.at), Nodes: j.nodes, Amount: j.by, Number: i})
			}
			s.Faults = append(s.Faults, Fault{Do: "crash", At: Duration(1100 * time.Millisecond), For: Duration(200 * time.Millisecond), Nodes: some, Number: 99})
			r := pass(t, s)
			if calm := pass(t, quiet); r.Commits < calm.Commits*3/4 || r.Items < calm.Items*3/4 {
				t.Errorf("%d commits with %d items, without jumps %d with %d", r.Commits, r.Items, calm.Commits, calm.Items)
			}
		})
	}
}
