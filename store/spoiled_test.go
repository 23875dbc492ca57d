package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
)

const (
	spoiledDir    = "DUNLIN_TEST_SPOILED_DIR" // tells the child where the spoiled store lies
	spoiledLayers = 10
)

// TestSpoiledBadgerFiles harms Badger's files one by one. A child process opens what is left, since a
// panic in Badger's own goroutines is nobody else's to recover: it goes on with what the log has or says
// ErrCorrupt, and never gets a wrong answer or is brought down.
func TestSpoiledBadgerFiles(t *testing.T) {
	w := newNetwork(t)
	base := w.options(t.TempDir() + "/data")
	s, _ := w.create(base)
	w.feed(s, spoiledLayers, 3, 3000)
	check(t, s.Close())
	for _, pattern := range []string{"*.sst", "*.vlog", "MANIFEST", "KEYREGISTRY"} {
		for name, harm := range map[string]func(string, int64) error{
			"flip in the middle": func(f string, size int64) error { return flipBit(f, size/2) },
			"flip near the end":  func(f string, size int64) error { return flipBit(f, size-1-size/50) },
			"cut short":          func(f string, size int64) error { return os.Truncate(f, size-size/3) },
			"removed":            func(f string, _ int64) error { return os.Remove(f) },
		} {
			t.Run(pattern+" "+name, func(t *testing.T) {
				dir := duplicate(t, base.Dir)
				files, err := filepath.Glob(filepath.Join(dir, "badger", pattern))
				check(t, err)
				if len(files) == 0 {
					t.Fatal("no such file")
				}
				for _, f := range files {
					info, err := os.Stat(f)
					check(t, err)
					check(t, harm(f, info.Size()))
				}
				child := exec.Command(os.Args[0], "-test.run=^TestSpoiledChild$", "-test.v")
				child.Env = append(os.Environ(), spoiledDir+"="+dir)
				out, err := child.CombinedOutput()
				if !strings.Contains(string(out), "--- PASS: TestSpoiledChild") { // Badger leaves goroutines behind when it does not open
					t.Fatalf("child: %v\n%s", err, out)
				}
			})
		}
	}
}

// TestSpoiledChild is the child process of TestSpoiledBadgerFiles.
func TestSpoiledChild(t *testing.T) {
	dir := os.Getenv(spoiledDir)
	if dir == "" {
		t.Skip("runs as a child of TestSpoiledBadgerFiles")
	}
	w := newNetwork(t)
	var blocks []*dag.Verified
	var commits []*commitType
	for range spoiledLayers {
		layer := w.layer(3, 3000)
		blocks, commits = append(blocks, layer...), append(commits, w.commit(layer))
	}
	s, r, err := Open(w.options(dir))
	if errors.Is(err, ErrCorrupt) {
		return
	}
	check(t, err)
	defer s.Close()
	if diff := cmp.Diff(refsOf(blocks), refsOf(r.Blocks)); diff != "" {
		t.Fatal(diff)
	}
	check(t, s.PutCommits(commits)) // the engine makes again what is missing
	forget(s)
	for _, c := range commits {
		got, found, err := s.Commit(c.Index)
		if errors.Is(err, ErrCorrupt) {
			continue
		}
		if err != nil || !found || got.Digest != c.Digest || len(got.Bodies) != 4 {
			t.Fatalf("commit %d: %v, %v", c.Index, found, err)
		}
	}
}
