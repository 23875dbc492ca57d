package test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// A validator's disk is put back to how it was earlier, then emptied, under load. Both times it notices, asks
// the others what it has signed and contradicts nothing; it catches up and takes part. What it alone had
// acknowledged on the disk that is gone may be lost with it; nothing else is, and nothing is ordered twice.
func TestOldDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for a while")
	}
	t.Parallel()
	const victim = 3
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(100)
	data := filepath.Join(f.network.Nodes[victim].Home, node.DataDir)
	aside := filepath.Join(t.TempDir(), "data")
	f.kill(victim)
	copyTree(t, data, aside)
	f.start(victim)

	excused := make(map[crypto.Digest]bool)
	for _, put := range []struct {
		what, says string
		back       func() error
	}{
		{"an older state", "log_older_than_signed", func() error { return os.Rename(aside, data) }},
		{"an empty disk", "log_not_whole", func() error { return nil }},
	} {
		f.untilProposing(victim)
		f.untilCaughtUp(victim, 0)
		l.untilMore(300)
		f.kill(victim)
		for _, id := range l.promisedBy(victim) {
			excused[id] = true
		}
		if err := errors.Join(os.RemoveAll(data), put.back()); err != nil {
			t.Fatal(err)
		}
		f.start(victim)
		f.untilProposing(victim)
		f.untilCaughtUp(victim, 0)
		l.untilMore(100)
		f.untilSays(victim, put.says)
		t.Logf("%s: proposes again", put.what)
	}
	l.stop()
	var kept []crypto.Digest
	for _, id := range l.promised() {
		if !excused[id] {
			kept = append(kept, id)
		}
	}
	t.Logf("%d transactions acknowledged, of which %d on a disk that is gone", len(l.promised()), len(excused))
	f.checkCommitted(kept)
	f.checkHonest()
	for _, i := range f.all() {
		f.stop(i)
	}
}

// untilSays waits for a word in a node's log.
func (f *fleet) untilSays(i int, word string) {
	f.t.Helper()
	n := f.network.Nodes[i]
	eventually(f.t, n.Name+" says "+word, func() error {
		text, err := os.ReadFile(filepath.Join(n.Home, node.LogFile))
		if err == nil && !bytes.Contains(text, []byte(word)) {
			err = errors.New("it does not")
		}
		return err
	})
}

// copyTree copies a directory as it is, holes left holes.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v: %s", err, out)
	}
}

// The home of a validator is copied, and the copy started while the first one runs: the copy ends with the reason and
// what to do. It has said nothing: nobody holds evidence, and the first one goes on. Only when that one has
// stopped for good does the copy take its place.
func TestCopiedHome(t *testing.T) {
	t.Parallel()
	const subject = 2
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	early := f.submitOpen(subject, "before the copy", 3)
	f.stop(subject)
	replica := f.addCopy(subject)
	f.start(subject)
	f.untilProposing(subject)
	late := f.submitOpen(subject, "after the copy", 3)

	f.start(replica)
	p := f.running[replica]
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatal("the copy goes on beside the first one")
	}
	f.running[replica] = nil
	said := string(tailOf(filepath.Join(f.network.Nodes[replica].Home, node.LogFile)))
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said, "another node signs with this node's key") || !strings.Contains(said, "hint:  stop the other node") {
		t.Fatalf("the copy ended with code %d and said:\n%s", code, said)
	}
	again := f.submitOpen(subject, "after the copy gave up", 3)
	f.stop(subject)
	f.start(replica)
	f.untilProposing(replica)
	ids := append(append(append(early, late...), again...), f.submitOpen(replica, "to the copy", 3)...)
	f.drop(subject)
	f.checkCommitted(ids)
	f.checkHonest()
}

// addCopy copies the home of a node that does not run, and gives the copy addresses of its own.
func (f *fleet) addCopy(of int) int {
	f.t.Helper()
	i := f.addObserver(freeAddress(f.t))
	home := f.network.Nodes[i].Home
	config, err := os.ReadFile(filepath.Join(home, node.ConfigFile))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.RemoveAll(home); err != nil {
		f.t.Fatal(err)
	}
	copyTree(f.t, f.network.Nodes[of].Home, home)
	if err := errors.Join(os.WriteFile(filepath.Join(home, node.ConfigFile), config, 0o644), os.Remove(filepath.Join(home, node.LogFile))); err != nil {
		f.t.Fatal(err)
	}
	f.configure(i, func(c *node.Config) {
		c.Name = f.network.Nodes[of].Name
		delete(c.P2P.Peers, c.Name)
	})
	f.network.Nodes[i].Name = "copy of " + f.network.Nodes[of].Name
	return i
}

// drop takes a node that does not run out of the fleet.
func (f *fleet) drop(i int) {
	last := len(f.network.Nodes) - 1
	f.network.Nodes[i], f.command[i], f.running[i], f.clients[i] = f.network.Nodes[last], f.command[last], f.running[last], f.clients[last]
	f.network.Nodes, f.command, f.running, f.clients = f.network.Nodes[:last], f.command[:last], f.running[:last], f.clients[:last]
}
