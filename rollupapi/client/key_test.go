package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// TestProve: a key is proven from its deals, and nothing else is.
func TestProve(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	chain.OpenSealing(t)
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	get := func(id uint64) *client.EncryptionKey {
		t.Helper()
		key, err := c.KeyWithDeals(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	for id := range uint64(3) { // 0 for the one that serves
		if err := get(id).Prove(chain.Committee); err != nil {
			t.Errorf("key %d: %v", id, err)
		}
	}
	few := apitest.New(t)
	few.OpenSealingBy(t, 2) // whose dealers would know the secret together, though no deal is wrong
	fewURL, _ := few.Serve(t)
	known, err := newClient(t, fewURL).KeyWithDeals(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := known.Prove(few.Committee); !errors.Is(err, client.ErrOrigin) || !strings.Contains(err.Error(), "2 deals") {
		t.Errorf("two dealers: %v", err)
	}
	first := get(1)
	for name, change := range map[string]func(*client.EncryptionKey){
		"fewer deals":     func(k *client.EncryptionKey) { k.Origins = k.Origins[:3] },
		"too few deals":   func(k *client.EncryptionKey) { k.Origins = k.Origins[:2] },
		"deal twice":      func(k *client.EncryptionKey) { k.Origins[1] = k.Origins[0] },
		"other dealer":    func(k *client.EncryptionKey) { k.Origins[1].Dealer = 0 },
		"stranger":        func(k *client.EncryptionKey) { k.Origins[1].Dealer = 4 },
		"mauled deal":     func(k *client.EncryptionKey) { k.Origins[2].Deal[60] ^= 1 },
		"deal of another": func(k *client.EncryptionKey) { k.Origins[2].Deal = first.Origins[2].Deal },
		"digest":          func(k *client.EncryptionKey) { k.Origins[2].Digest[0] ^= 1 },
		"attempt":         func(k *client.EncryptionKey) { k.Attempt++ },
		"id":              func(k *client.EncryptionKey) { k.ID = 1 },
		"threshold":       func(k *client.EncryptionKey) { k.Threshold = 2 },
		"public share":    func(k *client.EncryptionKey) { k.Shares[1] = k.Shares[0] },
		"shares less":     func(k *client.EncryptionKey) { k.Shares = k.Shares[:3] },
		"no deals":        func(k *client.EncryptionKey) { k.Origins = nil },
	} {
		key := get(2)
		change(key)
		if err := key.Prove(chain.Committee); !errors.Is(err, client.ErrOrigin) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other, err := dag.NewCommittee(crypto.Hash(crypto.DomainGenesis, []byte("other")), 1, []dag.Validator{{Name: "v0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Prove(other); !errors.Is(err, client.ErrOrigin) {
		t.Errorf("another network: %v", err)
	}
	bare, err := c.EncryptionKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.Prove(chain.Committee); !errors.Is(err, client.ErrOrigin) {
		t.Errorf("without deals: %v", err)
	}
}

// TestProveSigned: a deal counts as its dealer's only with the block that the dealer signed.
func TestProveSigned(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	chain.OpenSealing(t)
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	get := func(id uint64) *client.EncryptionKey {
		t.Helper()
		key, err := c.KeyWithDeals(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	for id := range uint64(3) {
		if err := get(id).ProveSigned(chain.Committee); err != nil {
			t.Errorf("key %d: %v", id, err)
		}
	}
	first := get(1)
	relayed := chain.Signed(t, dag.Block{Author: 0, System: []dag.SystemMessage{{Kind: keygen.KindDeal, Payload: get(2).Origins[1].Deal}}})
	for name, change := range map[string]func(*client.EncryptionKey){
		"threshold":          func(k *client.EncryptionKey) { k.Threshold = 2 },
		"in another's block": func(k *client.EncryptionKey) { k.Blocks[1] = relayed.Bytes() },
		"no blocks":          func(k *client.EncryptionKey) { k.Blocks = nil },
		"a block less":       func(k *client.EncryptionKey) { k.Blocks[3] = nil },
		"another's block":    func(k *client.EncryptionKey) { k.Blocks[1] = k.Blocks[0] },
		"block without deal": func(k *client.EncryptionKey) { k.Blocks[1] = first.Blocks[1] },
		"mauled block":       func(k *client.EncryptionKey) { k.Blocks[1][200] ^= 1 },
		"other deals":        func(k *client.EncryptionKey) { k.Origins = first.Origins },
	} {
		key := get(2)
		change(key)
		if err := key.ProveSigned(chain.Committee); !errors.Is(err, client.ErrOrigin) {
			t.Errorf("%s: %v", name, err)
		}
	}
	chain.Prune(2)
	if err := get(1).ProveSigned(chain.Committee); !errors.Is(err, client.ErrOrigin) || !strings.Contains(err.Error(), "ask a node that keeps commit 1") {
		t.Errorf("pruned: %v", err)
	}
	if err := get(2).ProveSigned(chain.Committee); err != nil {
		t.Errorf("kept: %v", err)
	}
}
