package dkg

import (
	"errors"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// Ristretto255 is the group of RFC 9496: the sealing key's, and the one of all KEM keys. Elements take 32
// bytes, scalars are little-endian.
var Ristretto255 Group = kem

// kem is the group of KEM keys, whichever group the polynomials are committed to in.
var kem ristretto

type ristretto struct{}

var errIdentity = errors.New("identity element")

func (ristretto) Name() string     { return "R255" }
func (ristretto) ElementSize() int { return kemElementSize }

// kemElementSize is the size of an element of ristretto255 in bytes.
const kemElementSize = crypto.KEMPublicSize

func (ristretto) element(b []byte) (element, error) {
	compressed, err := curve.NewCompressedRistretto().SetBytes(b)
	if err != nil {
		return nil, err
	}
	p, err := curve.NewRistrettoPoint().SetCompressed(compressed)
	if err != nil {
		return nil, err
	}
	if p.IsIdentity() {
		return nil, errIdentity
	}
	return &ristrettoElement{p}, nil
}

func (ristretto) identity() element { return &ristrettoElement{curve.NewRistrettoPoint()} }

func (ristretto) basePower(s number) element {
	return &ristrettoElement{curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, scalarOf(s))}
}

// power is p^s in constant time.
func (ristretto) power(p element, s number) element {
	return &ristrettoElement{curve.NewRistrettoPoint().Mul(pointOf(p), scalarOf(s))}
}

func (ristretto) basePowerMinus(z number, x element, c number) element {
	minus := scalar.New().Neg(scalarOf(c))
	return &ristrettoElement{curve.NewRistrettoPoint().DoubleScalarMulBasepointVartime(minus, pointOf(x), scalarOf(z))}
}

// powerMinus is base^z * x^-c, of public values.
func (ristretto) powerMinus(base element, z number, x element, c number) element {
	scalars := []*scalar.Scalar{scalarOf(z), scalar.New().Neg(scalarOf(c))}
	points := []*curve.RistrettoPoint{pointOf(base), pointOf(x)}
	return &ristrettoElement{curve.NewRistrettoPoint().MultiscalarMulVartime(scalars, points)}
}

func (ristretto) number(b []byte) (number, error) {
	s, err := scalar.NewFromCanonicalBytes(b)
	if err != nil {
		return nil, err
	}
	return &ristrettoNumber{s}, nil
}

func (ristretto) small(x uint64) number { return &ristrettoNumber{scalar.NewFromUint64(x)} }

func (ristretto) wide(b []byte) number {
	s, err := scalar.NewFromBytesModOrderWide(b)
	if err != nil {
		panic("dkg: wide scalar: " + err.Error())
	}
	return &ristrettoNumber{s}
}

// secret is q of a KEM key.
func (ristretto) secret(key *crypto.KEMKey) number {
	q, err := scalar.NewFromCanonicalBytes(key.Secret())
	if err != nil {
		panic("dkg: kem secret is no scalar: " + err.Error())
	}
	return &ristrettoNumber{q}
}

type ristrettoElement struct{ point *curve.RistrettoPoint }

func pointOf(e element) *curve.RistrettoPoint { return e.(*ristrettoElement).point }

func (e *ristrettoElement) clone() element {
	return &ristrettoElement{curve.NewRistrettoPoint().Set(e.point)}
}
func (e *ristrettoElement) add(o element)        { e.point.Add(e.point, pointOf(o)) }
func (e *ristrettoElement) double()              { e.point.Add(e.point, e.point) }
func (e *ristrettoElement) equal(o element) bool { return e.point.Equal(pointOf(o)) == 1 }
func (e *ristrettoElement) isIdentity() bool     { return e.point.IsIdentity() }
func (e *ristrettoElement) encode() []byte {
	return curve.NewCompressedRistretto().SetRistrettoPoint(e.point)[:]
}

type ristrettoNumber struct{ scalar *scalar.Scalar }

func scalarOf(n number) *scalar.Scalar { return n.(*ristrettoNumber).scalar }

func (n *ristrettoNumber) clone() number       { return &ristrettoNumber{scalar.New().Set(n.scalar)} }
func (n *ristrettoNumber) add(o number)        { n.scalar.Add(n.scalar, scalarOf(o)) }
func (n *ristrettoNumber) mul(o number)        { n.scalar.Mul(n.scalar, scalarOf(o)) }
func (n *ristrettoNumber) equal(o number) bool { return n.scalar.Equal(scalarOf(o)) == 1 }
func (n *ristrettoNumber) encode() (out [ScalarSize]byte) {
	if err := n.scalar.ToBytes(out[:]); err != nil {
		panic("dkg: scalar does not encode: " + err.Error())
	}
	return out
}
