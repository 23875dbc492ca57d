package fake

import (
	"context"
	"fmt"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// certificates certifies commits as soon as they are made: one validator is a committee, and its signature a
// certificate.
type certificates struct {
	tracker *certificate.Tracker // the loop's alone

	mu      sync.Mutex
	status  keygen.Status
	keys    []keygen.Key
	origins map[uint64][]keygen.Origin
	made    []*certificate.Certificate // by ascending commit
	grown   chan struct{}              // closed and replaced when there is a new certificate
}

func newCertificates(c *dag.Committee) *certificates {
	return &certificates{tracker: certificate.New(c, 0, 0), origins: map[uint64][]keygen.Origin{}, grown: make(chan struct{})}
}

// take takes in what the engine has made, and how it stands now.
func (c *certificates) take(ready *ordering.Ready, status keygen.Status) {
	for i := range ready.CertificateKeys {
		k := &ready.CertificateKeys[i]
		if err := c.tracker.AddKey(k.Key, k.Share); err != nil {
			panic("fake: " + err.Error()) // the engine has made it
		}
	}
	for _, commit := range ready.Commits {
		c.tracker.Commit(commit)
	}
	c.tracker.Sign()
	c.tracker.Work()
	made := c.tracker.Take()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
	for i := range ready.CertificateKeys {
		k := &ready.CertificateKeys[i]
		c.keys, c.origins[k.Key.ID] = append(c.keys, k.Key), k.Origins
	}
	if len(made) > 0 {
		c.made = append(c.made, made...)
		close(c.grown)
		c.grown = make(chan struct{})
	}
}

// certified is how far the certificates reach.
func (c *certificates) certified() dag.CommitIndex {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest()
}

func (c *certificates) newest() dag.CommitIndex {
	if len(c.made) == 0 {
		return 0
	}
	return c.made[len(c.made)-1].Commit.Index
}

// Certificate is the certificate of a commit or the next one that has one.
func (c *certificates) Certificate(i dag.CommitIndex) (*certificate.Certificate, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, made := range c.made {
		if made.Commit.Index >= i {
			return made, true, nil
		}
	}
	return nil, false, nil
}

// WaitCertified blocks until a commit past after is certified.
func (c *certificates) WaitCertified(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	for {
		c.mu.Lock()
		newest, grown := c.newest(), c.grown
		c.mu.Unlock()
		if newest > after {
			return newest, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// CertificateStatus says where the key generation stands.
func (c *certificates) CertificateStatus() keygen.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// CertificateKeys is all keys, oldest first.
func (c *certificates) CertificateKeys() []keygen.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]keygen.Key(nil), c.keys...)
}

// CertificateOrigins is the deal that a key is made of.
func (c *certificates) CertificateOrigins(id uint64) ([]keygen.Origin, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	origins, ok := c.origins[id]
	if !ok {
		return nil, fmt.Errorf("origins of certificate key %d: %w", id, keygen.ErrNoKey)
	}
	return origins, nil
}
