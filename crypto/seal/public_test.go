package seal

import (
	"errors"
	"slices"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"pgregory.net/rapid"
)

func TestThreshold(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 3, 5: 3, 6: 3, 7: 5, 10: 7, 16: 11, 64: 43, 100: 67, 256: 171} {
		if got := Threshold(n); got != want {
			t.Errorf("threshold of %d is %d, want %d", n, got, want)
		}
	}
	for n := 1; n <= MaxCommittee; n++ {
		if f := (n - 1) / 3; Threshold(n) > n-f || Threshold(n) < f+1 {
			t.Errorf("threshold of %d: honest validators do not suffice, or bad ones do", n)
		}
	}
}

func TestPublicIsConsistent(t *testing.T) {
	for _, n := range []int{1, 2, 4, 7, 10, 31} {
		d := deal(n, Threshold(n), testRandom(uint64(n)))
		key, err := NewKey(testNetwork, 1, d.h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewPublic(key, Threshold(n), d.shares); err != nil {
			t.Errorf("n=%d: %v", n, err)
		}
		other := deal(n, Threshold(n), testRandom(99))
		for k := range n {
			shares := slices.Clone(d.shares)
			shares[k] = other.shares[k]
			if _, err := NewPublic(key, Threshold(n), shares); !errors.Is(err, ErrInconsistent) {
				t.Errorf("n=%d, share %d is of another polynomial: %v", n, k+1, err)
			}
		}
		if _, err := NewPublic(key, Threshold(n), other.shares); !errors.Is(err, ErrInconsistent) {
			t.Errorf("n=%d, all shares are of another polynomial: %v", n, err)
		}
		// A higher degree takes more shares than the threshold says.
		if n > Threshold(n) {
			high := deal(n, Threshold(n)+1, testRandom(7))
			key, err := NewKey(testNetwork, 1, high.h)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := NewPublic(key, Threshold(n), high.shares); !errors.Is(err, ErrInconsistent) {
				t.Errorf("n=%d, degree too high: %v", n, err)
			}
		}
	}
}

func TestPublicRefuses(t *testing.T) {
	d := deal(4, 3, testRandom(1))
	key, err := NewKey(testNetwork, 1, d.h)
	if err != nil {
		t.Fatal(err)
	}
	for _, threshold := range []int{-1, 0, 5} {
		if _, err := NewPublic(key, threshold, d.shares); !errors.Is(err, ErrIndex) {
			t.Errorf("threshold %d of 4: %v", threshold, err)
		}
	}
	if _, err := NewPublic(key, 1, nil); !errors.Is(err, ErrIndex) {
		t.Errorf("no shares: %v", err)
	}
	if _, err := NewPublic(key, 1, make([][]byte, MaxCommittee+1)); !errors.Is(err, ErrIndex) {
		t.Errorf("257 shares: %v", err)
	}
	for name, b := range badPoints {
		if _, err := NewPublic(key, 3, [][]byte{d.shares[0], b, d.shares[2], d.shares[3]}); !errors.Is(err, ErrPoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewPublic(key, 3, [][]byte{d.shares[0], make([]byte, 32), d.shares[2], d.shares[3]}); !errors.Is(err, ErrInconsistent) {
		t.Errorf("identity, of another polynomial: %v", err)
	}
}

// A validator that deals last can make its share of the key zero. The key serves all the same, and whatever
// the validator sends as its share is found out.
func TestShareOfZero(t *testing.T) {
	const cheat = 2
	random := testRandom(5)
	polynomial := []*scalar.Scalar{scalar.New(), randomScalar(random), randomScalar(random)}
	polynomial[0].Neg(evaluate(polynomial, cheat))
	h := encodePoint(basePower(polynomial[0]))
	c := &committee{random: random}
	var err error
	if c.key, err = NewKey(testNetwork, testKeyID, h[:]); err != nil {
		t.Fatal(err)
	}
	var shares [][]byte
	for k := 1; k <= 4; k++ {
		s := evaluate(polynomial, k)
		secret, y := encodeScalar(s), encodePoint(basePower(s))
		shares = append(shares, y[:])
		if k == cheat {
			if s.Equal(scalar.New()) != 1 {
				t.Fatal("the share is not zero")
			}
			secret = encodeScalar(randomScalar(random))
		}
		share, err := NewSecretShare(c.key, k, secret[:])
		if err != nil {
			t.Fatal(err)
		}
		c.secrets = append(c.secrets, share)
	}
	if c.public, err = NewPublic(c.key, 3, shares); err != nil {
		t.Fatal(err)
	}
	b := c.sealed(t, []byte("content"))
	combiner := c.combiner(t, b, c.share(t, b, 1), c.share(t, b, cheat), c.share(t, b, 3))
	if got := combiner.Combine()[0].Verdict; got != Undecided {
		t.Fatalf("verdict %v from two right shares", got)
	}
	if !slices.Equal(combiner.Bad(), []int{cheat}) {
		t.Errorf("bad shares of %v", combiner.Bad())
	}
	if err := combiner.Add(c.share(t, b, 4)); err != nil {
		t.Fatal(err)
	}
	if got := combiner.Combine()[0]; got.Verdict != Opened || string(got.Message) != "content" {
		t.Errorf("%v %q", got.Verdict, got.Message)
	}
}

// Any t values of a polynomial of degree below t give its value at zero.
func TestLagrange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, MaxCommittee).Draw(t, "n")
		order := rapid.Permutation(indices(n)).Draw(t, "order")
		quorum := slices.Sorted(slices.Values(order[:rapid.IntRange(1, min(n, 40)).Draw(t, "t")]))
		random := testRandom(rapid.Uint64().Draw(t, "seed"))
		var polynomial []*scalar.Scalar
		for range quorum {
			polynomial = append(polynomial, randomScalar(random))
		}
		sum := scalar.New()
		for i, c := range lagrange(quorum) {
			sum.Add(sum, scalar.New().Mul(c, evaluate(polynomial, quorum[i])))
		}
		if sum.Equal(polynomial[0]) != 1 {
			t.Fatal("values do not give the constant")
		}
	})
}

func TestCoefficientsAreKept(t *testing.T) {
	c := newCommittee(t, 10, 1)
	first := c.public.coefficients([]int{1, 2, 3, 4, 5, 6, 7})
	if &first[0] != &c.public.coefficients([]int{1, 2, 3, 4, 5, 6, 7})[0] {
		t.Error("computed again for the same quorum")
	}
	if got := c.public.coefficients([]int{1, 2, 3, 4, 5, 6, 8}); got[0].Equal(first[0]) == 1 {
		t.Error("another quorum has the same coefficients")
	}
	for i := range 3 * maxQuorums {
		c.public.coefficients([]int{i + 1})
		if len(c.public.quorums) > maxQuorums {
			t.Fatalf("keeps %d sets, limit %d", len(c.public.quorums), maxQuorums)
		}
	}
}

// indices are 1 to n.
func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}
