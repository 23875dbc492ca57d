package certify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cloudflare/circl/sign/bls"
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/dunlin-network/dunlin/crypto"
)

// Whoever signs, the signature is the same, and circl's verifies with the key.
func TestAnyQuorumSigns(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10} {
		c := newCommittee(t, n)
		message := crypto.Digest{byte(n), 3}
		random := rand.New(rand.NewPCG(uint64(n), 1))
		var first Signature
		for i := range 4 {
			members := random.Perm(n)
			s, err := c.Combine(c.sign(t, message, members...))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = s
			}
			if s != first {
				t.Errorf("n=%d: members %v make another signature", n, members)
			}
		}
		if err := c.Public().Verify(message, first); err != nil {
			t.Error(err)
		}
		public, key := c.Public(), new(bls.PublicKey[bls.KeyG2SigG1])
		if err := key.UnmarshalBinary(public[:]); err != nil {
			t.Fatal(err)
		}
		if !bls.Verify(key, message[:], first[:]) {
			t.Errorf("n=%d: another library refuses the signature", n)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	c := newCommittee(t, 4)
	message := crypto.Digest{1}
	good, err := c.Combine(c.sign(t, message, 0, 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	var generator fast.G1Affine
	_, _, generator, _ = fast.Generators()
	infinity := Signature{0xc0}
	uncompressed := good
	uncompressed[0] &^= compressedFlag
	for name, s := range map[string]Signature{
		"zero": {}, "infinity": infinity, "uncompressed": uncompressed, "generator": generator.Bytes(),
		"negated": func() Signature { s := good; s[0] ^= 0x20; return s }(), "partial": c.sign(t, message, 0)[0].Signature,
		"not on the curve": {0x80, 1}, "outside the subgroup": outsider(t),
	} {
		if err := c.Public().Verify(message, s); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range message {
		changed := message
		changed[i] ^= 0x10
		if err := c.Public().Verify(changed, good); !errors.Is(err, ErrSignature) {
			t.Errorf("byte %d of the message: %v", i, err)
		}
	}
	for name, p := range map[string]PublicKey{"zero": {}, "infinity": {0xc0}, "garbage": {0x80, 7}} {
		if err := p.Verify(message, good); !errors.Is(err, ErrKey) {
			t.Errorf("key %s: %v", name, err)
		}
	}
	if err := newCommittee(t, 5).Public().Verify(message, good); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
}

// outsider is a point of the curve that is not in G1.
func outsider(t *testing.T) Signature {
	t.Helper()
	for x := uint64(1); ; x++ {
		var p fast.G1Affine
		p.X.SetUint64(x)
		p.Y.Square(&p.X).Mul(&p.Y, &p.X)
		four := p.X
		four.SetUint64(4)
		if p.Y.Add(&p.Y, &four); p.Y.Legendre() != 1 {
			continue
		}
		p.Y.Sqrt(&p.Y)
		if p.IsOnCurve() && !p.IsInSubGroup() {
			return p.Bytes()
		}
	}
}

func TestWrongOnesAreFound(t *testing.T) {
	c := newCommittee(t, 10)
	message := crypto.Digest{1}
	everybody := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	good := c.sign(t, message, everybody...)
	other := c.sign(t, crypto.Digest{2}, everybody...)
	tests := []struct {
		name   string
		change func([]Partial)
		want   []int
	}{
		{"none", func([]Partial) {}, nil},
		{"another message", func(p []Partial) { p[3] = other[3] }, []int{3}},
		{"first and last", func(p []Partial) { p[0], p[9] = other[0], other[9] }, []int{0, 9}},
		{"another member's", func(p []Partial) { p[4].Signature = p[5].Signature }, []int{4}},
		{"two swapped", func(p []Partial) { p[4].Signature, p[5].Signature = p[5].Signature, p[4].Signature }, []int{4, 5}},
		{"no element", func(p []Partial) { p[6].Signature = Signature{1} }, []int{6}},
		{"identity", func(p []Partial) { p[6].Signature = Signature{0xc0} }, []int{6}},
		{"nobody's", func(p []Partial) { p[7].Member = 10; p[8].Member = -1 }, []int{7, 8}},
		{"all", func(p []Partial) { copy(p, other) }, everybody},
	}
	for _, test := range tests {
		partials := slices.Clone(good)
		test.change(partials)
		if got := c.Wrong(message, partials); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if got := c.Wrong(message, nil); got != nil {
		t.Errorf("of nobody: %v", got)
	}
}

// Two wrong partial signatures whose errors cancel each other out do not slip through together.
func TestErrorsDoNotCancel(t *testing.T) {
	c := newCommittee(t, 4)
	message := crypto.Digest{1}
	partials := c.sign(t, message, 0, 1, 2)
	_, _, generator, _ := fast.Generators()
	shift := func(i int, by fast.G1Affine) {
		var p fast.G1Affine
		if _, err := p.SetBytes(partials[i].Signature[:]); err != nil {
			t.Fatal(err)
		}
		p.Add(&p, &by)
		partials[i].Signature = p.Bytes()
	}
	shift(0, generator)
	shift(2, *new(fast.G1Affine).Neg(&generator))
	if got := c.Wrong(message, partials); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("found %v", got)
	}
}

func TestCombineRefuses(t *testing.T) {
	c := newCommittee(t, 4)
	p := c.sign(t, crypto.Digest{1}, 0, 1, 2, 3)
	tests := []struct {
		name     string
		partials []Partial
		want     error
	}{
		{"none", nil, ErrQuorum},
		{"too few", p[:2], ErrQuorum},
		{"one twice", []Partial{p[0], p[1], p[0]}, ErrQuorum},
		{"nobody's", []Partial{p[0], p[1], {4, p[2].Signature}}, ErrQuorum},
		{"negative", []Partial{p[0], p[1], {-1, p[2].Signature}}, ErrQuorum},
		{"no element", []Partial{p[0], p[1], {2, Signature{}}}, ErrSignature},
	}
	for _, test := range tests {
		if s, err := c.Combine(test.partials); !errors.Is(err, test.want) {
			t.Errorf("%s: %s, %v", test.name, s, err)
		}
	}
	wrong := []Partial{p[0], p[1], {3, p[2].Signature}}
	s, err := c.Combine(wrong)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Public().Verify(crypto.Digest{1}, s); !errors.Is(err, ErrSignature) {
		t.Errorf("a signature from a wrong partial one: %v", err)
	}
}

func TestVerifyAll(t *testing.T) {
	c := newCommittee(t, 4)
	var signed []Signed
	for i := range 9 {
		message := crypto.Digest{byte(i)}
		s, err := c.Combine(c.sign(t, message, 3, 1, 0))
		if err != nil {
			t.Fatal(err)
		}
		signed = append(signed, Signed{message, s})
	}
	check := func(name string, want ...int) {
		t.Helper()
		if got, err := c.Public().VerifyAll(signed); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	check("all good")
	signed[2].Signature, signed[7].Signature = signed[7].Signature, signed[2].Signature
	check("two swapped", 2, 7)
	signed[8].Signature[1] ^= 1
	signed[0].Message[5]++
	check("and more", 0, 2, 7, 8)
	if _, err := (PublicKey{}).VerifyAll(signed); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
}

// The message by its formula, and no two commits with one message.
func TestMessage(t *testing.T) {
	network, digest := crypto.Digest{1, 2}, crypto.Digest{3, 4}
	part := func(b, p []byte) []byte { return append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...) }
	b := part(nil, []byte("DUNLIN-FIN"))
	b = part(b, network[:])
	b = part(b, []byte{0, 0, 0, 0, 0, 0, 0, 9})
	b = part(b, []byte{0, 0, 0, 0, 0, 0, 1, 0})
	b = part(b, digest[:])
	want := sha256Of(b)
	if got := Message(network, 9, 256, digest); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, other := range map[string]crypto.Digest{
		"network": Message(digest, 9, 256, digest), "epoch": Message(network, 10, 256, digest),
		"index": Message(network, 9, 257, digest), "digest": Message(network, 9, 256, network),
	} {
		if other == want {
			t.Errorf("another %s has the same message", name)
		}
	}
}

func TestKeysAreRefused(t *testing.T) {
	c := newCommittee(t, 4)
	if _, err := NewCommittee(c.raw, 0, c.keys); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	if _, err := NewCommittee(c.raw, 5, c.keys); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	if _, err := NewCommittee(c.raw[1:], 3, c.keys); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	if _, err := NewCommittee(c.raw, 3, [][]byte{c.keys[0], c.keys[1], c.keys[2][:5]}); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	for _, b := range [][]byte{nil, make([]byte, 32), make([]byte, 31), bytes.Repeat([]byte{0xff}, 32)} {
		if _, err := NewShare(b); !errors.Is(err, ErrKey) {
			t.Errorf("share %x: %v", b, err)
		}
	}
}

// A member whose share is zero cannot sign, and nobody takes the identity for its signature.
func TestShareOfZero(t *testing.T) {
	c := newCommittee(t, 4)
	keys := slices.Clone(c.keys)
	keys[2] = append([]byte{0x40}, make([]byte, 191)...)
	without, err := NewCommittee(c.raw, 3, keys)
	if err != nil {
		t.Fatal(err)
	}
	message := crypto.Digest{1}
	partials := c.sign(t, message, 0, 1, 2, 3)
	partials[2].Signature = Signature{0xc0}
	if got := without.Wrong(message, partials); !slices.Equal(got, []int{2}) {
		t.Errorf("found %v", got)
	}
}

func BenchmarkCertify(b *testing.B) {
	for _, n := range []int{4, 100} {
		c := newCommittee(b, n)
		message := crypto.Digest{1}
		var members []int
		for k := range n {
			members = append(members, k)
		}
		partials := c.sign(b, message, members...)
		share, err := NewShare(c.shares[0])
		if err != nil {
			b.Fatal(err)
		}
		signature, err := c.Combine(partials)
		if err != nil {
			b.Fatal(err)
		}
		signed := slices.Repeat([]Signed{{message, signature}}, 32)
		spoilt := slices.Clone(partials)
		spoilt[n/2].Signature = partials[0].Signature
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"sign", func() { share.Sign(message) }},
			{"combine", func() { _, _ = c.Combine(partials) }},
			{"verify", func() { _ = c.Public().Verify(message, signature) }},
			{"verify-32", func() { _, _ = c.Public().VerifyAll(signed) }},
			{"check-partials", func() { c.Wrong(message, partials) }},
			{"find-one-wrong", func() { c.Wrong(message, spoilt) }},
		} {
			b.Run(fmt.Sprintf("%s/n=%d", step.name, n), func(b *testing.B) {
				for b.Loop() {
					step.do()
				}
			})
		}
	}
}
