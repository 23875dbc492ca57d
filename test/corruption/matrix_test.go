package corruption

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/store"
)

var update = flag.Bool("update", false, "write docs/corruption.md anew")

const (
	childEnv = "DUNLIN_TEST_HARMED" // the directory that the child process works in
	document = "../../docs/corruption.md"
	// leastCases is how many cases the matrix must have.
	leastCases = 60
)

// files are the kinds of files of a home; where a pattern finds several, each harm hits all.
var files = []struct{ kind, pattern string }{
	{"newest log segment", "data/log/*.seg"},
	{"older log segment", "data/log/*.seg"},
	{"log mark", "data/log/newest"},
	{"spare log segment", "data/log/spare"},
	{"database tables", "data/badger/*.sst"},
	{"database values", "data/badger/*.vlog"},
	{"database write-ahead log", "data/badger/*.mem"},
	{"database MANIFEST", "data/badger/MANIFEST"},
	{"database KEYREGISTRY", "data/badger/KEYREGISTRY"},
	{"database DISCARD", "data/badger/DISCARD"},
	{"database mark", "data/badger/DUNLIN"},
	{"LOCK", "data/LOCK"},
	{"key.json", "key.json"},
	{"genesis.json", "genesis.json"},
	{"config.toml", "config.toml"},
}

// harm is one thing that happens to a file whose bytes up to used are not all zeros.
type harm struct {
	name string
	do   func(path string, used int64) error
}

var harms = []harm{
	{"flip at the front", func(p string, used int64) error { return flip(p, min(9, used-1)) }},
	{"flip in the middle", func(p string, used int64) error { return flip(p, used/2) }},
	{"flip at the end", func(p string, used int64) error { return flip(p, used-1) }},
	{"cut off a byte", func(p string, used int64) error { return os.Truncate(p, used-1) }},
	{"cut off half", func(p string, used int64) error { return os.Truncate(p, used/2) }},
	{"cut off all", func(p string, _ int64) error { return os.Truncate(p, 0) }},
	{"zeros in the middle", func(p string, used int64) error { return overwrite(p, used/2, make([]byte, min(512, used-used/2))) }},
	{"zeros at the end", func(p string, used int64) error {
		return overwrite(p, used-min(2048, used), make([]byte, min(2048, used)))
	}},
	{"all zeros", func(p string, used int64) error { return overwrite(p, 0, make([]byte, used)) }},
	{"deleted", func(p string, _ int64) error { return os.Remove(p) }},
}

func flip(path string, at int64) error {
	b := make([]byte, 1)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= 4
	_, err = f.WriteAt(b, at)
	return err
}

func overwrite(path string, at int64, with []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(with, at)
	return err
}

// used is the length of a file without the zeros at its end; of a log segment, up to the last of the
// newest blocks: behind it may lie what a segment that was written over held before.
func used(t *testing.T, path string, newest []byte) int64 {
	t.Helper()
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	info, err := f.Stat()
	check(t, err)
	end, chunk := int64(0), make([]byte, 1<<20)
	for at := nextData(f, 0, info.Size()); at < info.Size(); at = nextData(f, at+int64(len(chunk)), info.Size()) {
		n, err := f.ReadAt(chunk, at)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if n = len(bytes.TrimRight(chunk[:n], "\x00")); n > 0 {
			end = at + int64(n)
		}
	}
	if filepath.Ext(path) == ".seg" {
		raw, err := os.ReadFile(path)
		check(t, err)
		if at := bytes.LastIndex(raw, newest); at >= 0 {
			return int64(at + len(newest))
		}
	}
	return end
}

// state is a home as it was left.
type state struct {
	name   string
	dir    string
	newest []byte // the last block that was written
}

// makeStates makes the three homes that are harmed: a young one, whose log reaches back to its
// beginning; an old one, whose log was recycled; and an old one whose process was killed. In its second
// life an old one goes through more than a segment, and gives up all but two of the first life's.
func makeStates(t *testing.T, root string) []state {
	t.Helper()
	var out []state
	for _, plan := range []struct {
		name            string
		layers, further int
	}{{"young", 20, 0}, {"old", 120, 30}, {"killed", 120, 30}} {
		dir := filepath.Join(root, plan.name)
		w := newAuthor(t)
		w.home(filepath.Join(dir, "made"))
		s, _, err := store.Open(storeOptions(filepath.Join(dir, "made"), w.committee))
		check(t, err)
		w.write(s, plan.layers, 100_000)
		if plan.further > 0 { // tables and values of two lives
			check(t, s.Close())
			s, _, err = store.Open(storeOptions(filepath.Join(dir, "made"), w.committee))
			check(t, err)
			w.write(s, plan.further, 100_000)
		}
		if plan.name == "killed" {
			untilCopied(t, filepath.Join(dir, "made"), w.head.Index)
			check(t, duplicate(filepath.Join(dir, "made"), filepath.Join(dir, "home")))
			check(t, s.Close())
		} else {
			check(t, s.Close())
			check(t, os.Rename(filepath.Join(dir, "made"), filepath.Join(dir, "home")))
		}
		w.remember(filepath.Join(dir, "memory"))
		out = append(out, state{plan.name, dir, w.written.Blocks[len(w.written.Blocks)-1]})
	}
	return out
}

