package ordering_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/ordering/vector"
)

// expected is what a vector wants; nil and missing fields are not asserted.
type expected struct {
	Expect struct {
		Steps []struct {
			Sequence []expectedDecision
			Prefix   []expectedDecision `json:"sequence_prefix"` // the same: a sequence is always a prefix
			Slots    []struct {
				Verdict    string
				Block, How *string
			}
		}
		Linearize []struct {
			Commits []struct {
				Count              *int
				Blocks             []string
				Contains, Excludes []string
			}
		}
		Fault *bool
	}
}

type expectedDecision struct {
	Round, Author uint64
	Decision      string
	Block, How    *string
}

func TestVectors(t *testing.T) {
	paths, err := filepath.Glob("testdata/vectors/*.json")
	if err != nil || len(paths) < 64 {
		t.Fatalf("%d vectors: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			v, err := vector.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := v.Decide()
			if err != nil {
				t.Fatal(err)
			}
			var want expected
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			if asserted := compareVector(t, want, answer); asserted == 0 {
				t.Error("the vector asserts nothing")
			}
		})
	}
}

// compareVector holds an answer against what is expected, and counts what it compared.
func compareVector(t *testing.T, want expected, got *vector.Answer) (asserted int) {
	t.Helper()
	if fault := want.Expect.Fault != nil && *want.Expect.Fault; got.Fault != fault {
		t.Errorf("fault %v, want %v", got.Fault, fault)
	}
	same := func(what string, want, got any) {
		asserted++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", what, diff)
		}
	}
	for i, step := range want.Expect.Steps {
		for k, d := range append(step.Sequence, step.Prefix...) {
			what := fmt.Sprintf("step %d, sequence %d", i, k)
			if k >= len(got.Steps[i].Sequence) {
				t.Fatalf("%s is not decided", what)
			}
			g := got.Steps[i].Sequence[k]
			same(what, []any{d.Round, d.Author, d.Decision}, []any{uint64(g.Round), uint64(g.Author), g.Decision})
			if d.Block != nil {
				same(what+" block", d.Block, g.Block)
			}
			if d.How != nil {
				same(what+" how", *d.How, g.How)
			}
		}
		if step.Sequence != nil && len(step.Sequence) == 0 {
			asserted++ // the empty sequence is a prefix of any
		}
		for k, s := range step.Slots {
			what, g := fmt.Sprintf("step %d, slot %d", i, k), got.Steps[i].Slots[k]
			same(what, s.Verdict, g.Verdict)
			if s.Block != nil {
				same(what+" block", s.Block, g.Block)
			}
			if s.How != nil {
				same(what+" how", s.How, g.How)
			}
		}
	}
	for i, sequence := range want.Expect.Linearize {
		for k, c := range sequence.Commits {
			what, g := fmt.Sprintf("linearize %d, commit %d", i, k), slices.Clone(got.Linearize[i].Commits[k].Blocks)
			if c.Count != nil {
				same(what, *c.Count, len(g))
			}
			if c.Blocks != nil {
				slices.Sort(c.Blocks)
				slices.Sort(g)
				same(what, c.Blocks, g)
			}
			for _, id := range c.Contains {
				same(what+" has "+id, true, slices.Contains(g, id))
			}
			for _, id := range c.Excludes {
				same(what+" has "+id, false, slices.Contains(g, id))
			}
		}
	}
	return asserted
}
