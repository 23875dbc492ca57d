package dkg

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/cloudflare/circl/ecc/bls12381"
	"github.com/cloudflare/circl/sign/bls"
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// What the run makes in G2 is a BLS key of circl's: the interpolated secret signs, the public key verifies,
// and each share is the secret of its Y_k.
func TestG2MakesBLSKeys(t *testing.T) {
	p := newPartyIn(t, BLS12381G2, 7)
	deals := p.deals(t, 0, 2, 3, 4, 5)
	public, err := p.Combine(deals)
	if err != nil {
		t.Fatal(err)
	}
	fits := func(secret [ScalarSize]byte, element []byte) {
		t.Helper()
		private := new(bls.PrivateKey[bls.KeyG2SigG1])
		if err := private.UnmarshalBinary(secret[:]); err != nil {
			t.Fatal(err)
		}
		var point bls12381.G2
		if err := point.SetBytes(element); err != nil {
			t.Fatal(err)
		}
		key := new(bls.PublicKey[bls.KeyG2SigG1])
		if err := key.UnmarshalBinary(point.BytesCompressed()); err != nil {
			t.Fatal(err)
		}
		if !bls.Verify(key, []byte("x"), bls.Sign(private, []byte("x"))) {
			t.Error("a signature by the secret does not verify")
		}
	}
	fits(p.secretOf(t, deals, []int{6, 1, 3, 0, 2}).encode(), public.Key)
	for k := range p.members {
		share, err := p.OwnShare(deals, k, p.secrets[k])
		if err != nil {
			t.Fatal(err)
		}
		fits(share, public.Shares[k])
	}
}

// The commitment at x by another library and formula: the sum of C_j times x^j.
func TestG2CommitmentAt(t *testing.T) {
	p := newPartyIn(t, BLS12381G2, 7)
	d := p.deals(t, 4)[0]
	for k := range p.members {
		var sum bls12381.G2
		sum.SetIdentity()
		for j := range p.degree + 1 {
			at := dealPrefix + kemElementSize + j*g2Size
			var c bls12381.G2
			if err := c.SetBytes(d.Bytes()[at : at+g2Size]); err != nil {
				t.Fatal(err)
			}
			var x bls12381.Scalar
			x.SetBytes(new(big.Int).Exp(big.NewInt(int64(k+1)), big.NewInt(int64(j)), nil).Bytes())
			c.ScalarMult(&x, &c)
			sum.Add(&sum, &c)
		}
		if got := commitmentAt(d.commitments, k+1).encode(); !bytes.Equal(got, sum.Bytes()) {
			t.Errorf("commitment at %d differs", k+1)
		}
	}
}

// A commitment has one encoding, lies on the curve and in the subgroup of prime order.
func TestG2RefusesElements(t *testing.T) {
	_, _, _, generator := fast.Generators()
	good := generator.RawBytes()
	compressed := generator.Bytes()
	tests := map[string][]byte{
		"nothing":             {},
		"identity":            BLS12381G2.identity().encode(),
		"zero":                make([]byte, g2Size),
		"compressed":          compressed[:],
		"compressed, padded":  append(compressed[:], make([]byte, g2Size-len(compressed))...),
		"flag of compression": flagged(good, 0x80),
		"flag of infinity":    flagged(good, 0x40),
		"flag of a root":      flagged(good, 0x20),
		"not on the curve":    flagged(good, 0x01),
		"coordinate too high": tooHigh(good),
		"another subgroup":    outsider(t),
		"too long":            append(good[:], 0),
	}
	for name, b := range tests {
		if e, err := BLS12381G2.element(b); err == nil {
			t.Errorf("%s: accepted as %x", name, e.encode()[:8])
		}
	}
	if _, err := BLS12381G2.element(good[:]); err != nil {
		t.Errorf("the generator: %v", err)
	}
	p := newPartyIn(t, BLS12381G2, 4)
	raw := p.deal(1)
	copy(raw[dealPrefix+kemElementSize+g2Size:], outsider(t))
	if _, err := p.CheckDeal(1, raw); !errors.Is(err, ErrDeal) || errors.Is(err, ErrDealProof) {
		t.Errorf("a deal with a commitment outside the subgroup: %v", err)
	}
}

func flagged(good [g2Size]byte, flag byte) []byte {
	good[0] ^= flag
	return good[:]
}

// tooHigh adds the field's order to a coordinate, which then has a second encoding where it fits.
func tooHigh(good [g2Size]byte) []byte {
	x := new(big.Int).SetBytes(good[48:96])
	x.Add(x, fp.Modulus()).FillBytes(good[48:96])
	return good[:]
}

// outsider is a point of the curve over the quadratic extension that is not in the subgroup.
func outsider(t *testing.T) []byte {
	t.Helper()
	b := new(fast.G2Affine)
	for x := uint64(1); ; x++ {
		b.X.A0.SetUint64(x)
		b.X.A1.SetZero()
		b.Y.Square(&b.X).Mul(&b.Y, &b.X)
		four := b.X
		four.A0.SetUint64(4)
		four.A1.SetUint64(4)
		if b.Y.Add(&b.Y, &four); b.Y.Legendre() != 1 {
			continue
		}
		b.Y.Sqrt(&b.Y)
		if !b.IsOnCurve() || b.IsInSubGroup() {
			t.Fatal("no point outside the subgroup")
		}
		raw := b.RawBytes()
		return raw[:]
	}
}

// wide is the reduction of 64 bytes modulo the order.
func TestG2WideReduces(t *testing.T) {
	for _, b := range [][]byte{make([]byte, wideSize), bytes.Repeat([]byte{0xff}, wideSize), bytes.Repeat([]byte{0x5a, 1}, wideSize/2)} {
		if got := BLS12381G2.wide(b); !got.equal(value(BLS12381G2, new(big.Int).SetBytes(b))) {
			t.Errorf("%x is reduced to %x", b, got.encode())
		}
	}
}
