package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// coverPatience is how long a node may take to show the certificate of a commit, with what proves the key.
const coverPatience = time.Minute

// covered proves the headers that a follower is shown: each is covered by a certificate.
type covered struct {
	client  *Client
	lag     *lag
	first   dag.CommitIndex
	digests []crypto.Digest // of the commit first and those after it, up to the one that is signed
}

// take checks the header of a message, if it has one, and says whether the message may be used: not if it says that
// there is nothing up to a commit which is not certified yet. Errors about what does not hold wrap ErrProof.
func (c *covered) take(ctx context.Context, e *endpoint, m *pb.StreamResponse) (bool, error) {
	var h ordering.CommitHeader
	var err error
	switch {
	case m.GetCommit() != nil:
		h, err = headerOf(m.GetCommit())
	case m.GetItems() == nil && m.GetProof() != nil:
		h, err = ordering.DecodeHeader(m.GetProof().GetHeader())
	default:
		return true, nil
	}
	if err != nil {
		return false, refuted(err)
	}
	err = c.check(ctx, e, h.Ref())
	if m.GetCommit() == nil && notCertified(err) {
		c.lag.refused(e, err)
		return false, nil
	}
	return err == nil, err
}

// check compares a commit with the one that is certified.
func (c *covered) check(ctx context.Context, e *endpoint, ref dag.CommitRef) error {
	if ref.Index < c.first || ref.Index-c.first >= dag.CommitIndex(len(c.digests)) {
		if err := c.fetch(ctx, e, ref.Index); err != nil {
			return err
		}
	}
	if certified := c.digests[ref.Index-c.first]; certified != ref.Digest {
		return fmt.Errorf("%w: commit %v is made up: the validators signed %v", ErrProof, ref, certified)
	}
	return nil
}

// fetch asks a node for the certificate that covers a commit, and proves it.
func (c *covered) fetch(ctx context.Context, e *endpoint, index dag.CommitIndex) error {
	if index == 0 {
		return fmt.Errorf("%w: a header of commit 0, which there is none of", ErrProof)
	}
	ctx, cancel := context.WithTimeout(ctx, coverPatience)
	defer cancel()
	got, err := c.client.certified(ctx, e, index)
	switch {
	case errors.Is(err, ErrUncertified) || errors.Is(err, ErrOrigin):
		return refuted(err)
	case err != nil && final(err): // of this node, which streams the commit: others may have it
		return fmt.Errorf("%w: no certificate of commit %d: %v", ErrProof, index, err)
	case err != nil:
		return err
	}
	c.first, c.digests = index, c.digests[:0]
	for i := range got.Headers {
		c.digests = append(c.digests, got.Headers[i].ComputeDigest())
	}
	return nil
}

// certified is the certificate that covers a commit, 0 for the newest that is certified, as a node shows it, proven.
func (c *Client) certified(ctx context.Context, e *endpoint, commit dag.CommitIndex) (*CertifiedCommit, error) {
	out, err := e.covered(ctx, commit)
	if err != nil {
		return nil, err
	}
	keys, err := c.keysFor(ctx, e, out.Certificate)
	if err != nil {
		return nil, err
	}
	return out, out.Verify(keys)
}

// keysFor is the keys among which is that of a certificate, if there is one: from memory, from the node, or, where that
// cannot prove it any more, from another.
func (c *Client) keysFor(ctx context.Context, e *endpoint, made *certificate.Certificate) ([]CertificateKey, error) {
	if k, known := c.trust.signingKey(made); known {
		return []CertificateKey{k}, nil
	}
	var keys []CertificateKey
	err := c.proving(e, func(e *endpoint) (err error) {
		keys, err = c.certificateKeys(ctx, e)
		return err
	})
	return keys, err
}

// proving asks a node for what proves a key, and where that cannot prove it any more, the others.
func (c *Client) proving(first *endpoint, ask func(*endpoint) error) error {
	err := ask(first)
	for _, other := range c.endpoints {
		if !errors.Is(err, ErrOrigin) {
			break
		}
		if other != first && ask(other) == nil {
			return nil
		}
	}
	return err
}

