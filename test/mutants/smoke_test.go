//go:build !mutants

package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Simulations notice three errors of different kinds within few seeds, and none where none is
// planted. `make mutants` goes through all of them.
func TestMutantsAreNoticed(t *testing.T) {
	t.Parallel()
	const chosen = "undecided-anchor-stepped-over,both-twins-ordered,restart-forgets-what-is-ordered"
	out, err := hunt(t, "-seeds", "30", "-only", chosen)
	if err != nil || !strings.Contains(out, "3 noticed by simulation") {
		t.Errorf("%v\n%s", err, out)
	}
}

// An adversary that hides what decides a slot makes wrong quorums fork: two honest nodes disagree,
// which nobody needs the written rule to see.
func TestWrongQuorumsFork(t *testing.T) {
	t.Parallel()
	const chosen = "commit-quorum-minus-one,skip-quorum-minus-one,vote-quorum-minus-one"
	out, err := hunt(t, "-seeds", "30", "-checks", "nodes", "-only", chosen)
	if err != nil || strings.Count(out, "prefix |") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}

// The command says so when an error survives.
func TestSurvivorFails(t *testing.T) {
	t.Parallel()
	out, err := hunt(t, "-seeds", "0", "-only", "both-twins-ordered")
	if err == nil || !strings.Contains(out, "SURVIVES") {
		t.Errorf("%v\n%s", err, out)
	}
}

// hunt builds and runs the command. It reads what that is made of, or go test would show the result of
// other sources from its cache.
func hunt(t *testing.T, args ...string) (string, error) {
	t.Helper()
	for _, dir := range []string{"ordering", "dag", "crypto", "internal/sim"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".go" {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	args = append([]string{"run", "-tags", "mutants,tiny", ".", "-simulations-only"}, args...)
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	return string(out), err
}
