package dkg

import (
	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// proofSize is the size of a proof: the challenge c and the answer z = r + c*x, scalars of 32 bytes.
// The commitments are not sent: the verifier computes them and asks for the same challenge.
const proofSize = 2 * ScalarSize

// proof is a challenge and its answer.
type proof struct{ challenge, answer *number }

// decodeProof reads the one encoding of a proof.
func decodeProof(b []byte) (proof, error) {
	c, err := scalar.NewFromCanonicalBytes(b[:ScalarSize])
	if err != nil {
		return proof{}, err
	}
	z, err := scalar.NewFromCanonicalBytes(b[ScalarSize:proofSize])
	if err != nil {
		return proof{}, err
	}
	return proof{c, z}, nil
}

// append appends the encoding to b.
func (p proof) append(b []byte) []byte {
	c, z := encodeScalar(p.challenge), encodeScalar(p.answer)
	return append(append(b, c[:]...), z[:]...)
}

// answer completes a proof that x is known, for a nonce of that proof alone.
func answer(challenge, nonce, x *number) proof {
	z := scalar.New().Mul(challenge, x)
	return proof{challenge, z.Add(z, nonce)}
}

// basePowerMinus is g^z * x^-c, of public values.
func basePowerMinus(z *number, x *element, c *number) *element {
	minus := scalar.New().Neg(c)
	return curve.NewRistrettoPoint().DoubleScalarMulBasepointVartime(minus, x, z)
}

// powerMinus is base^z * x^-c, of public values.
func powerMinus(base *element, z *number, x *element, c *number) *element {
	minus := scalar.New().Neg(c)
	return curve.NewRistrettoPoint().MultiscalarMulVartime([]*number{z, minus}, []*element{base, x})
}

// statement is what a Schnorr proof in a deal is about: who knows the logarithm of which part of what.
type statement struct {
	run    *Run
	dealer int
	part   string // partConstant or partEphemeral
	value  [ElementSize]byte
	body   []byte // digest of the deal's elements
}

// The two secrets of a deal that its dealer shows to know.
const (
	partConstant  = "constant"
	partEphemeral = "ephemeral"
)

func (s *statement) encode() []byte {
	return tuple(s.run.bound, position(s.dealer), []byte(s.part), s.value[:], s.body)
}

func (s *statement) challenge(commitment *element) *number {
	a := encodeElement(commitment)
	return hashToScalar(tagPossession, s.encode(), a[:])
}

// prove shows to know x, the logarithm of s.value.
func (s *statement) prove(seed *seed, x *number) proof {
	nonce := seed.scalar(tagNonce, s.encode())
	return answer(s.challenge(basePower(nonce)), nonce, x)
}

// holds reports whether p proves s, whose value is x.
func (s *statement) holds(p proof, x *element) bool {
	return s.challenge(basePowerMinus(p.answer, x, p.challenge)).Equal(p.challenge) == 1
}
