package ordering

import (
	"encoding/binary"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// dedupe remembers the ids accepted by the last dag.ValidityWindow commits, which are those whose
// items can still be valid in the next one. Its digest is the root
// of a Merkle tree whose leaves are the order roots of those commits, commit i at leaf
// i mod W, so that a snapshot can be checked and a commit costs log2(W) hashes.
type dedupe struct {
	seen   map[crypto.Digest]dag.CommitIndex
	window [dag.ValidityWindow][]crypto.Digest
	fresh  []crypto.Digest                       // added for the commit that is not closed yet
	tree   [2 * dag.ValidityWindow]crypto.Digest // 1 is the root, leaves from W on
	hasher *crypto.Hasher
}

func newDedupe() *dedupe {
	d := &dedupe{seen: make(map[crypto.Digest]dag.CommitIndex), hasher: crypto.NewHasher(crypto.DomainDedupe)}
	for i := dag.ValidityWindow - 1; i > 0; i-- {
		d.tree[i] = d.hasher.Sum(d.tree[2*i][:], d.tree[2*i+1][:])
	}
	return d
}

// has reports the commit that accepted id, if one of the window did.
func (d *dedupe) has(id crypto.Digest) (dag.CommitIndex, bool) {
	at, ok := d.seen[id]
	return at, ok && !mutant.Planted(mutant.DedupeOff)
}

// add remembers an id for commit i.
func (d *dedupe) add(id crypto.Digest, i dag.CommitIndex) {
	d.seen[id] = i
	d.fresh = append(d.fresh, id)
}

// close ends commit i: it sets i's leaf, forgets the ids of commit i-W, whose place i takes and whose
// items have expired with i, and returns the new digest of the window.
func (d *dedupe) close(i dag.CommitIndex, order crypto.Digest) crypto.Digest {
	slot := i % dag.ValidityWindow
	d.forget(slot)
	if mutant.Planted(mutant.DedupeEarly) {
		d.forget((i + 1) % dag.ValidityWindow)
	}
	d.window[slot], d.fresh = d.fresh, d.window[slot]
	var index [8]byte
	binary.BigEndian.PutUint64(index[:], uint64(i))
	at := dag.ValidityWindow + int(i%dag.ValidityWindow)
	d.tree[at] = d.hasher.Sum(index[:], order[:])
	for at >>= 1; at > 0; at >>= 1 {
		d.tree[at] = d.hasher.Sum(d.tree[2*at][:], d.tree[2*at+1][:])
	}
	return d.tree[1]
}

// forget lets the ids of one place of the window come again.
func (d *dedupe) forget(slot dag.CommitIndex) {
	for _, id := range d.window[slot] {
		delete(d.seen, id)
	}
	d.window[slot] = d.window[slot][:0]
}
