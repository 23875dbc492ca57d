package certify

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc"
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/dunlin-network/dunlin/crypto"
)

// Committee is what everybody knows of a certificate key.
type Committee struct {
	public    PublicKey
	key       fast.G2Affine
	threshold int
	shares    []fast.G2Affine // Y_k; the identity for a member without a usable share
}

// Partial is a member's signature. Members are counted from 0; member k holds the value at k+1.
type Partial struct {
	Member    int
	Signature Signature
}

// NewCommittee takes a key and its public shares as package dkg gives them, uncompressed elements of G2. A share
// may be the identity: such a member's signatures never count. With 100 members it takes 6 ms. Errors wrap
// ErrKey.
func NewCommittee(public []byte, threshold int, shares [][]byte) (*Committee, error) {
	key, err := readKey(public)
	if err != nil {
		return nil, err
	}
	if threshold < 1 || threshold > len(shares) {
		return nil, fmt.Errorf("%w: threshold %d with %d members", ErrKey, threshold, len(shares))
	}
	c := &Committee{public: key.Bytes(), key: *key, threshold: threshold, shares: make([]fast.G2Affine, len(shares))}
	for k := range shares {
		if _, err := c.shares[k].SetBytes(shares[k]); err != nil {
			return nil, fmt.Errorf("%w: public share of member %d: %w", ErrKey, k, err)
		}
	}
	return c, nil
}

// Public is the key.
func (c *Committee) Public() PublicKey { return c.public }

// Threshold is 2f+1: so many partial signatures combine.
func (c *Committee) Threshold() int { return c.threshold }

// Combine is the committee's signature from the first Threshold of the partial ones, which must be of different
// members. It does not verify: whoever combines verifies the outcome. It takes 0.1 ms for each. Errors wrap
// ErrQuorum, and ErrSignature where a partial signature is no element of G1.
func (c *Committee) Combine(partials []Partial) (Signature, error) {
	if len(partials) < c.threshold {
		return Signature{}, fmt.Errorf("%w: %d, want %d", ErrQuorum, len(partials), c.threshold)
	}
	partials = partials[:c.threshold]
	points := make([]fast.G1Affine, len(partials))
	for i := range partials {
		p, err := c.read(partials, i)
		if err != nil {
			return Signature{}, err
		}
		points[i] = *p
	}
	sum, err := new(fast.G1Affine).MultiExp(points, lagrange(partials), ecc.MultiExpConfig{NbTasks: 1})
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrQuorum, err)
	}
	return Signature(sum.Bytes()), nil
}

// read gives the signature at i, of a member that no earlier one is of.
func (c *Committee) read(partials []Partial, i int) (*fast.G1Affine, error) {
	member := partials[i].Member
	if member < 0 || member >= len(c.shares) {
		return nil, fmt.Errorf("%w: member %d of %d", ErrQuorum, member, len(c.shares))
	}
	for _, other := range partials[:i] {
		if other.Member == member {
			return nil, fmt.Errorf("%w: two of member %d", ErrQuorum, member)
		}
	}
	return readSignature(partials[i].Signature)
}

// lagrange is the weights of the signers' values for the value at 0.
func lagrange(partials []Partial) []fr.Element {
	at := make([]fr.Element, len(partials))
	for i := range partials {
		at[i].SetUint64(uint64(partials[i].Member) + 1)
	}
	above, below := make([]fr.Element, len(at)), make([]fr.Element, len(at))
	for i := range at {
		above[i].SetOne()
		below[i].SetOne()
		for j := range at {
			if j == i {
				continue
			}
			var d fr.Element
			above[i].Mul(&above[i], &at[j])
			below[i].Mul(&below[i], d.Sub(&at[j], &at[i]))
		}
	}
	for i, inverse := range fr.BatchInvert(below) {
		above[i].Mul(&above[i], &inverse)
	}
	return above
}

// Wrong gives the positions of the partial signatures that do not verify, ascending. If all do, it takes one
// pairing equation and 0.6 ms for each signature; each wrong one costs up to 2*log2(n) equations more. The
// same input always gives the same answer.
func (c *Committee) Wrong(message crypto.Digest, partials []Partial) []int {
	s := search{committee: c, message: hashed(message), partials: partials, points: make([]*fast.G1Affine, len(partials))}
	var fitting, wrong []int
	for i := range partials {
		member := partials[i].Member
		p, err := readSignature(partials[i].Signature)
		if err != nil || member < 0 || member >= len(c.shares) || c.shares[member].IsInfinity() {
			wrong = append(wrong, i)
			continue
		}
		s.points[i] = p
		fitting = append(fitting, i)
	}
	return merge(wrong, s.locate(fitting))
}

// merge joins two ascending lists.
func merge(a, b []int) []int {
	var out []int
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || (len(a) > 0 && a[0] < b[0]) {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

// search looks for wrong partial signatures of one message.
type search struct {
	committee *Committee
	message   *fast.G1Affine
	partials  []Partial
	points    []*fast.G1Affine
}

// locate gives the wrong ones of a set by halving it where it does not hold.
func (s *search) locate(set []int) []int {
	switch {
	case len(set) == 0 || s.hold(set):
		return nil
	case len(set) == 1:
		return set
	}
	half := len(set) / 2
	return append(s.locate(set[:half]), s.locate(set[half:])...)
}

// hold checks e(sum of w_i S_i, g2) = e(message, sum of w_i Y_i) with weights of 128 bits. They come from a hash
// of the whole set, so nobody can choose signatures to fit them.
func (s *search) hold(set []int) bool {
	seed := sha256.New()
	seed.Write([]byte("DUNLIN-V1-BLS12381G1-WEIGHTS"))
	message := s.message.Bytes()
	seed.Write(message[:])
	for _, i := range set {
		seed.Write(binary.BigEndian.AppendUint32(nil, uint32(s.partials[i].Member)))
		seed.Write(s.partials[i].Signature[:])
	}
	weights := shortScalars(seed.Sum(nil), len(set))
	signatures, keys := make([]fast.G1Affine, len(set)), make([]fast.G2Affine, len(set))
	for at, i := range set {
		signatures[at], keys[at] = *s.points[i], s.committee.shares[s.partials[i].Member]
	}
	one := ecc.MultiExpConfig{NbTasks: 1}
	signature, err := new(fast.G1Affine).MultiExp(signatures, weights, one)
	if err != nil {
		return false
	}
	key, err := new(fast.G2Affine).MultiExp(keys, weights, one)
	return err == nil && paired(signature, s.message, key)
}

// shortScalars are scalars of 128 bits that derive from a seed; none is zero.
func shortScalars(seed []byte, n int) []fr.Element {
	out := make([]fr.Element, n)
	for i := range out {
		d := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte(nil), seed...), uint32(i)))
		clear(d[:16])
		d[31] |= 1
		out[i].SetBytes(d[:])
	}
	return out
}
