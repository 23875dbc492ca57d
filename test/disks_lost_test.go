package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// More disks are lost at once than the order survives: two of four. Those validators stay silent, and say whose
// disks are lost and what comes next; the others say whose blocks they wait for. One of the disks is put back, and
// the network goes on with all that it had committed.
func TestMoreDisksLostThanMayBe(t *testing.T) {
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4})
	const back = 3
	lost := []int{2, back}
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	ids := f.submitOpen(0, "before the loss", 5)
	for _, i := range f.all() {
		f.stop(i)
	}
	found := filepath.Join(t.TempDir(), "found")
	for _, i := range lost {
		data := filepath.Join(f.network.Nodes[i].Home, node.DataDir)
		if i == back {
			copyTree(t, data, found)
		}
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
	}
	f.start(f.all()...)
	const waits = "no new round for"
	head := f.until(0, "says that it waits", func(s status) bool { return strings.Contains(s.Reason, waits) }).Commit
	for _, i := range lost {
		s := f.until(i, "says that too many disks are lost", func(s status) bool { return strings.Contains(s.Reason, "more than f disks are lost") })
		for _, other := range lost {
			if name := f.network.Nodes[other].Name; other != i && !strings.Contains(s.Reason, name) {
				t.Errorf("%s does not name %s: %s", s.Name, name, s.Reason)
			}
		}
		if s.Proposing || !strings.Contains(s.Reason, "docs/disaster.md") {
			t.Errorf("%s proposes %v and says %s", s.Name, s.Proposing, s.Reason)
		}
		f.untilSays(i, "not_proposing")
	}
	s := f.until(0, "says that it still waits", func(s status) bool { return strings.Contains(s.Reason, waits) })
	if s.Commit != head || s.Proposing || !strings.Contains(s.Reason, "yet from n2 n3") {
		t.Errorf("it waited at commit %d, is at %d, proposes %v and says %s", head, s.Commit, s.Proposing, s.Reason)
	}

	f.kill(back)
	data := filepath.Join(f.network.Nodes[back].Home, node.DataDir)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copyTree(t, found, data)
	f.start(back)
	f.untilProposing(f.all()...)
	f.checkCommitted(append(ids, f.submitOpen(2, "after the disk was put back", 3)...))
	f.checkHonest()
}
