package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"pgregory.net/rapid"
)

func testIdentity(t testing.TB, n byte) *IdentityKey {
	t.Helper()
	k, err := NewIdentityKey(bytes.Repeat([]byte{n}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// counting is a reader of bytes that differ from place to place.
type counting struct{ next byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.next
		c.next++
	}
	return len(p), nil
}

// The values were computed by another program.
func TestKnownSignature(t *testing.T) {
	k, err := GenerateIdentityKey(&counting{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := k.Public().String(), "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"; got != want {
		t.Errorf("public key %s, want %s", got, want)
	}
	s := k.Sign(DomainBlock, Hash(DomainBlock, []byte("ab"), []byte("c")))
	want := "444f342092c6211a3ee05fdd1b259034ab63087140a035eabcc25c11169ccdcfe26c8c6a142683c47a83151aa57bcd80116f721012203c63b811e1aa5f972d0c"
	if got := hex.EncodeToString(s[:]); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestStandardKeySignsTheSame(t *testing.T) {
	k, d := testIdentity(t, 1), Hash(DomainBlock)
	s := k.Sign(DomainBlock, d)
	if got := ed25519.Sign(k.Standard(), append([]byte("dunlin/block/1\x00"), d[:]...)); !bytes.Equal(got, s[:]) {
		t.Errorf("standard library %x, want %x", got, s)
	}
	again, err := NewIdentityKey(k.Seed())
	if err != nil || again.Public() != k.Public() {
		t.Errorf("key of the seed %v, error %v", again, err)
	}
}

func TestIdentityKeyRefusesSeedsOfWrongLength(t *testing.T) {
	for _, n := range []int{0, SeedSize - 1, SeedSize + 1} {
		if _, err := NewIdentityKey(make([]byte, n)); err == nil {
			t.Errorf("seed of %d bytes accepted", n)
		}
	}
	if _, err := GenerateIdentityKey(bytes.NewReader(make([]byte, SeedSize-1))); err == nil {
		t.Error("key drawn from too few bytes")
	}
}

func TestVerifyBindsEverything(t *testing.T) {
	k, d := testIdentity(t, 1), Hash(DomainBlock, []byte("x"))
	s := k.Sign(DomainBlock, d)
	if !k.Public().Verify(DomainBlock, d, s) {
		t.Fatal("own signature refused")
	}
	if k.Public().Verify(DomainCommit, d, s) {
		t.Error("signature holds in another domain")
	}
	if k.Public().Verify(DomainBlock, Hash(DomainBlock, []byte("y")), s) {
		t.Error("signature holds for another digest")
	}
	if testIdentity(t, 2).Public().Verify(DomainBlock, d, s) {
		t.Error("signature holds for another key")
	}
	for i := range s {
		bad := s
		bad[i] ^= 1
		if k.Public().Verify(DomainBlock, d, bad) {
			t.Errorf("signature with byte %d changed holds", i)
		}
	}
}

// TestSignatureCannotBeStretched adds the group order to S, which gives a second signature where
// S need not be canonical.
func TestSignatureCannotBeStretched(t *testing.T) {
	order, err := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	if err != nil {
		t.Fatal(err)
	}
	k, d := testIdentity(t, 1), Hash(DomainBlock)
	s := k.Sign(DomainBlock, d)
	carry := 0
	for i, b := range order {
		sum := int(s[32+i]) + int(b) + carry
		s[32+i], carry = byte(sum), sum>>8
	}
	if k.Public().Verify(DomainBlock, d, s) {
		t.Error("S plus the group order verifies")
	}
}

func TestBatchFindsTheWrongOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "n")
		checks, want := make([]SignatureCheck, n), make([]bool, n)
		for i := range checks {
			k, err := NewIdentityKey(bytes.Repeat([]byte{byte(i % 7)}, SeedSize))
			if err != nil {
				t.Fatal(err)
			}
			d := Hash(DomainBlock, []byte{byte(i)})
			checks[i] = SignatureCheck{Key: k.Public(), Domain: DomainBlock, Digest: d, Signature: k.Sign(DomainBlock, d)}
			want[i] = rapid.IntRange(0, 3).Draw(t, "spoil") > 0
			if !want[i] {
				spoil(&checks[i], rapid.IntRange(0, 3).Draw(t, "what"), rapid.IntRange(0, 255).Draw(t, "bit"))
			}
		}
		if got := VerifyBatch(checks); !slices.Equal(got, want) {
			t.Fatalf("batch says %v, want %v", got, want)
		}
		for i, c := range checks {
			if c.Key.Verify(c.Domain, c.Digest, c.Signature) != want[i] {
				t.Fatalf("single check of %d does not say %v", i, want[i])
			}
		}
	})
}

func spoil(c *SignatureCheck, what, bit int) {
	switch what {
	case 0:
		c.Key[bit/8] ^= 1 << (bit % 8)
	case 1:
		c.Digest[bit/8] ^= 1 << (bit % 8)
	case 2:
		c.Domain = DomainCommit
	case 3:
		c.Signature[bit/4] ^= 1 << (bit % 8)
	}
}

// smallOrder lists all encodings of the eight points of small order, canonical or not.
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSmallOrderPoints: under ZIP-215 every pair of such points with S = 0 is a signature over
// anything. What matters is that single and batch agree, alone and beside a wrong one.
func TestSmallOrderPoints(t *testing.T) {
	var checks []SignatureCheck
	for _, a := range smallOrder {
		for _, r := range smallOrder {
			c := SignatureCheck{Domain: DomainBlock, Digest: Hash(DomainBlock, []byte(a+r))}
			copy(c.Key[:], unhex(t, a))
			copy(c.Signature[:], unhex(t, r))
			checks = append(checks, c)
		}
	}
	wrong := checks[0]
	wrong.Signature[32] = 1 // S = 1
	for _, batch := range [][]SignatureCheck{checks, append(slices.Clone(checks), wrong)} {
		for i, valid := range VerifyBatch(batch) {
			c := batch[i]
			if single := c.Key.Verify(c.Domain, c.Digest, c.Signature); single != valid || valid != (i < len(checks)) {
				t.Errorf("key %v, signature %x: single %v, batch of %d %v", c.Key, c.Signature, single, len(batch), valid)
			}
		}
	}
}

// TestMixedOrder shifts an honest public key by a point of small order: only rules with the
// cofactor say the same in a batch and alone.
func TestMixedOrder(t *testing.T) {
	k := testIdentity(t, 1)
	var checks []SignatureCheck
	for _, torsion := range curve.EIGHT_TORSION {
		public, err := curve.NewCompressedEdwardsY().SetBytes(k.public[:])
		if err != nil {
			t.Fatal(err)
		}
		point, err := curve.NewEdwardsPoint().SetCompressedY(public)
		if err != nil {
			t.Fatal(err)
		}
		shifted := curve.NewCompressedEdwardsY().SetEdwardsPoint(point.Add(point, torsion))
		private := slices.Concat(k.Seed(), shifted[:]) // signs with the shifted key in the hash
		for n := range 4 {
			d := Hash(DomainBlock, []byte{byte(n)})
			c := SignatureCheck{Key: PublicKey(*shifted), Domain: DomainBlock, Digest: d}
			copy(c.Signature[:], ed25519.Sign(private, signedMessage(DomainBlock, d)))
			checks = append(checks, c)
		}
	}
	for i, valid := range VerifyBatch(checks) {
		c := checks[i]
		if single := c.Key.Verify(c.Domain, c.Digest, c.Signature); !single || !valid {
			t.Errorf("key %v: single %v, batch %v, want both true", c.Key, single, valid)
		}
	}
}

func TestPublicKeyText(t *testing.T) {
	p := testIdentity(t, 1).Public()
	text, err := p.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back PublicKey
	if err := back.UnmarshalText(text); err != nil || back != p {
		t.Fatalf("%s read as %v, error %v", text, back, err)
	}
	for _, bad := range [][]byte{nil, text[1:], bytes.ToUpper(text), append([]byte("g"), text[1:]...)} {
		if back.UnmarshalText(bad) == nil || back != p {
			t.Errorf("%q was read as a public key, or changed one", bad)
		}
	}
}

func BenchmarkVerifyOne(b *testing.B) {
	k, d := testIdentity(b, 1), Hash(DomainBlock)
	s := k.Sign(DomainBlock, d)
	for b.Loop() {
		k.Public().Verify(DomainBlock, d, s)
	}
}

func BenchmarkVerifyBatch64(b *testing.B) {
	checks := make([]SignatureCheck, 64)
	for i := range checks {
		k, d := testIdentity(b, byte(i)), Hash(DomainBlock, []byte{byte(i)})
		checks[i] = SignatureCheck{k.Public(), DomainBlock, d, k.Sign(DomainBlock, d)}
	}
	for b.Loop() {
		VerifyBatch(checks)
	}
}
