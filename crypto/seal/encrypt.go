package seal

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// SealedSize is the size in bytes of the ciphertext of a message of the given size in bytes.
func SealedSize(message int) int {
	return headerSize + payloadOverhead + paddedSize(message)
}

// Encrypt seals a message for k. The associated data aad, which stays readable, must hold everything
// that stands around the ciphertext (namespace, sender, nonce, expiry, fees): under any other aad
// the ciphertext is refused. It reads 64 bytes from random, which must be fit for keys (crypto/rand). Errors
// wrap ErrSize, or are random's.
func (k *Key) Encrypt(random io.Reader, aad, message []byte) ([]byte, error) {
	if len(message) > MaxMessageSize {
		return nil, fmt.Errorf("seal: message of %d bytes: %w (%d)", len(message), ErrSize, MaxMessageSize)
	}
	if len(aad) > MaxAssociatedSize {
		return nil, fmt.Errorf("seal: associated data of %d bytes: %w (%d)", len(aad), ErrSize, MaxAssociatedSize)
	}
	var fresh [2 * OpeningSize]byte
	if _, err := io.ReadFull(random, fresh[:]); err != nil {
		return nil, fmt.Errorf("seal: draw randomness: %w", err)
	}
	return k.encrypt(Opening(fresh[:OpeningSize]), fresh[OpeningSize:], aad, pad(message)), nil
}

// encrypt seals what is padded already.
func (k *Key) encrypt(sigma Opening, fresh, aad, padded []byte) []byte {
	ctx := k.context(aad)
	r := randomness(sigma, &ctx)
	u := encodePoint(curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, r))
	mask := encodePoint(curve.NewRistrettoPoint().MulBasepoint(k.h, r))
	return k.prove(&ctx, r, u, fresh, sealPayload(payloadKey(mask, &ctx, u), &ctx, sigma, padded))
}

// prove makes the ciphertext of a payload with u = g^r. The nonce of the proof depends on fresh bytes and
// on everything that the proof says, so that fresh bytes that repeat do not give r away.
func (k *Key) prove(ctx *[contextSize]byte, r *scalar.Scalar, u [pointSize]byte, fresh, payload []byte) []byte {
	second := encodePoint(curve.NewRistrettoPoint().MulBasepoint(k.second, r))
	secret := encodeScalar(r)
	s := hashToScalar(tagNonce, secret[:], fresh, ctx[:], payload)
	w := encodePoint(curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, s))
	wSecond := encodePoint(curve.NewRistrettoPoint().MulBasepoint(k.second, s))
	e := ciphertextChallenge(ctx, payload, u, w, second, wSecond)
	z := scalar.New().Mul(r, e)
	z.Add(z, s)

	encodedE, encodedZ := encodeScalar(e), encodeScalar(z)
	out := make([]byte, 0, headerSize+len(payload))
	out = append(out, version)
	out = binary.BigEndian.AppendUint64(out, k.id)
	out = append(out, u[:]...)
	out = append(out, second[:]...)
	out = append(out, encodedE[:]...)
	out = append(out, encodedZ[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(payload)))
	return append(out, payload...)
}

// randomness is the exponent r that sigma stands for.
func randomness(sigma Opening, ctx *[contextSize]byte) *scalar.Scalar {
	return hashToScalar(tagRandomness, sigma[:], ctx[:])
}
