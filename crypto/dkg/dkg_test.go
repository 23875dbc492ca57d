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

func TestBadSharesAreProven(t *testing.T) {
	p := newParty(t, 7)
	const dealer, victim = 1, 4
	flip := func(at int) []byte {
		raw := p.deal(dealer)
		raw[at] ^= 1
		return raw
	}
	wrongDegree := func() []byte { // shares of another polynomial than the one that is committed to
		s := newSeed(p.secrets[dealer])
		coefficients := make([]*number, p.degree+1)
		for j := range coefficients {
			coefficients[j] = s.scalar("another", position(j))
		}
		e := s.scalar(tagDeal, p.bound, position(dealer), []byte(partEphemeral))
		raw := p.deal(dealer)
		body := bodyDigest(raw[dealPrefix : dealPrefix+ElementSize*(2+p.degree)])
		ephemeral := raw[dealPrefix : dealPrefix+ElementSize]
		out := raw[:p.sealedAt(0)]
		for k := range p.members {
			value := encodeScalar(valueAt(coefficients, k+1))
			out = p.link(dealer, k, ephemeral, body).seal(out, power(p.points[k], e), value[:])
		}
		return out
	}
	tests := []struct {
		name  string
		raw   []byte
		guilt func(member int) bool
	}{
		{"honest", p.deal(dealer), func(int) bool { return false }},
		{"ciphertext spoilt", flip(p.sealedAt(victim)), func(k int) bool { return k == victim }},
		{"wrong value for one", p.crooked(dealer, victim), func(k int) bool { return k == victim }},
		{"wrong polynomial for all", wrongDegree(), func(int) bool { return true }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := p.checked(t, dealer, test.raw)
			for k := range p.members {
				err := p.CheckShare(d, k, p.secrets[k])
				verdict := p.Judge(d, k, p.Complain(d, k, p.secrets[k]))
				want := AccuserWrong
				if test.guilt(k) {
					want = DealerGuilty
				}
				if (err != nil) != test.guilt(k) || verdict != want {
					t.Errorf("member %d: check %v, verdict %v, want %v", k, err, verdict, want)
				}
				if err != nil && !errors.Is(err, ErrShare) {
					t.Errorf("member %d: %v is no ErrShare", k, err)
				}
				if _, err := p.OwnShare([]*Deal{d}, k, p.secrets[k]); (err != nil) != test.guilt(k) {
					t.Errorf("member %d: own share: %v", k, err)
				}
			}
		})
	}
}

// No complaint but the victim's own holds, and no byte of it can be changed.
func TestFalseComplaints(t *testing.T) {
	p := newParty(t, 4)
	const dealer, victim = 1, 3
	bad := p.checked(t, dealer, p.crooked(dealer, victim))
	honest := p.checked(t, 0, p.deal(0))
	good := p.Complain(bad, victim, p.secrets[victim])
	if p.Complain(bad, victim, p.secrets[victim]) != good {
		t.Error("a complaint that is made again differs")
	}
	if v := p.Judge(bad, victim, good); v != DealerGuilty {
		t.Fatalf("the true complaint: %v", v)
	}
	for i := range good {
		c := good
		c[i] ^= 1
		if v := p.Judge(bad, victim, c); v != AccuserWrong {
			t.Errorf("byte %d changed: %v", i, v)
		}
	}
	identity := good
	clear(identity[:ElementSize])
	// A point that is not the Diffie-Hellman point opens every share to nonsense: the proof must stop it.
	random := encodeElement(basePower(scalar.NewFromUint64(5)))
	lie := good
	copy(lie[:], random[:])
	others := map[string]Verdict{
		"zero":                          p.Judge(honest, victim, Complaint{}),
		"identity":                      p.Judge(bad, victim, identity),
		"another point":                 p.Judge(bad, victim, lie),
		"another accuser":               p.Judge(bad, 2, good),
		"another dealer":                p.Judge(honest, victim, good),
		"good share":                    p.Judge(honest, victim, p.Complain(honest, victim, p.secrets[victim])),
		"secret of another":             p.Judge(bad, victim, p.Complain(bad, victim, p.secrets[2])),
		"own share of the bad deal":     p.Judge(bad, 2, p.Complain(bad, 2, p.secrets[2])),
		"proof of a lie by the accuser": p.Judge(honest, victim, p.forge(honest, victim)),
	}
	for name, v := range others {
		if v != AccuserWrong {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func TestSameEphemeral(t *testing.T) {
	p := newParty(t, 4)
	one, two := scalar.One(), scalar.NewFromUint64(2)
	first := p.checked(t, 0, p.encodeDeal(0, newSeed(p.secrets[0]), []*number{one, two, one}, two))
	second := p.checked(t, 1, p.encodeDeal(1, newSeed(p.secrets[1]), []*number{two, one, two}, two))
	if !first.SameEphemeral(second) || first.SameEphemeral(p.deals(t, 1)[0]) {
		t.Error("ephemeral keys are not compared")
	}
}

// Two validators of one operator may hold one KEM key; the complaint of one is not the other's.
func TestComplaintNamesItsAccuser(t *testing.T) {
	p := newParty(t, 4)
	p.members[2], p.points[2], p.secrets[2] = p.members[3], p.points[3], p.secrets[3]
	raw := p.deal(1)
	raw[p.sealedAt(2)] ^= 1
	raw[p.sealedAt(3)] ^= 1
	d := p.checked(t, 1, raw)
	c := p.Complain(d, 2, p.secrets[2])
	if own, others := p.Judge(d, 2, c), p.Judge(d, 3, c); own != DealerGuilty || others != AccuserWrong {
		t.Errorf("for its accuser: %v; for another with the same key: %v", own, others)
	}
}

// forge is a complaint by a member about a good share, with another point than the true one and the
// best proof that the member can make for it.
func (p *party) forge(d *Deal, member int) Complaint {
	q := secretScalar(p.secrets[member])
	point := power(d.ephemeral, scalar.New().Add(q, scalar.One()))
	claim := p.claim(d, member, point)
	nonce := scalar.NewFromUint64(77)
	c := claimChallenge(claim, basePower(nonce), power(d.ephemeral, nonce))
	var out Complaint
	encoded := encodeElement(point)
	answer(c, nonce, q).append(append(out[:0], encoded[:]...))
	return out
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
	if _, err := p.Combine([]*Deal{small(8, 2, 1)}); !errors.Is(err, ErrQualified) { // -8 + 2x + x^2 is 0 at 2
		t.Errorf("a share is the identity: %v", err)
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
