package dkg

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"testing"

	"github.com/cloudflare/circl/group"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dunlin-network/dunlin/crypto"
)

// The tests of this file hold the package against a second implementation, written from the formulas
// on another library's group.

var other = group.Ristretto255

func otherElement(t *testing.T, b []byte) group.Element {
	t.Helper()
	e := other.NewElement()
	if err := e.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return e
}

func otherScalar(t *testing.T, b []byte) group.Scalar {
	t.Helper()
	s := other.NewScalar()
	if err := s.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return s
}

func encoded(t *testing.T, v interface{ MarshalBinary() ([]byte, error) }) []byte {
	t.Helper()
	b, err := v.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compressed(t *testing.T, e group.Element) []byte {
	t.Helper()
	b, err := e.MarshalBinaryCompress()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// otherCommitment is the product of C_j^(x^j).
func otherCommitment(t *testing.T, commitments [][]byte, x int) group.Element {
	t.Helper()
	sum, power := other.Identity(), other.NewScalar().SetUint64(1)
	for _, c := range commitments {
		sum.Add(sum, other.NewElement().Mul(otherElement(t, c), power))
		power.Mul(power, other.NewScalar().SetUint64(uint64(x)))
	}
	return sum
}

func TestSecondImplementation(t *testing.T) {
	p := newParty(t, 7)
	const dealer = 2
	raw := p.deal(dealer)
	n, degree := 7, 4
	elements := raw[13 : 13+32*(degree+2)]
	ephemeral, proofs := elements[:32], raw[13+len(elements):]
	var commitments [][]byte
	for j := range degree + 1 {
		commitments = append(commitments, elements[32*(j+1):32*(j+2)])
	}
	body := crypto.Hash("dunlin/dkg-deal-body/1", elements)

	for i, part := range []string{"ephemeral", "constant"} {
		value := [][]byte{ephemeral, commitments[0]}[i]
		c, z := otherScalar(t, proofs[64*i:64*i+32]), otherScalar(t, proofs[64*i+32:64*i+64])
		a := other.NewElement().MulGen(z)
		a.Add(a, other.NewElement().Neg(other.NewElement().Mul(otherElement(t, value), c)))
		about := tuple(p.bound, []byte{0, dealer}, []byte(part), value, body[:])
		if want := other.HashToScalar(tuple(about, compressed(t, a)), []byte("DUNLIN-V1-R255-POK")); !want.IsEqual(c) {
			t.Errorf("proof of the %s does not hold", part)
		}
	}

	d := p.checked(t, dealer, raw)
	for k := range n {
		q := otherScalar(t, p.secrets[k].Secret())
		point := compressed(t, other.NewElement().Mul(otherElement(t, ephemeral), q))
		public := p.secrets[k].Public()
		info := tuple([]byte("DUNLIN-V1-R255-DKGKEM"), p.bound, []byte{0, dealer}, []byte{0, byte(k)}, ephemeral, public[:], body[:])
		key, err := hkdf.Key(sha256.New, point, nil, string(info), 32)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := chacha20poly1305.New(key)
		if err != nil {
			t.Fatal(err)
		}
		sealed := proofs[128+48*k : 128+48*(k+1)]
		value, err := aead.Open(nil, make([]byte, 12), sealed, nil)
		if err != nil {
			t.Fatalf("share of %d: %v", k, err)
		}
		want := otherCommitment(t, commitments, k+1)
		if !other.NewElement().MulGen(otherScalar(t, value)).IsEqual(want) {
			t.Errorf("share of %d is not what is committed to", k)
		}
		own, err := p.OwnShare([]*Deal{d}, k, p.secrets[k])
		if err != nil || !bytes.Equal(own[:], value) {
			t.Errorf("own share of %d differs: %v", k, err)
		}
		if got := commitmentAt(d.commitments, k+1).encode(); !bytes.Equal(got, compressed(t, want)) {
			t.Errorf("commitment at %d differs", k+1)
		}
		complaint := p.Complain(d, k, p.secrets[k])
		if !bytes.Equal(complaint[:32], point) {
			t.Errorf("complaint of %d opens another point", k)
		}
	}
}

// The key is the product of the constants, and its secret the sum of theirs.
func TestSecondCombine(t *testing.T) {
	p := newParty(t, 5)
	deals := p.deals(t, 0, 1, 3, 4)
	public, err := p.Combine(deals)
	if err != nil {
		t.Fatal(err)
	}
	h, secret := other.Identity(), other.NewScalar()
	for _, d := range deals {
		h.Add(h, otherElement(t, d.Bytes()[13+32:13+64]))
		a := newSeed(p.secrets[d.dealer]).number(kem, forDeal, p.bound, position(d.dealer), []byte(partCoefficient), position(0))
		enc := a.encode()
		secret.Add(secret, otherScalar(t, enc[:]))
	}
	if !bytes.Equal(public.Key, compressed(t, h)) {
		t.Error("key differs")
	}
	if !other.NewElement().MulGen(secret).IsEqual(h) {
		t.Error("the sum of the secrets is not the key's logarithm")
	}
	got := p.secretOf(t, deals, []int{0, 2, 4}).encode()
	if !bytes.Equal(got[:], encoded(t, secret)) {
		t.Error("shares of 0, 2, 4 give another secret")
	}
}

func TestHashToScalar(t *testing.T) {
	for _, purpose := range []string{forPossession, forComplaint} {
		for _, msg := range []string{"", "a", "some longer message"} {
			got := hashToScalar(kem, purpose, []byte(msg)).encode()
			want := encoded(t, other.HashToScalar(tuple([]byte(msg)), []byte("DUNLIN-V1-R255-"+purpose)))
			if !bytes.Equal(got[:], want) {
				t.Errorf("%s of %q differs", purpose, msg)
			}
		}
	}
}
