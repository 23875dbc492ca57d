package dkg

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// party is a run with the secrets of all its members.
type party struct {
	*Run
	secrets []*crypto.KEMKey
}

func newParty(t testing.TB, n int) *party {
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
	run, err := NewRun(Context{Network: crypto.Digest{9}, Key: 7, Attempt: 2}, keys)
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
	e := s.scalar(tagDeal, p.bound, position(dealer), []byte(partEphemeral))
	elements := raw[dealPrefix : dealPrefix+ElementSize*(2+p.degree)]
	value := encodeScalar(scalar.NewFromUint64(42))
	at := p.sealedAt(victim)
	sealed := p.link(dealer, victim, elements[:ElementSize], bodyDigest(elements)).seal(nil, power(p.points[victim], e), value[:])
	copy(raw[at:], sealed)
	return raw
}

// lagrange is the weight of x among xs for the value at 0.
func lagrange(xs []int, x int) *number {
	out := scalar.One()
	for _, other := range xs {
		if other == x {
			continue
		}
		above, below := scalar.NewFromUint64(uint64(other)), scalar.NewFromUint64(uint64(x))
		below.Sub(above, below)
		out.Mul(out.Mul(out, above), below.Invert(below))
	}
	return out
}

// secretOf interpolates the secret from members' shares.
func (p *party) secretOf(t testing.TB, deals []*Deal, members []int) *number {
	t.Helper()
	var xs []int
	for _, k := range members {
		xs = append(xs, k+1)
	}
	sum := scalar.New()
	for _, k := range members {
		share, err := p.OwnShare(deals, k, p.secrets[k])
		if err != nil {
			t.Fatal(err)
		}
		value, err := scalar.NewFromCanonicalBytes(share[:])
		if err != nil {
			t.Fatal(err)
		}
		sum.Add(sum, value.Mul(value, lagrange(xs, k+1)))
	}
	return sum
}

// Any 2f+1 shares act as the secret of h, and every Y_k is g to the share; 2f shares are something else.
func TestSharesActAsTheSecret(t *testing.T) {
	for _, n := range []int{4, 5, 6, 7, 10} {
		p := newParty(t, n)
		deals := p.deals(t, p.everybody()[1:]...)
		public, err := p.Combine(deals)
		if err != nil {
			t.Fatal(err)
		}
		for k := range n {
			share, err := p.OwnShare(deals, k, p.secrets[k])
			if err != nil {
				t.Fatal(err)
			}
			value, _ := scalar.NewFromCanonicalBytes(share[:])
			if encodeElement(basePower(value)) != public.Shares[k] {
				t.Errorf("n=%d: Y_%d is not g to the share", n, k)
			}
		}
		order := rand.New(rand.NewPCG(uint64(n), 0))
		for range 5 {
			members := order.Perm(n)
			if got := encodeElement(basePower(p.secretOf(t, deals, members[:p.Threshold()]))); got != public.Key {
				t.Errorf("n=%d: shares of %v do not act as the secret", n, members[:p.Threshold()])
			}
			if got := encodeElement(basePower(p.secretOf(t, deals, members[:p.Degree()]))); got == public.Key {
				t.Errorf("n=%d: the %d shares of %v are enough", n, p.Degree(), members[:p.Degree()])
			}
		}
	}
}

func TestDealIsTheSameBytesAgain(t *testing.T) {
	p := newParty(t, 4)
	first := p.deal(2)
	if !bytes.Equal(first, p.deal(2)) {
		t.Fatal("a deal that is made again differs")
	}
	other := func(change func(*Context)) []byte {
		c := p.context
		change(&c)
		run, err := NewRun(c, p.members)
		if err != nil {
			t.Fatal(err)
		}
		return run.MakeDeal(2, p.secrets[2])
	}
	for name, raw := range map[string][]byte{
		"network":       other(func(c *Context) { c.Network[0]++ }),
		"key":           other(func(c *Context) { c.Key++ }),
		"attempt":       other(func(c *Context) { c.Attempt++ }),
		"dealer":        p.MakeDeal(1, p.secrets[2]),
		"dealer's key":  p.MakeDeal(2, p.secrets[1]),
		"nothing alike": p.deal(3),
	} {
		if len(raw) != p.DealSize() {
			t.Fatalf("%s: %d bytes, want %d", name, len(raw), p.DealSize())
		}
		for j := range 2 + p.degree { // no element comes back
			at := dealPrefix + j*ElementSize
			if bytes.Equal(raw[at:at+ElementSize], first[at:at+ElementSize]) {
				t.Errorf("another %s gives the same element %d", name, j)
			}
		}
	}
}

