package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// Ciphertext is a ciphertext whose proof holds under a key and associated data. Only Verify makes
// one. It is immutable and safe for concurrent use.
type Ciphertext struct {
	key     *Key
	hash    crypto.Digest
	context [contextSize]byte
	encoded [pointSize]byte // u
	u       *curve.RistrettoPoint
	payload []byte
}

// Hash names the ciphertext: the digest of its bytes.
func (c *Ciphertext) Hash() crypto.Digest { return c.hash }

// Hash is the digest of a ciphertext's bytes, whether or not it is valid.
func Hash(ciphertext []byte) crypto.Digest { return crypto.Hash(crypto.DomainSealed, ciphertext) }

// KeyID reads which key the bytes of a ciphertext name, and checks no more than the version.
// Errors wrap ErrForm.
func KeyID(ciphertext []byte) (uint64, error) {
	if len(ciphertext) < headerSize || ciphertext[0] != version {
		return 0, fmt.Errorf("read key of ciphertext: %w", ErrForm)
	}
	return binary.BigEndian.Uint64(ciphertext[1:]), nil
}

// parts are the fields of an encoded ciphertext, each of the right length, none looked into.
type parts struct {
	u, second, e, z, payload []byte
}

// split cuts a ciphertext of k: version, key id (8), u, ubar, e, z (32 each), length (4), payload.
func (k *Key) split(ciphertext []byte) (parts, error) {
	if len(ciphertext) > MaxCiphertextSize {
		return parts{}, fmt.Errorf("%d bytes: %w (%d)", len(ciphertext), ErrSize, MaxCiphertextSize)
	}
	id, err := KeyID(ciphertext)
	if err != nil {
		return parts{}, err
	}
	if id != k.id {
		return parts{}, fmt.Errorf("%w: key %d, want %d", ErrKeyID, id, k.id)
	}
	body, payload := ciphertext[9:headerSize], ciphertext[headerSize:]
	length := binary.BigEndian.Uint32(body[4*pointSize:])
	padded := len(payload) - payloadOverhead
	if int(length) != len(payload) || padded < BucketSize || padded%BucketSize != 0 {
		return parts{}, fmt.Errorf("%w: payload of %d bytes, %d announced", ErrForm, len(payload), length)
	}
	return parts{body[:32], body[32:64], body[64:96], body[96:128], payload}, nil
}

// Verify checks in public, before the content is ordered, that whoever made the ciphertext for this
// aad knew its content. It costs two double multiplications and keeps a copy of the payload. Remember
// the result by Hash and aad rather than asking twice. Errors wrap ErrForm, ErrSize, ErrKeyID, ErrPoint,
// ErrIdentity, ErrScalar or ErrCiphertext; all are the sender's fault.
func (k *Key) Verify(aad, ciphertext []byte) (*Ciphertext, error) {
	c, err := k.verify(aad, ciphertext)
	if err != nil {
		return nil, fmt.Errorf("verify ciphertext: %w", err)
	}
	return c, nil
}

func (k *Key) verify(aad, ciphertext []byte) (*Ciphertext, error) {
	if len(aad) > MaxAssociatedSize {
		return nil, fmt.Errorf("associated data of %d bytes: %w (%d)", len(aad), ErrSize, MaxAssociatedSize)
	}
	p, err := k.split(ciphertext)
	if err != nil {
		return nil, err
	}
	u, err := decodePoint(p.u)
	if err != nil {
		return nil, fmt.Errorf("u: %w", err)
	}
	second, err := decodePoint(p.second)
	if err != nil {
		return nil, fmt.Errorf("ubar: %w", err)
	}
	e, err := decodeScalar(p.e)
	if err != nil {
		return nil, fmt.Errorf("e: %w", err)
	}
	z, err := decodeScalar(p.z)
	if err != nil {
		return nil, fmt.Errorf("z: %w", err)
	}
	c := &Ciphertext{key: k, context: k.context(aad), encoded: [pointSize]byte(p.u), u: u}
	if !k.proofHolds(&c.context, p, u, second, e, z) {
		return nil, ErrCiphertext
	}
	c.hash = Hash(ciphertext)
	c.payload = bytes.Clone(p.payload)
	return c, nil
}

// proofHolds checks e against w = g^z u^-e and wbar = gbar^z ubar^-e. All of it is public.
func (k *Key) proofHolds(ctx *[contextSize]byte, p parts, u, second *curve.RistrettoPoint, e, z *scalar.Scalar) bool {
	minus := scalar.New().Neg(e)
	w := curve.NewRistrettoPoint().DoubleScalarMulBasepointVartime(minus, u, z)
	wSecond := curve.NewRistrettoPoint().ExpandedMultiscalarMulVartime(
		[]*scalar.Scalar{z}, []*curve.ExpandedRistrettoPoint{k.expanded},
		[]*scalar.Scalar{minus}, []*curve.RistrettoPoint{second},
	)
	want := ciphertextChallenge(ctx, p.payload, [pointSize]byte(p.u), encodePoint(w),
		[pointSize]byte(p.second), encodePoint(wSecond))
	return want.Equal(e) == 1
}

// ciphertextChallenge is the e of a ciphertext's proof.
func ciphertextChallenge(ctx *[contextSize]byte, payload []byte, u, w, second, wSecond [pointSize]byte) *scalar.Scalar {
	digest := sha256.Sum256(payload)
	return hashToScalar(tagChallenge, ctx[:], digest[:], u[:], w[:], second[:], wSecond[:])
}
