package seal

import (
	"bytes"
	"crypto/sha512"
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"

	"github.com/dunlin-network/dunlin/crypto"
)

// KeySize is the size of an encoded key h in bytes.
const KeySize = pointSize

// Key is the committee's public encryption key of one key id: all that a user needs to seal and a
// reader needs to check an opening. It is immutable and safe for concurrent use. It holds about
// 100 KiB of tables, so make it once.
type Key struct {
	network crypto.Digest
	id      uint64
	encoded [KeySize]byte // h

	h      *curve.RistrettoBasepointTable
	second *curve.RistrettoBasepointTable // gbar, whose logarithm to g nobody knows
	// expanded is gbar once more, for variable-time multiplication.
	expanded *curve.ExpandedRistrettoPoint
}

// NewKey reads the key h, a canonical ristretto255 element that is not the identity. The network is
// the digest that names the chain, id the number of the key on it; both are bound into every
// ciphertext. Errors wrap ErrForm, ErrPoint or ErrIdentity.
func NewKey(network crypto.Digest, id uint64, h []byte) (*Key, error) {
	point, err := decodePoint(h)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	second := hashToPoint(tagBase, network[:], encodeID(id))
	k := &Key{
		network:  network,
		id:       id,
		h:        curve.NewRistrettoBasepointTable(point),
		second:   curve.NewRistrettoBasepointTable(second),
		expanded: curve.NewExpandedRistrettoPoint(second),
	}
	copy(k.encoded[:], h)
	return k, nil
}

// ID is the number of the key on its network.
func (k *Key) ID() uint64 { return k.id }

// Network is the digest of the network that k belongs to.
func (k *Key) Network() crypto.Digest { return k.network }

// Bytes is h, from which NewKey makes k again.
func (k *Key) Bytes() []byte { return bytes.Clone(k.encoded[:]) }

// same reports whether two keys are one.
func (k *Key) same(other *Key) bool {
	return k == other || k.id == other.id && k.network == other.network && k.encoded == other.encoded
}

// context is the digest of all that a ciphertext is bound to.
func (k *Key) context(aad []byte) [contextSize]byte {
	return sha512.Sum512(tuple([]byte(tagContext), k.network[:], encodeID(k.id), k.encoded[:], aad))
}
