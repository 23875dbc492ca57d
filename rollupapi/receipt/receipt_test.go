package receipt_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/rollupapi/receipt"
)

func TestReceipt(t *testing.T) {
	key, err := crypto.GenerateIdentityKey(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	network := crypto.Digest{1}
	ids := []crypto.Digest{{1}, {2}, {3}}
	r := receipt.Sign(network, key, ids, 7)
	if err := r.Verify(network, ids); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	var again receipt.Receipt
	if err == nil {
		err = json.Unmarshal(raw, &again)
	}
	if err != nil || again != r {
		t.Fatalf("%s comes back as %+v, %v", raw, again, err)
	}
	if !crypto.VerifyMerkle(r.IDsRoot, ids[1], 1, 3, crypto.MerkleProof(ids, 1)) {
		t.Error("one id of many is not shown by its proof")
	}
	wrong := map[string]func(*receipt.Receipt, *crypto.Digest, *[]crypto.Digest){
		"network": func(_ *receipt.Receipt, n *crypto.Digest, _ *[]crypto.Digest) { n[0]++ },
		"order": func(_ *receipt.Receipt, _ *crypto.Digest, ids *[]crypto.Digest) {
			*ids = []crypto.Digest{{2}, {1}, {3}}
		},
		"one less":  func(_ *receipt.Receipt, _ *crypto.Digest, ids *[]crypto.Digest) { *ids = (*ids)[:2] },
		"none":      func(r *receipt.Receipt, _ *crypto.Digest, ids *[]crypto.Digest) { *ids, r.IDs = nil, 0 },
		"count":     func(r *receipt.Receipt, _ *crypto.Digest, _ *[]crypto.Digest) { r.IDs++ },
		"root":      func(r *receipt.Receipt, _ *crypto.Digest, _ *[]crypto.Digest) { r.IDsRoot[0]++ },
		"round":     func(r *receipt.Receipt, _ *crypto.Digest, _ *[]crypto.Digest) { r.SeenRound++ },
		"node":      func(r *receipt.Receipt, _ *crypto.Digest, _ *[]crypto.Digest) { r.Node[0]++ },
		"signature": func(r *receipt.Receipt, _ *crypto.Digest, _ *[]crypto.Digest) { r.Signature[0]++ },
	}
	for name, change := range wrong {
		bad, net, list := r, network, ids
		change(&bad, &net, &list)
		if bad.Verify(net, list) == nil {
			t.Errorf("a receipt with another %s passes", name)
		}
	}
}

// FuzzVerify: no receipt panics.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"node_id":"","ids":1}`), []byte{1})
	f.Fuzz(func(t *testing.T, raw, id []byte) {
		var r receipt.Receipt
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		if r.Verify(crypto.Digest{}, []crypto.Digest{crypto.Hash(crypto.DomainTransaction, id)}) == nil {
			t.Fatalf("%s passes", raw)
		}
	})
}
