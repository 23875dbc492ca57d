//go:build mutants

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"

	"github.com/dunlin-network/dunlin/dag/mutant"
)

// packages are whose tests must notice errors. Their windows are of full size.
var packages = []string{"ordering", "dag", "ordering/reveal", "ordering/keygen", "ordering/certificate"}

// testTimeout ends tests that an error has made endless.
const testTimeout = "-test.timeout=120s"

// suites are the built tests.
type suites struct {
	dir  string
	root string
}

func (h *hunt) buildTests() (*suites, error) {
	root, err := filepath.Abs(h.root)
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	dir, err := os.MkdirTemp("", "dunlin-mutants-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	s := &suites{dir, root}
	for _, p := range packages {
		build := exec.Command("go", "test", "-c", "-tags", "mutants", "-o", s.binary(p), "./"+p)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the tests of %s: %w\n%s", p, err, out)
		}
	}
	return s, nil
}

// binary is where the tests of a package are.
func (s *suites) binary(p string) string { return filepath.Join(s.dir, path.Base(p)+".test") }

// runAll is the first test that notices each error, empty for none.
func (s *suites) runAll(mutants []mutant.Mutant) []string {
	out := make([]string, len(mutants))
	for i := range mutants {
		if s.dir == "" {
			continue
		}
		name, err := s.run(mutants[i].Name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "warning:", err)
		}
		out[i] = name
	}
	return out
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// run runs the tests with an error planted until one fails.
func (s *suites) run(name mutant.Name) (string, error) {
	for _, p := range packages {
		test := exec.Command(s.binary(p), "-test.short", "-test.failfast", "-rapid.nofailfile", testTimeout)
		test.Dir = filepath.Join(s.root, p)
		test.Env = append(os.Environ(), "DUNLIN_MUTANT="+string(name))
		out, err := test.CombinedOutput()
		if err == nil {
			continue
		}
		if m := failedTest.FindSubmatch(out); m != nil {
			return p + "." + string(m[1]), nil
		}
		if _, ended := err.(*exec.ExitError); ended {
			return p + " (panic or timeout)", nil
		}
		return "", fmt.Errorf("run the tests of %s: %w", p, err)
	}
	return "", nil
}
