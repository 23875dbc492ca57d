package ordering

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

func idOf(n uint64) crypto.Digest {
	return crypto.Hash("test/id", binary.BigEndian.AppendUint64(nil, n))
}

// TestDedupeWindow: an id of commit i is known up to and with commit i+W, and free from i+W+1 on, also
// after the ring has gone round many times.
func TestDedupeWindow(t *testing.T) {
	d := newDedupe()
	commit := func(i dag.CommitIndex, ids ...crypto.Digest) {
		for _, id := range ids {
			d.add(id, i)
		}
		d.close(i, crypto.MerkleRoot(ids))
	}
	next := dag.CommitIndex(1)
	skipTo := func(i dag.CommitIndex) {
		for ; next < i; next++ {
			commit(next)
		}
	}
	for _, start := range []dag.CommitIndex{1, dag.ValidityWindow + 3, 3 * dag.ValidityWindow} {
		skipTo(start)
		id := idOf(uint64(start))
		if _, known := d.has(id); known {
			t.Fatalf("commit %d: known before it came", start)
		}
		commit(start, id)
		next++
		for _, later := range []dag.CommitIndex{start + 1, start + dag.ValidityWindow - 1, start + dag.ValidityWindow} {
			skipTo(later)
			if at, known := d.has(id); !known || at != start {
				t.Errorf("id of commit %d at commit %d: known %v at %d, want it known", start, later, known, at)
			}
		}
		skipTo(start + dag.ValidityWindow + 1)
		if _, known := d.has(id); known {
			t.Errorf("id of commit %d at commit %d is still known", start, next)
		}
	}
	if len(d.seen) != 0 {
		t.Errorf("%d ids are remembered", len(d.seen))
	}
}

// TestDedupeDigest: the digest tells windows apart, and depends on the last W commits alone.
func TestDedupeDigest(t *testing.T) {
	run := func(from, to dag.CommitIndex, odd dag.CommitIndex) crypto.Digest {
		d := newDedupe()
		var digest crypto.Digest
		for i := from; i <= to; i++ {
			root := crypto.Hash("test/root")
			if i == odd {
				root = crypto.Hash("test/other")
			}
			digest = d.close(i, root)
		}
		return digest
	}
	const last = 2*dag.ValidityWindow + 7
	whole := run(1, last, 0)
	if run(last-dag.ValidityWindow+1, last, 0) != whole {
		t.Error("the digest depends on commits before the window")
	}
	if run(last-dag.ValidityWindow+2, last, 0) == whole {
		t.Error("the oldest commit of the window does not matter")
	}
	if run(1, last, last-dag.ValidityWindow) != whole {
		t.Error("the commit before the window matters")
	}
	for _, odd := range []dag.CommitIndex{last - dag.ValidityWindow + 1, last - 100, last} {
		if run(1, last, odd) == whole {
			t.Errorf("another root of commit %d does not show", odd)
		}
	}
}

// TestAcceptedOnceAtTheEdges puts copies of one item where the window ends. One validator makes a
// commit each round, so that commit i has round i.
func TestAcceptedOnceAtTheEdges(t *testing.T) {
	const w = dag.ValidityWindow
	p := &picture.Picture{Authors: 1}
	for r := range dag.Round(w + 6) {
		p.Blocks = append(p.Blocks, picture.Block{Name: picture.Name{Round: r + 1}, Parents: []picture.Name{{Round: r}}})
	}
	hasher := dag.NewItemHasher(dagtest.Committee(1).Network())
	item := func(payload string, until dag.CommitIndex) dag.Item {
		i, err := (&dag.Transaction{Namespace: testNamespace, Payload: []byte(payload), ValidUntil: until}).Encode(hasher)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	placed := map[dag.Round][]dag.Item{
		1:     {item("copy", 1+w), item("far", 2+w)},
		2:     {item("copy", 2+w), item("far", 2+w), item("last", 3)},
		w:     {item("copy", w+1)},
		w + 1: {item("copy", w+1), item("copy", w+w)},
		w + 2: {item("copy", w+1), item("copy", w+2)},
		w + 3: {item("far", w+3)},
	}
	s, err := dagtest.Sign(p, func(n picture.Name, b *dag.Block) { b.Items = placed[n.Round] })
	if err != nil {
		t.Fatal(err)
	}
	o := newObserver(t, s.Committee, Restored{})
	o.feed(s.Blocks, 1)
	checkSequence(t, o.commits)
	accepted := map[dag.CommitIndex]int{1: 1, 2: 2, w + 2: 1, w + 3: 1}
	dropped := map[dag.CommitIndex][]DropReason{
		1: {DropTooFarAhead}, 2: {DropDuplicate}, w: {DropDuplicate}, w + 1: {DropDuplicate, DropDuplicate}, w + 2: {DropExpired},
	}
	for _, c := range o.commits {
		if dag.CommitIndex(c.Round) != c.Index || len(c.Accepted) != accepted[c.Index] || len(c.Dropped) != len(dropped[c.Index]) {
			t.Fatalf("commit %d of round %d accepts %d and drops %v, want %d and %v", c.Index, c.Round, len(c.Accepted), c.Dropped, accepted[c.Index], dropped[c.Index])
		}
		for k, d := range c.Dropped {
			if d.Reason != dropped[c.Index][k] {
				t.Errorf("commit %d drops item %d as %v, want %v", c.Index, k, d.Reason, dropped[c.Index][k])
			}
		}
	}
	// An engine that is restored at the edge drops the same.
	at := len(o.commits) - 6
	for ; at < len(o.commits); at++ {
		half := &observer{t: t, commits: o.commits[:at], kept: o.kept}
		again := newObserver(t, s.Committee, half.restored())
		got, want := digests(again.commits), digests(o.commits[at:])
		if !prefixOf(want, got) || !prefixOf(got, want) {
			t.Errorf("restored at commit %d: %v, want %v", at, got, want)
		}
	}
}

// TestValidUntil is the filter as the design states it: accepted at commit i iff i <= valid_until <= i + W.
func TestValidUntil(t *testing.T) {
	e := newObserver(t, dagtest.Committee(4), Restored{}).engine
	rapid.Check(t, func(t *rapid.T) {
		i := dag.CommitIndex(rapid.Uint64Range(1, 1<<40).Draw(t, "commit"))
		near := rapid.Int64Range(-3, 3).Draw(t, "near")
		until := rapid.SampledFrom([]dag.CommitIndex{0, i, i + dag.ValidityWindow, 1<<64 - 4}).Draw(t, "edge") + dag.CommitIndex(near)
		item := dag.Item{Kind: dag.KindTransaction, Namespace: testNamespace, ValidUntil: until, Raw: []byte{1}}
		var want DropReason
		switch {
		case until < i:
			want = DropExpired
		case until-i > dag.ValidityWindow:
			want = DropTooFarAhead
		}
		if got := e.drop(&item, i); got != want {
			t.Fatalf("valid until %d at commit %d: %v, want %v", until, i, got, want)
		}
	})
}