func TestCheckDealRefuses(t *testing.T) {
	p := newParty(t, 4)
	elements := dealPrefix
	proofs := dealPrefix + ElementSize*(2+p.degree)
	order := [32]byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	foreign := p.deal(3)
	tests := []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"empty", func([]byte) []byte { return nil }, ErrDealForm},
		{"cut short", func(b []byte) []byte { return b[:len(b)-1] }, ErrDealForm},
		{"too long", func(b []byte) []byte { return append(b, 0) }, ErrDealForm},
		{"version", func(b []byte) []byte { b[0]++; return b }, ErrDealForm},
		{"another key id", func(b []byte) []byte { b[8]++; return b }, ErrDealForm},
		{"another attempt", func(b []byte) []byte { b[12]++; return b }, ErrDealForm},
		{"identity as ephemeral key", func(b []byte) []byte { clear(b[elements : elements+32]); return b }, ErrDeal},
		{"identity as constant", func(b []byte) []byte { clear(b[elements+32 : elements+64]); return b }, ErrDeal},
		{"identity as top", func(b []byte) []byte { clear(b[proofs-32 : proofs]); return b }, ErrDeal},
		{"non-canonical element", func(b []byte) []byte { copy(b[elements:], bytes.Repeat([]byte{0xff}, 32)); return b }, ErrDeal},
		{"non-canonical challenge", func(b []byte) []byte { copy(b[proofs:], order[:]); return b }, ErrDeal},
		{"non-canonical answer", func(b []byte) []byte { copy(b[proofs+96:], order[:]); return b }, ErrDeal},
		{"proof of the ephemeral key", func(b []byte) []byte { b[proofs+32] ^= 1; return b }, ErrDealProof},
		{"proof of the constant", func(b []byte) []byte { b[proofs+96] ^= 1; return b }, ErrDealProof},
		{"another's ephemeral key", func(b []byte) []byte { copy(b[elements:], foreign[elements:elements+32]); return b }, ErrDealProof},
		{"another's ephemeral key and proof", func(b []byte) []byte {
			copy(b[elements:], foreign[elements:elements+32])
			copy(b[proofs:], foreign[proofs:proofs+64])
			return b
		}, ErrDealProof},
		{"another's commitments", func(b []byte) []byte { copy(b[elements+32:], foreign[elements+32:proofs]); return b }, ErrDealProof},
		{"one of another's commitments", func(b []byte) []byte { copy(b[proofs-32:], foreign[proofs-32:proofs]); return b }, ErrDealProof},
		{"proofs swapped", func(b []byte) []byte {
			copy(b[proofs:], append(bytes.Clone(b[proofs+64:proofs+128]), b[proofs:proofs+64]...))
			return b
		}, ErrDealProof},
		{"another's whole deal", func([]byte) []byte { return foreign }, ErrDealProof},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := test.change(p.deal(1))
			d, err := p.CheckDeal(1, raw)
			if !errors.Is(err, test.want) || !errors.Is(err, ErrDeal) {
				t.Fatalf("got %v, %v; want %v", d, err, test.want)
			}
			if form := p.CheckForm(raw); (form != nil) != (test.want == ErrDealForm) {
				t.Errorf("form: %v", form)
			}
		})
	}
	if _, err := p.CheckDeal(4, p.deal(1)); !errors.Is(err, ErrDealForm) {
		t.Errorf("dealer outside: %v", err)
	}
}

