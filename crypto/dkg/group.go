package dkg

import (
	stdcrypto "crypto"
	_ "crypto/sha512" // ExpandMessageXMD asks for it by number
	"encoding/binary"

	"github.com/oasisprotocol/curve25519-voi/primitives/h2c"
)

// Group is a group of prime order in which a run commits to its polynomials, with the field of scalars
// that the polynomials are over. There are two, Ristretto255 and BLS12381G2; both are safe for concurrent
// use. What a run encrypts its shares with is on ristretto255 in any case.
type Group interface {
	// Name is in the tags of all hashes.
	Name() string
	// ElementSize is the size of an encoded element in bytes.
	ElementSize() int

	// element reads the one encoding of an element and refuses the identity, which has no use in a key
	// generation and many misuses.
	element(b []byte) (element, error)
	identity() element
	// basePower is g^s in constant time.
	basePower(s number) element
	// basePowerMinus is g^z * x^-c, of public values.
	basePowerMinus(z number, x element, c number) element

	// number reads the one encoding of a scalar.
	number(b []byte) (number, error)
	// small is a small scalar.
	small(x uint64) number
	// wide reduces 64 bytes, so that uniform bytes give a scalar without bias.
	wide(b []byte) number
}

// element is a member of a group. The methods change the receiver; operands are of the same group.
type element interface {
	clone() element
	add(o element)
	double()
	equal(o element) bool
	isIdentity() bool
	encode() []byte
}

// number is a scalar of a group, in constant time throughout. The methods change the receiver; operands
// are of the same group.
type number interface {
	clone() number
	add(o number)
	mul(o number)
	equal(o number) bool
	encode() [ScalarSize]byte
}

// The hashes to scalars and the key derivations, by purpose. The tag of one is named after the group too.
const (
	forPossession = "POK"
	forComplaint  = "COMPL"
	forEncryption = "DKGKEM"
	forDeal       = "DKGDEAL"
	forNonce      = "DKGNONCE"
)

func tag(g Group, purpose string) string { return "DUNLIN-V1-" + g.Name() + "-" + purpose }

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

// wideSize is how many uniform bytes give a scalar.
const wideSize = 64

// hashToScalar is 64 bytes of expand_message_xmd with SHA-512 (RFC 9380), reduced; on ristretto255 it is
// the HashToScalar of RFC 9497.
func hashToScalar(g Group, purpose string, parts ...[]byte) number {
	var wide [wideSize]byte
	if err := h2c.ExpandMessageXMD(wide[:], stdcrypto.SHA512, []byte(tag(g, purpose)), tuple(parts...)); err != nil {
		panic("dkg: hash to scalar: " + err.Error())
	}
	return g.wide(wide[:])
}

// valueAt is the polynomial with the coefficients, lowest first, at x, in constant time.
func valueAt(g Group, coefficients []number, x int) number {
	at, out := g.small(uint64(x)), g.small(0)
	for j := len(coefficients) - 1; j >= 0; j-- {
		out.mul(at)
		out.add(coefficients[j])
	}
	return out
}

// commitmentAt is g to the polynomial at x, from the commitments to its coefficients, lowest first. x is
// a small number, so Horner's rule takes far fewer additions than a multi-scalar multiplication by the
// powers of x, which fill the whole length of a scalar soon. All of it is public.
func commitmentAt(commitments []element, x int) element {
	out := commitments[len(commitments)-1].clone()
	for j := len(commitments) - 2; j >= 0; j-- {
		multiply(out, x)
		out.add(commitments[j])
	}
	return out
}

// multiply raises p to a public x of at least 1, by doubling and adding.
func multiply(p element, x int) {
	top := 1
	for top<<1 <= x {
		top <<= 1
	}
	base := p.clone()
	for bit := top >> 1; bit > 0; bit >>= 1 {
		p.double()
		if x&bit != 0 {
			p.add(base)
		}
	}
}
