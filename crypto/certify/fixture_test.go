package certify

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
)

// committee is a key with everybody's share of it.
type committee struct {
	*Committee
	shares [][]byte
	keys   [][]byte // Y_k, as package dkg gives them
	raw    []byte   // the key, too
}

func newCommittee(t testing.TB, n int) *committee {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(n), 5})
	var secrets []*crypto.KEMKey
	var members []crypto.KEMPublicKey
	for range n {
		secret, err := crypto.GenerateKEMKey(random)
		if err != nil {
			t.Fatal(err)
		}
		secrets, members = append(secrets, secret), append(members, secret.Public())
	}
	run, err := dkg.NewRun(dkg.Context{Group: dkg.BLS12381G2, Key: 1}, members)
	if err != nil {
		t.Fatal(err)
	}
	var deals []*dkg.Deal
	for i := range min(n, 2) {
		d, err := run.CheckDeal(i, run.MakeDeal(i, secrets[i]))
		if err != nil {
			t.Fatal(err)
		}
		deals = append(deals, d)
	}
	public, err := run.Combine(deals)
	if err != nil {
		t.Fatal(err)
	}
	c := &committee{keys: public.Shares, raw: public.Key}
	for k := range n {
		share, err := run.OwnShare(deals, k, secrets[k])
		if err != nil {
			t.Fatal(err)
		}
		c.shares = append(c.shares, share[:])
	}
	if c.Committee, err = NewCommittee(public.Key, run.Threshold(), public.Shares); err != nil {
		t.Fatal(err)
	}
	return c
}

// sign is the partial signatures of members.
func (c *committee) sign(t testing.TB, message crypto.Digest, members ...int) []Partial {
	t.Helper()
	var out []Partial
	for _, k := range members {
		share, err := NewShare(c.shares[k])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Partial{k, share.Sign(message)})
	}
	return out
}

func sha256Of(b []byte) crypto.Digest { return sha256.Sum256(b) }
