package rollupapi_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// identity is the sender of tests.
func identity(t testing.TB) *crypto.IdentityKey {
	t.Helper()
	key, err := crypto.NewIdentityKey(bytes.Repeat([]byte{9}, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sealed is an envelope with one leg for each namespace, sealed with key.
func sealed(t testing.TB, key *seal.Key, s dag.Sealed, payload string) dag.Sealed {
	t.Helper()
	var legs []dag.Leg
	for _, ns := range s.Namespaces {
		legs = append(legs, dag.Leg{Namespace: ns, Payload: []byte(payload)})
	}
	content, err := dag.EncodeContent(legs)
	if err != nil {
		t.Fatal(err)
	}
	if s.Ciphertext, err = key.Encrypt(rand.Reader, s.Associated(), content); err != nil {
		t.Fatal(err)
	}
	return s
}

// signed is s with the signature of the tests' sender.
func signed(t testing.TB, network crypto.Digest, s dag.Sealed) dag.Sealed {
	t.Helper()
	signature := identity(t).Sign(crypto.DomainTxSignature, s.SigningDigest(network))
	s.Signature = signature[:]
	return s
}

// changed is s with another byte at a place of its ciphertext.
func changed(s dag.Sealed, place int) dag.Sealed {
	s.Ciphertext = bytes.Clone(s.Ciphertext)
	s.Ciphertext[place] ^= 1
	return s
}

// overwritten is s with other bytes from a place of its ciphertext on.
func overwritten(s dag.Sealed, place int, with []byte) dag.Sealed {
	s.Ciphertext = bytes.Clone(s.Ciphertext)
	copy(s.Ciphertext[place:], with)
	return s
}

// Places in a ciphertext: version 1, key id 8, u, ubar, e and z of 32 each, length 4, payload.
const (
	placeKeyID = 1
	placeU     = 9
	placeUbar  = placeU + 32
	placeE     = placeUbar + 32
	placeZ     = placeE + 32
	placeSize  = placeZ + 32
	placeBody  = placeSize + 4
)

// TestSealedAdmission: every way in which a sealed item can be bad has a name, over the API and
// in gossip alike.
func TestSealedAdmission(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	old := c.Key()
	c.OpenSealing(t)
	key, network := c.Key(), c.Committee.Network()
	admission := rollupapi.NewAdmission(c.AdmissionConfig(2))
	const head, until = 10, 20
	sender := identity(t).Public()
	plain := sealed(t, key, dag.Sealed{ValidUntil: until, Namespaces: []dag.Namespace{apitest.Open, apitest.Quiet}}, "hello")
	sent := signed(t, network, sealed(t, key, dag.Sealed{ValidUntil: until, Namespaces: []dag.Namespace{apitest.Signed}, Sender: sender[:]}, "hello"))
	elsewhere, err := seal.NewKey(crypto.Hash(crypto.DomainGenesis, []byte("another network")), key.ID(), key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Repeat([]byte{255}, 32) // no canonical element or scalar
	with := func(change func(*dag.Sealed)) dag.Sealed {
		s := plain
		change(&s)
		return s
	}
	for _, test := range []struct {
		name   string
		item   dag.Sealed
		want   rollupapi.Reason
		remedy string
	}{
		{"good", plain, "", ""},
		{"good, signed", sent, "", ""},
		{"no namespace", with(func(s *dag.Sealed) { s.Namespaces = nil }), rollupapi.ReasonSealedMalformed, "want 1 to 8"},
		{"nine namespaces", with(func(s *dag.Sealed) { s.Namespaces = make([]dag.Namespace, 9) }), rollupapi.ReasonSealedMalformed, "want 1 to 8"},
		{"namespace twice", with(func(s *dag.Sealed) { s.Namespaces = []dag.Namespace{apitest.Open, apitest.Open} }), rollupapi.ReasonSealedMalformed, "twice"},
		{"unknown namespace", with(func(s *dag.Sealed) { s.Namespaces = []dag.Namespace{apitest.Open, 7} }), rollupapi.ReasonNamespaceUnknown, "7 is not registered"},
		{"unsigned for ed25519", with(func(s *dag.Sealed) { s.Namespaces = []dag.Namespace{apitest.Open, apitest.Signed} }), rollupapi.ReasonSignatureMissing, "needs the sender"},
		{"sender without signature", with(func(s *dag.Sealed) { s.Sender = sender[:] }), rollupapi.ReasonSignatureInvalid, "want 32 and 64"},
		{"no expiry", with(func(s *dag.Sealed) { s.ValidUntil = 0 }), rollupapi.ReasonTooFarAhead, "sealed needs valid_until_commit"},
		{"expired", with(func(s *dag.Sealed) { s.ValidUntil = head }), rollupapi.ReasonExpired, "commit 10 is there"},
		{"too far ahead", with(func(s *dag.Sealed) { s.ValidUntil = head + dag.ValidityWindow + 1 }), rollupapi.ReasonTooFarAhead, "past the newest"},
		{"empty", with(func(s *dag.Sealed) { s.Ciphertext = nil }), rollupapi.ReasonCiphertextInvalid, "the shortest has"},
		{"too large", with(func(s *dag.Sealed) { s.Ciphertext = make([]byte, seal.MaxCiphertextSize+1) }), rollupapi.ReasonTooLarge, "seal at most 131072 bytes"},
		{"unknown version", changed(plain, 0), rollupapi.ReasonCiphertextInvalid, "malformed"},
		{"old key", sealed(t, old, dag.Sealed{ValidUntil: until, Namespaces: plain.Namespaces}, "hello"), rollupapi.ReasonEpochKeyStale, "get the encryption key again"},
		{"later key", overwritten(plain, placeKeyID, []byte{1}), rollupapi.ReasonSealingNotReady, "knows key 2 and no later"},
		{"u not canonical", overwritten(plain, placeU, other), rollupapi.ReasonCiphertextInvalid, "canonical group element"},
		{"u the identity", overwritten(plain, placeU, make([]byte, 32)), rollupapi.ReasonCiphertextInvalid, "identity"},
		{"ubar not canonical", overwritten(plain, placeUbar, other), rollupapi.ReasonCiphertextInvalid, "canonical group element"},
		{"ubar the identity", overwritten(plain, placeUbar, make([]byte, 32)), rollupapi.ReasonCiphertextInvalid, "identity"},
		{"e not canonical", overwritten(plain, placeE, other), rollupapi.ReasonCiphertextInvalid, "scalar"},
		{"z not canonical", overwritten(plain, placeZ, other), rollupapi.ReasonCiphertextInvalid, "scalar"},
		{"length", changed(plain, placeSize), rollupapi.ReasonCiphertextInvalid, "malformed"},
		{"mauled payload", changed(plain, placeBody+5), rollupapi.ReasonCiphertextInvalid, "seal anew for this envelope"},
		{"mauled u", overwritten(plain, placeU, key.Bytes()), rollupapi.ReasonCiphertextInvalid, "seal anew for this envelope"},
		{"copied under a sender", signed(t, network, with(func(s *dag.Sealed) { s.Sender = sender[:] })), rollupapi.ReasonCiphertextInvalid, "seal anew for this envelope"},
		{"copied without the sender", with(func(s *dag.Sealed) { s.Ciphertext = sent.Ciphertext }), rollupapi.ReasonCiphertextInvalid, "seal anew for this envelope"},
		{"copied to other namespaces", with(func(s *dag.Sealed) { s.Namespaces = []dag.Namespace{apitest.Quiet, apitest.Open} }), rollupapi.ReasonCiphertextInvalid, "seal anew for this envelope"},
		{"copied with a later expiry", with(func(s *dag.Sealed) { s.ValidUntil++ }), rollupapi.ReasonCiphertextInvalid, "seal anew for this envelope"},
		{"copied from another network", sealed(t, elsewhere, dag.Sealed{ValidUntil: until, Namespaces: plain.Namespaces}, "hello"), rollupapi.ReasonCiphertextInvalid, "seal anew for this envelope"},
		{"signature of something else", with(func(s *dag.Sealed) { *s = sent; s.Signature = make([]byte, crypto.SignatureSize) }), rollupapi.ReasonSignatureInvalid, "not that of sender"},
	} {
		t.Run(test.name, func(t *testing.T) {
			admitted, err := admission.Sealed(t.Context(), head, []dag.Sealed{plain, test.item})
			if err != nil || admitted[0].Refused != nil {
				t.Fatalf("%v; the good one beside it: %v", err, admitted)
			}
			checkRefusal(t, admitted[1].Refused, test.want, test.remedy)
			item, err := test.item.Encode(dag.NewItemHasher(network))
			if err != nil {
				return // nothing that gossip could bring
			}
			if test.want == "" && !bytes.Equal(item.Raw, admitted[1].Item.Raw) {
				t.Error("the admitted item is another one")
			}
			_, err = admission.Encoded(t.Context(), head, item.Raw)
			var refused *rollupapi.Refusal
			if err != nil && !errors.As(err, &refused) {
				t.Fatal(err)
			}
			checkRefusal(t, refused, test.want, test.remedy)
		})
	}
}

func checkRefusal(t *testing.T, got *rollupapi.Refusal, want rollupapi.Reason, remedy string) {
	t.Helper()
	switch {
	case got == nil && want != "":
		t.Errorf("it is admitted, want %s", want)
	case got != nil && (got.Reason != want || !strings.Contains(got.Message, remedy)):
		t.Errorf("%s: %s, want %s with %q", got.Reason, got.Message, want, remedy)
	}
}

// TestSealedAdmissionWithoutKey: before the first key everything sealed is refused for now, over the API
// and in gossip.
func TestSealedAdmissionWithoutKey(t *testing.T) {
	c, ready := apitest.New(t), apitest.New(t)
	ready.OpenSealing(t)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(1))
	item := ready.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("x")})
	_, err := admission.Encoded(t.Context(), 1, item.Raw)
	var refused *rollupapi.Refusal
	if !errors.As(err, &refused) || refused.Reason != rollupapi.ReasonSealingNotReady || refused.RetryAfter() == 0 {
		t.Errorf("gossip: %v", err)
	}
	if _, err := admission.Sealed(t.Context(), 1, []dag.Sealed{item.Sealed()}); !errors.As(err, &refused) || refused.Reason != rollupapi.ReasonSealingNotReady {
		t.Errorf("API: %v", err)
	}
}

// FuzzSealedItem: no bytes panic the admission; what is admitted is sealed for this envelope, and what is
// not is a Refusal.
func FuzzSealedItem(f *testing.F) {
	c := apitest.New(f)
	c.OpenSealing(f)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(1))
	good := c.SealedItem(f, dag.Leg{Namespace: apitest.Open, Payload: []byte("x")}, dag.Leg{Namespace: apitest.Quiet, Payload: []byte("y")})
	f.Add(good.Raw)
	f.Add(good.Raw[:len(good.Raw)-1])
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) == 0 || dag.ItemKind(raw[0]) != dag.KindSealed {
			return
		}
		item, err := admission.Encoded(t.Context(), 0, raw)
		var refused *rollupapi.Refusal
		switch {
		case err != nil && !errors.As(err, &refused):
			t.Fatal(err)
		case err == nil:
			s := item.Sealed()
			if _, err := c.Key().Verify(s.Associated(), s.Ciphertext); err != nil || s.ValidUntil == 0 {
				t.Fatalf("%+v is admitted: %v", s, err)
			}
		}
	})
}

// BenchmarkSealedAdmission is what a validator pays for signed ciphertexts before they are ordered.
func BenchmarkSealedAdmission(b *testing.B) {
	c := apitest.New(b)
	c.OpenSealing(b)
	admission, sender := rollupapi.NewAdmission(c.AdmissionConfig(1)), identity(b).Public()
	items := make([]dag.Sealed, rollupapi.MaxSubmitSealed)
	for i := range items {
		s := dag.Sealed{ValidUntil: 50, Namespaces: []dag.Namespace{apitest.Signed}, Sender: sender[:]}
		items[i] = signed(b, c.Committee.Network(), sealed(b, c.Key(), s, strings.Repeat("x", 200)))
	}
	for b.Loop() {
		admitted, err := admission.Sealed(b.Context(), 0, items)
		if err != nil || admitted[0].Refused != nil {
			b.Fatal(err, admitted[0].Refused)
		}
	}
	b.ReportMetric(float64(b.N*len(items))/b.Elapsed().Seconds(), "items/s")
}
