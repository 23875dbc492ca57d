package crypto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oasisprotocol/curve25519-voi/curve"
)

func testKeys(t testing.TB, n byte) *Keys {
	t.Helper()
	return &Keys{Identity: testIdentity(t, n), KEM: testKEM(t, n), BLS: testBLS(t, n)}
}

func TestPublicKeysVerify(t *testing.T) {
	mine, other := testKeys(t, 1).Public(), testKeys(t, 2).Public()
	if err := mine.Verify(); err != nil {
		t.Fatalf("own public keys refused: %v", err)
	}
	for name, change := range map[string]func(*PublicKeys){
		"identity":  func(p *PublicKeys) { p.Identity = other.Identity },
		"kem":       func(p *PublicKeys) { p.KEM = other.KEM },
		"kem proof": func(p *PublicKeys) { p.KEMProof = other.KEMProof },
		"kem pair":  func(p *PublicKeys) { p.KEM, p.KEMProof = other.KEM, other.KEMProof },
		"bls":       func(p *PublicKeys) { p.BLS = other.BLS },
		"bls proof": func(p *PublicKeys) { p.BLSProof = other.BLSProof },
		"bls pair":  func(p *PublicKeys) { p.BLS, p.BLSProof = other.BLS, other.BLSProof },
		"nothing":   func(p *PublicKeys) { *p = PublicKeys{} },
	} {
		p := mine
		change(&p)
		if err := p.Verify(); !errors.Is(err, ErrProof) {
			t.Errorf("%s of another validator: %v", name, err)
		}
	}
}

// TestPublicKeysRefuseWeakIdentities makes proofs that hold for identities that are no good key.
func TestPublicKeysRefuseWeakIdentities(t *testing.T) {
	k := testKeys(t, 1)
	point, err := curve.NewEdwardsPoint().SetCompressedY((*curve.CompressedEdwardsY)(&k.Identity.public))
	if err != nil {
		t.Fatal(err)
	}
	shifted := curve.NewCompressedEdwardsY().SetEdwardsPoint(point.Add(point, curve.EIGHT_TORSION[1]))
	bad := map[string]PublicKey{"torsion": PublicKey(*shifted), "no point": {2}}
	for name, identity := range secondEncodings() {
		bad[name] = identity
	}
	for _, text := range smallOrder {
		bad[text] = PublicKey(unhex(t, text))
	}
	for name, identity := range bad {
		p := PublicKeys{Identity: identity, KEM: k.KEM.Public(), KEMProof: k.KEM.Prove(identity), BLS: k.BLS.Public(), BLSProof: k.BLS.Prove(identity)}
		if err := p.Verify(); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// secondEncodings write y + p instead of y, which fits 255 bits for y below 19.
func secondEncodings() map[string]PublicKey {
	out := map[string]PublicKey{}
	for y := range byte(19) {
		for _, top := range []byte{0x7f, 0xff} { // the two signs of x
			second := PublicKey(bytes.Repeat([]byte{0xff}, 32))
			second[0], second[31] = 0xed+y, top
			out[fmt.Sprintf("y = %d + p, %x", y, top)] = second
		}
	}
	return out
}

func TestPublicKeysText(t *testing.T) {
	p := testKeys(t, 1).Public()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back PublicKeys
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Error(diff)
	}
	var fields map[string]string
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	for name, text := range fields {
		for _, bad := range []string{text[1:], text[2:], text + "00", strings.Repeat("g", len(text)), ""} {
			if err := json.Unmarshal(bytes.Replace(raw, []byte(text), []byte(bad), 1), &back); err == nil {
				t.Errorf("%s read from %q", name, bad)
			}
		}
	}
}
