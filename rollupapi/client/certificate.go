package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// maxCoveredHeaders bounds the headers between a commit and the one that is signed: networks sign every 256th at least, but
// may take long to make their key.
const maxCoveredHeaders = 1 << 17

// CertificateKey is a key that the committee signs certificates with. It is immutable.
type CertificateKey struct {
	ID      uint64
	Epoch   dag.Epoch
	Public  certify.PublicKey
	From    dag.CommitIndex // it signs from this commit on
	Until   dag.CommitIndex // to this one; 0 if it signed when it was asked for
	Network crypto.Digest

	attempt   uint32
	threshold int
	origins   []*pb.KeyOrigin
}

// Deals is how many of the deals that it is made of an answer has shown.
func (k *CertificateKey) Deals() int { return len(k.origins) }

// CertifiedCommit is commits that a certificate covers: the one that was asked for, and those after it up to the one that
// is signed, or as many as one answer carries.
type CertifiedCommit struct {
	Headers     []ordering.CommitHeader // by ascending index, without gaps
	Certificate *certificate.Certificate
	More        bool // the headers end before the signed commit: what they hold is not proven yet
}

// ErrUncertified is wrapped where an answer does not prove what it says.
var ErrUncertified = errors.New("the certificate does not prove the commit")

// Certificate is the header of a commit, 0 for the newest that is certified, proven by a certificate: the headers that
// follow it chain to the commit that 2f+1 validators signed. A client with a committee proves the key from the
// validators' signed deals, once, and remembers it; one without takes a node's word for the key. A commit that is not certified yet gives an
// *Error with reason NOT_CERTIFIED, which is retryable. Errors of proof wrap ErrUncertified or ErrOrigin.
func (c *Client) Certificate(ctx context.Context, commit dag.CommitIndex) (*CertifiedCommit, error) {
	var out *CertifiedCommit
	err := c.try(ctx, func(e *endpoint) (err error) {
		out, err = c.certified(ctx, e, commit)
		return err
	})
	return out, err
}

// CertificateKeys is the keys of the network, oldest first, proven as Certificate says.
func (c *Client) CertificateKeys(ctx context.Context) ([]CertificateKey, error) {
	var keys []CertificateKey
	err := c.try(ctx, func(e *endpoint) (err error) {
		keys, err = c.certificateKeys(ctx, e)
		return err
	})
	return keys, err
}

// covered asks for a commit and for as many further answers as it takes to come to the signed one. It verifies nothing.
func (e *endpoint) covered(ctx context.Context, commit dag.CommitIndex) (*CertifiedCommit, error) {
	var out *CertifiedCommit
	for {
		m, err := e.read.GetCertificate(ctx, &pb.GetCertificateRequest{Commit: uint64(commit)})
		if err != nil {
			return nil, fmt.Errorf("ask for certificate: %w", asError(err))
		}
		next, err := ReadCertified(m)
		if err != nil {
			return nil, err
		}
		if commit != 0 && next.Headers[0].Index != commit {
			return nil, fmt.Errorf("%w: asked for commit %d, got %d", ErrUncertified, commit, next.Headers[0].Index)
		}
		if out == nil {
			out = next
		} else if err := out.extend(next); err != nil {
			return nil, err
		}
		if !out.More {
			return out, nil
		}
		if len(out.Headers) > maxCoveredHeaders {
			return nil, fmt.Errorf("%w: more than %d headers up to the signed commit", ErrUncertified, maxCoveredHeaders)
		}
		if len(next.Headers) < 2 {
			return nil, fmt.Errorf("%w: the node does not go on from commit %d", ErrUncertified, next.Headers[0].Index)
		}
		commit = next.Headers[len(next.Headers)-1].Index
	}
}

// extend goes on with an answer whose first header is the last one here.
func (c *CertifiedCommit) extend(next *CertifiedCommit) error {
	if next.Headers[0] != c.Headers[len(c.Headers)-1] {
		return fmt.Errorf("%w: two headers of commit %d", ErrUncertified, next.Headers[0].Index)
	}
	c.Headers = append(c.Headers, next.Headers[1:]...)
	c.Certificate, c.More = next.Certificate, next.More
	return nil
}

// ReadCertified reads an answer with a certificate. It verifies nothing. Errors wrap ErrUncertified.
func ReadCertified(m *pb.GetCertificateResponse) (*CertifiedCommit, error) {
	p := m.GetCertificate()
	if len(p.GetSignature()) != certify.SignatureSize || len(p.GetDigest()) != crypto.DigestSize || len(m.GetHeaders()) == 0 {
		return nil, fmt.Errorf("%w: signature of %d bytes, digest of %d, %d headers", ErrUncertified, len(p.GetSignature()), len(p.GetDigest()), len(m.GetHeaders()))
	}
	out := &CertifiedCommit{More: m.GetMore(), Certificate: &certificate.Certificate{
		Commit: dag.CommitRef{Index: dag.CommitIndex(p.GetCommit()), Digest: crypto.Digest(p.GetDigest())},
		Epoch:  dag.Epoch(p.GetEpoch()), Key: p.GetKeyId(), Signature: certify.Signature(p.GetSignature()),
	}}
	for _, raw := range m.GetHeaders() {
		h, err := ordering.DecodeHeader(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUncertified, err)
		}
		out.Headers = append(out.Headers, h)
	}
	return out, nil
}

