package seal

import (
	"math/bits"

	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// product multiplies small numbers into a scalar, using a scalar's multiplication only when a machine
// word is full.
type product struct {
	word  uint64
	total *scalar.Scalar
	minus int // number of negative factors
}

func newProduct() *product { return &product{word: 1, total: scalar.One()} }

func (p *product) times(x int) {
	if x < 0 {
		x = -x
		p.minus++
	}
	high, low := bits.Mul64(p.word, uint64(x))
	if high != 0 {
		p.total.Mul(p.total, scalar.NewFromUint64(p.word))
		low = uint64(x)
	}
	p.word = low
}

func (p *product) scalar() *scalar.Scalar {
	p.total.Mul(p.total, scalar.NewFromUint64(p.word))
	if p.minus%2 == 1 {
		p.total.Neg(p.total)
	}
	return p.total
}

// lagrange are the coefficients with which values at the points of a quorum, all different and from
// 1, give the value at 0: for each k the product of j/(j-k) over the other j.
func lagrange(quorum []int) []*scalar.Scalar {
	all := newProduct()
	out := make([]*scalar.Scalar, len(quorum))
	for i, k := range quorum {
		all.times(k)
		below := newProduct()
		below.times(k)
		for _, j := range quorum {
			if j != k {
				below.times(j - k)
			}
		}
		out[i] = below.scalar()
	}
	scalar.New().BatchInvert(out)
	numerator := all.scalar()
	for _, c := range out {
		c.Mul(c, numerator)
	}
	return out
}

// coefficients are the Lagrange coefficients of a quorum, in ascending order. The caller must not change
// them.
func (p *Public) coefficients(quorum []int) []*scalar.Scalar {
	name := make([]byte, 0, len(quorum))
	for _, k := range quorum {
		name = append(name, byte(k-1))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.quorums[string(name)]; ok {
		return c
	}
	if len(p.quorums) >= maxQuorums {
		clear(p.quorums)
	}
	c := lagrange(quorum)
	p.quorums[string(name)] = c
	return c
}

// distances is the product of i-j over the other j below n.
func distances(i, n int) *scalar.Scalar {
	p := newProduct()
	for j := range n {
		if j != i {
			p.times(i - j)
		}
	}
	return p.scalar()
}

// evaluate is the value at x of the polynomial with the given coefficients, the constant first.
func evaluate(coefficients []*scalar.Scalar, x int) *scalar.Scalar {
	at, sum := scalar.NewFromUint64(uint64(x)), scalar.New()
	for i := len(coefficients) - 1; i >= 0; i-- {
		sum.Mul(sum, at)
		sum.Add(sum, coefficients[i])
	}
	return sum
}
