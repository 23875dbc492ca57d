package seal

import (
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"

	"github.com/dunlin-network/dunlin/crypto"
)

// Batch is the ciphertexts of one commit under one key, in the order of the commit. It is immutable
// and safe for concurrent use.
type Batch struct {
	key     *Key
	id      crypto.Digest
	members []*Ciphertext
	points  []*curve.RistrettoPoint // u of each
}

// NewBatch makes the batch of a commit from 1 to MaxBatch ciphertexts that were all verified under
// key. It keeps the slice's content, not the slice. Its id binds commit, key and all ciphertexts. Errors
// wrap ErrForm, ErrSize or ErrKeyID.
func NewBatch(key *Key, commit crypto.Digest, ciphertexts []*Ciphertext) (*Batch, error) {
	switch n := len(ciphertexts); {
	case n == 0:
		return nil, fmt.Errorf("make batch: %w: no ciphertexts", ErrForm)
	case n > MaxBatch:
		return nil, fmt.Errorf("make batch: %d ciphertexts: %w (%d)", n, ErrSize, MaxBatch)
	}
	b := &Batch{key: key}
	hashes := make([]byte, 0, crypto.DigestSize*len(ciphertexts))
	for i, c := range ciphertexts {
		if !c.key.same(key) {
			return nil, fmt.Errorf("make batch: ciphertext %d: %w", i, ErrKeyID)
		}
		hashes = append(hashes, c.hash[:]...)
		b.members = append(b.members, c)
		b.points = append(b.points, c.u)
	}
	b.id = crypto.Hash(crypto.DomainSealBatch, commit[:], encodeID(key.id), hashes)
	return b, nil
}

// ID names the batch; every share of it carries the id.
func (b *Batch) ID() crypto.Digest { return b.id }

// KeyID is the number of the key that opens the batch.
func (b *Batch) KeyID() uint64 { return b.key.id }

// Len is the number of ciphertexts.
func (b *Batch) Len() int { return len(b.members) }
