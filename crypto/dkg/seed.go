package dkg

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/dunlin-network/dunlin/crypto"
)

// seed is what everything secret in a member's messages derives from: the KEM secret, extracted. Equal
// questions have equal answers, so that a message made again is the same message.
type seed struct{ key []byte }

func newSeed(secret *crypto.KEMKey) *seed {
	key, err := hkdf.Extract(sha256.New, secret.Secret(), []byte(tag(kem, forDeal)))
	if err != nil {
		panic("dkg: extract: " + err.Error())
	}
	return &seed{key}
}

// number is a uniform scalar of a group for one use, which purpose and parts name.
func (s *seed) number(g Group, purpose string, parts ...[]byte) number {
	info := tuple([]byte(tag(g, purpose)), tuple(parts...))
	wide, err := hkdf.Expand(sha256.New, s.key, string(info), wideSize)
	if err != nil {
		panic("dkg: expand: " + err.Error())
	}
	return g.wide(wide)
}
