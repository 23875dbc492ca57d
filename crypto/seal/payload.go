package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// The payload of a ciphertext is the AEAD of sigma, then the message with its length before it and
// zeros behind it.

// payloadNonce is fixed, since every key is used once.
var payloadNonce [chacha20poly1305.NonceSize]byte

// payloadKey derives the AEAD of one ciphertext from its mask K = h^r.
func payloadKey(mask [pointSize]byte, ctx *[contextSize]byte, u [pointSize]byte) cipher.AEAD {
	info := tuple([]byte(tagKDF), ctx[:], u[:])
	key, err := hkdf.Key(sha256.New, mask[:], nil, string(info), chacha20poly1305.KeySize)
	if err != nil {
		panic("seal: derive payload key: " + err.Error())
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		panic("seal: payload cipher: " + err.Error())
	}
	return aead
}

func sealPayload(aead cipher.AEAD, ctx *[contextSize]byte, sigma Opening, padded []byte) []byte {
	plain := make([]byte, 0, payloadOverhead+len(padded))
	plain = append(plain, sigma[:]...)
	plain = append(plain, padded...)
	return aead.Seal(plain[:0], payloadNonce[:], plain, ctx[:])
}

// openPayload gives sigma and the message, or false if the payload is not one that Encrypt makes.
// That sigma is the right one is for the caller to check.
func openPayload(aead cipher.AEAD, ctx *[contextSize]byte, payload []byte) (Opening, []byte, bool) {
	plain, err := aead.Open(nil, payloadNonce[:], payload, ctx[:])
	if err != nil || len(plain) < OpeningSize {
		return Opening{}, nil, false
	}
	message, ok := unpad(plain[OpeningSize:])
	return Opening(plain[:OpeningSize]), message, ok
}

func paddedSize(message int) int {
	return (lengthSize + message + BucketSize - 1) / BucketSize * BucketSize
}

func pad(message []byte) []byte {
	out := make([]byte, paddedSize(len(message)))
	binary.BigEndian.PutUint32(out, uint32(len(message)))
	copy(out[lengthSize:], message)
	return out
}

// unpad is strict: one message has one padded form.
func unpad(padded []byte) ([]byte, bool) {
	if len(padded) < lengthSize {
		return nil, false
	}
	size := binary.BigEndian.Uint32(padded)
	if size > MaxMessageSize || paddedSize(int(size)) != len(padded) {
		return nil, false
	}
	rest := padded[lengthSize:]
	for _, b := range rest[size:] {
		if b != 0 {
			return nil, false
		}
	}
	return rest[:size:size], true
}
