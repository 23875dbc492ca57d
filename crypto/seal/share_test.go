package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// A validator that crashed and comes back must not be able to say two things.
func TestShareIsTheSameBytesAgain(t *testing.T) {
	c := newCommittee(t, 4, 1)
	b := c.sealed(t, []byte("a"), []byte("b"))
	first := c.share(t, b, 2).Encode()
	reread, err := NewSecretShare(c.key, 2, c.secrets[1].Bytes())
	if err != nil {
		t.Fatal(err)
	}
	again, err := reread.Decrypt(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, again.Encode()) {
		t.Error("share made again differs")
	}
	if len(first) != 32*2+96+45 || len(first) != ShareSize(2) {
		t.Errorf("share of 2 ciphertexts has %d bytes", len(first))
	}
	decoded, err := DecodeShare(first)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(decoded.Encode(), first) || decoded.Index() != 2 || decoded.KeyID() != testKeyID ||
		decoded.BatchID() != b.ID() || decoded.Len() != b.Len() {
		t.Errorf("decoded to %+v", decoded)
	}
}

// The nonce of a proof must not repeat for another challenge, or it gives the secret away.
func TestShareNoncesDiffer(t *testing.T) {
	c := newCommittee(t, 4, 2)
	seen := make(map[[pointSize]byte]string)
	one := c.sealed(t, []byte("a"), []byte("b"))
	other, err := NewBatch(c.key, crypto.Digest{1}, one.members)
	if err != nil {
		t.Fatal(err)
	}
	swapped, err := NewBatch(c.key, crypto.Hash(crypto.DomainCommit, []byte("commit")), []*Ciphertext{one.members[1], one.members[0]})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*Batch{"one": one, "other commit": other, "swapped": swapped} {
		for k := 1; k <= 4; k++ {
			a := c.share(t, b, k).encodedA
			if seen[a] != "" {
				t.Errorf("%s and %s have the same nonce", name, seen[a])
			}
			seen[a] = name
		}
	}
}

func TestSecretShareErase(t *testing.T) {
	c := newCommittee(t, 4, 3)
	b := c.sealed(t, []byte("a"))
	s := c.secrets[0]
	held := s.secret
	s.Erase()
	s.Erase()
	if encodeScalar(held) != [32]byte{} {
		t.Error("the secret is still in memory")
	}
	if _, err := s.Decrypt(b); !errors.Is(err, ErrErased) {
		t.Errorf("decrypts with an erased share: %v", err)
	}
	if s.Bytes() != nil {
		t.Error("gives bytes of an erased share")
	}
	if _, err := newCommittee(t, 4, 4).secrets[1].Decrypt(b); !errors.Is(err, ErrKeyID) {
		t.Errorf("share for a batch of another key: %v", err)
	}
}

func TestDecodeShareRefuses(t *testing.T) {
	c := newCommittee(t, 4, 5)
	good := c.share(t, c.sealed(t, []byte("a"), []byte("b")), 3).Encode()
	proof := shareHeaderSize + 2*pointSize
	put := func(at int, b ...byte) func([]byte) []byte {
		return func(s []byte) []byte { copy(s[at:], b); return s }
	}
	tests := []struct {
		name   string
		want   error
		change func([]byte) []byte
	}{
		{"empty", ErrForm, func([]byte) []byte { return nil }},
		{"short", ErrForm, func(b []byte) []byte { return b[:len(b)-1] }},
		{"long", ErrForm, func(b []byte) []byte { return append(b, 0) }},
		{"too large", ErrSize, func([]byte) []byte { return make([]byte, MaxShareSize+1) }},
		{"version", ErrForm, put(0, 2)},
		{"count", ErrForm, put(43, 0, 1)},
		{"no ciphertexts", ErrForm, func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[43:], 0)
			return slices.Concat(b[:shareHeaderSize], b[proof:])
		}},
		{"index 0", ErrIndex, put(9, 0, 0)},
		{"index 257", ErrIndex, put(9, 1, 1)},
		{"point is the identity", ErrIdentity, put(shareHeaderSize, make([]byte, 32)...)},
		{"A is the identity", ErrIdentity, put(proof, make([]byte, 32)...)},
		{"B is the identity", ErrIdentity, put(proof+32, make([]byte, 32)...)},
		{"point is none", ErrPoint, put(shareHeaderSize+32, badPoints["no square"]...)},
		{"A is none", ErrPoint, put(proof, badPoints["negative"]...)},
		{"B is none", ErrPoint, put(proof+32, badPoints["field element is p"]...)},
		{"z is the order", ErrScalar, put(proof+64, groupOrder...)},
	}
	for _, test := range tests {
		if _, err := DecodeShare(test.change(bytes.Clone(good))); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
	}
}

