package snapshot

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Lowest is the oldest commit of the window of duplicates below a head.
func Lowest(head dag.CommitIndex) dag.CommitIndex {
	if head <= dag.ValidityWindow {
		return 1
	}
	return head - dag.ValidityWindow + 1
}

// Window takes the answers to AskWindow for a proven head, newest commit first: each names the digest of the
// one before it. Parts may come from different peers.
type Window struct {
	network crypto.Digest
	head    *ordering.Commit
	next    dag.CommitIndex // below the ones that are there; 0 behind the first commit
	want    crypto.Digest   // of the next
	low     dag.CommitIndex
	check   *ordering.WindowCheck
}

// NewWindow waits for the record of a network's proven head.
func NewWindow(network crypto.Digest, head *ordering.Commit) *Window {
	return &Window{
		network: network, head: head, next: head.Index, want: head.Digest, low: Lowest(head.Index), check: ordering.NewWindowCheck(head),
	}
}

// Unproven reports whether what comes next is proven by Finish alone: the namespaces' chains of the newest commits. Who
// gave the head is to be asked for these, so that there is one to blame.
func (w *Window) Unproven() bool {
	return w.next >= w.low && w.head.Index-w.next < ordering.ChainRefresh
}

// Next asks for what is missing; false when all is there.
func (w *Window) Next() (Query, bool) {
	return Query{Kind: AskWindow, At: w.next, Low: w.low}, w.next >= w.low
}

// Left is how many commits are missing.
func (w *Window) Left() int { return int(w.next + 1 - w.low) }

// Take checks the next record and gives the commit: what ordering.DecodeRecord gives. Errors wrap
// ErrSnapshot; what came before stays good.
func (w *Window) Take(record []byte) (*ordering.Commit, error) {
	if len(record) == 0 || record[0] != recordCommit || w.next < w.low {
		return nil, wrong("record out of place in a window")
	}
	c, err := ordering.DecodeRecord(record[1:])
	if err != nil {
		return nil, wrong("%w", err)
	}
	if c.Index != w.next || c.Digest != w.want {
		return nil, wrong("commit %v is not the one that the chain below commit %d names", c.Ref(), w.head.Index)
	}
	w.check.Add(c)
	w.next, w.want = c.Index-1, c.Previous
	return c, nil
}

// Finish holds the head's Resume and the namespaces' chains against the head's digests, once. Errors wrap ErrSnapshot:
// whoever gave the head gave something wrong with it, or the window is not complete.
func (w *Window) Finish() error {
	if w.next >= w.low {
		return wrong("%d commits of the window are missing", w.Left())
	}
	if err := w.check.Prove(w.network); err != nil {
		return wrong("%w", err)
	}
	return nil
}
