package seal

import (
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// SecretSize is the size of an encoded secret share in bytes.
const SecretSize = scalarSize

// SecretShare is one validator's share s_k of the secret key. Decrypt may be called concurrently;
// Erase must not run beside anything else.
type SecretShare struct {
	key    *Key
	index  int
	secret *scalar.Scalar // nil when erased
	public [pointSize]byte
}

// NewSecretShare reads the share of the validator with the given index, 1 to MaxCommittee: a canonical
// little-endian scalar of 32 bytes that is not zero. Errors wrap ErrIndex or ErrScalar.
func NewSecretShare(key *Key, index int, secret []byte) (*SecretShare, error) {
	if index < 1 || index > MaxCommittee {
		return nil, fmt.Errorf("read secret share: %w: %d", ErrIndex, index)
	}
	s, err := decodeScalar(secret)
	if err != nil {
		return nil, fmt.Errorf("read secret share: %w", err)
	}
	if s.Equal(scalar.New()) == 1 {
		return nil, fmt.Errorf("read secret share: %w: zero", ErrScalar)
	}
	y := curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, s)
	return &SecretShare{key: key, index: index, secret: s, public: encodePoint(y)}, nil
}

// Index is the validator's index, from 1.
func (s *SecretShare) Index() int { return s.index }

// Public is Y_k = g^(s_k), encoded.
func (s *SecretShare) Public() [KeySize]byte { return s.public }

// Bytes is the secret, from which NewSecretShare makes s again; nil after Erase.
func (s *SecretShare) Bytes() []byte {
	if s.secret == nil {
		return nil
	}
	b := encodeScalar(s.secret)
	return b[:]
}

// Erase overwrites the secret; Decrypt refuses from then on. Erase a share once every commit under its
// key is opened.
func (s *SecretShare) Erase() {
	if s.secret != nil {
		s.secret.Zero()
	}
	s.secret = nil
}

// Decrypt makes this validator's share of a batch: for each ciphertext u^(s_k), and one proof for
// all. CALL IT ONLY FOR A COMMIT THAT IS FIXED LOCALLY: it opens. It draws no randomness, so a share made
// again is the same bytes. Errors wrap ErrKeyID or ErrErased.
func (s *SecretShare) Decrypt(b *Batch) (*Share, error) {
	if s.secret == nil {
		return nil, fmt.Errorf("make share: %w", ErrErased)
	}
	if !b.key.same(s.key) {
		return nil, fmt.Errorf("make share: %w: batch of key %d, share of %d", ErrKeyID, b.key.id, s.key.id)
	}
	out := &Share{keyID: s.key.id, index: s.index, batch: b.id, points: make([]*curve.RistrettoPoint, b.Len())}
	out.encoded = make([]byte, 0, b.Len()*pointSize)
	for i, u := range b.points {
		out.points[i] = curve.NewRistrettoPoint().Mul(u, s.secret)
		encoded := encodePoint(out.points[i])
		out.encoded = append(out.encoded, encoded[:]...)
	}
	s.prove(b, out)
	return out, nil
}

// prove adds the proof that every point of out is its u to the power of s: one proof for the product
// of all u, each to a power rho that the points themselves determine.
func (s *SecretShare) prove(b *Batch, out *Share) {
	d := curve.NewRistrettoPoint().MultiscalarMulVartime(out.rho(), b.points)
	encodedD, secret := encodePoint(d), encodeScalar(s.secret)
	a := hashToScalar(tagNonce, secret[:], out.batch[:], encodeIndex(s.index), out.encoded, encodedD[:])
	out.a = curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, a)
	out.b = curve.NewRistrettoPoint().Mul(d, a)
	out.encodedA, out.encodedB = encodePoint(out.a), encodePoint(out.b)
	out.z = scalar.New().Mul(out.challenge(s.public), s.secret)
	out.z.Add(out.z, a)
}