// certificateKeys asks a node for the keys. With a committee those that are not known are proven, and remembered.
func (c *Client) certificateKeys(ctx context.Context, e *endpoint) ([]CertificateKey, error) {
	keys, err := e.certificateKeys(ctx)
	if err != nil || c.trust.committee == nil {
		return keys, err
	}
	if err := c.trust.prove(keys); err != nil {
		return nil, fmt.Errorf("refuse certificate keys of %s: %w", e.url, err)
	}
	return keys, nil
}

// certificateKeys asks this node for the keys with all that proves them, in as many answers as that takes. It proves
// nothing.
func (e *endpoint) certificateKeys(ctx context.Context) ([]CertificateKey, error) {
	var keys []CertificateKey
	for ask := (&pb.LightUpdateRequest{MaxBytes: originBytes}); ; {
		m, err := e.read.LightUpdate(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("ask for certificate keys: %w", asError(err))
		}
		next, err := ReadCertificateKeys(m)
		if err != nil {
			return nil, err
		}
		before := originsOf(keys)
		if keys, err = JoinCertificateKeys(keys, next); err != nil {
			return nil, err
		}
		if !m.GetMore() {
			return keys, nil
		}
		if originsOf(keys) == before || len(keys) > maxProven {
			return nil, fmt.Errorf("%w: the node does not go on behind %d deals of %d keys", ErrOrigin, before, len(keys))
		}
		last := &keys[len(keys)-1]
		ask.FromKey, ask.FromOrigin = last.ID, uint32(len(last.origins))
	}
}

func originsOf(keys []CertificateKey) (n int) {
	for i := range keys {
		n += len(keys[i].origins)
	}
	return n
}

// JoinCertificateKeys goes on with the keys of a further answer, which begins with the last key so far and what is left of its
// origins. Errors wrap ErrOrigin.
func JoinCertificateKeys(keys, next []CertificateKey) ([]CertificateKey, error) {
	if len(keys) == 0 || len(next) == 0 {
		return append(keys, next...), nil
	}
	last, first := &keys[len(keys)-1], &next[0]
	if first.ID != last.ID || first.Public != last.Public || first.Epoch != last.Epoch || first.Network != last.Network {
		return nil, fmt.Errorf("%w: the node goes on with key %d in place of key %d", ErrOrigin, first.ID, last.ID)
	}
	if last.origins = append(last.origins, first.origins...); len(last.origins) > dag.MaxCommittee {
		return nil, fmt.Errorf("%w: key %d of %d deals", ErrOrigin, last.ID, len(last.origins))
	}
	return append(keys, next[1:]...), nil
}

// prove proves the keys that are not known yet, and remembers all.
func (t *trust) prove(keys []CertificateKey) error {
	for i := range keys {
		k := &keys[i]
		t.mu.Lock()
		known, ok := t.signing[k.ID]
		t.mu.Unlock()
		if ok && known.Public == k.Public && known.Epoch == k.Epoch && known.Network == k.Network {
			continue
		}
		if err := k.Prove(t.committee); err != nil {
			return fmt.Errorf("key %d: %w", k.ID, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		k.origins = nil
		t.signing[k.ID] = k
	}
	return nil
}

// signingKey is the proven key of a certificate. From when to when it serves was the word of the node that showed it: beyond
// that it is as if not known.
func (t *trust) signingKey(made *certificate.Certificate) (CertificateKey, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.signing[made.Key]
	at := made.Commit.Index
	return k, ok && k.Epoch == made.Epoch && at >= k.From && (k.Until == 0 || at <= k.Until)
}

// blame says which node has shown what does not hold.
func (t *trust) blame(e *endpoint, err error) {
	if errors.Is(err, ErrOrigin) {
		t.logger.Warn("certificate_key_unproven", "node", e.url, "err", err, "next", "going on with another node: give the client one that keeps the first commits")
		return
	}
	t.logger.Warn("node_lies", "node", e.url, "err", err, "next", "going on with another node: do not use this one")
}
