package crypto

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/cloudflare/circl/sign/bls"
)

// Sizes of the BLS12-381 key in bytes: public keys in G2, signatures and proofs in G1, both
// compressed; the secret is a big-endian scalar.
const (
	BLSSecretSize = 32
	BLSPublicSize = 96
	BLSProofSize  = 48
)

// BLSPublicKey is a compressed G2 element of BLS12-381.
type BLSPublicKey [BLSPublicSize]byte

// BLSProof is a BLS signature of a key over itself and the identity of its owner. Without it a
// validator could choose a key that cancels those of others.
type BLSProof [BLSProofSize]byte

// BLSKey is a BLS12-381 secret with its public key. It is immutable and safe for concurrent use.
type BLSKey struct {
	private *bls.PrivateKey[bls.KeyG2SigG1]
	public  BLSPublicKey
}

// NewBLSKey reads a secret: a big-endian scalar of 32 bytes, below the group order and not zero.
func NewBLSKey(secret []byte) (*BLSKey, error) {
	if len(secret) != BLSSecretSize {
		return nil, fmt.Errorf("bls key: secret of %d bytes, want %d", len(secret), BLSSecretSize)
	}
	private := new(bls.PrivateKey[bls.KeyG2SigG1])
	if err := private.UnmarshalBinary(secret); err != nil {
		return nil, fmt.Errorf("bls key: %w", err)
	}
	return newBLSKey(private)
}

// GenerateBLSKey draws a new key from random.
func GenerateBLSKey(random io.Reader) (*BLSKey, error) {
	material := make([]byte, BLSSecretSize)
	if _, err := io.ReadFull(random, material); err != nil {
		return nil, fmt.Errorf("draw bls key: %w", err)
	}
	private, err := bls.KeyGen[bls.KeyG2SigG1](material, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("draw bls key: %w", err)
	}
	return newBLSKey(private)
}

func newBLSKey(private *bls.PrivateKey[bls.KeyG2SigG1]) (*BLSKey, error) {
	k := &BLSKey{private: private}
	public, err := private.PublicKey().MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("bls key: %w", err)
	}
	copy(k.public[:], public)
	return k, nil
}

// Public is the key that verifies k's signatures.
func (k *BLSKey) Public() BLSPublicKey { return k.public }

// Secret is the 32 bytes from which NewBLSKey makes k again.
func (k *BLSKey) Secret() []byte {
	secret, err := k.private.MarshalBinary()
	if err != nil {
		panic("crypto: bls scalar does not encode: " + err.Error())
	}
	return secret
}

// Prove shows to whoever sees the proof that k's owner, who goes by identity, knows the secret.
// The proof is the same each time.
func (k *BLSKey) Prove(identity PublicKey) BLSProof {
	var proof BLSProof
	copy(proof[:], bls.Sign(k.private, blsPossession(identity, k.public)))
	return proof
}

// VerifyPossession checks that proof was made by the owner of p for identity. It refuses infinity
// and points outside the subgroup of prime order. Errors wrap ErrProof. It takes milliseconds.
func (p BLSPublicKey) VerifyPossession(identity PublicKey, proof BLSProof) error {
	public := new(bls.PublicKey[bls.KeyG2SigG1])
	if err := public.UnmarshalBinary(p[:]); err != nil {
		return fmt.Errorf("%w: bls public key: %w", ErrProof, err)
	}
	if !bls.Verify(public, blsPossession(identity, p), proof[:]) {
		return fmt.Errorf("%w: bls key %s was not shown to belong to identity %s", ErrProof, p, identity)
	}
	return nil
}

// blsPossession is what a proof signs. It is longer than the 32-byte messages of certificates, so
// that neither can stand for the other.
func blsPossession(identity PublicKey, public BLSPublicKey) []byte {
	return signedMessage(DomainBLSPossess, Hash(DomainBLSPossess, identity[:], public[:]))
}

// String is the key in hex.
func (p BLSPublicKey) String() string { return hex.EncodeToString(p[:]) }

// MarshalText encodes p as 192 hex digits.
func (p BLSPublicKey) MarshalText() ([]byte, error) { return encodeHex(p[:]), nil }

// UnmarshalText reads what MarshalText wrote. It does not check that the bytes are a key.
func (p *BLSPublicKey) UnmarshalText(text []byte) error {
	return decodeHex(p[:], text, "bls public key")
}

// MarshalText encodes the proof as 96 hex digits.
func (p BLSProof) MarshalText() ([]byte, error) { return encodeHex(p[:]), nil }

// UnmarshalText reads what MarshalText wrote. It does not check the proof.
func (p *BLSProof) UnmarshalText(text []byte) error { return decodeHex(p[:], text, "bls proof") }
