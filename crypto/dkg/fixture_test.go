package dkg

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/dunlin-network/dunlin/crypto"
)

// party is a run with the secrets of all its members.
type party struct {
	*Run
	secrets []*crypto.KEMKey
}

func newParty(t testing.TB, n int) *party { return newPartyIn(t, Ristretto255, n) }

// inEachGroup runs a test with a party in each group.
func inEachGroup(t *testing.T, n int, test func(t *testing.T, p *party)) {
	t.Helper()
	for _, g := range []Group{Ristretto255, BLS12381G2} {
		t.Run(fmt.Sprintf("%s/n=%d", g.Name(), n), func(t *testing.T) { test(t, newPartyIn(t, g, n)) })
	}
}

func newPartyIn(t testing.TB, g Group, n int) *party {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(n), 1})
	p := &party{}
	var keys []crypto.KEMPublicKey
	for range n {
		secret, err := crypto.GenerateKEMKey(random)
		if err != nil {
			t.Fatal(err)
		}
		p.secrets, keys = append(p.secrets, secret), append(keys, secret.Public())
	}
	run, err := NewRun(Context{Group: g, Network: crypto.Digest{9}, Key: 7, Attempt: 2}, keys)
	if err != nil {
		t.Fatal(err)
	}
	p.Run = run
	return p
}

func (p *party) deal(dealer int) []byte { return p.MakeDeal(dealer, p.secrets[dealer]) }

// deals is checked deals of the dealers.
func (p *party) deals(t testing.TB, dealers ...int) []*Deal {
	t.Helper()
	var out []*Deal
	for _, i := range dealers {
		out = append(out, p.checked(t, i, p.deal(i)))
	}
	return out
}

func (p *party) checked(t testing.TB, dealer int, raw []byte) *Deal {
	t.Helper()
	d, err := p.CheckDeal(dealer, raw)
	if err != nil {
		t.Fatalf("deal of %d: %v", dealer, err)
	}
	return d
}

// everybody is 0 to n-1.
func (p *party) everybody() []int {
	var out []int
	for k := range p.secrets {
		out = append(out, k)
	}
	return out
}

// sealedAt is where the share for a member stands in a deal.
func (p *party) sealedAt(member int) int {
	return p.DealSize() - (len(p.members)-member)*sealedSize
}

// crooked is a deal whose proofs hold and whose share for victim is encrypted well, but is not the
// polynomial's value.
func (p *party) crooked(dealer, victim int) []byte {
	raw := p.deal(dealer)
	s := newSeed(p.secrets[dealer])
	e := s.number(kem, forDeal, p.bound, position(dealer), []byte(partEphemeral))
	elements := raw[dealPrefix : dealPrefix+p.elementsSize()]
	value := p.context.Group.small(42).encode()
	at := p.sealedAt(victim)
	sealed := p.link(dealer, victim, elements[:kemElementSize], bodyDigest(elements)).seal(nil, kem.power(p.points[victim], e), value[:])
	copy(raw[at:], sealed)
	return raw
}

// value is an integer as a scalar of a group.
func value(g Group, x *big.Int) number {
	order, _ := new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)
	if g == BLS12381G2 {
		order = fr.Modulus()
	}
	b := new(big.Int).Mod(x, order).FillBytes(make([]byte, ScalarSize))
	if g == Ristretto255 {
		slices.Reverse(b)
	}
	out, err := g.number(b)
	if err != nil {
		panic(err)
	}
	return out
}

// integer is a share as an integer.
func integer(g Group, share [ScalarSize]byte) *big.Int {
	if g == Ristretto255 {
		slices.Reverse(share[:])
	}
	return new(big.Int).SetBytes(share[:])
}

// secretOf interpolates the secret from members' shares.
func (p *party) secretOf(t testing.TB, deals []*Deal, members []int) number {
	t.Helper()
	group := p.context.Group
	order := integer(group, value(group, big.NewInt(-1)).encode())
	order.Add(order, big.NewInt(1))
	sum := new(big.Int)
	for _, k := range members {
		share, err := p.OwnShare(deals, k, p.secrets[k])
		if err != nil {
			t.Fatal(err)
		}
		term := integer(group, share)
		for _, other := range members {
			if other == k {
				continue
			}
			below := new(big.Int).ModInverse(big.NewInt(int64(other-k)), order)
			if below == nil {
				t.Fatal("no inverse")
			}
			term.Mul(term.Mul(term, big.NewInt(int64(other+1))), below)
			term.Mod(term, order)
		}
		sum.Add(sum, term)
	}
	return value(group, sum)
}
