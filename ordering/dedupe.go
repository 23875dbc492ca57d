package ordering

import (
	"encoding/binary"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// dedupe remembers the ids accepted by the last dag.ValidityWindow commits. Its digest is the root
// of a Merkle tree whose leaves are the accepted roots of those commits, commit i at leaf
// i mod W, so that a snapshot can be checked and a commit costs log2(W) hashes.
type dedupe struct {
	seen   map[crypto.Digest]dag.CommitIndex
	window [dag.ValidityWindow][]crypto.Digest
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
	slot := i % dag.ValidityWindow
	d.window[slot] = append(d.window[slot], id)
}

// open forgets the ids of commit i-W, whose place commit i takes. Call before the first add of i.
func (d *dedupe) open(i dag.CommitIndex) {
	slot := i % dag.ValidityWindow
	if mutant.Planted(mutant.DedupeEarly) {
		slot = (i + 1) % dag.ValidityWindow
	}
	for _, id := range d.window[slot] {
		delete(d.seen, id)
	}
	d.window[slot] = d.window[slot][:0]
}

// close sets commit i's leaf and returns the new digest of the window.
func (d *dedupe) close(i dag.CommitIndex, accepted crypto.Digest) crypto.Digest {
	var index [8]byte
	binary.BigEndian.PutUint64(index[:], uint64(i))
	at := dag.ValidityWindow + int(i%dag.ValidityWindow)
	d.tree[at] = d.hasher.Sum(index[:], accepted[:])
	for at >>= 1; at > 0; at >>= 1 {
		d.tree[at] = d.hasher.Sum(d.tree[2*at][:], d.tree[2*at+1][:])
	}
	return d.tree[1]
}