// Every byte of a share that is not its index or form is covered by the proof.
func TestVerifySharesNamesTheBad(t *testing.T) {
	c := newCommittee(t, 10, 6)
	b := c.sealed(t, []byte("a"), []byte("b"), []byte("c"))
	other := c.sealed(t, []byte("a"), []byte("b"), []byte("c"))
	proof := shareHeaderSize + 3*pointSize
	header := func(s, from *Share) *Share {
		return tampered(t, s, func(e []byte) { copy(e, from.Encode()[:shareHeaderSize]) })
	}
	kinds := map[string]func(s *Share) *Share{
		"first point":         func(s *Share) *Share { return tampered(t, s, movePoint(shareHeaderSize)) },
		"last point":          func(s *Share) *Share { return tampered(t, s, movePoint(shareHeaderSize+64)) },
		"A":                   func(s *Share) *Share { return tampered(t, s, movePoint(proof)) },
		"B":                   func(s *Share) *Share { return tampered(t, s, movePoint(proof+32)) },
		"z":                   func(s *Share) *Share { return tampered(t, s, func(e []byte) { e[proof+64] ^= 1 }) },
		"index of another":    func(s *Share) *Share { return tampered(t, s, func(e []byte) { e[10] = byte(s.Index()%10 + 1) }) },
		"index outside":       func(s *Share) *Share { return tampered(t, s, func(e []byte) { e[10] = 11 }) },
		"other key":           func(s *Share) *Share { return tampered(t, s, func(e []byte) { e[8]++ }) },
		"other batch":         func(s *Share) *Share { return c.share(t, other, s.Index()) },
		"other batch, forged": func(s *Share) *Share { return header(c.share(t, other, s.Index()), s) },
		"points swapped": func(s *Share) *Share {
			return tampered(t, s, func(e []byte) {
				copy(e[shareHeaderSize:], slices.Concat(s.encoded[32:64], s.encoded[:32]))
			})
		},
		"fewer ciphertexts": func(s *Share) *Share {
			e := s.Encode()
			binary.BigEndian.PutUint16(e[43:], 2)
			out, err := DecodeShare(slices.Concat(e[:shareHeaderSize+64], e[proof:]))
			if err != nil {
				t.Fatal(err)
			}
			return out
		},
	}
	var good []*Share
	for k := 1; k <= 10; k++ {
		good = append(good, c.share(t, b, k))
	}
	if bad := c.public.VerifyShares(b, good); len(bad) > 0 {
		t.Fatalf("right shares are called wrong: %v", bad)
	}
	for name, spoil := range kinds {
		for _, want := range [][]int{{0}, {9}, {4}, {0, 9}, {3, 4, 5}, indices(9), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
			shares := slices.Clone(good)
			for _, i := range want {
				shares[i] = spoil(shares[i])
			}
			if diff := cmp.Diff(want, c.public.VerifyShares(b, shares)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// Each equation of the proof alone can be met with wrong points; both together cannot.
func TestVerifySharesChecksBothEquations(t *testing.T) {
	c := newCommittee(t, 4, 10)
	b := c.sealed(t, []byte("a"), []byte("b"))
	wrong := *c.secrets[0]
	wrong.secret = randomScalar(c.random)
	second, err := wrong.Decrypt(b) // the proof is about its own secret, not that of Y
	if err != nil {
		t.Fatal(err)
	}
	first := *second // the proof is about the secret of Y, the points are not
	c.secrets[0].prove(b, &first)
	for name, s := range map[string]*Share{"first": &first, "second": second} {
		if diff := cmp.Diff([]int{0}, c.public.VerifyShares(b, []*Share{s})); diff != "" {
			t.Errorf("only the %s equation holds: %s", name, diff)
		}
	}
}

// Two wrong proofs whose errors cancel must not pass together.
func TestVerifySharesWeighsEach(t *testing.T) {
	c := newCommittee(t, 4, 7)
	b := c.sealed(t, []byte("a"))
	shift := randomScalar(c.random)
	var shares []*Share
	for k, by := range []*scalar.Scalar{shift, negative(shift)} {
		s, nonce := *c.share(t, b, k+1), randomScalar(c.random)
		d := curve.NewRistrettoPoint().MultiscalarMul(s.rho(), b.points)
		s.a = curve.NewRistrettoPoint().Add(basePower(nonce), basePower(by))
		s.b = d.Mul(d, nonce)
		s.encodedA, s.encodedB = encodePoint(s.a), encodePoint(s.b)
		s.z = scalar.New().Mul(s.challenge(c.secrets[k].public), c.secrets[k].secret)
		s.z.Add(s.z, nonce)
		shares = append(shares, &s)
	}
	if diff := cmp.Diff([]int{0, 1}, c.public.VerifyShares(b, shares)); diff != "" {
		t.Error(diff)
	}
}

// The largest batch keeps its limits, and its shares, too many points for one multiplication, are checked in
// parts without losing one.
func TestLargestBatch(t *testing.T) {
	c := newCommittee(t, 4, 11)
	b := c.batch(t, slices.Repeat([]*Ciphertext{c.verified(t, nil, c.encrypt(t, nil, []byte("a")))}, MaxBatch)...)
	encoded := c.share(t, b, 2).Encode()
	if len(encoded) != MaxShareSize {
		t.Errorf("share of %d bytes, limit %d", len(encoded), MaxShareSize)
	}
	s, err := DecodeShare(encoded)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := tampered(t, s, movePoint(MaxShareSize-proofSize-pointSize))
	shares := slices.Repeat([]*Share{s}, 2*maxTerms/MaxBatch)
	first, last := 3, len(shares)-1
	shares[first], shares[last] = spoiled, spoiled
	if diff := cmp.Diff([]int{first, last}, c.public.VerifyShares(b, shares)); diff != "" {
		t.Error(diff)
	}
}

func TestNewBatchRefuses(t *testing.T) {
	c := newCommittee(t, 4, 8)
	one := c.verified(t, nil, c.encrypt(t, nil, nil))
	if _, err := NewBatch(c.key, crypto.Digest{}, nil); !errors.Is(err, ErrForm) {
		t.Errorf("empty: %v", err)
	}
	if _, err := NewBatch(c.key, crypto.Digest{}, slices.Repeat([]*Ciphertext{one}, MaxBatch+1)); !errors.Is(err, ErrSize) {
		t.Errorf("too many: %v", err)
	}
	other := newCommittee(t, 4, 9)
	if _, err := NewBatch(other.key, crypto.Digest{}, []*Ciphertext{one}); !errors.Is(err, ErrKeyID) {
		t.Errorf("ciphertext of another key: %v", err)
	}
	if _, err := other.public.NewCombiner(c.batch(t, one)); !errors.Is(err, ErrKeyID) {
		t.Errorf("combiner of another key: %v", err)
	}
	again, err := NewKey(testNetwork, testKeyID, c.key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewBatch(again, crypto.Digest{}, []*Ciphertext{one}); err != nil {
		t.Errorf("the same key made again: %v", err)
	}
}
