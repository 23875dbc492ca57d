package test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// mutant builds a program with an error planted on purpose; see ordering/planted.go.
func mutant(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(programDir, "dunlin-"+name)
	args := []string{"build", "-o", path, "-tags", "mutants", "-ldflags", "-X " + module + "/ordering.planted=" + name, module + "/cmd/dunlin"}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build mutant %s: %v\n%s", name, err, out)
	}
	return path
}
