package node

import (
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// TestCertifierWaiting: what waits for a certifier that does not come to it is bounded, the newest of it, and holds on to
// no block.
func TestCertifierWaiting(t *testing.T) {
	c := &certifier{woken: make(chan struct{}, 1), keys: newKeyring()}
	const more = 100
	for i := range maxCertifierWork + more {
		commit := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: dag.CommitIndex(i)}, Bodies: []*dag.Verified{nil}}
		commit.Resume = append(make([]byte, 7), byte(i>>8), byte(i))
		commit.Resume = append(commit.Resume, make([]byte, 9)...)
		if commit.Checkpoint() != commit.Index {
			t.Fatalf("commit %d names checkpoint %d", i, commit.Checkpoint())
		}
		c.hand(&ordering.Ready{Commits: []*ordering.Commit{commit}, Signatures: []ordering.SignaturesSeen{{Block: dag.Ref{Round: dag.Round(i)}}}})
	}
	if len(c.commits) != maxCertifierWork || len(c.signatures) != maxCertifierWork {
		t.Fatalf("%d commits and %d messages of signatures wait, want %d", len(c.commits), len(c.signatures), maxCertifierWork)
	}
	for i, commit := range c.commits {
		if commit.Index != dag.CommitIndex(more+i) || c.signatures[i].Block.Round != dag.Round(more+i) || commit.Bodies != nil {
			t.Fatalf("place %d: commit %d with %d blocks, signatures of round %d", i, commit.Index, len(commit.Bodies), c.signatures[i].Block.Round)
		}
	}
}
