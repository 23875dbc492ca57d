package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const module = "github.com/dunlin-network/dunlin"

// program builds cmd/dunlin once per run of the suite and returns the binary's path.
func program(t *testing.T) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildOnce = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "dunlin")
	build := exec.Command("go", "build", "-o", path, module+"/cmd/dunlin")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	return path, build.Run()
})

var programDir string

func TestMain(m *testing.M) {
	if os.Getenv(strangersTarget) != "" {
		if err := runStrangers(); err != nil {
			panic(err)
		}
		return
	}
	code := func() int {
		var err error
		if programDir, err = os.MkdirTemp("", "dunlin-test-"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(programDir) }() // what stays is the system's to remove
		return m.Run()
	}()
	os.Exit(code)
}
