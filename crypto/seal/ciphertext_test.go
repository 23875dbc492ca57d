package seal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// Where the fields of a ciphertext begin.
const (
	atU, atSecond, atE, atZ, atLength = 9, 41, 73, 105, 137
)

// The order of the group, little-endian: the smallest scalar that is not canonical.
var groupOrder = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")

// badPoints are the encodings that RFC 9496, A.3 wants refused, one or two of each kind.
var badPoints = map[string][]byte{
	"field element is not canonical":       unhex("00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
	"field element is p":                   unhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
	"negative":                             unhex("0100000000000000000000000000000000000000000000000000000000000000"),
	"negative too":                         unhex("ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20"),
	"no square":                            unhex("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"),
	"negative xy":                          unhex("3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e"),
	"s is -1, which makes y zero":          unhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
	"base point of edwards25519, RFC 8032": unhex("5866666666666666666666666666666666666666666666666666666666666666"),
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestEncryptKeepsSizesSecret(t *testing.T) {
	c := newCommittee(t, 1, 2)
	for size, want := range map[int]int{0: 256, 1: 256, 252: 256, 253: 512, 508: 512, 509: 768, MaxMessageSize: 131328} {
		ct := c.encrypt(t, nil, make([]byte, size))
		if got := len(ct) - headerSize - payloadOverhead; got != want {
			t.Errorf("message of %d bytes is padded to %d, want %d", size, got, want)
		}
		if len(ct) != SealedSize(size) || len(ct) > MaxCiphertextSize {
			t.Errorf("message of %d bytes: ciphertext of %d, announced %d", size, len(ct), SealedSize(size))
		}
	}
	if headerSize+payloadOverhead != 13+128+32+16 {
		t.Errorf("overhead is %d", headerSize+payloadOverhead)
	}
	if _, err := c.key.Encrypt(c.random, nil, make([]byte, MaxMessageSize+1)); !errors.Is(err, ErrSize) {
		t.Errorf("128 KiB + 1: %v", err)
	}
	if _, err := c.key.Encrypt(c.random, make([]byte, MaxAssociatedSize+1), nil); !errors.Is(err, ErrSize) {
		t.Errorf("associated data of 64 KiB + 1: %v", err)
	}
	if _, err := c.key.Encrypt(iotest.ErrReader(errors.New("dry")), nil, nil); err == nil {
		t.Error("sealed without randomness")
	}
	same, again := c.encrypt(t, nil, nil), c.encrypt(t, nil, nil)
	if bytes.Equal(same[atU:atU+32], again[atU:atU+32]) {
		t.Error("two ciphertexts share their randomness")
	}
}

// A source of randomness that repeats gives away that two messages are alike, but not r: the nonces
// of two proofs with one r must differ.
func TestEncryptSurvivesRepeatedRandomness(t *testing.T) {
	c := newCommittee(t, 1, 10)
	ctx := c.key.context(nil)
	r := randomness(Opening{1}, &ctx)
	nonce := func(message string) *scalar.Scalar {
		ct := c.key.encrypt(Opening{1}, nil, nil, pad([]byte(message)))
		e, err := decodeScalar(ct[atE:][:32])
		if err != nil {
			t.Fatal(err)
		}
		z, err := decodeScalar(ct[atZ:][:32])
		if err != nil {
			t.Fatal(err)
		}
		return z.Sub(z, e.Mul(e, r))
	}
	if nonce("a").Equal(nonce("b")) == 1 {
		t.Error("two proofs share their nonce")
	}
}

func TestVerifyRefuses(t *testing.T) {
	c := newCommittee(t, 4, 3)
	aad := []byte("network 1, namespace 5, sender A, nonce 9, fee 3")
	good := c.encrypt(t, aad, []byte("swap 5 for 6"))
	if _, err := c.key.Verify(aad, good); err != nil {
		t.Fatal(err)
	}
	type bad struct {
		name   string
		want   error
		change func(ct []byte) []byte
	}
	put := func(at int, b []byte) func([]byte) []byte {
		return func(ct []byte) []byte { copy(ct[at:], b); return ct }
	}
	tests := []bad{
		{"empty", ErrForm, func([]byte) []byte { return nil }},
		{"header only", ErrForm, func(ct []byte) []byte { return ct[:headerSize] }},
		{"one byte short", ErrForm, func(ct []byte) []byte { return ct[:len(ct)-1] }},
		{"one byte more", ErrForm, func(ct []byte) []byte { return append(ct, 0) }},
		{"no whole bucket", ErrForm, func(ct []byte) []byte {
			binary.BigEndian.PutUint32(ct[atLength:], uint32(len(ct)-headerSize-16))
			return ct[:len(ct)-16]
		}},
		{"payload without bucket", ErrForm, func(ct []byte) []byte {
			binary.BigEndian.PutUint32(ct[atLength:], payloadOverhead)
			return ct[:headerSize+payloadOverhead]
		}},
		{"too large", ErrSize, func(ct []byte) []byte { return append(ct, make([]byte, MaxCiphertextSize)...) }},
		{"other version", ErrForm, put(0, []byte{2})},
		{"other key", ErrKeyID, put(1, encodeID(8))},
		{"u is the identity", ErrIdentity, put(atU, make([]byte, 32))},
		{"ubar is the identity", ErrIdentity, put(atSecond, make([]byte, 32))},
		{"e is the order", ErrScalar, put(atE, groupOrder)},
		{"z is the order", ErrScalar, put(atZ, groupOrder)},
		{"z has the high bit", ErrScalar, put(atZ+31, []byte{0x80})},
		{"e is zero", ErrCiphertext, put(atE, make([]byte, 32))},
		{"e and z are zero", ErrCiphertext, put(atE, make([]byte, 64))},
		{"u moved", ErrCiphertext, func(ct []byte) []byte { movePoint(atU)(ct); return ct }},
		{"ubar moved", ErrCiphertext, func(ct []byte) []byte { movePoint(atSecond)(ct); return ct }},
		{"u and ubar swapped", ErrCiphertext, func(ct []byte) []byte {
			return slices.Concat(ct[:atU], ct[atSecond:atE], ct[atU:atSecond], ct[atE:])
		}},
	}
	for name, point := range badPoints {
		tests = append(tests, bad{"u: " + name, ErrPoint, put(atU, point)}, bad{"ubar: " + name, ErrPoint, put(atSecond, point)})
	}
	for _, at := range []int{headerSize, headerSize + 31, headerSize + 40, len(good) - 1} {
		tests = append(tests, bad{fmt.Sprintf("mauled at %d", at), ErrCiphertext, put(at, []byte{good[at] ^ 1})})
	}
	for _, test := range tests {
		if _, err := c.key.Verify(aad, test.change(bytes.Clone(good))); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
	}
}

// A ciphertext is bound to all that stands around it: copied to anywhere else it is refused.
func TestVerifyRefusesCopies(t *testing.T) {
	c := newCommittee(t, 4, 4)
	aad := []byte("sender A")
	good := c.encrypt(t, aad, []byte("swap 5 for 6"))
	for _, other := range [][]byte{nil, []byte("sender B"), []byte("sender A\x00"), []byte("sender ")} {
		if _, err := c.key.Verify(other, good); !errors.Is(err, ErrCiphertext) {
			t.Errorf("copied under %q: %v", other, err)
		}
	}
	if _, err := c.key.Verify(make([]byte, MaxAssociatedSize+1), good); !errors.Is(err, ErrSize) {
		t.Errorf("associated data of 64 KiB + 1: %v", err)
	}
	// The same h on another network, and another h under the same id.
	elsewhere, err := NewKey(crypto.Hash(crypto.DomainGenesis, []byte("fork")), testKeyID, c.key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*Key{"network": elsewhere, "key": newCommittee(t, 4, 5).key} {
		if _, err := key.Verify(aad, good); !errors.Is(err, ErrCiphertext) {
			t.Errorf("copied to another %s: %v", name, err)
		}
	}
	// The same h under another id, with the id in the ciphertext changed to it.
	later, err := NewKey(testNetwork, testKeyID+1, c.key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	copied := bytes.Clone(good)
	copy(copied[1:], encodeID(testKeyID+1))
	if _, err := later.Verify(aad, copied); !errors.Is(err, ErrCiphertext) {
		t.Errorf("copied to another id: %v", err)
	}
}

// The attack that the proof is there for: u*g^d, ubar*gbar^d is a related ciphertext, whose opening gives the
// victim's mask away.
func TestVerifyRefusesRelated(t *testing.T) {
	c := newCommittee(t, 4, 6)
	ct := c.encrypt(t, []byte("victim"), []byte("secret"))
	d := randomScalar(c.random)
	shift := func(at int, base *curve.RistrettoPoint) {
		p, err := decodePoint(ct[at:][:32])
		if err != nil {
			t.Fatal(err)
		}
		moved := encodePoint(p.Add(p, curve.NewRistrettoPoint().Mul(base, d)))
		copy(ct[at:], moved[:])
	}
	shift(atU, curve.RISTRETTO_BASEPOINT_POINT)
	shift(atSecond, c.key.second.Basepoint())
	e, err := decodeScalar(ct[atE:][:32])
	if err != nil {
		t.Fatal(err)
	}
	z, err := decodeScalar(ct[atZ:][:32])
	if err != nil {
		t.Fatal(err)
	}
	fitted := encodeScalar(z.Add(z, scalar.New().Mul(d, e))) // w and wbar stay as they were
	copy(ct[atZ:], fitted[:])
	for _, aad := range []string{"victim", "copier"} {
		if _, err := c.key.Verify([]byte(aad), ct); !errors.Is(err, ErrCiphertext) {
			t.Errorf("related ciphertext under %s: %v", aad, err)
		}
	}
}

// Without ubar bound to the same exponent the security proof does not go through.
func TestVerifyRefusesUnequalExponents(t *testing.T) {
	c := newCommittee(t, 4, 7)
	ctx := c.key.context(nil)
	r, other := randomScalar(c.random), randomScalar(c.random)
	payload := make([]byte, payloadOverhead+BucketSize)
	u := encodePoint(basePower(r))
	second := encodePoint(curve.NewRistrettoPoint().MulBasepoint(c.key.second, other))
	s := randomScalar(c.random)
	w := encodePoint(basePower(s))
	wSecond := encodePoint(curve.NewRistrettoPoint().MulBasepoint(c.key.second, s))
	e := ciphertextChallenge(&ctx, payload, u, w, second, wSecond)
	z := scalar.New().Mul(r, e)
	encodedE, encodedZ := encodeScalar(e), encodeScalar(z.Add(z, s))
	ct := slices.Concat([]byte{version}, encodeID(testKeyID), u[:], second[:], encodedE[:], encodedZ[:])
	ct = append(binary.BigEndian.AppendUint32(ct, uint32(len(payload))), payload...)
	if _, err := c.key.Verify(nil, ct); !errors.Is(err, ErrCiphertext) {
		t.Errorf("u and ubar with different exponents: %v", err)
	}
}

// What Verify returns keeps its own bytes.
func TestVerifiedIsImmutable(t *testing.T) {
	c := newCommittee(t, 1, 8)
	ct := c.encrypt(t, nil, []byte("as it was"))
	v := c.verified(t, nil, ct)
	if v.Hash() != Hash(ct) {
		t.Error("hash of the verified is not the hash of the bytes")
	}
	clear(ct)
	b := c.batch(t, v)
	if r := c.combiner(t, b, c.share(t, b, 1)).Combine()[0]; string(r.Message) != "as it was" {
		t.Errorf("%v %q", r.Verdict, r.Message)
	}
}

func TestKeyRefuses(t *testing.T) {
	c := newCommittee(t, 4, 9)
	if _, err := NewKey(testNetwork, 1, make([]byte, 32)); !errors.Is(err, ErrIdentity) {
		t.Errorf("identity: %v", err)
	}
	for _, size := range []int{0, 31, 33} {
		if _, err := NewKey(testNetwork, 1, make([]byte, size)); !errors.Is(err, ErrForm) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	for name, b := range badPoints {
		if _, err := NewKey(testNetwork, 1, b); !errors.Is(err, ErrPoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{"zero": make([]byte, 32), "order": groupOrder, "short": make([]byte, 31)} {
		if _, err := NewSecretShare(c.key, 1, b); !errors.Is(err, ErrScalar) {
			t.Errorf("secret share %s: %v", name, err)
		}
	}
	for _, index := range []int{-1, 0, MaxCommittee + 1} {
		if _, err := NewSecretShare(c.key, index, c.secrets[0].Bytes()); !errors.Is(err, ErrIndex) {
			t.Errorf("index %d: %v", index, err)
		}
	}
	if got, err := KeyID(c.encrypt(t, nil, nil)); got != testKeyID || err != nil {
		t.Errorf("key of ciphertext: %d, %v", got, err)
	}
}
