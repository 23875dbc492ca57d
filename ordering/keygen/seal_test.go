package keygen

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// What a user seals with the key that the log gives, 2f+1 validators open with the shares that it gives.
func TestKeySeals(t *testing.T) {
	w := newWorld(t, 7)
	w.spoil([]dag.Author{3}, 5)
	k := w.until(3)
	key, err := seal.NewKey(w.committee.Network(), k.ID, k.Public[:])
	if err != nil {
		t.Fatal(err)
	}
	var public [][]byte
	for a := range k.Shares {
		public = append(public, k.Shares[a][:])
	}
	committee, err := seal.NewPublic(key, k.Threshold, public)
	if err != nil {
		t.Fatal(err)
	}
	if k.Threshold != seal.Threshold(7) {
		t.Errorf("threshold %d, the scheme wants %d", k.Threshold, seal.Threshold(7))
	}
	message := []byte("nobody may read this yet")
	raw, err := key.Encrypt(rand.NewChaCha8([32]byte{1}), nil, message)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Verify(nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := seal.NewBatch(key, crypto.Digest{1}, []*seal.Ciphertext{sealed})
	if err != nil {
		t.Fatal(err)
	}
	combiner, err := committee.NewCombiner(batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []dag.Author{6, 3, 0, 5, 1} {
		if got := combiner.Combine()[0]; got.Verdict == seal.Opened {
			t.Fatalf("open before the share of %v", a)
		}
		share, err := w.members[a].Share(w.state, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := seal.NewSecretShare(key, int(a)+1, share[:])
		if err != nil {
			t.Fatal(err)
		}
		part, err := secret.Decrypt(batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := combiner.Add(part); err != nil {
			t.Fatal(err)
		}
	}
	if got := combiner.Combine()[0]; got.Verdict != seal.Opened || !bytes.Equal(got.Message, message) {
		t.Errorf("got %v %q", got.Verdict, got.Message)
	}
}
