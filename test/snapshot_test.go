package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// tinyKept is the least retention in the build with the tag tiny, whose windows are so small that this test sees a
// history pruned.
const tinyKept = 192

// keptBlocks is how many commits must be pruned for blocks of the first to be gone too: they stay a little longer.
const keptBlocks = 160

// tinyProgram builds cmd/dunlin with the tag tiny.
var tinyProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "dunlin-tiny")
	build := exec.Command("go", "build", "-tags", "tiny", "-o", path, module+"/cmd/dunlin")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	return path, build.Run()
})

// keepLittle sets a node's retention; this program would refuse so small a one.
func (f *fleet) keepLittle(i int) {
	f.t.Helper()
	path := filepath.Join(f.network.Nodes[i].Home, node.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^retention = .*$`).ReplaceAll(text, fmt.Appendf(nil, "retention = \"%d commits\"", tinyKept))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// drive submits to nodes in turn until the first has so many commits more.
func (f *fleet) drive(commits dag.CommitIndex, nodes ...int) {
	f.t.Helper()
	goal := f.commitOf(nodes[0]) + commits
	for i := 0; f.commitOf(nodes[0]) < goal; i++ {
		f.submitOpen(nodes[i%len(nodes)], fmt.Sprint("on the way to ", goal, ", ", i), 8)
	}
}

// earliestOf is the oldest commit that a node serves.
func (f *fleet) earliestOf(i int) dag.CommitIndex {
	f.t.Helper()
	info, err := f.clients[i].Info(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return dag.CommitIndex(info.EarliestCommit)
}

// sameCommits compares the newest commits of two nodes, whole.
func (f *fleet) sameCommits(a, b int, count dag.CommitIndex) {
	f.t.Helper()
	head := f.commitOf(a)
	f.untilPast(b, head-1)
	for i := max(head-min(count, head-1), f.earliestOf(a), f.earliestOf(b)); i <= head; i++ {
		var digests [2]string
		for j, n := range []int{a, b} {
			c, err := f.clients[n].Commit(f.t.Context(), i)
			if err != nil {
				f.t.Fatal(err)
			}
			digests[j] = fmt.Sprintf("%x", c.GetDigest())
		}
		if digests[0] != digests[1] {
			f.t.Fatalf("commit %d: %s has %s, %s has %s", i, f.network.Nodes[a].Name, digests[0], f.network.Nodes[b].Name, digests[1])
		}
	}
}

// untilPruned lets the network go on until nodes no longer have commit i.
func (f *fleet) untilPruned(i dag.CommitIndex, nodes ...int) {
	f.t.Helper()
	eventually(f.t, fmt.Sprint("commit ", i, " is pruned"), func() error {
		for _, n := range nodes {
			if earliest := f.earliestOf(n); earliest <= i {
				f.drive(20, nodes...)
				return fmt.Errorf("%s has commits from %d on", f.network.Nodes[n].Name, earliest)
			}
		}
		return nil
	})
}

// forget starts nodes again one by one, so that they no longer have old blocks in memory.
func (f *fleet) forget(nodes ...int) {
	f.t.Helper()
	for _, i := range nodes {
		f.stop(i)
		f.start(i)
		f.untilProposing(i)
	}
}

// Namespace 77 is registered and all validators have pruned the first commits, its registration too. A new observer joins from a snapshot, serves what follows as the others do, and
// says PRUNED of what went before. A validator that lost its disk comes back with its key, and one that was away until
// nobody had what it lacked, the namespace's change too, takes a snapshot by itself; both propose, nobody contradicts
// itself, all have the same namespaces, and each proves the network's keys to who knows the genesis alone. A node that is to keep
// everything says in words that nobody has it, and the others know it.
func TestSnapshotsOfAPrunedNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("makes some hundred commits")
	}
	t.Parallel()
	binary, err := tinyProgram()
	if err != nil {
		t.Fatal(err)
	}
	const away, lost = 2, 3
	f := newFleet(t, devnet.Plan{Validators: 4})
	validators := []int{0, 1, away, lost}
	observer := f.addNode("observer", freeAddress(t))
	keeper := f.addNode("archive", freeAddress(t))
	for i := range f.command {
		f.command[i] = func(home string) []string { return []string{binary, "run", "--home", home} }
		if i != keeper {
			f.keepLittle(i)
		}
	}
	f.start(validators...)
	f.untilProposing(validators...)
	key := filepath.Join(f.network.Nodes[0].Home, "key.json")
	f.types("register of namespace 77 is applied", "namespace", "register", "77:notes:open", "--key", key, "--api", f.network.Nodes[0].API)
	f.untilPruned(keptBlocks, validators...)
	f.forget(validators...)
	f.certifies(0)

	f.start(observer, keeper)
	f.until(observer, "follows", func(s status) bool { return s.Commit > tinyKept })
	f.drive(5, 0)
	if earliest := f.earliestOf(observer); earliest < 2 {
		t.Errorf("the observer begins with commit %d: from no snapshot", earliest)
	}
	f.sameCommits(observer, 0, 50)
	f.wantPruned(observer)
	f.submitOpen(observer, "to the observer", 4)
	f.sameNamespaces(observer, 0)
	f.types("is committed", "submit", "--api", f.network.Nodes[observer].API, "--namespace", "notes", "by the observer")
	f.certifies(observer)
	f.exportsNothing(observer)

	f.kill(lost)
	if err := os.RemoveAll(filepath.Join(f.network.Nodes[lost].Home, node.DataDir)); err != nil {
		t.Fatal(err)
	}
	f.start(lost)
	f.untilProposing(lost)
	f.submitOpen(lost, "after the loss of the disk", 4)
	f.sameNamespaces(lost, 0)
	f.certifies(lost)
	for _, i := range []int{observer, lost} {
		f.loseManifest(i, lost)
		f.sameNamespaces(i, 0)
		f.sameCommits(i, 0, 50)
	}
	f.sameCommits(lost, 0, 50)

	f.stop(away)
	f.types("update of namespace 77 is applied", "namespace", "update", "notes", "--name", "diary", "--key", key, "--api", f.network.Nodes[0].API)
	from := f.commitOf(0)
	f.untilPruned(from+keptBlocks, 0, 1, lost)
	f.forget(0, 1, lost)
	f.start(away)
	f.untilProposing(away)
	f.submitOpen(away, "after a long time", 4)
	f.knows(away, 77, 2)
	f.sameNamespaces(away, 0)
	f.certifies(away)
	f.types("is committed", "submit", "--api", f.network.Nodes[away].API, "--namespace", "diary", "by a node that was away")
	if earliest := f.earliestOf(away); earliest <= from {
		t.Errorf("the validator that was away has commits from %d on, and the others had pruned up to %d", earliest, from)
	}
	f.sameCommits(away, 0, 50)
	f.until(keeper, "says what is wrong", func(s status) bool {
		return strings.Contains(s.Reason, "no connected node has commit 1:") && strings.Contains(s.Reason, "--from-snapshot")
	})
	f.until(observer, "knows that nobody has all", func(s status) bool { return s.Archive == "none" })
	running := slices.DeleteFunc(f.all(), func(i int) bool { return i == keeper })
	for _, i := range running {
		if s := f.until(i, "answers", func(status) bool { return true }); s.Equivocators != 0 {
			t.Errorf("%s holds evidence of equivocation against %d validators", s.Name, s.Equivocators)
		}
	}
}

// certifies wants a node to have a certificate that is newer than what it began with, and to prove it and the key that users
// seal with to a client that knows the genesis file and nothing else, although the deals that the keys are made of were
// pruned everywhere.
func (f *fleet) certifies(i int) {
	f.t.Helper()
	genesis, err := node.LoadGenesis(filepath.Join(f.network.Dir(), devnet.GenesisFile))
	if err != nil {
		f.t.Fatal(err)
	}
	committee, err := genesis.Committee()
	if err != nil {
		f.t.Fatal(err)
	}
	newcomer, err := client.NewFrom(client.Config{Endpoints: []string{f.network.Nodes[i].API}, Committee: committee})
	if err != nil {
		f.t.Fatal(err)
	}
	defer newcomer.Close()
	goal := f.commitOf(0)
	eventually(f.t, fmt.Sprintf("%s proves a certificate beyond commit %d", f.network.Nodes[i].Name, goal), func() error {
		f.drive(1, 0)
		proven, err := newcomer.Certificate(f.t.Context(), 0)
		if err != nil {
			return err
		}
		if got := proven.Certificate.Commit.Index; got <= goal {
			return fmt.Errorf("commit %d is certified", got)
		}
		return nil
	})
	if _, err := newcomer.EncryptionKey(f.t.Context()); err != nil {
		f.t.Errorf("%s does not prove the key to seal with: %v", f.network.Nodes[i].Name, err)
	}
	key, err := newcomer.KeyWithDeals(f.t.Context(), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, o := range key.Origins {
		if earliest := f.earliestOf(i); o.Commit >= earliest {
			f.t.Errorf("%s has commits from %d on, and so the deal from commit %d: the test shows less than it says", f.network.Nodes[i].Name, earliest, o.Commit)
		}
	}
}

// loseManifest cuts off what the database of a node that began from a snapshot is made of, and wants the node to come
// back, with one command or none.
func (f *fleet) loseManifest(i, proposer int) {
	f.t.Helper()
	f.stop(i)
	if err := os.Truncate(filepath.Join(f.network.Nodes[i].Home, node.DataDir, "badger", "MANIFEST"), 20); err != nil {
		f.t.Fatal(err)
	}
	goal := f.commitOf(0)
	f.start(i)
	typed := f.comeBack(i, func(s status) error {
		if s.Commit < goal || i == proposer && !s.Proposing {
			return fmt.Errorf("status is %+v", s)
		}
		return nil
	})
	f.t.Logf("%s lost its MANIFEST: typed %q", f.network.Nodes[i].Name, typed)
	if earliest := f.earliestOf(i); earliest < 2 {
		f.t.Errorf("%s begins with commit %d: from no snapshot", f.network.Nodes[i].Name, earliest)
	}
}

// exportsNothing wants a node that does not have the first commits to say so and what to do, be it running or not.
func (f *fleet) exportsNothing(i int) {
	f.t.Helper()
	refused := func() {
		for _, command := range []string{"log export", "backup create"} {
			file := filepath.Join(f.t.TempDir(), "history")
			line := append(strings.Fields(command), file, "--home", f.network.Nodes[i].Home)
			out, err := exec.Command(f.binary(i), line...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "the first commits are not kept here") || !strings.Contains(string(out), "store.retention is archive") {
				f.t.Errorf("dunlin %s: %v, want a refusal that says what to do:\n%s", command, err, out)
			}
			if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
				f.t.Errorf("dunlin %s leaves a file: %v", command, err)
			}
		}
	}
	refused()
	f.stop(i)
	refused()
	f.start(i)
	f.until(i, "answers", func(status) bool { return true })
}

// wantPruned asks a node for what went before its history.
func (f *fleet) wantPruned(i int) {
	f.t.Helper()
	var refusal *client.Error
	if _, err := f.clients[i].Range(f.t.Context(), "genesis"); !errors.As(err, &refusal) || refusal.Reason != "PRUNED" || !strings.Contains(refusal.Message, "start from") {
		f.t.Errorf("range from genesis: %v, want PRUNED and what to do", err)
	}
	if _, err := f.clients[i].Commit(f.t.Context(), 1); !errors.As(err, &refusal) || refusal.Reason != "PRUNED" {
		f.t.Errorf("commit 1: %v, want PRUNED", err)
	}
}

// An observer joins from a snapshot while the validators go on under load. It measures: it runs only where
// DUNLIN_JOIN_COMMITS says how many commits there shall be before.
func TestJoinFromSnapshot(t *testing.T) {
	commits := dag.CommitIndex(number(t, "DUNLIN_JOIN_COMMITS", 0))
	if commits == 0 {
		t.Skip("a measurement: set DUNLIN_JOIN_COMMITS")
	}
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	for at := f.commitOf(0); at < commits; at = f.commitOf(0) {
		f.untilPast(0, at+catchUpStep)
	}
	observer := f.addObserver(freeAddress(t))
	f.configure(observer, func(c *node.Config) { c.Store.Start = "snapshot" })
	goal := f.commitOf(0)
	began := time.Now()
	f.start(observer)
	f.untilPast(observer, goal-1)
	took := time.Since(began)
	f.untilCaughtUp(observer, 0)
	t.Logf("%d commits: had them %s after its start, and the others' %d more after %s; begins with commit %d; %s",
		goal, took.Round(10*time.Millisecond), f.commitOf(0)-goal, time.Since(began).Round(10*time.Millisecond), f.earliestOf(observer),
		regexp.MustCompile(`snapshot_taken.*`).Find(f.logOf(observer)))
	l.stop()
	f.sameCommits(observer, 0, 50)
}

// logOf is all that a node has logged.
func (f *fleet) logOf(i int) []byte {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.network.Nodes[i].Home, node.LogFile))
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}
