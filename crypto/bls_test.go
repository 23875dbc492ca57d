package crypto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	gnark "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

func testBLS(t testing.TB, n byte) *BLSKey {
	t.Helper()
	k, err := GenerateBLSKey(bytes.NewReader(bytes.Repeat([]byte{n}, BLSSecretSize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKnownBLSKey(t *testing.T) {
	k, identity := testBLS(t, 5), testIdentity(t, 1).Public()
	if got, want := k.Public().String(), "87d5b862111f5348fd93d861ec7c2eb46d4daeaeed2759f35e57f57d109aa661cf06a7ba9b5aacb778c104c301e5cdc7013a450978d292f9dca223c6721f3ed182bf4d32f2c353a82be056b407263dd7b4e44a5a5217ddd40452cbf24670adcc"; got != want {
		t.Errorf("public key %s, want %s", got, want)
	}
	proof := k.Prove(identity)
	want := "b2be723399bdbc159897170be5b9191b8061b92d599d1ffbc07d56fab2c4503917fcd131a2b025315a286bb0029fe6bd"
	if got := hex.EncodeToString(proof[:]); got != want {
		t.Errorf("proof %s, want %s: a changed proof needs a new domain", got, want)
	}
}

// TestBLSAgreesWithGnark computes public key and proof with a second implementation.
func TestBLSAgreesWithGnark(t *testing.T) {
	_, _, _, generator := gnark.Generators()
	for n := range byte(8) {
		k, identity := testBLS(t, n), testIdentity(t, n).Public()
		secret := new(big.Int).SetBytes(k.Secret())
		public := new(gnark.G2Affine).ScalarMultiplication(&generator, secret).Bytes()
		if k.Public() != BLSPublicKey(public) {
			t.Errorf("gnark's public key %x, ours %v", public, k.Public())
		}
		message := blsPossession(identity, k.Public())
		hashed, err := gnark.HashToG1(message, []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"))
		if err != nil {
			t.Fatal(err)
		}
		proof := new(gnark.G1Affine).ScalarMultiplication(&hashed, secret).Bytes()
		if k.Prove(identity) != BLSProof(proof) {
			t.Errorf("gnark's proof %x, ours %x", proof, k.Prove(identity))
		}
	}
}

func TestBLSSecretRoundTrip(t *testing.T) {
	k := testBLS(t, 5)
	again, err := NewBLSKey(k.Secret())
	if err != nil || again.Public() != k.Public() {
		t.Errorf("key of the secret %v, error %v", again, err)
	}
}

func TestBLSKeyRefusesBadSecrets(t *testing.T) {
	for name, secret := range map[string][]byte{
		"empty": nil, "short": make([]byte, 31), "long": make([]byte, 33), "zero": make([]byte, 32),
		"order": fr.Modulus().Bytes(), "all ones": bytes.Repeat([]byte{255}, 32),
	} {
		if _, err := NewBLSKey(secret); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := GenerateBLSKey(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("key drawn from too few bytes")
	}
}

func TestBLSPossession(t *testing.T) {
	k, identity := testBLS(t, 5), testIdentity(t, 1).Public()
	public, proof := k.Public(), k.Prove(identity)
	if err := public.VerifyPossession(identity, proof); err != nil {
		t.Fatalf("own proof refused: %v", err)
	}
	for _, i := range []int{0, 1, 20, BLSProofSize - 1} {
		bad := proof
		bad[i] ^= 1
		if err := public.VerifyPossession(identity, bad); !errors.Is(err, ErrProof) {
			t.Errorf("proof with byte %d changed: %v", i, err)
		}
	}
	if err := public.VerifyPossession(testIdentity(t, 2).Public(), proof); !errors.Is(err, ErrProof) {
		t.Errorf("proof made for another identity: %v", err)
	}
	if err := testBLS(t, 6).Public().VerifyPossession(identity, proof); !errors.Is(err, ErrProof) {
		t.Errorf("proof of another key: %v", err)
	}
}

// TestBLSPossessionRefusesInfinity: with the key at infinity the proof at infinity would satisfy
// the pairing equation for every message.
func TestBLSPossessionRefusesInfinity(t *testing.T) {
	var public BLSPublicKey
	var proof BLSProof
	public[0], proof[0] = 0xc0, 0xc0
	identity := testIdentity(t, 1).Public()
	if err := public.VerifyPossession(identity, proof); !errors.Is(err, ErrProof) {
		t.Errorf("infinity: %v", err)
	}
	if err := testBLS(t, 5).Public().VerifyPossession(identity, proof); !errors.Is(err, ErrProof) {
		t.Errorf("proof at infinity: %v", err)
	}
}

// TestBLSPossessionRefusesOtherSubgroups takes a point of the twisted curve that is not in the
// subgroup of prime order.
func TestBLSPossessionRefusesOtherSubgroups(t *testing.T) {
	outside := pointOutsideG2(t)
	if !outside.IsOnCurve() || outside.IsInSubGroup() {
		t.Fatal("the test's point is not what it should be")
	}
	public := BLSPublicKey(outside.Bytes())
	k, identity := testBLS(t, 5), testIdentity(t, 1).Public()
	if err := public.VerifyPossession(identity, k.Prove(identity)); !errors.Is(err, ErrProof) {
		t.Errorf("point outside the subgroup: %v", err)
	}
}

func pointOutsideG2(t *testing.T) gnark.G2Affine {
	t.Helper()
	var four, y2 gnark.E2
	four.A0.SetUint64(4)
	four.A1.SetUint64(4)
	for x := uint64(1); x < 100; x++ {
		var p gnark.G2Affine
		p.X.A0.SetUint64(x)
		y2.Square(&p.X).Mul(&y2, &p.X).Add(&y2, &four)
		if y2.Legendre() != 1 {
			continue
		}
		p.Y.Sqrt(&y2)
		return p
	}
	t.Fatal("no point found")
	return gnark.G2Affine{}
}
