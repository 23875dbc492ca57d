package sim

import (
	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// certificates holds what nodes certify against the commit sequence: it runs a key generation of its own on it.
type certificates struct {
	check   *checker
	state   *keygen.State
	keys    keygen.Succession[*certificateKey]
	commits []*ordering.Commit
	seen    map[dag.CommitIndex]certify.Signature
	faults  int
	target  dag.CommitIndex // what all must have certified at the end
}

type certificateKey struct {
	keygen.Key
	public certify.PublicKey
}

// newCertificates is nil for a network without.
func newCertificates(c *checker) *certificates {
	if !c.world.scenario.Certified {
		return nil
	}
	state, err := keygen.New(c.world.committee, keygen.Certificates)
	if err != nil {
		panic("sim: key generation of drawn keys: " + err.Error())
	}
	return &certificates{check: c, state: state, seen: make(map[dag.CommitIndex]certify.Signature)}
}

// extend takes a commit that is the first of its index.
func (r *certificates) extend(c *ordering.Commit) {
	if r == nil {
		return
	}
	r.commits = append(r.commits, c)
	for _, b := range c.Bodies {
		for _, m := range b.Block().System {
			_ = r.state.Apply(c.Index, b.Author(), m) // an adversary's
		}
	}
	key := r.state.Close(c.Index)
	if key == nil {
		return
	}
	public, err := certify.NewPublicKey(key.Public)
	if err != nil {
		panic("sim: certificate key: " + err.Error())
	}
	r.keys.Add(&certificateKey{*key, public})
}

// made takes a certificate of a node: it holds under the one key of its commit, and is the one of everybody else.
func (r *certificates) made(node dag.Author, c *certificate.Certificate) {
	i := c.Commit.Index
	if i > r.check.longest() || r.check.sequence[i-1].digest != c.Commit.Digest {
		r.check.failf("certificate", node, "a certificate of commit %d with digest %v, which nobody has made", i, c.Commit.Digest)
		return
	}
	if other, known := r.seen[i]; known {
		if other != c.Signature {
			r.check.failf("certificate", node, "two certificates of commit %d", i)
		}
		return
	}
	r.seen[i] = c.Signature
	k := r.keys.In(i)
	if k == nil {
		r.check.failf("certificate", node, "commit %d is certified and no key served in it", i)
		return
	}
	if err := c.Verify(r.check.world.committee.Network(), k.public); err != nil || c.Key != k.ID {
		r.check.failf("certificate", node, "commit %d, key %d: %v", i, c.Key, err)
	}
}

// accused takes a wrong signature that a node has found: no honest validator makes one.
func (r *certificates) accused(node dag.Author, f *certificate.Fault) {
	r.faults++
	if !r.check.world.scenario.adversary(f.Block.Author) {
		r.check.failf("certificate", node, "%v is blamed for a wrong signature of commit %d", f.Block.Author, f.Commit.Index)
	}
}

// uncertified says what a node has not certified at the end; empty for nothing that it could have.
func (r *certificates) uncertified(n *node) string {
	if r == nil || len(r.keys) == 0 {
		return ""
	}
	if r.target == 0 {
		r.target = max(r.check.longest(), r.keys[0].From)
	}
	if at := n.certifier.tracker.Certified(); at < r.target {
		return sprintf("certified up to commit %d, want %d; %d checkpoints wait for signatures", at, r.target, n.certifier.tracker.Open())
	}
	return ""
}
