package node

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// maxCertifierWork is how many commits and messages of signatures wait for the certifier. The oldest make room: a later
// certificate covers what they are for.
const maxCertifierWork = 4096

// certifier signs checkpoints beside the loop, gathers the others' signatures, and stores certificates. The order
// never waits for it. Its goroutine owns the tracker; everything else asks through methods that are safe for
// concurrent use.
type certifier struct {
	node    *node
	tracker *certificate.Tracker
	bell    *bell
	woken   chan struct{}
	keys    *keyring

	mu         sync.Mutex // over what follows; held for no longer than a copy
	commits    []*ordering.Commit
	signatures []ordering.SignaturesSeen

	blamed dag.AuthorSet // whose wrong signatures were logged
}

func newCertifier(n *node) *certifier {
	return &certifier{
		node: n, tracker: certificate.New(n.committee, n.self, n.store.Certified()), bell: newBell(),
		woken: make(chan struct{}, 1), keys: newKeyring(),
	}
}

// hand gives the certifier its part of a Ready, without waiting. Keys are never left out.
func (c *certifier) hand(ready *ordering.Ready) {
	if len(ready.CertificateKeys)+len(ready.Commits)+len(ready.Signatures) == 0 {
		return
	}
	c.keys.add(ready.CertificateKeys) // before the commits that they are for: step takes them in after those
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, commit := range ready.Commits {
		if commit.Checkpoint() == commit.Index { // the blocks need not stay for it
			c.commits = append(c.commits, &ordering.Commit{CommitHeader: commit.CommitHeader, Digest: commit.Digest, Resume: commit.Resume})
		}
	}
	c.signatures = append(c.signatures, ready.Signatures...)
	c.commits = slices.Delete(c.commits, 0, max(0, len(c.commits)-maxCertifierWork))
	c.signatures = slices.Delete(c.signatures, 0, max(0, len(c.signatures)-maxCertifierWork))
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// run works until ctx ends. An error is the store's, or a key that the log cannot have made.
func (c *certifier) run(ctx context.Context) error {
	for {
		select {
		case <-c.woken:
		case <-ctx.Done():
			return nil
		}
		if err := c.step(); err != nil {
			return fmt.Errorf("certify: %w", err)
		}
	}
}

// step takes in what is there and lets out what follows.
func (c *certifier) step() error {
	c.mu.Lock()
	commits, signatures := c.commits, c.signatures
	c.commits, c.signatures = nil, nil
	c.mu.Unlock()
	fresh := c.keys.take()
	for i := range fresh {
		if err := c.addKey(&fresh[i]); err != nil {
			return err
		}
	}
	for _, commit := range commits {
		c.tracker.Commit(commit)
	}
	if signed := c.tracker.Sign(); len(signed) > 0 {
		select {
		case c.node.loop.inbox <- ordering.SignaturesMade{Signed: signed}:
		default: // the loop may be waiting for this goroutine; the next checkpoint covers these
		}
	}
	for _, s := range signatures {
		if err := c.tracker.Signatures(s); err != nil {
			c.node.log.Debug("signatures_not_used", "block", s.Block, "err", err)
		}
	}
	c.tracker.Work()
	c.blame()
	made := c.tracker.Take()
	if len(made) == 0 {
		return nil
	}
	if err := c.node.store.PutCertificates(made); err != nil {
		return err
	}
	c.bell.ring()
	return nil
}

// addKey gives the tracker a key that is new.
func (c *certifier) addKey(k *ordering.KeyReady) error {
	if err := c.tracker.AddKey(k.Key, k.Share); err != nil {
		return err
	}
	if k.Lost != nil {
		c.node.log.Error("share_of_certificate_key_lost", "key", k.Key.ID, "err", k.Lost, "next", "nothing to do: a complaint against the cheating dealer is on its way, and a new key follows")
	} else {
		c.node.log.Info("certificate_key_ready", "key", k.Key.ID, "from_commit", k.Key.From, "dealers", len(k.Key.Dealers), "threshold", k.Key.Threshold)
	}
	return nil
}

// blame logs who has sent a wrong signature, once each, with the block that proves it.
func (c *certifier) blame() {
	for _, f := range c.tracker.Faults() {
		if author := f.Block.Author; !c.blamed.Has(author) {
			c.blamed.Add(author)
			c.node.log.Error("wrong_signature", "validator", c.node.committee.Validator(author).Name, "block", f.Block,
				"commit", f.Commit.Index, "digest", f.Commit.Digest, "signature", f.Signature,
				"next", "tell its operator: it signs checkpoints wrongly; the block is the evidence")
		}
	}
}

// Certificate is the certificate of a commit, or the next one, which covers it; false for none yet. Like the
// methods below it is the API's, and safe for concurrent use.
func (n *node) Certificate(i dag.CommitIndex) (*certificate.Certificate, bool, error) {
	return n.store.Certificate(i)
}

// WaitCertified blocks until all commits up to one past after are certified, and gives how far they are.
func (n *node) WaitCertified(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	return n.certifier.bell.wait(ctx, after, n.store.Certified)
}

// CertificateStatus says where the generation of the certificate key stands.
func (n *node) CertificateStatus() keygen.Status { return n.loop.status.Load().CertificateKeygen }

// CertificateKeys is the keys that are ready, oldest first; the last one serves.
func (n *node) CertificateKeys() []keygen.Key {
	return n.certifier.keys.all()
}

// CertificateOrigins is the deals in the log that a key is made of.
func (n *node) CertificateOrigins(id uint64) ([]keygen.Origin, error) {
	return n.certifier.keys.originsOf(id)
}
