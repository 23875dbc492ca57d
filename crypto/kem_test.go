package crypto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/cloudflare/circl/group"
	"pgregory.net/rapid"
)

func testKEM(t testing.TB, n byte) *KEMKey {
	t.Helper()
	k, err := GenerateKEMKey(bytes.NewReader(bytes.Repeat([]byte{n}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// circlElement decodes with the second implementation.
func circlElement(t *rapid.T, b []byte) group.Element {
	e := group.Ristretto255.NewElement()
	if err := e.UnmarshalBinary(b); err != nil {
		t.Fatalf("circl refuses element %x: %v", b, err)
	}
	return e
}

func circlScalar(t *rapid.T, b []byte) group.Scalar {
	s := group.Ristretto255.NewScalar()
	if err := s.UnmarshalBinary(b); err != nil {
		t.Fatalf("circl refuses scalar %x: %v", b, err)
	}
	return s
}

// TestKEMAgreesWithCircl computes the public key and checks the proof with circl: keys, elements
// and scalars have the same bytes there.
func TestKEMAgreesWithCircl(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "seed")
		k, err := GenerateKEMKey(bytes.NewReader(seed))
		if err != nil {
			t.Skip("zero")
		}
		identity := PublicKey(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "identity"))
		g, q := group.Ristretto255, circlScalar(t, k.Secret())
		public, err := g.NewElement().MulGen(q).MarshalBinaryCompress()
		if got := k.Public(); err != nil || !bytes.Equal(public, got[:]) {
			t.Fatalf("circl's public key %x (%v), ours %v", public, err, got)
		}
		if again, err := q.MarshalBinary(); err != nil || !bytes.Equal(again, k.Secret()) {
			t.Fatalf("circl's secret %x (%v), ours %x", again, err, k.Secret())
		}
		proof := k.Prove(identity)
		digest := Hash(DomainKEMPossess, identity[:], public, proof[:32])
		c := circlReduce(digest)
		left := g.NewElement().MulGen(circlScalar(t, proof[32:]))
		right := g.NewElement().Mul(circlElement(t, public), c)
		right.Add(right, circlElement(t, proof[:32]))
		if !left.IsEqual(right) {
			t.Fatal("circl does not find g^z = A * Q^c")
		}
		if err := k.Public().VerifyPossession(identity, proof); err != nil {
			t.Fatal(err)
		}
	})
}

// circlReduce reads 32 little-endian bytes modulo the group order, digit by digit.
func circlReduce(d Digest) group.Scalar {
	g := group.Ristretto255
	sum, base := g.NewScalar(), g.NewScalar().SetUint64(256)
	for i := len(d) - 1; i >= 0; i-- {
		sum.Mul(sum, base)
		sum.Add(sum, g.NewScalar().SetUint64(uint64(d[i])))
	}
	return sum
}

func TestKnownKEMKey(t *testing.T) {
	k, identity := testKEM(t, 5), testIdentity(t, 1).Public()
	if got, want := k.Public().String(), "30185f7520e27a901520608bb8f47bc17e6435561de1231aaa1d2be33104ba73"; got != want {
		t.Errorf("public key %s, want %s", got, want)
	}
	proof := k.Prove(identity)
	want := "5cca5e0438dfe70cb5e61ba003d2314f36760f8dc4073e3df24a265340b8854ac0958956a9888c9dc48134d118251484e2de3b4fc2bb8ad5807c2eedbb42ad03"
	if got := hex.EncodeToString(proof[:]); got != want {
		t.Errorf("proof %s, want %s: a changed proof needs a new domain", got, want)
	}
}

func TestKEMSecretRoundTrip(t *testing.T) {
	k := testKEM(t, 5)
	again, err := NewKEMKey(k.Secret())
	if err != nil || again.Public() != k.Public() {
		t.Errorf("key of the secret %v, error %v", again, err)
	}
}

func TestKEMKeyRefusesBadSecrets(t *testing.T) {
	order := unhex(t, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	for name, secret := range map[string][]byte{
		"empty": nil, "short": make([]byte, 31), "long": make([]byte, 33), "zero": make([]byte, 32),
		"order": order, "all ones": bytes.Repeat([]byte{255}, 32),
	} {
		if _, err := NewKEMKey(secret); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := GenerateKEMKey(bytes.NewReader(make([]byte, 63))); err == nil {
		t.Error("key drawn from too few bytes")
	}
	if _, err := GenerateKEMKey(bytes.NewReader(make([]byte, 64))); err == nil {
		t.Error("zero drawn and accepted")
	}
}

func TestKEMPossessionRefuses(t *testing.T) {
	k, identity := testKEM(t, 5), testIdentity(t, 1).Public()
	public, proof := k.Public(), k.Prove(identity)
	for i := range proof {
		bad := proof
		bad[i] ^= 1
		if err := public.VerifyPossession(identity, bad); !errors.Is(err, ErrProof) {
			t.Errorf("proof with byte %d changed: %v", i, err)
		}
	}
	for i := range public {
		bad := public
		bad[i] ^= 2
		if err := bad.VerifyPossession(identity, proof); !errors.Is(err, ErrProof) {
			t.Errorf("key with byte %d changed: %v", i, err)
		}
	}
	if err := public.VerifyPossession(testIdentity(t, 2).Public(), proof); !errors.Is(err, ErrProof) {
		t.Errorf("proof made for another identity: %v", err)
	}
	if err := testKEM(t, 6).Public().VerifyPossession(identity, proof); !errors.Is(err, ErrProof) {
		t.Errorf("proof of another key: %v", err)
	}
}

// TestKEMPossessionRefusesEncodings builds proofs that hold but for the encoding of one part.
func TestKEMPossessionRefusesEncodings(t *testing.T) {
	k, identity := testKEM(t, 5), testIdentity(t, 1).Public()
	public, proof := k.Public(), k.Prove(identity)

	stretched, carry := proof, 0
	for i, b := range unhex(t, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010") {
		sum := int(stretched[32+i]) + int(b) + carry
		stretched[32+i], carry = byte(sum), sum>>8
	}
	if err := public.VerifyPossession(identity, stretched); !errors.Is(err, ErrProof) {
		t.Errorf("answer plus the group order: %v", err)
	}
	high := public
	high[31] |= 0x80
	if err := high.VerifyPossession(identity, proof); !errors.Is(err, ErrProof) {
		t.Errorf("key with the top bit: %v", err)
	}
}

// TestIdentityElementWouldProve shows that the check for the identity element is what refuses it:
// for Q = 1 any A = g^a with z = a satisfies the equation.
func TestIdentityElementWouldProve(t *testing.T) {
	k, identity := testKEM(t, 7), testIdentity(t, 1).Public()
	commitment := k.Public()
	var zero KEMPublicKey
	var forged KEMProof
	copy(forged[:], commitment[:])
	copy(forged[32:], k.Secret())
	if err := zero.VerifyPossession(identity, forged); !errors.Is(err, ErrProof) {
		t.Errorf("identity element with a proof that fits: %v", err)
	}
}