// A dealer can prove that it knows the logarithm of the identity. An ephemeral key or constant that is the
// identity, or a polynomial of lower degree, must not get through all the same.
func TestIdentitiesAreRefused(t *testing.T) {
	p := newParty(t, 4)
	s := newSeed(p.secrets[1])
	one, zero := scalar.One(), scalar.New()
	for name, raw := range map[string][]byte{
		"ephemeral key": p.encodeDeal(1, s, []*number{one, one, one}, zero),
		"constant":      p.encodeDeal(1, s, []*number{zero, one, one}, one),
		"top":           p.encodeDeal(1, s, []*number{one, one, zero}, one),
	} {
		if _, err := p.CheckDeal(1, raw); !errors.Is(err, ErrDeal) || errors.Is(err, ErrDealProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.CheckDeal(1, p.encodeDeal(1, s, []*number{one, one, one}, one)); err != nil {
		t.Errorf("without the identity: %v", err)
	}
}

// Trap T15 in one: without the proof bound to run and dealer, a deal of one run would serve in another.
func TestProofsAreBoundToTheRun(t *testing.T) {
	p := newParty(t, 4)
	raw := p.deal(1)
	for name, change := range map[string]func(*Context){
		"network": func(c *Context) { c.Network[0]++ },
		"key":     func(c *Context) { c.Key++ },
		"attempt": func(c *Context) { c.Attempt++ },
	} {
		c := p.context
		change(&c)
		run, err := NewRun(c, p.members)
		if err != nil {
			t.Fatal(err)
		}
		copied := bytes.Clone(raw)
		copy(copied, run.dealPrefix())
		if _, err := run.CheckDeal(1, copied); !errors.Is(err, ErrDealProof) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	p := newParty(t, 4)
	d := p.deals(t, 0, 1)
	if _, err := p.Combine(nil); !errors.Is(err, ErrQualified) {
		t.Errorf("none: %v", err)
	}
	if _, err := p.Combine([]*Deal{d[0], d[1], d[0]}); !errors.Is(err, ErrQualified) {
		t.Errorf("one twice: %v", err)
	}
	small := func(values ...uint64) *Deal { // commitments to small numbers, the first of them negative
		out := &Deal{dealer: 2}
		for _, v := range values {
			out.commitments = append(out.commitments, basePower(scalar.NewFromUint64(v)))
		}
		out.commitments[0] = basePower(scalar.New().Neg(scalar.NewFromUint64(values[0])))
		return out
	}
	one := small(3, 5, 7)
	one.dealer, one.commitments[0] = 3, basePower(scalar.NewFromUint64(3))
	if _, err := p.Combine([]*Deal{one, small(3, 5, 7)}); !errors.Is(err, ErrQualified) {
		t.Errorf("the key is the identity: %v", err)
	}
}

// Who deals last knows its own shares of all other deals, and so can make its share of the key zero. The deal
// cannot be told from a good one, and must not keep the others from a key.
func TestLastDealerMakesItsShareZero(t *testing.T) {
	for _, n := range []int{4, 7} {
		p := newParty(t, n)
		cheat := n - 1
		deals := p.deals(t, p.everybody()[:cheat]...)
		polynomial := []*number{scalar.New()}
		for range p.degree {
			polynomial = append(polynomial, scalar.NewFromUint64(uint64(len(polynomial)+2)))
		}
		polynomial[0].Neg(valueAt(polynomial, cheat+1))
		for _, d := range deals {
			known, err := p.openWith(d, cheat, power(d.ephemeral, secretScalar(p.secrets[cheat])))
			if err != nil {
				t.Fatal(err)
			}
			polynomial[0].Sub(polynomial[0], known)
		}
		last := p.encodeDeal(cheat, newSeed(p.secrets[cheat]), polynomial, scalar.NewFromUint64(77))
		deals = append(deals, p.checked(t, cheat, last))
		public, err := p.Combine(deals)
		if err != nil {
			t.Fatalf("n=%d: one dealer keeps the others from a key: %v", n, err)
		}
		if public.Shares[cheat] != [ElementSize]byte{} {
			t.Fatalf("n=%d: the cheat's share is not zero", n)
		}
		if got := encodeElement(basePower(p.secretOf(t, deals, p.everybody()[:p.Threshold()]))); got != public.Key {
			t.Errorf("n=%d: the others' shares do not act as the secret", n)
		}
	}
}

func TestNewRunRefuses(t *testing.T) {
	p := newParty(t, 4)
	for name, keys := range map[string][]crypto.KEMPublicKey{
		"nobody":   nil,
		"too many": make([]crypto.KEMPublicKey, MaxMembers+1),
		"identity": {p.members[0], {}},
		"garbage":  {p.members[0], {0xff}},
	} {
		if _, err := NewRun(p.context, keys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
