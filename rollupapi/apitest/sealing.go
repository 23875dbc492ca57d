package apitest

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// sealing is the chain's committee as it makes keys and opens commits. Chain.mu guards it.
type sealing struct {
	members  []*crypto.KEMKey
	status   keygen.Status
	keys     []*madeKey
	records  map[dag.CommitIndex]*reveal.Record
	revealed dag.CommitIndex // all commits up to it are
	shares   int             // what RevealProgress tells
}

// madeKey is a key with all that the committee knows of it.
type madeKey struct {
	keygen.Key
	seal    *seal.Key
	public  *seal.Public
	secrets []*seal.SecretShare
	origins []keygen.Origin
}

// GenerateKey tells SealingStatus while there is no key.
func (c *Chain) GenerateKey(s keygen.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealing.status = s
}

// OpenSealing adds a commit in which everybody deals; the key that follows serves from the next
// commit on. Called again, it replaces the key.
func (c *Chain) OpenSealing(t testing.TB) {
	t.Helper()
	c.OpenSealingBy(t, len(c.sealing.members))
}

// OpenSealingBy is OpenSealing with the first validators only as dealers, be they too few.
func (c *Chain) OpenSealingBy(t testing.TB, dealers int) {
	t.Helper()
	c.mu.Lock()
	id := uint64(len(c.sealing.keys) + 1)
	c.mu.Unlock()
	run, deals := c.deals(t, dkg.Ristretto255, id, dealers)
	at := c.commitDeals(t, keygen.KindDeal, deals).Index
	made := c.combine(t, run, deals, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.sealing.keys); n > 0 {
		c.sealing.keys[n-1].Until = at
	}
	c.sealing.keys = append(c.sealing.keys, made)
	c.sealing.status = keygen.Status{Phase: keygen.Ready, Key: id, Deals: len(deals), Acks: len(deals), Serving: id}
}

// deals is a key generation that the first validators deal in.
func (c *Chain) deals(t testing.TB, group dkg.Group, id uint64, dealers int) (*dkg.Run, []*dkg.Deal) {
	t.Helper()
	public := make([]crypto.KEMPublicKey, len(c.sealing.members))
	for k, member := range c.sealing.members {
		public[k] = member.Public()
	}
	run, err := dkg.NewRun(dkg.Context{Group: group, Network: c.Committee.Network(), Key: id}, public)
	if err != nil {
		t.Fatal(err)
	}
	deals := make([]*dkg.Deal, dealers)
	for k, member := range c.sealing.members[:dealers] {
		if deals[k], err = run.CheckDeal(k, run.MakeDeal(k, member)); err != nil {
			t.Fatal(err)
		}
	}
	return run, deals
}

// combine makes the key of deals that commit at brought in.
func (c *Chain) combine(t testing.TB, run *dkg.Run, deals []*dkg.Deal, at dag.CommitIndex) *madeKey {
	t.Helper()
	public, err := run.Combine(deals)
	if err != nil {
		t.Fatal(err)
	}
	made := &madeKey{Key: keygen.Key{
		ID: run.Context().Key, Threshold: run.Threshold(), Public: public.Key, Shares: public.Shares, From: at + 1,
	}}
	if made.seal, err = seal.NewKey(c.Committee.Network(), made.ID, public.Key[:]); err != nil {
		t.Fatal(err)
	}
	var shares [][]byte
	for k, deal := range deals {
		made.Dealers = append(made.Dealers, dag.Author(k))
		made.origins = append(made.origins, keygen.Origin{Dealer: dag.Author(k), Commit: at, Digest: deal.Digest(), Deal: deal.Bytes()})
	}
	for k, member := range c.sealing.members {
		shares = append(shares, public.Shares[k][:])
		own, err := run.OwnShare(deals, k, member)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := seal.NewSecretShare(made.seal, k+1, own[:])
		if err != nil {
			t.Fatal(err)
		}
		made.secrets = append(made.secrets, secret)
	}
	if made.public, err = seal.NewPublic(made.seal, made.Threshold, shares); err != nil {
		t.Fatal(err)
	}
	return made
}

// Key is the key that serves.
func (c *Chain) Key() *seal.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sealing.keys[len(c.sealing.keys)-1].seal
}

// SealedItem is the unsigned item of legs, sealed with the key that serves.
func (c *Chain) SealedItem(t testing.TB, legs ...dag.Leg) dag.Item {
	t.Helper()
	content, err := dag.EncodeContent(legs)
	if err != nil {
		t.Fatal(err)
	}
	s := dag.Sealed{ValidUntil: dag.ValidityWindow}
	for _, leg := range legs {
		s.Namespaces = append(s.Namespaces, leg.Namespace)
	}
	return c.Seal(t, s, content)
}

// Seal is the item of an envelope with content that need not fit it.
func (c *Chain) Seal(t testing.TB, s dag.Sealed, content []byte) dag.Item {
	t.Helper()
	var err error
	if s.Ciphertext, err = c.Key().Encrypt(rand.Reader, s.Associated(), content); err != nil {
		t.Fatal(err)
	}
	return c.Envelope(t, s)
}

// Envelope is the item of an envelope as it is.
func (c *Chain) Envelope(t testing.TB, s dag.Sealed) dag.Item {
	t.Helper()
	item, err := s.Encode(dag.NewItemHasher(c.Committee.Network()))
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// Shares sets how many shares of an unrevealed commit are there, from the first validators.
func (c *Chain) Shares(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealing.shares = n
}

// SealingStatus says where the key generation stands.
func (c *Chain) SealingStatus() keygen.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sealing.status
}

// SealingKeys is the keys that are ready.
func (c *Chain) SealingKeys() []keygen.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []keygen.Key
	for _, key := range c.sealing.keys {
		out = append(out, key.Key)
	}
	return out
}

// SealingOrigins is the deals of a key.
func (c *Chain) SealingOrigins(id uint64) ([]keygen.Origin, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range c.sealing.keys {
		if key.ID == id {
			return key.origins, nil
		}
	}
	return nil, nil
}

// Reveal is the outcomes of a commit.
func (c *Chain) Reveal(index dag.CommitIndex) (*reveal.Record, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	record, ok := c.sealing.records[index]
	return record, ok && index >= c.earliest, c.broken
}

// WaitRevealed blocks until a commit past after is revealed.
func (c *Chain) WaitRevealed(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	for {
		c.mu.Lock()
		c.waits++
		revealed, grown := c.sealing.revealed, c.grown
		c.mu.Unlock()
		if revealed > after {
			return revealed, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// RevealProgress says how many shares of a commit are there.
func (c *Chain) RevealProgress(index dag.CommitIndex) (have, need int, missing []dag.Author, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if index <= c.sealing.revealed || index > dag.CommitIndex(len(c.commits)) || len(sealedOf(c.commits[index-1])) == 0 {
		return 0, 0, nil, false
	}
	n := c.Committee.Size()
	for author := c.sealing.shares; author < n; author++ {
		missing = append(missing, dag.Author(author))
	}
	return c.sealing.shares, seal.Threshold(n), missing, true
}
