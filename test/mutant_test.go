package test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// dedupeMutant is built once, for the first test that wants it.
var dedupeMutant = sync.OnceValues(func() (string, error) { return buildMutant("dedupe") })

// buildMutant builds a program with an error planted on purpose; see package dag/mutant.
func buildMutant(name string) (string, error) {
	path := filepath.Join(programDir, "dunlin-"+name)
	args := []string{"build", "-o", path, "-tags", "mutants", "-ldflags", "-X " + module + "/dag/mutant.planted=" + name, module + "/cmd/dunlin"}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build mutant %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// brokenDunlin is the program that accepts again what it has accepted before.
func brokenDunlin(t *testing.T) string {
	t.Helper()
	path, err := dedupeMutant()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
