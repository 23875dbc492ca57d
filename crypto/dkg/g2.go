package dkg

import (
	"errors"
	"math/big"

	"github.com/cloudflare/circl/ecc/bls12381"
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"
)

// BLS12381G2 is the group of prime order in G2 of BLS12-381: the certificate key's. Elements stand
// uncompressed in deals, 192 bytes (x.c1, x.c0, y.c1, y.c0, 48 bytes each, big-endian): a compressed one takes
// ten times as long to read, and a deal has many. Scalars are big-endian.
//
// What is secret meets circl's constant-time operations; what stands in the log gnark-crypto's faster ones.
var BLS12381G2 Group = g2{}

type g2 struct{}

const g2Size = fast.SizeOfG2AffineUncompressed

func (g2) Name() string     { return "BLS12381G2" }
func (g2) ElementSize() int { return g2Size }

var errEncoding = errors.New("not the encoding of an element")

// flags are the bits of an encoding's first byte that say that it is compressed, the identity, or which of
// two roots: none of them is set in the one encoding of an element other than the identity.
const flags = 0xe0

func (g2) element(b []byte) (element, error) {
	if len(b) != g2Size || b[0]&flags != 0 {
		return nil, errEncoding
	}
	var p fast.G2Affine
	if _, err := p.SetBytes(b); err != nil { // on the curve, and in the subgroup of prime order
		return nil, err
	}
	if p.IsInfinity() {
		return nil, errIdentity
	}
	out := new(g2Element)
	out.point.FromAffine(&p)
	return out, nil
}

func (g2) identity() element {
	out := new(g2Element)
	out.point.FromAffine(new(fast.G2Affine))
	return out
}

func (g g2) basePower(s number) element {
	var p bls12381.G2
	p.ScalarMult(g2Scalar(s), bls12381.G2Generator())
	if p.IsIdentity() {
		return g.identity()
	}
	out, err := g.element(p.Bytes())
	if err != nil {
		panic("dkg: an element does not read back: " + err.Error())
	}
	return out
}

func (g2) basePowerMinus(z number, x element, c number) element {
	_, base, _, _ := fast.Generators()
	power := func(p *fast.G2Jac, s number) *fast.G2Jac {
		b := s.encode()
		return new(fast.G2Jac).ScalarMultiplication(p, new(big.Int).SetBytes(b[:]))
	}
	out := &g2Element{*power(&base, z)}
	out.point.SubAssign(power(g2Point(x), c))
	return out
}

func (g2) number(b []byte) (number, error) {
	n := new(g2Number)
	if len(b) != ScalarSize {
		return nil, errEncoding
	}
	if err := n.scalar.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	return n, nil
}

func (g2) small(x uint64) number {
	n := new(g2Number)
	n.scalar.SetUint64(x)
	return n
}

// wide takes 16 bytes at a time, which need no reduction.
func (g g2) wide(b []byte) number {
	const part = 16
	shift := make([]byte, ScalarSize)
	shift[ScalarSize-part-1] = 1
	out, factor := g.small(0), g.bounded(shift)
	for ; len(b) > 0; b = b[part:] {
		out.mul(factor)
		out.add(g.bounded(append(make([]byte, ScalarSize-part, ScalarSize), b[:part]...)))
	}
	return out
}

// bounded is a scalar that is known to be below the order.
func (g g2) bounded(b []byte) number {
	n, err := g.number(b)
	if err != nil {
		panic("dkg: scalar: " + err.Error())
	}
	return n
}

type g2Element struct{ point fast.G2Jac }

func g2Point(e element) *fast.G2Jac { return &e.(*g2Element).point }

func (e *g2Element) clone() element       { return &g2Element{e.point} }
func (e *g2Element) add(o element)        { e.point.AddAssign(g2Point(o)) }
func (e *g2Element) double()              { e.point.DoubleAssign() }
func (e *g2Element) equal(o element) bool { return e.point.Equal(g2Point(o)) }
func (e *g2Element) isIdentity() bool     { return e.point.Z.IsZero() }
func (e *g2Element) encode() []byte {
	var p fast.G2Affine
	out := p.FromJacobian(&e.point).RawBytes()
	return out[:]
}

type g2Number struct{ scalar bls12381.Scalar }

func g2Scalar(n number) *bls12381.Scalar { return &n.(*g2Number).scalar }

func (n *g2Number) clone() number       { return &g2Number{n.scalar} }
func (n *g2Number) add(o number)        { n.scalar.Add(&n.scalar, g2Scalar(o)) }
func (n *g2Number) mul(o number)        { n.scalar.Mul(&n.scalar, g2Scalar(o)) }
func (n *g2Number) equal(o number) bool { return n.scalar.IsEqual(g2Scalar(o)) == 1 }
func (n *g2Number) encode() (out [ScalarSize]byte) {
	b, err := n.scalar.MarshalBinary()
	if err != nil {
		panic("dkg: scalar does not encode: " + err.Error())
	}
	copy(out[:], b)
	return out
}
