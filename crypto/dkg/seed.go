package dkg

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// seed is what everything secret in a member's messages derives from: the KEM secret, extracted. Equal
// questions have equal answers, so that a message made again is the same message.
type seed struct{ key []byte }

func newSeed(secret *crypto.KEMKey) *seed {
	key, err := hkdf.Extract(sha256.New, secret.Secret(), []byte(tagDeal))
	if err != nil {
		panic("dkg: extract: " + err.Error())
	}
	return &seed{key}
}

// scalar is a uniform scalar for one use, which tag and parts name.
func (s *seed) scalar(tag string, parts ...[]byte) *number {
	info := tuple([]byte(tag), tuple(parts...))
	wide, err := hkdf.Expand(sha256.New, s.key, string(info), scalar.ScalarWideSize)
	if err != nil {
		panic("dkg: expand: " + err.Error())
	}
	return wideScalar(wide)
}

// secretScalar is q of a KEM key.
func secretScalar(secret *crypto.KEMKey) *number {
	q, err := scalar.NewFromCanonicalBytes(secret.Secret())
	if err != nil {
		panic("dkg: kem secret is no scalar: " + err.Error())
	}
	return q
}
