package seal

import (
	gocrypto "crypto"
	"encoding/binary"
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"github.com/oasisprotocol/curve25519-voi/primitives/h2c"
)

// suite begins the domain separation tag of every hash of the scheme.
const suite = "DUNLIN-V1-R255-"

const (
	tagBase       = suite + "GBAR"
	tagContext    = suite + "CTX"
	tagRandomness = suite + "R"
	tagKDF        = suite + "KDF"
	tagChallenge  = suite + "CHAL"
	tagRho        = suite + "RHO"
	tagDLEQ       = suite + "DLEQ"
	tagNonce      = suite + "NONCE"
	tagWeights    = suite + "WEIGHTS"
	tagDualCode   = suite + "DUALCODE"
)

// tuple encodes parts so that they cannot be cut differently: each after its length, 32 bits
// big-endian.
func tuple(parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += lengthSize + len(p)
	}
	out := make([]byte, 0, size)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// hashToScalar is expand_message_xmd of RFC 9380 with SHA-512, reduced as a little-endian number.
func hashToScalar(tag string, parts ...[]byte) *scalar.Scalar {
	var wide [scalar.ScalarWideSize]byte
	if err := h2c.ExpandMessageXMD(wide[:], gocrypto.SHA512, []byte(tag), tuple(parts...)); err != nil {
		panic("seal: expand message: " + err.Error())
	}
	s, err := scalar.NewFromBytesModOrderWide(wide[:])
	if err != nil {
		panic("seal: wide scalar: " + err.Error())
	}
	return s
}

// hashToPoint is the suite ristretto255_XMD:SHA-512_R255MAP_RO_ of RFC 9380.
func hashToPoint(tag string, parts ...[]byte) *curve.RistrettoPoint {
	p, err := h2c.Ristretto255_XMD_R255MAP_RO(gocrypto.SHA512, []byte(tag), tuple(parts...))
	if err != nil {
		panic("seal: hash to group: " + err.Error())
	}
	return p
}

// decodePoint reads a canonical element that is not the identity.
func decodePoint(b []byte) (*curve.RistrettoPoint, error) {
	compressed, err := curve.NewCompressedRistretto().SetBytes(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	p, err := curve.NewRistrettoPoint().SetCompressed(compressed)
	if err != nil {
		return nil, ErrPoint
	}
	if p.IsIdentity() {
		return nil, ErrIdentity
	}
	return p, nil
}

func encodePoint(p *curve.RistrettoPoint) [pointSize]byte {
	return *curve.NewCompressedRistretto().SetRistrettoPoint(p)
}

func decodeScalar(b []byte) (*scalar.Scalar, error) {
	s, err := scalar.NewFromCanonicalBytes(b)
	if err != nil {
		return nil, ErrScalar
	}
	return s, nil
}

func encodeScalar(s *scalar.Scalar) (out [scalarSize]byte) {
	if err := s.ToBytes(out[:]); err != nil {
		panic("seal: scalar does not encode: " + err.Error())
	}
	return out
}

// shortScalar is the 128-bit number that 16 bytes stand for, little-endian.
func shortScalar(b []byte) *scalar.Scalar {
	var wide [scalarSize]byte
	copy(wide[:16], b)
	s, err := scalar.NewFromCanonicalBytes(wide[:])
	if err != nil {
		panic("seal: short scalar: " + err.Error())
	}
	return s
}

func encodeID(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func encodeIndex(index int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(index)) }
