package seal

import (
	"crypto/sha512"
	"math"
	"slices"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// VerifyShares checks shares of a batch, all in one multiplication, and gives the positions in shares
// of those that are wrong or not of this batch, ascending. The same input always gives the same answer.
// Only when something is wrong it searches, in groups and then one by one, which costs at most about six
// times the first check.
func (p *Public) VerifyShares(b *Batch, shares []*Share) (bad []int) {
	fitting := make([]int, 0, len(shares))
	for i, s := range shares {
		if s.fits(b, len(p.shares)) != nil || !b.key.same(p.key) {
			bad = append(bad, i)
			continue
		}
		fitting = append(fitting, i)
	}
	check := shareCheck{public: p, batch: b, shares: shares}
	step := max(1, maxTerms/(len(b.points)+3))
	for part := range slices.Chunk(fitting, step) {
		if !check.hold(part) {
			bad = check.locate(part, bad)
		}
	}
	slices.Sort(bad)
	return bad
}

// shareCheck checks sets of shares, given by their positions.
type shareCheck struct {
	public *Public
	batch  *Batch
	shares []*Share
}

// locate appends to bad those of a set that are wrong; the set as a whole is known not to hold. It
// checks groups, then the members of each group that does not hold: with one wrong share nearly as cheap
// as halving, and with many of them half as dear.
func (c *shareCheck) locate(set, bad []int) []int {
	size := int(math.Sqrt(float64(len(set))))
	for group := range slices.Chunk(set, size) {
		if size > 1 && c.hold(group) {
			continue
		}
		for i := range group {
			if !c.hold(group[i : i+1]) {
				bad = append(bad, group[i])
			}
		}
	}
	return bad
}

// hold checks for every share of a set both equations of its proof, g^z = A Y^c and
// D^z = B (product of all pd^rho)^c with D = product of all u^rho, by one sum in which each equation has a
// weight of 128 bits. The weights come from a hash of the whole set, so nobody can choose shares to fit them.
func (c *shareCheck) hold(set []int) bool {
	hash := sha512.New()
	hash.Write([]byte(tagWeights))
	for _, i := range set {
		hash.Write(c.shares[i].Encode())
	}
	weights := shortScalars(hash.Sum(nil), 2*len(set))

	members := len(c.batch.points)
	size := members + 1 + len(set)*(members+3)
	scalars, points := make([]*scalar.Scalar, 0, size), make([]*curve.RistrettoPoint, 0, size)
	onBase, onMembers := scalar.New(), make([]*scalar.Scalar, members)
	for u := range onMembers {
		onMembers[u] = scalar.New()
	}
	add := func(s *scalar.Scalar, p *curve.RistrettoPoint) {
		scalars, points = append(scalars, s), append(points, p)
	}
	var product scalar.Scalar
	for i, at := range set {
		s := c.shares[at]
		mu, nu := weights[2*i], weights[2*i+1]
		challenge := s.challenge(c.public.encoded[s.index-1])
		onBase.Add(onBase, product.Mul(mu, s.z))
		add(negative(mu), s.a)
		add(negative(nu), s.b)
		add(negative(scalar.New().Mul(mu, challenge)), c.public.shares[s.index-1])
		answer := scalar.New().Mul(nu, s.z)
		challenge = negative(challenge.Mul(challenge, nu))
		for u, rho := range s.rho() {
			onMembers[u].Add(onMembers[u], product.Mul(answer, rho))
			add(rho.Mul(rho, challenge), s.points[u])
		}
	}
	add(onBase, curve.RISTRETTO_BASEPOINT_POINT)
	for u, s := range onMembers {
		add(s, c.batch.points[u])
	}
	return curve.NewRistrettoPoint().MultiscalarMulVartime(scalars, points).IsIdentity()
}

func negative(s *scalar.Scalar) *scalar.Scalar { return scalar.New().Neg(s) }
