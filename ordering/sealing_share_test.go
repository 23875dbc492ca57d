package ordering

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// fakeShare is a share message as far as the engine looks at it.
func fakeShare(commit dag.CommitIndex, number, size int) OwnShare {
	payload := binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(commit))
	payload = binary.BigEndian.AppendUint64(payload, uint64(number))
	return OwnShare{Commit: commit, Payload: payload[:size]}
}

// sealedItem is an item that the engine takes for sealed.
func (s *sealingCluster) sealedItem(number int) dag.Item {
	s.t.Helper()
	sealed := dag.Sealed{
		ValidUntil: dag.CommitIndex(len(s.nodes[0].commits) + 500), Namespaces: []dag.Namespace{testNamespace},
		Ciphertext: bytes.Repeat([]byte{byte(number), 1}, seal.SealedSize(1)),
	}
	item, err := sealed.Encode(dag.NewItemHasher(s.committee.Network()))
	if err != nil {
		s.t.Fatal(err)
	}
	return item
}

// TestShareBeyondTheHead is refused: a share opens, and nothing may be opened before it is ordered.
func TestShareBeyondTheHead(t *testing.T) {
	s := newSealingCluster(t, 4, 5)
	s.until("everybody has a key", s.everybodyHasAKey)
	e := s.nodes[1].engine
	head := e.Head().Index
	for _, beyond := range []dag.CommitIndex{1, 2, 1000, ^dag.CommitIndex(0) - head} {
		e.Step(SharesMade{[]OwnShare{fakeShare(head+beyond, 0, 100)}})
	}
	s.run(time.Second)
	if said := s.said(1, KindShare); len(said) != 0 {
		t.Fatalf("%d shares for commits that were not there", len(said))
	}
	e.Step(SharesMade{[]OwnShare{fakeShare(head, 1, 100)}})
	s.run(time.Second)
	if said := s.said(1, KindShare); len(said) != 1 || !bytes.Equal(said[0], fakeShare(head, 1, 100).Payload) {
		t.Errorf("%d shares for a commit that was there, want one", len(said))
	}
	seen := 0
	s.seen = func(i int, r *Ready) {
		for _, share := range r.Shares {
			if seen++; share.Author != 1 || !bytes.Equal(share.Payload, fakeShare(head, 2, 100).Payload) {
				t.Errorf("node %d sees a share of %v", i, share.Author)
			}
		}
	}
	e.Step(SharesMade{[]OwnShare{fakeShare(head, 2, 100)}})
	s.run(time.Second)
	if seen != len(s.nodes) {
		t.Errorf("%d nodes have seen the share", seen)
	}
}

// TestSharesRideInTheNextOwnBlock: the block right after a commit with sealed items waits for their shares,
// where they came in time before.
func TestSharesRideInTheNextOwnBlock(t *testing.T) {
	s := newSealingCluster(t, 4, 6)
	s.until("everybody has a key", s.everybodyHasAKey)
	s.delay = func(int, int) time.Duration { return time.Duration(20+s.random.IntN(3)) * time.Millisecond }
	type due struct {
		commit dag.CommitIndex
		share  []byte
	}
	waiting := make([][]due, 4)
	rode, late := 0, 0
	s.seen = func(i int, r *Ready) {
		for _, b := range r.Broadcast {
			for _, d := range waiting[i] {
				if slices.ContainsFunc(b.Block().System, func(m dag.SystemMessage) bool { return bytes.Equal(m.Payload, d.share) }) {
					rode++
				} else {
					late++
				}
			}
			waiting[i] = nil
		}
		for _, c := range r.Commits {
			if s.nodes[i].engine.holdsSealed(c) {
				share := fakeShare(c.Index, i, 200)
				waiting[i] = append(waiting[i], due{c.Index, share.Payload})
				s.send(delivery{at: s.now + 2*time.Millisecond, to: i, event: SharesMade{[]OwnShare{share}}})
			}
		}
	}
	for k := range 50 {
		s.send(delivery{to: k % 4, event: Submitted{Ticket: uint64(k), Items: []dag.Item{s.sealedItem(k)}}})
		s.run(60 * time.Millisecond)
	}
	if rode < 150 || late > 4 {
		t.Errorf("%d shares stood in the block after their commit, %d did not; only the first of each node may not", rode, late)
	}
}

