package apitest

import (
	"context"
	"testing"

	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// certificates is the chain's committee as it certifies commits. Chain.mu guards it.
type certificates struct {
	keys []*certifying
	made []*certificate.Certificate // by ascending commit
}

// certifying is a key with all that the committee knows of it.
type certifying struct {
	keygen.Key
	committee *certify.Committee
	secrets   []*certify.Share
	origins   []keygen.Origin
}

func (c *certificates) newest() dag.CommitIndex {
	if len(c.made) == 0 {
		return 0
	}
	return c.made[len(c.made)-1].Commit.Index
}

// OpenCertificates adds a commit in which everybody deals for the certificate key; the key that follows signs from
// the next commit on. Called again, it replaces the key.
func (c *Chain) OpenCertificates(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	id := uint64(len(c.certificates.keys) + 1)
	c.mu.Unlock()
	run, deals := c.deals(t, dkg.BLS12381G2, id, len(c.sealing.members))
	at := c.commitDeals(t, keygen.KindCertificateDeal, deals).Index
	public, err := run.Combine(deals)
	if err != nil {
		t.Fatal(err)
	}
	made := &certifying{Key: keygen.Key{ID: id, Threshold: run.Threshold(), Public: public.Key, Shares: public.Shares, From: at + 1}}
	if made.committee, err = certify.NewCommittee(public.Key, run.Threshold(), public.Shares); err != nil {
		t.Fatal(err)
	}
	for k, deal := range deals {
		made.Dealers = append(made.Dealers, dag.Author(k))
		made.origins = append(made.origins, keygen.Origin{Dealer: dag.Author(k), Commit: at, Digest: deal.Digest(), Deal: deal.Bytes()})
		own, err := run.OwnShare(deals, k, c.sealing.members[k])
		if err != nil {
			t.Fatal(err)
		}
		secret, err := certify.NewShare(own[:])
		if err != nil {
			t.Fatal(err)
		}
		made.secrets = append(made.secrets, secret)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.certificates.keys); n > 0 {
		c.certificates.keys[n-1].Until = at
	}
	c.certificates.keys = append(c.certificates.keys, made)
}

// Certify makes the certificate of a commit, newer than all certified ones.
func (c *Chain) Certify(t testing.TB, index dag.CommitIndex) *certificate.Certificate {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	commit, key := c.commits[index-1], c.certificates.keys[len(c.certificates.keys)-1]
	made := &certificate.Certificate{Commit: commit.Ref(), Epoch: commit.Epoch, Key: key.ID}
	message := made.Message(c.Committee.Network())
	var partials []certify.Partial
	for k, secret := range key.secrets {
		partials = append(partials, certify.Partial{Member: k, Signature: secret.Sign(message)})
	}
	var err error
	if made.Signature, err = key.committee.Combine(partials); err != nil {
		t.Fatal(err)
	}
	c.certificates.made = append(c.certificates.made, made)
	close(c.grown)
	c.grown = make(chan struct{})
	return made
}

// Certificate is the certificate of a commit or the next one that has one.
func (c *Chain) Certificate(index dag.CommitIndex) (*certificate.Certificate, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, made := range c.certificates.made {
		if made.Commit.Index >= index {
			return made, c.broken == nil, c.broken
		}
	}
	return nil, false, c.broken
}

// WaitCertified blocks until a commit past after is certified.
func (c *Chain) WaitCertified(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	for {
		c.mu.Lock()
		c.waits++
		certified, grown := c.certificates.newest(), c.grown
		c.mu.Unlock()
		if certified > after {
			return certified, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// CertificateStatus says where the key generation stands.
func (c *Chain) CertificateStatus() keygen.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.certificates.keys)
	if n == 0 {
		return keygen.Status{Phase: keygen.Dealing, Key: 1}
	}
	return keygen.Status{Phase: keygen.Ready, Key: uint64(n), Serving: uint64(n), Deals: len(c.sealing.members), Acks: len(c.sealing.members)}
}

// CertificateKeys is all keys, oldest first.
func (c *Chain) CertificateKeys() []keygen.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []keygen.Key
	for _, k := range c.certificates.keys {
		out = append(out, k.Key)
	}
	return out
}

// CertificateOrigins is the deals that a key is made of.
func (c *Chain) CertificateOrigins(id uint64) ([]keygen.Origin, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == 0 || id > uint64(len(c.certificates.keys)) {
		return nil, keygen.ErrNoKey
	}
	return c.certificates.keys[id-1].origins, nil
}
