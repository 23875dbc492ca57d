package crypto

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// Sizes of the KEM key on ristretto255 in bytes.
const (
	KEMSecretSize = 32
	KEMPublicSize = 32
	KEMProofSize  = 64
)

// KEMPublicKey is Q = g^q, an encoded ristretto255 element (RFC 9496): the key to which dealers
// encrypt a validator's shares.
type KEMPublicKey [KEMPublicSize]byte

// KEMProof is a Schnorr proof that someone knows q of a KEMPublicKey, made for one identity:
// the commitment A = g^a (32 bytes), then the answer z = a + c*q (32 bytes, little-endian).
type KEMProof [KEMProofSize]byte

// KEMKey is the secret scalar q with its public key. It is immutable and safe for concurrent use.
type KEMKey struct {
	secret *scalar.Scalar
	public KEMPublicKey
}

// ErrProof wraps everything that makes a public key or its proof of possession unacceptable.
var ErrProof = errors.New("proof of possession does not hold")

// NewKEMKey reads a secret: a canonical little-endian scalar of 32 bytes that is not zero.
func NewKEMKey(secret []byte) (*KEMKey, error) {
	if len(secret) != KEMSecretSize {
		return nil, fmt.Errorf("kem key: secret of %d bytes, want %d", len(secret), KEMSecretSize)
	}
	q, err := scalar.NewFromCanonicalBytes(secret)
	if err != nil {
		return nil, fmt.Errorf("kem key: %w", err)
	}
	return newKEMKey(q)
}

// GenerateKEMKey draws a new key from random.
func GenerateKEMKey(random io.Reader) (*KEMKey, error) {
	var wide [scalar.ScalarWideSize]byte
	if _, err := io.ReadFull(random, wide[:]); err != nil {
		return nil, fmt.Errorf("draw kem key: %w", err)
	}
	return newKEMKey(wideScalar(wide[:]))
}

func newKEMKey(q *scalar.Scalar) (*KEMKey, error) {
	if q.Equal(scalar.New()) == 1 {
		return nil, errors.New("kem key: secret is zero")
	}
	return &KEMKey{secret: q, public: basePower(q)}, nil
}

// Public is Q.
func (k *KEMKey) Public() KEMPublicKey { return k.public }

// Secret is the 32 bytes from which NewKEMKey makes k again.
func (k *KEMKey) Secret() []byte {
	out := make([]byte, KEMSecretSize)
	if err := k.secret.ToBytes(out); err != nil {
		panic("crypto: scalar does not encode: " + err.Error())
	}
	return out
}

// Prove shows to whoever sees the proof that k's owner, who goes by identity, knows the secret.
// The proof is the same each time: its nonce derives from the secret.
func (k *KEMKey) Prove(identity PublicKey) KEMProof {
	secret := k.Secret()
	low := Hash(domainKEMNonce, secret, identity[:], []byte{0})
	high := Hash(domainKEMNonce, secret, identity[:], []byte{1})
	nonce := wideScalar(append(low[:], high[:]...))
	commitment := basePower(nonce)
	answer := scalar.New().Mul(kemChallenge(identity, k.public, commitment[:]), k.secret)
	answer.Add(answer, nonce)
	var proof KEMProof
	copy(proof[:], commitment[:])
	if err := answer.ToBytes(proof[KEMPublicSize:]); err != nil {
		panic("crypto: scalar does not encode: " + err.Error())
	}
	return proof
}

// VerifyPossession checks that proof was made by the owner of p for identity. It refuses the
// identity element and every encoding that is not canonical. Errors wrap ErrProof.
func (p KEMPublicKey) VerifyPossession(identity PublicKey, proof KEMProof) error {
	public, err := decodeElement(p[:])
	if err != nil {
		return fmt.Errorf("%w: kem public key: %w", ErrProof, err)
	}
	commitment, err := decodeElement(proof[:KEMPublicSize])
	if err != nil {
		return fmt.Errorf("%w: kem commitment: %w", ErrProof, err)
	}
	answer, err := scalar.NewFromCanonicalBytes(proof[KEMPublicSize:])
	if err != nil {
		return fmt.Errorf("%w: kem answer: %w", ErrProof, err)
	}
	challenge := kemChallenge(identity, p, proof[:KEMPublicSize])
	// g^z * Q^-c, all of it public, must be the commitment.
	got := curve.NewRistrettoPoint().DoubleScalarMulBasepointVartime(challenge.Neg(challenge), public, answer)
	if got.Equal(commitment) != 1 {
		return fmt.Errorf("%w: kem key %s was not shown to belong to identity %s", ErrProof, p, identity)
	}
	return nil
}

// String is the key in hex.
func (p KEMPublicKey) String() string { return hex.EncodeToString(p[:]) }

// MarshalText encodes p as 64 hex digits.
func (p KEMPublicKey) MarshalText() ([]byte, error) { return encodeHex(p[:]), nil }

// UnmarshalText reads what MarshalText wrote. It does not check that the bytes are a key.
func (p *KEMPublicKey) UnmarshalText(text []byte) error {
	return decodeHex(p[:], text, "kem public key")
}

// MarshalText encodes the proof as 128 hex digits.
func (p KEMProof) MarshalText() ([]byte, error) { return encodeHex(p[:]), nil }

// UnmarshalText reads what MarshalText wrote. It does not check the proof.
func (p *KEMProof) UnmarshalText(text []byte) error { return decodeHex(p[:], text, "kem proof") }

func kemChallenge(identity PublicKey, public KEMPublicKey, commitment []byte) *scalar.Scalar {
	d := Hash(DomainKEMPossess, identity[:], public[:], commitment)
	c, err := scalar.NewFromBytesModOrder(d[:])
	if err != nil {
		panic("crypto: digest is no scalar: " + err.Error())
	}
	return c
}

// basePower is g^q, encoded, in constant time.
func basePower(q *scalar.Scalar) (out [KEMPublicSize]byte) {
	p := curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, q)
	return *curve.NewCompressedRistretto().SetRistrettoPoint(p)
}

// wideScalar reduces 64 bytes, so that uniform bytes give a scalar without bias.
func wideScalar(wide []byte) *scalar.Scalar {
	q, err := scalar.NewFromBytesModOrderWide(wide)
	if err != nil {
		panic("crypto: wide scalar: " + err.Error())
	}
	return q
}

func decodeElement(b []byte) (*curve.RistrettoPoint, error) {
	compressed, err := curve.NewCompressedRistretto().SetBytes(b)
	if err != nil {
		return nil, err
	}
	p, err := curve.NewRistrettoPoint().SetCompressed(compressed)
	if err != nil {
		return nil, err
	}
	if p.IsIdentity() {
		return nil, errors.New("identity element")
	}
	return p, nil
}
