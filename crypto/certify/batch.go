package certify

import (
	"crypto/sha256"

	"github.com/consensys/gnark-crypto/ecc"
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/dunlin-network/dunlin/crypto"
)

// Signed is a message with the committee's signature.
type Signed struct {
	Message   crypto.Digest
	Signature Signature
}

// VerifyAll checks signatures of one key and gives the positions of those that do not hold, ascending. If all do,
// it takes 1 ms and 0.6 ms for each. Errors wrap ErrKey.
func (p PublicKey) VerifyAll(signed []Signed) ([]int, error) {
	key, err := readKey(p[:])
	if err != nil {
		return nil, err
	}
	b := batch{key: key, signed: signed, points: make([]fast.G1Affine, len(signed)), messages: make([]fast.G1Affine, len(signed))}
	var fitting, wrong []int
	for i := range signed {
		point, err := readSignature(signed[i].Signature)
		if err != nil {
			wrong = append(wrong, i)
			continue
		}
		b.points[i], b.messages[i] = *point, *hashed(signed[i].Message)
		fitting = append(fitting, i)
	}
	return merge(wrong, b.locate(fitting)), nil
}

// batch looks for wrong signatures of one key.
type batch struct {
	key      *fast.G2Affine
	signed   []Signed
	points   []fast.G1Affine
	messages []fast.G1Affine
}

// locate gives the wrong ones of a set by halving it where it does not hold.
func (b *batch) locate(set []int) []int {
	switch {
	case len(set) == 0 || b.hold(set):
		return nil
	case len(set) == 1:
		return set
	}
	half := len(set) / 2
	return append(b.locate(set[:half]), b.locate(set[half:])...)
}

// hold checks e(sum of w_i S_i, g2) = e(sum of w_i H_i, key), with weights as in search.
func (b *batch) hold(set []int) bool {
	seed := sha256.New()
	seed.Write([]byte("DUNLIN-V1-BLS12381G1-BATCH"))
	key := b.key.Bytes()
	seed.Write(key[:])
	points, messages := make([]fast.G1Affine, len(set)), make([]fast.G1Affine, len(set))
	for at, i := range set {
		seed.Write(b.signed[i].Message[:])
		seed.Write(b.signed[i].Signature[:])
		points[at], messages[at] = b.points[i], b.messages[i]
	}
	weights := shortScalars(seed.Sum(nil), len(set))
	one := ecc.MultiExpConfig{NbTasks: 1}
	signature, err := new(fast.G1Affine).MultiExp(points, weights, one)
	if err != nil {
		return false
	}
	message, err := new(fast.G1Affine).MultiExp(messages, weights, one)
	return err == nil && paired(signature, message, b.key)
}
