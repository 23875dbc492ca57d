package dag

import (
	"encoding/binary"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
)

// orphan is a block whose parent nobody has. Only the DAG looks at it, so nothing is signed.
func orphan(a Author, r Round, size int) *Verified {
	var key [16]byte
	binary.BigEndian.PutUint64(key[:], uint64(r))
	binary.BigEndian.PutUint64(key[8:], uint64(a)+1)
	ref := Ref{r, a, crypto.Hash("test/orphan", key[:])}
	parent := Ref{r - 1, a, crypto.Hash("test/parent", key[:])}
	return &Verified{ref: ref, raw: make([]byte, size), block: Block{Round: r, Author: a, Parents: []Ref{parent}}}
}

func TestWaitingBlocksPerAuthor(t *testing.T) {
	d := New(testCommittee(t, 4))
	const gap, top = Round(100), Round(maxPendingPerAuthor + 4)
	for r := Round(4); r <= top; r++ {
		if r == gap {
			continue
		}
		if got := d.Add(orphan(1, r, 10), uint32(r%4)); got.Status != Suspended {
			t.Fatalf("round %d: status %d, want Suspended", r, got.Status)
		}
	}
	if got := d.Add(orphan(1, top+1, 10), 0); got.Status != Refused {
		t.Errorf("a higher block beyond the limit: status %d, want Refused", got.Status)
	}
	if got := d.Add(orphan(1, gap, 10), 0); got.Status != Suspended {
		t.Errorf("a lower block beyond the limit: status %d, want Suspended in the place of the highest", got.Status)
	}
	if d.pending.has(orphan(1, top, 10).ref) || !d.pending.has(orphan(1, top-1, 10).ref) || !d.pending.has(orphan(1, gap, 10).ref) {
		t.Error("not the highest block made room")
	}
	if got := d.Add(orphan(2, top, 10), 0); got.Status != Suspended {
		t.Errorf("another author's block: status %d, want Suspended", got.Status)
	}
	if d.Waiting() != maxPendingPerAuthor+1 || len(d.Wanted()) != d.Waiting() {
		t.Errorf("%d wait for %d, want %d", d.Waiting(), len(d.Wanted()), maxPendingPerAuthor+1)
	}
	checkPending(t, &d.pending)
}

func TestWaitingBytesPerAuthor(t *testing.T) {
	d := New(testCommittee(t, 4))
	const quarter = maxPendingBytesPerAuthor / 4
	for r := range Round(4) {
		if got := d.Add(orphan(1, 10+r, quarter), 0); got.Status != Suspended {
			t.Fatalf("round %d: status %d, want Suspended", 10+r, got.Status)
		}
	}
	if got := d.Add(orphan(1, 20, 1), 0); got.Status != Refused {
		t.Errorf("one byte beyond the limit: status %d, want Refused", got.Status)
	}
	if got := d.Add(orphan(1, 5, 2*quarter), 0); got.Status != Suspended || d.Waiting() != 3 {
		t.Errorf("a lower block of half the bytes: status %d, %d wait, want Suspended and 3", got.Status, d.Waiting())
	}
	checkPending(t, &d.pending)
}

func TestWaitingBlocksPerPeer(t *testing.T) {
	d := New(testCommittee(t, 7))
	for i := range maxPendingPerPeer {
		if got := d.Add(orphan(Author(i%7), Round(i/7+2), 10), 3); got.Status != Suspended {
			t.Fatalf("block %d: status %d, want Suspended", i, got.Status)
		}
	}
	next := orphan(6, 300, 10)
	if got := d.Add(next, 3); got.Status != Refused {
		t.Errorf("beyond the limit: status %d, want Refused", got.Status)
	}
	if got := d.Add(next, 4); got.Status != Suspended {
		t.Errorf("the same from another peer: status %d, want Suspended", got.Status)
	}
	d.SetFloor(2)
	if got := d.Add(orphan(6, 301, 10), 3); got.Status != Suspended {
		t.Errorf("after blocks were collected: status %d, want Suspended", got.Status)
	}
	checkPending(t, &d.pending)
}

