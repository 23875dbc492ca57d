package crypto

import (
	stded25519 "crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// Sizes of ed25519 keys and signatures in bytes.
const (
	PublicKeySize = 32
	SignatureSize = 64
	SeedSize      = 32
)

// PublicKey is an ed25519 public key: a validator's or a sender's identity.
type PublicKey [PublicKeySize]byte

// Signature is an ed25519 signature over a domain and a digest.
type Signature [SignatureSize]byte

// IdentityKey signs for one identity. It is safe for concurrent use.
type IdentityKey struct {
	private ed25519.PrivateKey
	public  PublicKey
}

// verifyOptions is ZIP-215, in which single and batch verification agree on every input:
// a signature that one node accepts in a batch must be accepted by all others alone.
var verifyOptions = &ed25519.Options{Verify: ed25519.VerifyOptionsZIP_215}

// NewIdentityKey derives the key of a 32-byte seed.
func NewIdentityKey(seed []byte) (*IdentityKey, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("identity key: seed of %d bytes, want %d", len(seed), SeedSize)
	}
	k := &IdentityKey{private: ed25519.NewKeyFromSeed(seed)}
	copy(k.public[:], k.private[SeedSize:])
	return k, nil
}

// GenerateIdentityKey draws a new key from random.
func GenerateIdentityKey(random io.Reader) (*IdentityKey, error) {
	seed := make([]byte, SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("draw identity key: %w", err)
	}
	return NewIdentityKey(seed)
}

// Public is the key that verifies k's signatures.
func (k *IdentityKey) Public() PublicKey { return k.public }

// Seed is the 32 secret bytes that k derives from.
func (k *IdentityKey) Seed() []byte { return k.private.Seed() }

// Standard is the same key in the standard library's type, for libraries that ask for it.
func (k *IdentityKey) Standard() stded25519.PrivateKey { return stded25519.PrivateKey(k.private) }

// Sign signs a digest for a domain.
func (k *IdentityKey) Sign(domain Domain, d Digest) Signature {
	var s Signature
	copy(s[:], ed25519.Sign(k.private, signedMessage(domain, d)))
	return s
}

// MarshalText encodes s as 128 hex digits.
func (s Signature) MarshalText() ([]byte, error) { return encodeHex(s[:]), nil }

// UnmarshalText reads what MarshalText wrote. It does not check that the bytes are a signature.
func (s *Signature) UnmarshalText(text []byte) error { return decodeHex(s[:], text, "signature") }

// Verify reports whether s is p's signature over d in the domain (ZIP-215 rules).
func (p PublicKey) Verify(domain Domain, d Digest, s Signature) bool {
	return ed25519.VerifyWithOptions(p[:], signedMessage(domain, d), s[:], verifyOptions)
}

// Short is the first four hex digits, for logs.
func (p PublicKey) Short() string { return hex.EncodeToString(p[:2]) }

// String is the whole key in hex.
func (p PublicKey) String() string { return hex.EncodeToString(p[:]) }

// MarshalText encodes p as 64 hex digits.
func (p PublicKey) MarshalText() ([]byte, error) { return encodeHex(p[:]), nil }

// UnmarshalText reads what MarshalText wrote; upper case is refused. It does not check that the
// bytes are a point: no signature verifies under bytes that are none.
func (p *PublicKey) UnmarshalText(text []byte) error { return decodeHex(p[:], text, "public key") }

// SignatureCheck is one signature to verify in VerifyBatch.
type SignatureCheck struct {
	Key       PublicKey
	Domain    Domain
	Digest    Digest
	Signature Signature
}

// batchFrom is the number of signatures from which one batch is cheaper than single checks.
const batchFrom = 4

// VerifyBatch verifies many signatures together, about twice as fast as one by one, and says of
// each whether it holds. The answers are those that Verify gives.
func VerifyBatch(checks []SignatureCheck) []bool {
	valid := make([]bool, len(checks))
	if len(checks) < batchFrom {
		for i, c := range checks {
			valid[i] = c.Key.Verify(c.Domain, c.Digest, c.Signature)
		}
		return valid
	}
	batch := ed25519.NewBatchVerifierWithCapacity(len(checks))
	for i := range checks {
		c := &checks[i]
		batch.AddWithOptions(c.Key[:], signedMessage(c.Domain, c.Digest), c.Signature[:], verifyOptions)
	}
	_, valid = batch.Verify(nil)
	return valid
}

func signedMessage(domain Domain, d Digest) []byte {
	m := make([]byte, 0, len(domain)+1+DigestSize)
	m = append(m, domain...)
	m = append(m, 0)
	return append(m, d[:]...)
}
