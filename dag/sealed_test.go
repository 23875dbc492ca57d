package dag

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
)

// testSealed is a sealed item of two namespaces with a ciphertext that is none.
func testSealed(sender []byte) *Sealed {
	return &Sealed{
		ValidUntil: 9, Sender: sender, Signature: testSignature[:2*len(sender)], Namespaces: []Namespace{7, 5},
		Ciphertext: bytes.Repeat([]byte{3}, seal.SealedSize(1)),
	}
}

func TestSealedRoundTrip(t *testing.T) {
	h := NewItemHasher(testNetwork)
	for _, sender := range [][]byte{nil, testSender} {
		s := testSealed(sender)
		item, err := s.Encode(h)
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.Decode(item.Raw)
		if err != nil || again.ID != item.ID || again.Kind != KindSealed || again.Namespace != 7 || again.ValidUntil != 9 {
			t.Fatalf("decoded %+v, error %v", again, err)
		}
		if back := again.Sealed(); !bytes.Equal(back.Associated(), s.Associated()) || !bytes.Equal(back.Ciphertext, s.Ciphertext) {
			t.Errorf("sealed item came back as %+v", back)
		}
		if got := again.Namespaces(); len(got) != 2 || got[0] != 7 || got[1] != 5 {
			t.Errorf("namespaces %v", got)
		}
	}
}

// TestSealedIsBoundToItsEnvelope: what stands around a ciphertext is in its associated data and in
// its id, also without a signature.
func TestSealedIsBoundToItsEnvelope(t *testing.T) {
	h := NewItemHasher(testNetwork)
	base, err := testSealed(nil).Encode(h)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Sealed){
		"valid_until": func(s *Sealed) { s.ValidUntil++ },
		"namespace":   func(s *Sealed) { s.Namespaces[1]++ },
		"order":       func(s *Sealed) { s.Namespaces = []Namespace{5, 7} },
		"one less":    func(s *Sealed) { s.Namespaces = s.Namespaces[:1] },
		"sender":      func(s *Sealed) { s.Sender, s.Signature = testSender, testSignature },
	} {
		s := testSealed(nil)
		change(s)
		item, err := s.Encode(h)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if item.ID == base.ID || bytes.Equal(s.Associated(), testSealed(nil).Associated()) {
			t.Errorf("%s is bound to neither id nor ciphertext", name)
		}
	}
	network, other := crypto.Digest{1}, crypto.Digest{2}
	if testSealed(nil).SigningDigest(network) == testSealed(nil).SigningDigest(other) {
		t.Error("a signature holds on two networks")
	}
}

func TestSealedBytesThatAreNone(t *testing.T) {
	h := NewItemHasher(testNetwork)
	for name, change := range map[string]func(*Sealed){
		"without valid_until": func(s *Sealed) { s.ValidUntil = 0 },
		"0 namespaces":        func(s *Sealed) { s.Namespaces = nil },
		"9 namespaces":        func(s *Sealed) { s.Namespaces = []Namespace{1, 2, 3, 4, 5, 6, 7, 8, 9} },
		"stands twice":        func(s *Sealed) { s.Namespaces = []Namespace{7, 7} },
		"ciphertext of":       func(s *Sealed) { s.Ciphertext = s.Ciphertext[1:] },
		"ciphertext of 13":    func(s *Sealed) { s.Ciphertext = make([]byte, seal.MaxCiphertextSize+1) },
		"sender of 32":        func(s *Sealed) { s.Sender = testSender },
	} {
		s := testSealed(nil)
		change(s)
		if _, err := s.Encode(h); !errors.Is(err, ErrItem) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestSealedContent: what was opened counts only if it is what the envelope promised.
func TestSealedContent(t *testing.T) {
	s := testSealed(nil)
	leg := func(ns Namespace) Leg { return Leg{ns, []byte{byte(ns)}} }
	content, err := EncodeContent([]Leg{leg(7), leg(5), leg(7)})
	if err != nil {
		t.Fatal(err)
	}
	if legs, err := s.Content(content); err != nil || len(legs) != 3 || legs[2].Payload[0] != 7 {
		t.Errorf("legs %v, error %v", legs, err)
	}
	for name, legs := range map[string][]Leg{
		"other order": {leg(5), leg(7)}, "one missing": {leg(7)}, "one more": {leg(7), leg(5), leg(6)},
	} {
		if _, err := s.Content(appendLegs(nil, legs)); !errors.Is(err, ErrContent) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := s.Content(content[1:]); !errors.Is(err, ErrContent) {
		t.Errorf("cut short: error %v", err)
	}
	if _, err := EncodeContent([]Leg{{7, make([]byte, MaxSealedContent)}}); !errors.Is(err, ErrItem) {
		t.Errorf("128 KiB and a header: error %v", err)
	}
}

// TestSealedFitsItsKey: associated data and ciphertext go together under a real key.
func TestSealedFitsItsKey(t *testing.T) {
	key, err := seal.NewKey(testNetwork, 1, testPoint())
	if err != nil {
		t.Fatal(err)
	}
	s := testSealed(testSender)
	if s.Ciphertext, err = key.Encrypt(rand.Reader, s.Associated(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := key.Verify(s.Associated(), s.Ciphertext); err != nil {
		t.Error(err)
	}
	s.ValidUntil++
	if _, err := key.Verify(s.Associated(), s.Ciphertext); !errors.Is(err, seal.ErrCiphertext) {
		t.Errorf("under another expiry: error %v", err)
	}
}

// testPoint is the encoding of ristretto255's base point.
func testPoint() []byte {
	return []byte{
		0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f,
		0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
	}
}