func TestWaitingBytesPerPeer(t *testing.T) {
	d := New(testCommittee(t, 7))
	const share = maxPendingBytesPerPeer / 7
	for a := range Author(7) {
		if got := d.Add(orphan(a, 5, share), 3); got.Status != Suspended {
			t.Fatalf("author %v: status %d, want Suspended", a, got.Status)
		}
	}
	if got := d.Add(orphan(1, 6, 100), 3); got.Status != Refused {
		t.Errorf("beyond the limit: status %d, want Refused", got.Status)
	}
}

// TestCollectWaiting: what waits at or below the floor is dropped, and what waits only for
// something at or below it joins.
func TestCollectWaiting(t *testing.T) {
	d := New(testCommittee(t, 4))
	low, at, edge, high := orphan(0, 5, 10), orphan(3, 6, 10), orphan(1, 7, 10), orphan(2, 8, 10)
	child := &Verified{ref: Ref{9, 3, crypto.Hash("test/child")}, raw: make([]byte, 10), block: Block{Round: 9, Author: 3, Parents: []Ref{high.ref, edge.ref}}}
	for _, b := range []*Verified{low, at, edge, high, child} {
		if got := d.Add(b, 0); got.Status != Suspended {
			t.Fatalf("%v: status %d", b.ref, got.Status)
		}
	}
	added := d.SetFloor(6)
	if len(added.Accepted) != 1 || added.Accepted[0].ref != edge.ref {
		t.Errorf("a floor of 6 let %d blocks join, want the one of round 7 that waited for round 6", len(added.Accepted))
	}
	if d.pending.has(low.ref) || d.pending.has(at.ref) || d.Waiting() != 2 {
		t.Errorf("%d wait, want 2", d.Waiting())
	}
	if added = d.SetFloor(7); len(added.Accepted) != 2 || added.Accepted[0].ref != high.ref || added.Accepted[1].ref != child.ref {
		t.Errorf("a floor of 7 let %d blocks join, want those of rounds 8 and 9", len(added.Accepted))
	}
	if got := added.Accepted[1].parents; len(got) != 1 {
		t.Errorf("%d parents found, want the one above the floor", len(got))
	}
	checkPending(t, &d.pending)
	if len(d.pending.blocks)+len(d.pending.awaiting)+len(d.pending.byAuthor)+len(d.pending.byPeer)+len(d.pending.authors) != 0 {
		t.Error("something is left of blocks that no longer wait")
	}
}

// checkPending recounts.
func checkPending(t *testing.T, p *pending) {
	t.Helper()
	authors, peers := make(map[Author]usage), make(map[uint32]usage)
	for _, w := range p.blocks {
		authors[w.block.Author()] = authors[w.block.Author()].plus(len(w.block.raw))
		peers[w.from] = peers[w.from].plus(len(w.block.raw))
		held := 0
		for _, r := range w.block.block.Parents {
			for _, o := range p.awaiting[r] {
				if o == w {
					held++
				}
			}
		}
		if held != w.missing {
			t.Errorf("%v waits for %d blocks and stands in the lists of %d", w.block.ref, w.missing, held)
		}
	}
	for a, u := range authors {
		if p.byAuthor[a] != u || len(p.authors[a]) != u.blocks {
			t.Errorf("author %v: counted %v and listed %d, want %v", a, p.byAuthor[a], len(p.authors[a]), u)
		}
	}
	for peer, u := range peers {
		if p.byPeer[peer] != u {
			t.Errorf("peer %d: counted %v, want %v", peer, p.byPeer[peer], u)
		}
	}
	if len(p.byAuthor) != len(authors) || len(p.byPeer) != len(peers) || len(p.authors) != len(authors) {
		t.Error("authors or peers are counted that have nothing waiting")
	}
}
