package seal

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"sync"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// Threshold is how many shares open what is sealed to a committee of n >= 1 validators: t = 2f+1 with
// f = (n-1)/3, the degree of the secret's polynomial being 2f. t is at most n-f, so the honest
// validators suffice.
func Threshold(n int) int { return 2*((n-1)/3) + 1 }

// Public is what validators know beyond the Key: the public shares Y_1 to Y_n. It is safe for
// concurrent use.
type Public struct {
	key       *Key
	threshold int
	shares    []*curve.RistrettoPoint
	encoded   [][pointSize]byte

	mu      sync.Mutex
	quorums map[string][]*scalar.Scalar // Lagrange coefficients by quorum
}

// NewPublic reads the public shares, shares[k-1] being that of the validator with index k, and checks
// that they lie on one polynomial of degree threshold-1 whose value at zero is the key. A public share may
// be the identity: its validator has made its share zero in the key generation, and no share message
// of it is ever good. Errors wrap ErrIndex for a committee or threshold that cannot be, ErrForm or ErrPoint
// for an element, or ErrInconsistent.
func NewPublic(key *Key, threshold int, shares [][]byte) (*Public, error) {
	n := len(shares)
	if n > MaxCommittee || threshold < 1 || threshold > n {
		return nil, fmt.Errorf("read public shares: %w: %d of %d", ErrIndex, threshold, n)
	}
	p := &Public{key: key, threshold: threshold, quorums: make(map[string][]*scalar.Scalar)}
	for i, b := range shares {
		y, err := decodePoint(b)
		if errors.Is(err, ErrIdentity) {
			y, err = curve.NewRistrettoPoint().Identity(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read public share %d: %w", i+1, err)
		}
		p.shares = append(p.shares, y)
		p.encoded = append(p.encoded, [pointSize]byte(b))
	}
	if !p.consistent() {
		return nil, fmt.Errorf("read public shares: %w", ErrInconsistent)
	}
	return p, nil
}

// Key is the key that the shares belong to.
func (p *Public) Key() *Key { return p.key }

// Threshold is the number of shares that open.
func (p *Public) Threshold() int { return p.threshold }

// Len is n, the number of validators.
func (p *Public) Len() int { return len(p.shares) }

// consistent multiplies the values at 0 to n with a word of the dual code that the values themselves
// choose by their hash: the result is the identity for every polynomial of the right degree, and for
// anything else only by a chance of 2^-128.
func (p *Public) consistent() bool {
	h := p.key.h.Basepoint()
	points := append([]*curve.RistrettoPoint{h}, p.shares...)
	hash := sha512.New()
	hash.Write([]byte(tagDualCode))
	hash.Write(p.key.encoded[:])
	for i := range p.encoded {
		hash.Write(p.encoded[i][:])
	}
	// Of n+1 values, those of polynomials of degree < threshold are orthogonal to the values of those
	// of degree n-threshold, each divided by the product of its distances to the others.
	check := shortScalars(hash.Sum(nil), len(p.shares)-p.threshold+1)
	weights := make([]*scalar.Scalar, len(points))
	for i := range weights {
		weights[i] = distances(i, len(points))
	}
	scalar.New().BatchInvert(weights)
	for i, w := range weights {
		w.Mul(w, evaluate(check, i))
	}
	return curve.NewRistrettoPoint().MultiscalarMulVartime(weights, points).IsIdentity()
}
