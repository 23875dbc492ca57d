package reveal

import (
	"errors"
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// signed is a sealed item of a sender who has signed it.
func (w *network) signed(payload string) dag.Sealed {
	w.t.Helper()
	content, err := dag.EncodeContent(legs(payload, 7))
	if err != nil {
		w.t.Fatal(err)
	}
	sender, err := crypto.GenerateIdentityKey(w.random)
	if err != nil {
		w.t.Fatal(err)
	}
	public := sender.Public()
	s := dag.Sealed{ValidUntil: 1000, Namespaces: []dag.Namespace{7}, Sender: public[:]}
	if s.Ciphertext, err = w.sealing[0].Encrypt(w.random, s.Associated(), content); err != nil {
		w.t.Fatal(err)
	}
	signature := sender.Sign(crypto.DomainTxSignature, s.SigningDigest(w.committee.Network()))
	s.Signature = signature[:]
	return s
}

// A copy under a spoilt signature is another item, with the ciphertext and envelope of the first. If it were
// opened, a validator that holds the first back would know its content before it is ordered.
func TestCopyUnderSpoiltSignature(t *testing.T) {
	w := newNetwork(t, 4)
	first := w.signed("a swap")
	second := first
	second.Signature = slices.Clone(first.Signature)
	second.Signature[40] ^= 1
	good, copied := w.item(&first), w.item(&second)
	if good.ID == copied.ID {
		t.Fatal("the copy is no item of its own")
	}
	if _, err := Verify(w.sealing[0], &second); !errors.Is(err, ErrSignature) {
		t.Errorf("%v", err)
	}
	trackers := w.trackers()
	held, ordered := w.commit(copied), w.commit(good)
	for _, tracker := range trackers {
		tracker.Commit(held)
	}
	if said := offers(trackers); len(slices.Concat(said...)) > 0 {
		t.Fatal("there are shares for the copy")
	}
	for _, tracker := range trackers {
		if got := verdicts(one(t, tracker)); !slices.Equal(got, []Verdict{CiphertextInvalid}) {
			t.Errorf("the copy: %v", got)
		}
		tracker.Commit(ordered)
	}
	for a, said := range offers(trackers) {
		for _, o := range said {
			if err := trackers[0].Share(dag.Author(a), o.Payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := verdicts(one(t, trackers[0])); !slices.Equal(got, []Verdict{Opened}) {
		t.Errorf("the item itself: %v", got)
	}
}
