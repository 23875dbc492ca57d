package ordering

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// published is the ten scenarios that other implementations of the rule are tested with. In the
// pictures V is the author of the attacked slot of round 1; substitute says what the other words are.
var published = []struct {
	name    string
	picture string
	calls   []string // the verdict on the attacked slot when a line of the picture is over
	decided int      // rounds handed out at the end
}{
	{"direct commit", "1: *\n2: *\n3: *", []string{"?", "?", "+"}, 1},
	{"second call", "1: *\n2: *\n3: *\n3: # again", []string{"?", "?", "+", "+"}, 1},
	{"late call", lines(12), nil, 10},
	{"partial decision round", "1: *\n2: *\n3: QUORUM", []string{"?", "?", "+"}, 1},
	{"no genesis commit", "1: *\n2: *", []string{"?", "?"}, 0},
	{"missing anchor", "1: -V\n2: *\n3: *", []string{"?", "-", "-"}, 1},
	{"direct skip", "1: *\n2: QUORUM -> [-V1]; *\n3: *", []string{"?", "-", "-"}, 1},
	{"indirect commit", "1: *\n2: QUORUM; * -> [-V1]\n3: FIRST -> [QUORUM2]; * -> [-LAST2]\n4: *\n5: *\n6: *", []string{"?", "?", "?", "?", "?", "(+)"}, 4},
	{"indirect skip", "1: *\n2: FEW; * -> [-V1]\n3: *\n4: *\n5: *\n6: *", nil, 4},
	{"undecided", "1: *\n2: QUORUM; * -> [-V1]\n3: * -> [-LAST2]", []string{"?", "?", "?"}, 0},
}

func lines(n int) string {
	var out []string
	for r := range n {
		out = append(out, fmt.Sprintf("%d: *", r+1))
	}
	return strings.Join(out, "\n")
}

// TestPublishedScenarios is the matrix of scenario, committee, anchors a round and attacked slot.
func TestPublishedScenarios(t *testing.T) {
	for _, n := range []int{4, 5, 6, 7, 10, 12} {
		f := (n - 1) / 3
		for _, k := range slicesOf(1, 2, 2*f+1, n) {
			for offset := range k {
				for _, s := range published {
					victim := rotated(n, k)(1)[offset]
					name := fmt.Sprintf("%s n=%d k=%d %v", s.name, n, k, victim)
					t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
						text := substitute(s.picture, n, victim)
						playScenario(t, text, n, k, victim, s.calls, s.decided)
					})
				}
			}
		}
	}
}

// slicesOf is the different numbers among some, in order.
func slicesOf(numbers ...int) []int {
	var out []int
	for _, k := range numbers {
		if len(out) == 0 || out[len(out)-1] < k {
			out = append(out, k)
		}
	}
	return out
}

// substitute writes authors for the words of a picture. QUORUM is a quorum of authors in which V is
// the last, QUORUM2 their blocks of round 2, LAST the one before V, FIRST the first of them, and FEW one
// author alone.
func substitute(text string, n int, victim dag.Author) string {
	var all []string
	for a := range dag.Author(n) {
		if a != victim {
			all = append(all, a.String())
		}
	}
	quorum := n - (n-1)/3
	voters := append(append([]string{}, all[:quorum-1]...), victim.String())
	var second []string
	for _, v := range voters {
		second = append(second, v+"2")
	}
	return "n=" + fmt.Sprint(n) + "\n" + strings.NewReplacer(
		"QUORUM2", strings.Join(second, " "), "QUORUM", strings.Join(voters, " "), "LAST", all[quorum-2],
		"FIRST", all[0], "FEW", all[0], "V1", victim.String()+"1", "-V", "-"+victim.String(),
	).Replace(text)
}

func playScenario(t *testing.T, text string, n, k int, victim dag.Author, calls []string, decided int) {
	t.Helper()
	graph, schedule := dag.New(dagtest.Committee(n)), rotated(n, k)
	c, blocks, handed := NewCommitter(graph, schedule, 0), 0, []Decision{}
	all := strings.Split(strings.TrimSpace(text), "\n")
	for i := range all[1:] {
		soFar := strings.Join(all[:i+2], "\n")
		if strings.Contains(all[i+1], "again") {
			soFar = strings.Join(all[:i+1], "\n")
		}
		p, err := picture.Parse(soFar)
		if err != nil {
			t.Fatal(err)
		}
		fresh := picture.Picture{Authors: n, Blocks: p.Blocks[blocks:]}
		for _, v := range fresh.Insert(graph) {
			c.Add(v)
		}
		blocks = len(p.Blocks)
		got, err := drain(c)
		if err != nil {
			t.Fatal(err)
		}
		handed = append(handed, got...)
		pending, err := c.Pending()
		if err != nil {
			t.Fatal(err)
		}
		if calls == nil {
			continue
		}
		if verdict := verdictOn(append(handed, pending...), dag.Slot{Round: 1, Author: victim}); verdict != calls[i] {
			t.Errorf("after line %d the verdict is %q, want %q\n%s", i+1, verdict, calls[i], soFar)
		}
	}
	if int(c.Decided()) != decided {
		t.Errorf("%d rounds decided, want %d\n%s", c.Decided(), decided, text)
	}
	want, err := (&oracle{graph, schedule}).sequence(0)
	if err != nil {
		t.Fatal(err)
	}
	whole := func(d []Decision) []string {
		out := []string{}
		for _, d := range d {
			if d.Slot.Round <= c.Decided() {
				out = append(out, fmt.Sprint(d.Slot, d.Verdict, d.Anchor != nil))
			}
		}
		return out
	}
	if diff := cmp.Diff(whole(want), whole(handed)); diff != "" {
		t.Errorf("the committer handed out other decisions than the rule (-rule +committer):\n%s\n%s", diff, text)
	}
}

func verdictOn(decisions []Decision, s dag.Slot) string {
	for _, d := range decisions {
		if d.Slot != s || d.Verdict == SlotUndecided {
			continue
		}
		mark := map[Verdict]string{SlotCommitted: "+", SlotSkipped: "-"}[d.Verdict]
		if !d.Direct {
			mark = "(" + mark + ")"
		}
		return mark
	}
	return "?"
}
