package dkg

import (
	"errors"
	"testing"
)

func TestBadSharesAreProven(t *testing.T) { inEachGroup(t, 7, badSharesAreProven) }

func badSharesAreProven(t *testing.T, p *party) {
	group := p.context.Group
	const dealer, victim = 1, 4
	flip := func(at int) []byte {
		raw := p.deal(dealer)
		raw[at] ^= 1
		return raw
	}
	wrongDegree := func() []byte { // shares of another polynomial than the one that is committed to
		s := newSeed(p.secrets[dealer])
		coefficients := make([]number, p.degree+1)
		for j := range coefficients {
			coefficients[j] = s.number(group, "another", position(j))
		}
		e := s.number(kem, forDeal, p.bound, position(dealer), []byte(partEphemeral))
		raw := p.deal(dealer)
		body := bodyDigest(raw[dealPrefix : dealPrefix+p.elementsSize()])
		ephemeral := raw[dealPrefix : dealPrefix+kemElementSize]
		out := raw[:p.sealedAt(0)]
		for k := range p.members {
			value := valueAt(group, coefficients, k+1).encode()
			out = p.link(dealer, k, ephemeral, body).seal(out, kem.power(p.points[k], e), value[:])
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
	clear(identity[:kemElementSize])
	// A point that is not the Diffie-Hellman point opens every share to nonsense: the proof must stop it.
	random := kem.basePower(kem.small(5)).encode()
	lie := good
	copy(lie[:], random)
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
	one, two := kem.small(1), kem.small(2)
	first := p.checked(t, 0, p.encodeDeal(0, newSeed(p.secrets[0]), []number{one, two, one}, two))
	second := p.checked(t, 1, p.encodeDeal(1, newSeed(p.secrets[1]), []number{two, one, two}, two))
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
	q := kem.secret(p.secrets[member])
	other := q.clone()
	other.add(kem.small(1))
	point := kem.power(d.ephemeral, other)
	claim := p.claim(d, member, point)
	nonce := kem.small(77)
	c := claimChallenge(claim, kem.basePower(nonce), kem.power(d.ephemeral, nonce))
	var out Complaint
	answer(c, nonce, q).append(append(out[:0], point.encode()...))
	return out
}
