package dkg

import (
	stdcrypto "crypto"
	_ "crypto/sha512" // ExpandMessageXMD asks for it by number
	"encoding/binary"
	"errors"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"github.com/oasisprotocol/curve25519-voi/primitives/h2c"
)

// Domain separation tags of the hashes to scalars and of the key derivations.
const (
	tagPossession = "DUNLIN-V1-R255-POK"
	tagComplaint  = "DUNLIN-V1-R255-COMPL"
	tagEncryption = "DUNLIN-V1-R255-DKGKEM"
	tagDeal       = "DUNLIN-V1-R255-DKGDEAL"
	tagNonce      = "DUNLIN-V1-R255-DKGNONCE"
)

type (
	element = curve.RistrettoPoint
	number  = scalar.Scalar
)

// tuple encodes parts injectively: each with its length in 4 bytes before it.
func tuple(parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += 4 + len(p)
	}
	out := make([]byte, 0, size)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// hashToScalar is HashToScalar of ristretto255 with expand_message_xmd and SHA-512 (RFC 9380, RFC 9497).
func hashToScalar(tag string, parts ...[]byte) *number {
	var wide [scalar.ScalarWideSize]byte
	if err := h2c.ExpandMessageXMD(wide[:], stdcrypto.SHA512, []byte(tag), tuple(parts...)); err != nil {
		panic("dkg: hash to scalar: " + err.Error())
	}
	return wideScalar(wide[:])
}

// wideScalar reduces 64 bytes, so that uniform bytes give a scalar without bias.
func wideScalar(wide []byte) *number {
	s, err := scalar.NewFromBytesModOrderWide(wide)
	if err != nil {
		panic("dkg: wide scalar: " + err.Error())
	}
	return s
}

func encodeScalar(s *number) (out [ScalarSize]byte) {
	if err := s.ToBytes(out[:]); err != nil {
		panic("dkg: scalar does not encode: " + err.Error())
	}
	return out
}

func encodeElement(p *element) [ElementSize]byte {
	return *curve.NewCompressedRistretto().SetRistrettoPoint(p)
}

// decodeElement reads the one encoding of an element and refuses the identity, which has no use in a
// key generation and many misuses.
func decodeElement(b []byte) (*element, error) {
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

// basePower is g^s in constant time.
func basePower(s *number) *element {
	return curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, s)
}

// power is p^s in constant time.
func power(p *element, s *number) *element { return curve.NewRistrettoPoint().Mul(p, s) }

// valueAt is the polynomial with the coefficients, lowest first, at x, in constant time.
func valueAt(coefficients []*number, x int) *number {
	at, out := scalar.NewFromUint64(uint64(x)), scalar.New()
	for j := len(coefficients) - 1; j >= 0; j-- {
		out.Add(out.Mul(out, at), coefficients[j])
	}
	return out
}

// commitmentAt is g to the polynomial at x, from the commitments to its coefficients, lowest first. x is
// a small number, so Horner's rule takes far fewer additions than a multi-scalar multiplication by the
// powers of x, which fill the whole length of a scalar soon. All of it is public.
func commitmentAt(commitments []*element, x int) *element {
	out := curve.NewRistrettoPoint().Set(commitments[len(commitments)-1])
	for j := len(commitments) - 2; j >= 0; j-- {
		out = smallMultiple(out, x)
		out.Add(out, commitments[j])
	}
	return out
}

// smallMultiple is p^x for a public x of at least 1, by doubling and adding.
func smallMultiple(p *element, x int) *element {
	top := 1
	for top<<1 <= x {
		top <<= 1
	}
	out := curve.NewRistrettoPoint().Set(p)
	for bit := top >> 1; bit > 0; bit >>= 1 {
		out.Add(out, out)
		if x&bit != 0 {
			out.Add(out, p)
		}
	}
	return out
}
