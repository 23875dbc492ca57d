package seal

import (
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"
)

// OpeningSize is the size of an Opening in bytes.
const OpeningSize = 32

// Opening is sigma, from which a sender derived its randomness. Published after a ciphertext was opened, it
// proves to anyone what was inside.
type Opening [OpeningSize]byte

// Open decrypts a ciphertext with its opening: two multiplications of fixed bases, without keys of the
// committee. It does not check the ciphertext's own proof again; whether the ciphertext was
// committed is for the caller to know. Errors wrap ErrOpening, or what Verify says about the form.
func (k *Key) Open(aad, ciphertext []byte, sigma Opening) ([]byte, error) {
	if len(aad) > MaxAssociatedSize {
		return nil, fmt.Errorf("open ciphertext: associated data of %d bytes: %w (%d)", len(aad), ErrSize, MaxAssociatedSize)
	}
	p, err := k.split(ciphertext)
	if err != nil {
		return nil, fmt.Errorf("open ciphertext: %w", err)
	}
	c := Ciphertext{key: k, context: k.context(aad), encoded: [pointSize]byte(p.u), payload: p.payload}
	message, ok := c.openWith(sigma)
	if !ok {
		return nil, fmt.Errorf("open ciphertext: %w", ErrOpening)
	}
	return message, nil
}

// openWith decrypts with sigma alone. It needs of c all but the point u.
func (c *Ciphertext) openWith(sigma Opening) ([]byte, bool) {
	r := randomness(sigma, &c.context)
	u := encodePoint(curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, r))
	if u != c.encoded {
		return nil, false
	}
	mask := encodePoint(curve.NewRistrettoPoint().MulBasepoint(c.key.h, r))
	inside, message, ok := openPayload(payloadKey(mask, &c.context, c.encoded), &c.context, c.payload)
	if !ok || inside != sigma {
		return nil, false
	}
	return message, true
}

// openMask decrypts with a mask K that may be wrong. It answers only what encrypting again proves:
// that K = h^r and u = g^r for the r of the sigma inside. The payload's tag alone would prove
// nothing, since one payload can be made to open under two keys.
func (c *Ciphertext) openMask(mask *curve.RistrettoPoint) (Opening, []byte, bool) {
	aead := payloadKey(encodePoint(mask), &c.context, c.encoded)
	sigma, message, ok := openPayload(aead, &c.context, c.payload)
	if !ok {
		return Opening{}, nil, false
	}
	r := randomness(sigma, &c.context)
	again := curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, r)
	if again.Equal(c.u) != 1 {
		return Opening{}, nil, false
	}
	if again.MulBasepoint(c.key.h, r).Equal(mask) != 1 {
		return Opening{}, nil, false
	}
	return sigma, message, true
}
