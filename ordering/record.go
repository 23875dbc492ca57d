package ordering

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// EncodeRecord is what a restart needs of a commit of the window of duplicates: its header, anchors, blocks and
// chains, the count 4 of its accepted ids, and the ids, 32 bytes each.
func (c *Commit) EncodeRecord() []byte {
	lists := len(c.Blocks)*dag.RefSize + len(c.Chains)*chainStepSize + len(c.Accepted)*crypto.DigestSize
	b := c.CommitHeader.Append(make([]byte, 0, HeaderSize+256+lists))
	b = appendChains(appendRefs(appendRefs(b, c.Anchors), c.Blocks), c.Chains)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Accepted)))
	for i := range c.Accepted {
		b = append(b, c.Accepted[i].ID[:]...)
	}
	return b
}

// DecodeRecord reads what EncodeRecord wrote: a commit of which header, digest, anchors, blocks, chains and
// accepted ids are there. It checks anchors, blocks and ids against the header. That the digest is the right one is
// for the caller to check, and the chains prove themselves only together, see WindowCheck. Errors wrap ErrCommit.
func DecodeRecord(raw []byte) (*Commit, error) {
	d := commitDecoder{rest: raw}
	c := &Commit{CommitHeader: d.header(), Anchors: d.refs(), Blocks: d.refs(), Chains: d.chains()}
	if n := d.count(crypto.DigestSize); n > 0 {
		c.Accepted = make([]Accepted, n)
		for i := range c.Accepted {
			c.Accepted[i].ID = d.digest()
		}
	}
	switch {
	case d.failed || len(d.rest) != 0:
		return nil, fmt.Errorf("%w: record cut short or bytes left over", ErrCommit)
	case DAGRoot(c.Anchors, c.Blocks) != c.DAGRoot:
		return nil, fmt.Errorf("%w: commit %d does not have the anchors and blocks that it names", ErrCommit, c.Index)
	case !plausibleChains(c.Chains):
		return nil, fmt.Errorf("%w: commit %d writes chains of %d namespaces, twice or out of order", ErrCommit, c.Index, len(c.Chains))
	case OrderRoot(c.Accepted) != c.OrderRoot || int(c.Items) != len(c.Accepted):
		return nil, fmt.Errorf("%w: commit %d does not hold the ids that it names", ErrCommit, c.Index)
	}
	c.Digest = c.ComputeDigest()
	return c, nil
}

// plausibleChains reports whether the steps may be those of a commit. No digest covers them one by one, so that what a
// peer gives must not cost more than what a network can have.
func plausibleChains(steps []ChainStep) bool {
	for i := 1; i < len(steps); i++ {
		if steps[i-1].Namespace >= steps[i].Namespace {
			return false
		}
	}
	return len(steps) <= maxChains
}

// WindowCheck holds a head's state against the window of duplicates below it, without the ids. It takes some
// hundreds of KiB, and what the heads of the namespaces' chains take.
type WindowCheck struct {
	head   *Commit
	window *dedupe
	newest []*Commit // chains of the commits that hold the heads, newest first
}

// NewWindowCheck begins with an empty window below head.
func NewWindowCheck(head *Commit) *WindowCheck {
	return &WindowCheck{head: head, window: newDedupe()}
}

// Add takes the next commit of the window, the head first. It takes the chains off a commit that lies so deep that
// nothing proves them.
func (w *WindowCheck) Add(c *Commit) {
	w.window.close(c.Index, c.OrderRoot)
	if len(w.newest) < ChainRefresh {
		w.newest = append(w.newest, &Commit{CommitHeader: c.CommitHeader, Chains: c.Chains})
	} else {
		c.Chains = nil
	}
}

// Prove holds the head's Resume and the chains of the newest commits against the head's digests, after Add was
// called for the last dag.ValidityWindow commits up to it. The error wraps ErrCommit.
func (w *WindowCheck) Prove(network crypto.Digest) error {
	if digestOf(w.head.Resume, w.window.tree[1]) != w.head.StateDigest {
		return fmt.Errorf("%w: what commit %d carries over is not what its digest covers", ErrCommit, w.head.Index)
	}
	slices.Reverse(w.newest)
	_, err := ChainHeads(network, w.newest)
	return err
}

// CheckStates holds the states that a head carries, which may come from anybody, against its Resume, which must
// be proven. cfg needs what an observer has. It takes as long as a restart does. Errors are the giver's
// fault.
func CheckStates(cfg Config, head *Commit, states []State) error {
	cfg.Self, cfg.Signer, cfg.KEM = Observer, nil, nil
	e, err := NewEngine(cfg, Restored{})
	if err != nil {
		return err
	}
	rest, err := e.restoreStates(Restored{Head: head, States: states})
	if err != nil {
		return err
	}
	reputation, err := e.checkpoints.decode(rest)
	if err != nil {
		return err
	}
	return e.scores.decode(reputation)
}
