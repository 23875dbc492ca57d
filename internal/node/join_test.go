package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// startFrom sets store.start of a home.
func (n *running) startFrom(start string) {
	n.t.Helper()
	path := filepath.Join(n.home, ConfigFile)
	config, err := loadConfig(n.home)
	if err != nil {
		n.t.Fatal(err)
	}
	config.Store.Start = start
	text, err := config.Encode()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// past waits until a node has a commit.
func (n *running) past(i dag.CommitIndex) client.NodeStatus {
	n.t.Helper()
	return n.until("comes so far", func(s client.NodeStatus) bool { return s.Commit >= i })
}

// earliest is the oldest commit that a node serves.
func (n *running) earliest() dag.CommitIndex {
	n.t.Helper()
	info, err := n.client().Info(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return dag.CommitIndex(info.EarliestCommit)
}

// An observer begins from a snapshot, serves what follows byte by byte as the others do, says of what went before that it
// is not kept, takes submissions, and is itself where another one begins, also after it was started again.
func TestObserverFromSnapshot(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	early := c.nodes[0].submit([]byte("before the snapshot"))
	c.nodes[0].untilCommitted(early)
	at := c.nodes[0].past(60).Commit

	observer := c.addObserver()
	observer.startFrom(startSnapshot)
	observer.start()
	observer.past(at + 5)
	base := observer.earliest() - 1
	observer.past(base + 5)
	if base < at-20 {
		t.Fatalf("it begins behind commit %d, the others were at %d", base, at)
	}
	for i := base + 1; i <= base+5; i++ {
		if got, want := observer.commitDigest(i), c.nodes[0].commitDigest(i); got != want {
			t.Fatalf("commit %d is %s, want %s", i, got, want)
		}
	}
	observer.wantPruned(base)
	if _, err := observer.client().Range(t.Context(), fmt.Sprintf("commit:%d", base), openNamespace); err != nil {
		t.Errorf("range of a namespace from the first commit that is kept on: %v", err)
	}
	later := observer.submit([]byte("to the observer"))
	for _, n := range append(slices.Clone(c.nodes[:4]), observer) {
		n.untilCommitted(later)
	}
	observer.halt()
	observer.start()
	observer.untilCommitted(later)
	if got := observer.earliest(); got != base+1 {
		t.Errorf("started again it begins with commit %d, want %d", got, base+1)
	}
	head := c.nodes[0].past(0).Commit
	observer.past(head)
	for i := base + 1; i <= head; i++ {
		if got, want := observer.commitDigest(i), c.nodes[1].commitDigest(i); got != want {
			t.Fatalf("commit %d is %s, want %s", i, got, want)
		}
	}
}

// wantPruned asks for a commit that is not kept in every way.
func (n *running) wantPruned(i dag.CommitIndex) {
	n.t.Helper()
	_, err := n.client().Commit(n.t.Context(), i)
	var refusal *client.Error
	if !errors.As(err, &refusal) || refusal.Reason != "PRUNED" {
		n.t.Errorf("commit %d: %v, want PRUNED", i, err)
	}
	_, err = n.client().Range(n.t.Context(), "genesis")
	if !errors.As(err, &refusal) || refusal.Reason != "PRUNED" {
		n.t.Errorf("range from genesis: %v, want PRUNED", err)
	}
}

// A validator whose disk is lost comes back with its key through a snapshot: it asks what it has signed, takes part again,
// and contradicts itself nowhere.
func TestValidatorFromSnapshotAfterDiskLoss(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	lost := c.nodes[3]
	lost.untilProposing()
	first := lost.submit([]byte("of the validator that loses its disk"))
	c.nodes[0].untilCommitted(first)
	c.nodes[0].past(60)
	lost.halt()
	if err := os.RemoveAll(filepath.Join(lost.home, DataDir)); err != nil {
		t.Fatal(err)
	}
	lost.startFrom(startSnapshot)
	lost.start()
	lost.untilProposing()
	if lost.earliest() < 2 {
		t.Errorf("it begins with commit %d: from no snapshot", lost.earliest())
	}
	ids := []crypto.Digest{lost.submit([]byte("after the loss")), c.nodes[1].submit([]byte("elsewhere"))}
	for _, n := range c.nodes {
		for _, id := range ids {
			n.untilCommitted(id)
		}
		if s := n.past(0); s.Equivocators != 0 {
			t.Errorf("%s holds evidence against %d validators", n.home, s.Equivocators)
		}
	}
}

// An observer that is told to begin from a snapshot, when no other node has a newer commit than it has, keeps its history and says so. It
// takes one when the others are further.
func TestFromSnapshotOnANewerHistory(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	c.nodes[0].untilCommitted(c.nodes[0].submit([]byte("before")))
	observer := c.addObserver()
	observer.start()
	observer.past(c.nodes[0].past(0).Commit)
	for _, n := range c.nodes[2:4] { // nothing is committed without them
		n.halt()
	}
	head := max(c.nodes[0].past(0).Commit, c.nodes[1].past(0).Commit)
	observer.past(head)
	observer.halt()
	observer.begin = BeginFromSnapshot
	observer.start()
	observer.past(head)
	eventually(t, "it says that its history is the newer one", func() error {
		if !strings.Contains(observer.log.take(), "the history in the home is the newer one") {
			return errors.New("it does not")
		}
		return nil
	})
	if got := observer.earliest(); got != 1 {
		t.Errorf("it begins with commit %d, want 1", got)
	}
	observer.halt()
	for _, n := range c.nodes[2:4] {
		n.start()
	}
	c.nodes[0].untilCommitted(c.nodes[0].submit([]byte("after")))
	c.nodes[0].past(head + 50)
	observer.start()
	observer.past(head + 50)
	if got := observer.earliest(); got <= head {
		t.Errorf("it begins with commit %d, want one of a snapshot beyond %d", got, head)
	}
}