// TestSharesThatNeverComeAreWaitedForOnce: a host without a share holds nobody up.
func TestSharesThatNeverComeAreWaitedForOnce(t *testing.T) {
	rounds := func(answer bool) dag.Round {
		s := newSealingCluster(t, 4, 7)
		s.until("everybody has a key", s.everybodyHasAKey)
		s.delay = func(int, int) time.Duration { return time.Duration(11+s.random.IntN(2)) * time.Millisecond }
		first := s.nodes[0].engine.Status().Round
		s.seen = func(i int, r *Ready) {
			for _, c := range r.Commits {
				if answer || (len(s.said(i, KindShare)) == 0 && s.nodes[i].engine.holdsSealed(c)) {
					s.send(delivery{to: i, event: SharesMade{[]OwnShare{fakeShare(c.Index, i, 200)}}})
				}
			}
		}
		for k := range 100 {
			s.send(delivery{to: k % 4, event: Submitted{Ticket: uint64(k), Items: []dag.Item{s.sealedItem(k)}}})
			s.run(10 * time.Millisecond)
		}
		return s.nodes[0].engine.Status().Round - first
	}
	if with, without := rounds(true), rounds(false); without < with*9/10 {
		t.Errorf("%d rounds without answers, %d with", without, with)
	}
}

// TestManyShares: a queue of many blocks' worth goes out within the limits of each, in order, and what is
// beyond its own limit is refused.
func TestManyShares(t *testing.T) {
	s := newSealingCluster(t, 4, 8)
	s.until("everybody has a key", s.everybodyHasAKey)
	e := s.nodes[0].engine
	head := e.Head().Index
	var shares, want []OwnShare
	for k := range 20 {
		shares = append(shares, fakeShare(head, k, 60<<10))
	}
	for k := range 2 * dag.MaxSystemMessages {
		shares = append(shares, fakeShare(head, 100+k, 16))
	}
	want = append(want, shares...)
	shares = slices.Insert(shares, 3, fakeShare(head, 99, dag.MaxSystemBytes)) // too large for any block
	e.Step(SharesMade{shares})
	s.run(3 * time.Second)
	var said []OwnShare
	for _, b := range s.nodes[0].own {
		size := 0
		for _, m := range b.Block().System {
			size += len(m.Payload)
			if m.Kind == KindShare {
				said = append(said, OwnShare{head, m.Payload})
			}
		}
		if size > dag.MaxSystemBytes {
			t.Errorf("%v has system messages of %d bytes", b.Ref(), size)
		}
	}
	if !slices.EqualFunc(said, want, func(a, b OwnShare) bool { return bytes.Equal(a.Payload, b.Payload) }) {
		t.Errorf("%d shares said, want %d in their order", len(said), len(want))
	}
	if e.sealing.bytes != 0 || len(e.sealing.queue) != 0 {
		t.Errorf("%d shares of %d bytes wait when all are said", len(e.sealing.queue), e.sealing.bytes)
	}
	for range maxShareQueue/(100<<10) + 50 {
		e.Step(SharesMade{[]OwnShare{fakeShare(head, 0, 100<<10)}})
	}
	if bytes := e.sealing.bytes; bytes > maxShareQueue || bytes < maxShareQueue-(100<<10) {
		t.Errorf("%d bytes wait, limit %d", bytes, maxShareQueue)
	}
}

// TestIdleNetworkSaysSharesAtOnce does not wait for the next sign of life.
func TestIdleNetworkSaysSharesAtOnce(t *testing.T) {
	s := newSealingCluster(t, 4, 10)
	s.until("everybody has a key", s.everybodyHasAKey)
	s.run(time.Second)
	for i := range s.nodes {
		s.send(delivery{to: i, event: SharesMade{[]OwnShare{fakeShare(1, i, 100)}}})
	}
	s.run(40 * time.Millisecond)
	for i := range s.nodes {
		if len(s.said(i, KindShare)) != 1 {
			t.Errorf("node %d keeps its share", i)
		}
	}
}

// TestNoSealing: a network without it takes nothing of it in.
func TestNoSealing(t *testing.T) {
	c := newCluster(t, 4, 9)
	c.run(time.Second)
	c.nodes[0].engine.Step(SharesMade{[]OwnShare{fakeShare(1, 0, 100)}})
	c.run(time.Second)
	for i, node := range c.nodes {
		for _, b := range node.own {
			if len(b.Block().System) > 0 {
				t.Fatalf("node %d says %v", i, b.Block().System)
			}
		}
	}
	c.agree()
}
