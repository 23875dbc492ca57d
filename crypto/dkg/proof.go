package dkg

// proofSize is the size of a proof: the challenge c and the answer z = r + c*x, scalars of 32 bytes.
// The commitments are not sent: the verifier computes them and asks for the same challenge.
const proofSize = 2 * ScalarSize

// proof is a challenge and its answer.
type proof struct{ challenge, answer number }

// decodeProof reads the one encoding of a proof in a group.
func decodeProof(g Group, b []byte) (proof, error) {
	c, err := g.number(b[:ScalarSize])
	if err != nil {
		return proof{}, err
	}
	z, err := g.number(b[ScalarSize:proofSize])
	if err != nil {
		return proof{}, err
	}
	return proof{c, z}, nil
}

// append appends the encoding to b.
func (p proof) append(b []byte) []byte {
	c, z := p.challenge.encode(), p.answer.encode()
	return append(append(b, c[:]...), z[:]...)
}

// answer completes a proof that x is known, for a nonce of that proof alone.
func answer(challenge, nonce, x number) proof {
	z := challenge.clone()
	z.mul(x)
	z.add(nonce)
	return proof{challenge, z}
}

// statement is what a Schnorr proof in a deal is about: who knows the logarithm of which part of what.
type statement struct {
	run    *Run
	group  Group // of the part
	dealer int
	part   string // partConstant or partEphemeral
	value  []byte
	body   []byte // digest of the deal's elements
}

// The two secrets of a deal that its dealer shows to know.
const (
	partConstant  = "constant"
	partEphemeral = "ephemeral"
)

func (s *statement) encode() []byte {
	return tuple(s.run.bound, position(s.dealer), []byte(s.part), s.value, s.body)
}

func (s *statement) challenge(commitment element) number {
	return hashToScalar(s.group, forPossession, s.encode(), commitment.encode())
}

// prove shows to know x, the logarithm of s.value.
func (s *statement) prove(seed *seed, x number) proof {
	nonce := seed.number(s.group, forNonce, s.encode())
	return answer(s.challenge(s.group.basePower(nonce)), nonce, x)
}

// holds reports whether p proves s, whose value is x.
func (s *statement) holds(p proof, x element) bool {
	return s.challenge(s.group.basePowerMinus(p.answer, x, p.challenge)).equal(p.challenge)
}