// chosen are the files of one kind in a home.
func chosen(t *testing.T, home, kind, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(home, pattern))
	check(t, err)
	slices.Sort(found)
	switch {
	case kind == "newest log segment":
		return found[len(found)-1:]
	case kind == "older log segment":
		return found[:len(found)-1][:min(1, len(found)-1)]
	}
	return found
}

// lastValue is what may come of harm to the last values of a database, of which the log has lost the first ones: whether a block
// or a commit stands there depends on what the copier wrote together.
var (
	lastValue = []string{fromLog, refusedCopy}
	atLast    = []string{"flip at the end", "cut off a byte", "zeros at the end"}
)

// TestMatrix harms, opens, and compares with the document.
func TestMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("opens some hundred databases")
	}
	root := directory(t)
	states := makeStates(t, root)
	rows, cases := make(map[string][]string), 0
	var order []string
	for column, st := range states {
		for _, f := range files {
			targets := chosen(t, filepath.Join(st.dir, "home"), f.kind, f.pattern)
			if len(targets) == 0 || (column > 0 && !strings.HasPrefix(f.pattern, "data/")) {
				continue
			}
			outcomes := run(t, st, targets)
			cases += len(outcomes)
			for i, h := range harms {
				row := f.kind + " | " + h.name
				if rows[row] == nil {
					rows[row] = make([]string, len(states))
				}
				rows[row][column] = outcomes[i]
				if f.kind == "database values" && slices.Contains(atLast, h.name) && column > 0 && slices.Contains(lastValue, outcomes[i]) {
					rows[row][column] = strings.Join(lastValue, " or ")
				}
			}
		}
	}
	for _, f := range files {
		for _, h := range harms {
			if row := f.kind + " | " + h.name; rows[row] != nil {
				order = append(order, fmt.Sprintf("| %s | %s |", row, strings.Join(rows[row], " | ")))
			}
		}
	}
	if cases < leastCases {
		t.Errorf("%d cases, want at least %d", cases, leastCases)
	}
	t.Logf("%d cases", cases)
	if !t.Failed() {
		compareDocument(t, strings.Join(order, "\n")+"\n")
	}
}

// run harms copies of a home one after the other, in every way, and gives what came of each. One
// process opens them all; where Badger brings it down, that is the outcome and another goes on.
func run(t *testing.T, st state, targets []string) []string {
	t.Helper()
	home := filepath.Join(st.dir, "home")
	var outcomes []string
	sizes := make(map[string]int64)
	for _, target := range targets {
		sizes[target] = used(t, target, st.newest)
	}
	for _, h := range harms {
		work := filepath.Join(st.dir, "harmed")
		check(t, duplicate(home, work))
		for _, target := range targets {
			if sizes[target] > 0 {
				check(t, h.do(filepath.Join(work, target[len(home):]), sizes[target]))
			}
		}
		outcome, out := child(st.dir)
		if outcome == "" {
			t.Errorf("%s, %s, %s:\n%s", st.name, targets[0][len(home):], h.name, out)
		}
		outcomes = append(outcomes, outcome)
		check(t, os.RemoveAll(work))
	}
	return outcomes
}

// child opens a harmed home in another process, since nobody could survive a panic of Badger's.
func child(dir string) (outcome, out string) {
	c := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	c.Env = append(os.Environ(), childEnv+"="+dir)
	raw, _ := c.CombinedOutput() // the outcome says whether it went well
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "outcome: "); ok {
			outcome = text
		}
	}
	return outcome, string(raw)
}

// TestChild is the process that child starts.
func TestChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("runs as a child of TestMatrix")
	}
	was, err := recall(filepath.Join(dir, "memory"))
	check(t, err)
	outcome, err := open(filepath.Join(dir, "harmed"), was)
	check(t, err)
	fmt.Printf("\noutcome: %s\n", outcome)
}

const tableStart = "<!-- written by: go test ./test/corruption -update -->\n"

func compareDocument(t *testing.T, body string) {
	t.Helper()
	raw, err := os.ReadFile(document)
	check(t, err)
	front, _, ok := strings.Cut(string(raw), tableStart)
	if !ok {
		t.Fatalf("%s has no line %q", document, tableStart)
	}
	want := front + tableStart + "\n| file | harm | young | old | killed |\n|---|---|---|---|---|\n" + body
	if *update {
		check(t, os.WriteFile(document, []byte(want), 0o644))
		return
	}
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("%s is stale, run 'go test ./test/corruption -update' (-program +document):\n%s", document, diff)
	}
}