// Verify checks the whole: every header names the one before, the last one is the signed commit, and one of the keys,
// which are trusted, signed it while it served. Errors wrap ErrUncertified.
func (c *CertifiedCommit) Verify(keys []CertificateKey) error {
	last := &c.Headers[len(c.Headers)-1]
	for i := 1; i < len(c.Headers); i++ {
		before, h := &c.Headers[i-1], &c.Headers[i]
		if h.Index != before.Index+1 || h.Previous != before.ComputeDigest() {
			return fmt.Errorf("%w: commit %d does not follow commit %d", ErrUncertified, h.Index, before.Index)
		}
	}
	if last.Ref() != c.Certificate.Commit || last.Epoch != c.Certificate.Epoch {
		return fmt.Errorf("%w: it is of commit %d, the headers end with commit %d", ErrUncertified, c.Certificate.Commit.Index, last.Index)
	}
	at := slices.IndexFunc(keys, func(k CertificateKey) bool { return k.ID == c.Certificate.Key && k.Epoch == c.Certificate.Epoch })
	if at < 0 {
		return fmt.Errorf("%w: key %d, which signed commit %d, is not known", ErrUncertified, c.Certificate.Key, last.Index)
	}
	k := &keys[at]
	if last.Index < k.From || (k.Until != 0 && last.Index > k.Until) {
		return fmt.Errorf("%w: key %d did not serve in commit %d", ErrUncertified, k.ID, last.Index)
	}
	if err := c.Certificate.Verify(k.Network, k.Public); err != nil {
		return fmt.Errorf("%w: %w", ErrUncertified, err)
	}
	return nil
}

// ReadCertificateKeys reads an answer with keys. It proves nothing. Errors wrap ErrOrigin.
func ReadCertificateKeys(m *pb.LightUpdateResponse) ([]CertificateKey, error) {
	var out []CertificateKey
	for _, p := range m.GetKeys() {
		network, err := crypto.ParseDigest(p.GetNetworkId())
		if err != nil || p.GetScheme() != rollupapi.CertificateScheme || len(p.GetKey()) != certify.PublicKeySize {
			return nil, errors.Join(fmt.Errorf("%w: certificate key of %d bytes, scheme %q", ErrOrigin, len(p.GetKey()), p.GetScheme()), err)
		}
		out = append(out, CertificateKey{
			ID: p.GetKeyId(), Epoch: dag.Epoch(p.GetEpoch()), Public: certify.PublicKey(p.GetKey()), Network: network,
			From: dag.CommitIndex(p.GetValidFromCommit()), Until: dag.CommitIndex(p.GetValidUntilCommit()),
			attempt: p.GetAttempt(), threshold: int(p.GetThreshold()), origins: p.GetOrigins(),
		})
	}
	return out, nil
}

// Prove makes the key again from its deals, each of which stands in a block that its dealer signed, and compares. The
// committee is the caller's own, such as that of its genesis file. A node that cheats would need the identity keys of
// at least 2f+1 validators. It cannot be done where the node does not have those blocks, which it should keep when it
// prunes: ask another one. That no other deal qualified is for who follows the whole log. With 100 validators it takes a second. Errors
// wrap ErrOrigin.
func (k *CertificateKey) Prove(committee *dag.Committee) error {
	if committee.Network() != k.Network || committee.Epoch() != k.Epoch {
		return fmt.Errorf("%w: it is of network %s and epoch %d, the committee of %s and %d", ErrOrigin, k.Network, k.Epoch, committee.Network(), committee.Epoch())
	}
	members := make([]crypto.KEMPublicKey, committee.Size())
	for i := range members {
		members[i] = committee.Validator(dag.Author(i)).KEM
	}
	run, err := dkg.NewRun(dkg.Context{Group: dkg.BLS12381G2, Network: k.Network, Key: k.ID, Attempt: k.attempt}, members)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	if len(k.origins) < run.Threshold() || k.threshold != run.Threshold() {
		return fmt.Errorf("%w: %d deals and a threshold of %d, want at least %d and %d", ErrOrigin, len(k.origins), k.threshold, run.Threshold(), run.Threshold())
	}
	var deals []*dkg.Deal
	for _, o := range k.origins {
		deal, err := signedDeal(committee, run, o)
		if err != nil {
			return err
		}
		deals = append(deals, deal)
	}
	public, err := run.Combine(deals)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	made, err := certify.NewPublicKey(public.Key)
	if err != nil || made != k.Public {
		return errors.Join(fmt.Errorf("%w: they add up to %s, not %s", ErrOrigin, made, k.Public), err)
	}
	return nil
}

// signedDeal is a deal of a certificate key that holds, in a block that its dealer signed.
func signedDeal(committee *dag.Committee, run *dkg.Run, o *pb.KeyOrigin) (*dkg.Deal, error) {
	dealer, err := dag.ParseAuthor(o.GetDealer())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	deal, err := run.CheckDeal(int(dealer), o.GetDeal())
	if err != nil {
		return nil, fmt.Errorf("%w: deal of %s: %w", ErrOrigin, dealer, err)
	}
	if len(o.GetBlock()) == 0 {
		return nil, fmt.Errorf("%w: no block with the deal of %s: ask a node that keeps commit %d", ErrOrigin, dealer, o.GetCommit())
	}
	verified, err := dag.Verify(committee, o.GetBlock())
	if err != nil {
		return nil, fmt.Errorf("%w: block of %s: %w", ErrOrigin, dealer, err)
	}
	b := verified.Block()
	holds := slices.ContainsFunc(b.System, func(m dag.SystemMessage) bool {
		return m.Kind == keygen.KindCertificateDeal && bytes.Equal(m.Payload, o.GetDeal())
	})
	if b.Author != dealer || !holds {
		return nil, fmt.Errorf("%w: block %s does not hold the deal of %s", ErrOrigin, verified.Ref(), dealer)
	}
	return deal, nil
}
