package reveal

import (
	"bytes"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// carrying is a commit that orders a block of a validator with shares in it.
func (w *network) carrying(author dag.Author, shares ...ordering.OwnShare) *ordering.Commit {
	w.t.Helper()
	c := w.commit()
	parents := []dag.Ref{w.committee.Genesis(author)}
	for a := range dag.Author(len(w.members)) {
		if a != author {
			parents = append(parents, w.committee.Genesis(a))
		}
	}
	block := dag.Block{Epoch: w.committee.Epoch(), Round: 1, Author: author, Parents: parents}
	for _, s := range shares {
		block.System = append(block.System, dag.SystemMessage{Kind: ordering.KindShare, Payload: s.Payload})
	}
	b, err := dag.Seal(w.committee, block, unsigned{})
	if err != nil {
		w.t.Fatal(err)
	}
	c.Blocks, c.Bodies = []dag.Ref{b.Ref()}, []*dag.Verified{b}
	return c
}

// TestShareIsOwedUntilItIsOrdered: a validator that has revealed a commit with the shares of others still says
// its own, again and after a restart, until a commit brings it in. Others may need it: a faulty validator can
// give its share to some and not to others.
func TestShareIsOwedUntilItIsOrdered(t *testing.T) {
	w := newNetwork(t, 4)
	trackers := w.trackers()
	c := w.commit(w.good("x"))
	for _, tracker := range trackers {
		tracker.Commit(c)
	}
	tracker := trackers[0]
	for a, own := range offers(trackers[1:]) {
		if err := tracker.Share(dag.Author(a+1), own[0].Payload); err != nil {
			t.Fatal(err)
		}
	}
	one(t, tracker)
	if tracker.Revealed() != c.Index || tracker.Settled() != c.Index-1 {
		t.Fatalf("revealed up to %d, settled up to %d", tracker.Revealed(), tracker.Settled())
	}
	first := tracker.Offers(1 << 20)
	if len(first) != 1 || len(tracker.Offers(1<<20)) != 0 {
		t.Fatalf("%d shares of a commit that is revealed, want 1", len(first))
	}
	again := w.trackerAfter(0, tracker.Settled())
	again.Commit(c)
	tracker.OfferAgain()
	for _, late := range []*Tracker{tracker, again} {
		if own := late.Offers(1 << 20); len(own) != 1 || !bytes.Equal(own[0].Payload, first[0].Payload) {
			t.Errorf("%d shares again, want the same one", len(own))
		}
	}
	elsewhere := w.carrying(1, first[0])
	tracker.Commit(elsewhere) // somebody repeats it: that proves nothing
	if tracker.Settled() != c.Index-1 {
		t.Error("the share counts as said by another validator")
	}
	tracker.Commit(w.carrying(0, first[0]))
	tracker.OfferAgain()
	if own := tracker.Offers(1 << 20); len(own) != 0 || tracker.Settled() != w.head {
		t.Errorf("%d shares after they were ordered, settled up to %d of %d", len(own), tracker.Settled(), w.head)
	}
}

// TestOrderedShareIsNotOfferedAgain while its commit waits for others.
func TestOrderedShareIsNotOfferedAgain(t *testing.T) {
	w := newNetwork(t, 4)
	tracker := w.tracker(0)
	c := w.commit(w.good("x"))
	tracker.Commit(c)
	own := tracker.Offers(1)
	tracker.Commit(w.carrying(0, own...))
	tracker.OfferAgain()
	if len(tracker.Offers(1<<20)) != 0 || tracker.Settled() != c.Index-1 {
		t.Errorf("offered again, or settled up to %d", tracker.Settled())
	}
}

// TestShareIsForTheCommitsBatch restates how a batch is named: by the commit, the part and the ciphertexts.
func TestShareIsForTheCommitsBatch(t *testing.T) {
	w := newNetwork(t, 4)
	tracker := w.tracker(0)
	c := w.commit(w.plain("a"), w.good("x"), w.good("y"))
	tracker.Commit(c)
	var members []*seal.Ciphertext
	for _, item := range c.Bodies[0].Block().Items[1:] {
		sealed := item.Sealed()
		verified, err := w.sealing[0].Verify(sealed.Associated(), sealed.Ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, verified)
	}
	batch, err := seal.NewBatch(w.sealing[0], crypto.Hash("dunlin/seal-part/1", c.Digest[:], []byte{0, 0}), members)
	if err != nil {
		t.Fatal(err)
	}
	share, err := seal.DecodeShare(tracker.Offers(1)[0].Payload[messageHeader:])
	if err != nil {
		t.Fatal(err)
	}
	if share.BatchID() != batch.ID() || share.KeyID() != w.keys[0].ID || share.Index() != 1 {
		t.Errorf("the share is of batch %v, key %d, index %d", share.BatchID(), share.KeyID(), share.Index())
	}
}

// TestOwedIsBounded for a validator whose blocks are never ordered.
func TestOwedIsBounded(t *testing.T) {
	w := newNetwork(t, 4)
	tracker := w.tracker(0)
	c := newCommit(w.commit(w.good("x")), tracker.keys[0])
	c.outcomes[0].Verdict = Opened
	for i := range dag.CommitIndex(maxOwed + 5) {
		next := *c
		next.ref.Index += i
		tracker.open = append(tracker.open, &next)
	}
	tracker.Work()
	if len(tracker.owed) != maxOwed || tracker.Settled() != c.ref.Index-1 {
		t.Errorf("%d commits are owed, settled up to %d", len(tracker.owed), tracker.Settled())
	}
	if _, ok := tracker.Recall(); ok {
		t.Error("recalled while there is no room")
	}
	tracker.owed = tracker.owed[maxOwed-100:] // as if they had been ordered
	again := w.commit(w.good("y"))
	for i := c.ref.Index + 4; i >= c.ref.Index; i-- {
		at, ok := tracker.Recall()
		if !ok || at != i {
			t.Fatalf("recalled %d, %v, want %d", at, ok, i)
		}
		whole := *again
		whole.Index = at
		tracker.Owe(&whole)
	}
	if _, ok := tracker.Recall(); ok || len(tracker.owed) != 105 || tracker.Settled() != c.ref.Index-1 {
		t.Errorf("%d are owed, settled up to %d", len(tracker.owed), tracker.Settled())
	}
}
