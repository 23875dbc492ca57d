package keygen

import (
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
)

// signs checks that the holders' shares of a certificate key sign, and that one less than enough do not.
func (w *world) signs(k Key, holders ...dag.Author) {
	w.t.Helper()
	key, err := certify.NewCommittee(k.Public, k.Threshold, k.Shares)
	if err != nil {
		w.t.Fatal(err)
	}
	message := crypto.Digest{byte(k.ID), 42}
	var partials []certify.Partial
	for _, a := range holders {
		share, err := w.members[a].Share(w.state, k.ID)
		if err != nil {
			w.t.Fatalf("share of %v: %v", a, err)
		}
		secret, err := certify.NewShare(share[:])
		if err != nil {
			w.t.Fatal(err)
		}
		partials = append(partials, certify.Partial{Member: int(a), Signature: secret.Sign(message)})
	}
	if wrong := key.Wrong(message, partials); len(wrong) > 0 {
		w.t.Errorf("partial signatures of %v do not verify", wrong)
	}
	signature, err := key.Combine(partials)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := key.Public().Verify(message, signature); err != nil {
		w.t.Error(err)
	}
	if _, err := key.Combine(partials[:k.Threshold-1]); err == nil {
		w.t.Error("too few sign")
	}
}

// The same machine makes the certificate key: everybody honest, a cheat found in time, a validator that was
// cut off, a cheat found late.
func TestCertificateKey(t *testing.T) {
	w := newWorldFor(t, 4, Certificates)
	k := w.until(3)
	w.signs(k, 3, 0, 2)
	reopened(t, w, w.state)
	if s, err := Decode(w.committee, Sealing, w.state.Encode()); !errors.Is(err, ErrState) {
		t.Errorf("the state of another purpose is read as %v, %v", s, err)
	}

	w = newWorldFor(t, 7, Certificates)
	w.spoil([]dag.Author{3}, 5)
	k = w.until(3)
	if excluded := w.state.Status().Excluded; len(excluded) != 1 || excluded[0] != 5 {
		t.Errorf("excluded %v", excluded)
	}
	w.signs(k, 3, 0, 2, 5, 6)

	w = newWorldFor(t, 4, Certificates)
	w.spoil([]dag.Author{3}, 1)
	w.silent[3] = true
	first := w.until(DealWindow + AckWindow + 10)
	w.silent[3] = false
	second := w.until(10)
	if second.ID != first.ID+1 || w.state.Keys()[0].Until != second.From-1 {
		t.Errorf("keys %+v", w.state.Keys())
	}
	w.signs(second, 3, 0, 2)
	w.replay()
	reopened(t, w, w.state)
}

// Messages of one purpose mean nothing to the other.
func TestPurposesDoNotMix(t *testing.T) {
	sealing, certificates := newWorldFor(t, 4, Sealing), newWorldFor(t, 4, Certificates)
	before := certificates.state.Digest()
	for _, e := range sealing.said() {
		if err := certificates.state.Apply(1, e.author, e.message); err != nil {
			t.Errorf("a message of another purpose: %v", err)
		}
	}
	if certificates.state.Digest() != before {
		t.Error("a sealing deal counts for the certificate key")
	}
	renamed := sealing.dealing(1)
	renamed.Kind = KindCertificateDeal
	if err := certificates.state.Apply(1, 1, renamed); !errors.Is(err, ErrMalformed) {
		t.Errorf("a sealing deal under another kind: %v", err)
	}
}
