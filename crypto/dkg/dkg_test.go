package dkg

import (
	"bytes"
	"errors"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
)

// Any 2f+1 shares act as the secret of h, and every Y_k is g to the share; 2f shares are something else.
func TestSharesActAsTheSecret(t *testing.T) {
	for _, n := range []int{4, 5, 7, 10} {
		inEachGroup(t, n, sharesActAsTheSecret)
	}
}

func sharesActAsTheSecret(t *testing.T, p *party) {
	n, group := len(p.members), p.context.Group
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
		if !bytes.Equal(group.basePower(value(group, integer(group, share))).encode(), public.Shares[k]) {
			t.Errorf("Y_%d is not g to the share", k)
		}
	}
	order := rand.New(rand.NewPCG(uint64(n), 0))
	for range 5 {
		members := order.Perm(n)
		if got := group.basePower(p.secretOf(t, deals, members[:p.Threshold()])).encode(); !bytes.Equal(got, public.Key) {
			t.Errorf("shares of %v do not act as the secret", members[:p.Threshold()])
		}
		if got := group.basePower(p.secretOf(t, deals, members[:p.Degree()])).encode(); bytes.Equal(got, public.Key) {
			t.Errorf("the %d shares of %v are enough", p.Degree(), members[:p.Degree()])
		}
	}
}

func TestDealIsTheSameBytesAgain(t *testing.T) { inEachGroup(t, 4, sameBytesAgain) }

func sameBytesAgain(t *testing.T, p *party) {
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
		for at := dealPrefix; at < dealPrefix+p.elementsSize(); at += kemElementSize { // no element comes back
			if bytes.Equal(raw[at:at+kemElementSize], first[at:at+kemElementSize]) {
				t.Errorf("another %s gives the same bytes at %d", name, at)
			}
		}
	}
}

func TestCheckDealRefuses(t *testing.T) {
	p := newParty(t, 4)
	elements := dealPrefix
	proofs := dealPrefix + p.elementsSize()
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
func TestIdentitiesAreRefused(t *testing.T) { inEachGroup(t, 4, identitiesAreRefused) }

func identitiesAreRefused(t *testing.T, p *party) {
	s := newSeed(p.secrets[1])
	one, zero, e := p.context.Group.small(1), p.context.Group.small(0), kem.small(1)
	for name, raw := range map[string][]byte{
		"ephemeral key": p.encodeDeal(1, s, []number{one, one, one}, kem.small(0)),
		"constant":      p.encodeDeal(1, s, []number{zero, one, one}, e),
		"top":           p.encodeDeal(1, s, []number{one, one, zero}, e),
	} {
		if _, err := p.CheckDeal(1, raw); !errors.Is(err, ErrDeal) || errors.Is(err, ErrDealProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.CheckDeal(1, p.encodeDeal(1, s, []number{one, one, one}, e)); err != nil {
		t.Errorf("without the identity: %v", err)
	}
}

// Trap T15 in one: without the proof bound to run and dealer, a deal of one run would serve in another.
func TestProofsAreBoundToTheRun(t *testing.T) { inEachGroup(t, 4, proofsAreBoundToTheRun) }

func proofsAreBoundToTheRun(t *testing.T, p *party) {
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

func TestCombineRefuses(t *testing.T) { inEachGroup(t, 4, combineRefuses) }

func combineRefuses(t *testing.T, p *party) {
	group := p.context.Group
	d := p.deals(t, 0, 1)
	if _, err := p.Combine(nil); !errors.Is(err, ErrQualified) {
		t.Errorf("none: %v", err)
	}
	if _, err := p.Combine([]*Deal{d[0], d[1], d[0]}); !errors.Is(err, ErrQualified) {
		t.Errorf("one twice: %v", err)
	}
	small := func(dealer int, values ...int64) *Deal {
		out := &Deal{dealer: dealer}
		for _, v := range values {
			out.commitments = append(out.commitments, group.basePower(value(group, big.NewInt(v))))
		}
		return out
	}
	if _, err := p.Combine([]*Deal{small(3, 3, 5, 7), small(2, -3, 5, 7)}); !errors.Is(err, ErrQualified) {
		t.Errorf("the key is the identity: %v", err)
	}
}

// Who deals last knows its own shares of all other deals, and so can make its share of the key zero. The deal
// cannot be told from a good one, and must not keep the others from a key.
func TestLastDealerMakesItsShareZero(t *testing.T) {
	for _, n := range []int{4, 7} {
		inEachGroup(t, n, lastDealerMakesItsShareZero)
	}
}

func lastDealerMakesItsShareZero(t *testing.T, p *party) {
	group, cheat := p.context.Group, len(p.members)-1
	deals := p.deals(t, p.everybody()[:cheat]...)
	polynomial := []number{group.small(0)}
	for range p.degree {
		polynomial = append(polynomial, group.small(uint64(len(polynomial)+2)))
	}
	known := valueAt(group, polynomial, cheat+1)
	for _, d := range deals {
		part, err := p.openWith(d, cheat, kem.power(d.ephemeral, kem.secret(p.secrets[cheat])))
		if err != nil {
			t.Fatal(err)
		}
		known.add(part)
	}
	polynomial[0] = value(group, new(big.Int).Neg(integer(group, known.encode())))
	last := p.encodeDeal(cheat, newSeed(p.secrets[cheat]), polynomial, kem.small(77))
	deals = append(deals, p.checked(t, cheat, last))
	public, err := p.Combine(deals)
	if err != nil {
		t.Fatalf("one dealer keeps the others from a key: %v", err)
	}
	if !bytes.Equal(public.Shares[cheat], group.identity().encode()) {
		t.Fatal("the cheat's share is not zero")
	}
	if got := group.basePower(p.secretOf(t, deals, p.everybody()[:p.Threshold()])).encode(); !bytes.Equal(got, public.Key) {
		t.Error("the others' shares do not act as the secret")
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
	c := p.context
	c.Group = nil
	if _, err := NewRun(c, p.members); err == nil {
		t.Error("no group: accepted")
	}
}
