package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// How certificates come into a run. The cryptography is real, and each validator computes.
const (
	certifiedDraw     = 8 // one in so many scenarios with sealing certifies
	maxCertifiedDrawn = 7 // validators of a drawn one
)

// certifyingBehaviours are those that act on certificates only.
var certifyingBehaviours = []string{"badsigns"}

// drawCertified says whether a scenario with sealing certifies, and lets adversaries sign wrongly.
func (s *Scenario) drawCertified(random *rand.Rand, o Options) {
	s.Certified = s.SealedEvery > 0 && random.IntN(certifiedDraw) == 0 && o.Validators <= maxCertifiedDrawn
	if !s.Certified || !drawnFrom(o) {
		return
	}
	for i := range s.Adversaries {
		a := &s.Adversaries[i]
		for _, name := range certifyingBehaviours {
			if random.IntN(2) == 0 && !slices.Contains(a.Behaviours, name) {
				a.Behaviours = append(a.Behaviours, name)
			}
		}
	}
}

// certifier is what a node does beside its engine to certify commits.
type certifier struct {
	node    *node
	tracker *certificate.Tracker
}

// newCertifier goes on behind what the disk has a certificate of; nil in a network without.
func newCertifier(n *node) *certifier {
	if !n.world.scenario.Certified {
		return nil
	}
	return &certifier{node: n, tracker: certificate.New(n.world.committee, n.self, n.disk.certified)}
}

// take takes what a Ready has for it, and lets out what follows.
func (c *certifier) take(ready *ordering.Ready) {
	if c == nil {
		return
	}
	w := c.node.world
	for i := range ready.CertificateKeys {
		k := &ready.CertificateKeys[i]
		if err := c.tracker.AddKey(k.Key, k.Share); err != nil {
			w.check.fail("key", err.Error(), c.node.self)
			return
		}
	}
	for _, commit := range ready.Commits {
		c.tracker.Commit(commit)
	}
	if signed := c.tracker.Sign(); len(signed) > 0 {
		w.hand(shareTime, c.node.self, ordering.SignaturesMade{Signed: signed})
	}
	for _, s := range ready.Signatures {
		_ = c.tracker.Signatures(s) // an adversary's
	}
	c.tracker.Work()
	for _, f := range c.tracker.Faults() {
		w.check.certificates.accused(c.node.self, &f)
	}
	for _, made := range c.tracker.Take() {
		w.check.certificates.made(c.node.self, made)
	}
	c.node.disk.certified = c.tracker.Certified()
}

// signer is an adversary's part in certificates. Unless a behaviour changes what it says, it keeps to the rules.
type signer struct {
	world   *world
	self    dag.Author
	member  *keygen.Member
	tracker *certificate.Tracker
	keys    int
	commits int
}

// newSigner is an adversary's part; nil in a network without.
func newSigner(w *world, self dag.Author) *signer {
	if !w.scenario.Certified {
		return nil
	}
	return &signer{world: w, self: self, member: keygen.NewMember(self, w.kem[self]), tracker: certificate.New(w.committee, self, 0)}
}

// messages is what an honest validator would say, which knows all commits of anybody.
func (s *signer) messages() []dag.SystemMessage {
	if s == nil {
		return nil
	}
	c := s.world.check.certificates
	out := s.member.Messages(c.state)
	for ; s.keys < len(c.keys); s.keys++ {
		share, err := s.member.Share(c.state, c.keys[s.keys].ID)
		if err == nil {
			err = s.tracker.AddKey(c.keys[s.keys].Key, &share)
		}
		if err != nil {
			s.world.check.fail("key", err.Error(), s.self)
		}
	}
	for ; s.commits < len(c.commits); s.commits++ {
		s.tracker.Commit(c.commits[s.commits])
	}
	if signed := s.tracker.Sign(); len(signed) > 0 {
		out = append(out, dag.SystemMessage{Kind: ordering.KindSignatures, Payload: ordering.EncodeSigned(signed)})
	}
	return out
}
