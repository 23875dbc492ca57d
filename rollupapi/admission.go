package rollupapi

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Admission turns what clients and peers send into items that may be ordered, or says why not. It
// checks what the namespace's rule asks; the order itself never depends on it. Safe for concurrent
// use; signatures are checked by a bounded number of goroutines for all callers together.
type Admission struct {
	network  crypto.Digest
	registry Namespaces
	keys     *keyring
	heads    Headed
	slots    chan struct{}
}

// AdmissionConfig is what an Admission stands on.
type AdmissionConfig struct {
	Network  crypto.Digest
	Registry Namespaces
	Sealing  Sealing
	Heads    Headed
	Workers  int // how many goroutines check signatures and ciphertexts at a time; at least 1
}

// signatureChunk is how many signatures one goroutine checks at a time: 128 ed25519 signatures in
// one batch take about 4 ms, and larger batches gain little.
const signatureChunk = 128

// recoverChunk is the same for Ethereum signatures, of 0.1 to 0.2 ms each.
const recoverChunk = 16

// NewAdmission returns the admission of a network.
func NewAdmission(c AdmissionConfig) *Admission {
	return &Admission{network: c.Network, registry: c.Registry, keys: newKeyring(c.Network, c.Sealing), heads: c.Heads, slots: make(chan struct{}, max(c.Workers, 1))}
}

// Submission is transactions of one namespace with one envelope.
type Submission struct {
	Namespace  dag.Namespace
	Payloads   [][]byte        // each one transaction
	ValidUntil dag.CommitIndex // 0 lets the node choose; not for signed envelopes
	Sender     []byte          // 32 bytes, or none
	Signatures [][]byte        // 64 bytes per payload, or none
}

// Admitted is one transaction's item, or why it is refused. The item does not share the payload.
type Admitted struct {
	Item    dag.Item
	Refused *Refusal // nil if admitted
}

// Transactions admits each transaction of a submission on its own; head is the newest commit. The
// error is a Refusal of the whole submission, or ctx's if it ended first. It blocks while
// signatures are checked.
func (a *Admission) Transactions(ctx context.Context, head dag.CommitIndex, s *Submission) ([]Admitted, error) {
	rule, err := a.open(s.Namespace)
	if err != nil {
		return nil, err
	}
	if err := checkEnvelope(&rule, s); err != nil {
		return nil, err
	}
	if err := checkValidity(head, s.ValidUntil, len(s.Sender) > 0); err != nil {
		return nil, err
	}
	out := make([]Admitted, len(s.Payloads))
	hasher := dag.NewItemHasher(a.network)
	for i, payload := range s.Payloads {
		t := dag.Transaction{Namespace: s.Namespace, ValidUntil: s.ValidUntil, Sender: s.Sender, Payload: payload}
		if len(s.Signatures) > 0 {
			t.Signature = s.Signatures[i]
		}
		if out[i].Refused = checkSize(len(payload)); out[i].Refused != nil {
			continue
		}
		if out[i].Item, err = t.Encode(hasher); err != nil {
			out[i].Refused = refuse(ReasonSignatureInvalid, "%s", err)
		}
	}
	switch {
	case rule.Scheme == dag.SchemeEthereum:
		err = a.checkEthereum(ctx, &rule, s.Payloads, out)
	case rule.Scheme == dag.SchemeControl:
		err = a.checkControls(ctx, head, s.Payloads, out)
	case len(s.Sender) > 0:
		err = a.checkSender(ctx, s, out)
	}
	return out, err
}

// Encoded admits one encoded item, such as gossip brings. The item shares raw. The error is a
// Refusal, or ctx's if it ended first.
func (a *Admission) Encoded(ctx context.Context, head dag.CommitIndex, raw []byte) (dag.Item, error) {
	item, err := dag.NewItemHasher(a.network).Decode(raw)
	if err != nil {
		return dag.Item{}, refuse(ReasonTransactionMalformed, "%s", err)
	}
	switch item.Kind {
	case dag.KindBundle:
		b := item.Bundle()
		return item, a.checkBundle(ctx, head, &b)
	case dag.KindSealed:
		return item, a.encodedSealed(ctx, head, item.Sealed())
	}
	t := item.Transaction()
	s := &Submission{Namespace: t.Namespace, Payloads: [][]byte{t.Payload}, ValidUntil: t.ValidUntil, Sender: t.Sender}
	if item.Signed {
		s.Signatures = [][]byte{t.Signature}
	}
	admitted, err := a.Transactions(ctx, head, s)
	if err != nil {
		return dag.Item{}, err
	}
	if admitted[0].Refused != nil {
		return dag.Item{}, admitted[0].Refused
	}
	return item, nil
}

// Bundle admits a bundle: every leg must suit its namespace, and a leg of an ed25519 namespace
// needs the bundle's own signature. The error is a Refusal, or ctx's if it ended first.
func (a *Admission) Bundle(ctx context.Context, head dag.CommitIndex, b *dag.Bundle) (dag.Item, error) {
	if len(b.Legs) == 0 || len(b.Legs) > dag.MaxBundleLegs {
		return dag.Item{}, over(ReasonBundleMalformed, dag.MaxBundleLegs, "bundle of %d legs, want 1 to %d", len(b.Legs), dag.MaxBundleLegs).at("legs")
	}
	if err := a.checkBundle(ctx, head, b); err != nil {
		return dag.Item{}, err
	}
	item, err := b.Encode(dag.NewItemHasher(a.network))
	if err != nil {
		return dag.Item{}, refuse(ReasonBundleMalformed, "%s", err)
	}
	return item, nil
}

func (a *Admission) checkBundle(ctx context.Context, head dag.CommitIndex, b *dag.Bundle) error {
	signed := len(b.Sender) > 0
	if err := checkValidity(head, b.ValidUntil, signed); err != nil {
		return err
	}
	total := 0
	for i := range b.Legs {
		leg := &b.Legs[i]
		rule, err := a.leg(leg.Namespace)
		if err != nil {
			return err
		}
		if r := checkSize(len(leg.Payload)); r != nil {
			return r
		}
		if total += len(leg.Payload); total > dag.MaxTransactionBytes {
			return over(ReasonTooLarge, dag.MaxTransactionBytes, "legs of more than %d bytes in all", dag.MaxTransactionBytes).at("legs")
		}
		if err := a.checkLeg(ctx, &rule, leg, signed); err != nil {
			return err
		}
	}
	if !signed {
		return nil
	}
	if len(b.Sender) != crypto.PublicKeySize || len(b.Signature) != crypto.SignatureSize {
		return badEnvelope(len(b.Sender), len(b.Signature))
	}
	key := crypto.PublicKey(b.Sender)
	if !key.Verify(crypto.DomainTxSignature, b.SigningDigest(a.network), crypto.Signature(b.Signature)) {
		return refuse(ReasonSignatureInvalid, "the bundle's signature is not that of sender %s", key).at("signature")
	}
	return nil
}

func (a *Admission) checkLeg(ctx context.Context, rule *dag.NamespaceRule, leg *dag.Leg, signed bool) error {
	switch rule.Scheme {
	case dag.SchemeEd25519:
		if !signed {
			return refuse(ReasonSignatureMissing, "a leg of namespace %d needs the bundle's sender and signature", rule.ID).at("signature")
		}
	case dag.SchemeEthereum:
		out := make([]Admitted, 1)
		if err := a.checkEthereum(ctx, rule, [][]byte{leg.Payload}, out); err != nil {
			return err
		}
		if out[0].Refused != nil {
			return out[0].Refused
		}
	}
	return nil
}

// rule finds a namespace that can be read.
func (a *Admission) rule(ns dag.Namespace) (dag.NamespaceRule, error) {
	rule, ok := a.registry.Registry().Rule(ns)
	if !ok {
		return rule, refuse(ReasonNamespaceUnknown, "namespace %d is not registered in this network", ns).at("namespace")
	}
	return rule, nil
}

// open finds a namespace that takes transactions in.
func (a *Admission) open(ns dag.Namespace) (dag.NamespaceRule, error) {
	rule, err := a.rule(ns)
	if err == nil && rule.Closed {
		err = refuse(ReasonNamespaceClosed, "namespace %d is closed: what it held can still be read", ns).at("namespace")
	}
	return rule, err
}

// leg finds a namespace that bundles and sealed items may name.
func (a *Admission) leg(ns dag.Namespace) (dag.NamespaceRule, error) {
	rule, err := a.open(ns)
	if err == nil && rule.Scheme == dag.SchemeControl {
		err = refuse(ReasonNamespaceUnknown, "namespace %d takes plain transactions only", ns).at("namespace")
	}
	return rule, err
}

// checkEnvelope checks sender and signatures by their number and sizes.
func checkEnvelope(rule *dag.NamespaceRule, s *Submission) error {
	if len(s.Payloads) == 0 {
		return refuse(ReasonPayloadEmpty, "no payload: give at least one transaction").at("payloads")
	}
	if len(s.Sender) == 0 && len(s.Signatures) == 0 {
		if rule.Scheme == dag.SchemeEd25519 {
			return refuse(ReasonSignatureMissing, "namespace %d admits signed transactions: give sender and one signature per payload", rule.ID).at("sender")
		}
		return nil
	}
	if rule.Scheme == dag.SchemeControl {
		return refuse(ReasonSignatureUnwanted, "namespace %d goes by the signatures within control transactions: leave out sender and signatures", rule.ID).at("sender")
	}
	if rule.Scheme == dag.SchemeEthereum {
		return refuse(ReasonSignatureUnwanted, "namespace %d goes by the signatures within Ethereum transactions: leave out sender and signatures", rule.ID).at("sender")
	}
	if len(s.Signatures) != len(s.Payloads) {
		return refuse(ReasonSignatureMissing, "%d signatures for %d payloads, want one each", len(s.Signatures), len(s.Payloads)).at("signatures")
	}
	for _, signature := range s.Signatures {
		if len(s.Sender) != crypto.PublicKeySize || len(signature) != crypto.SignatureSize {
			return badEnvelope(len(s.Sender), len(signature))
		}
	}
	return nil
}

func badEnvelope(sender, signature int) *Refusal {
	return refuse(ReasonSignatureInvalid, "sender of %d and signature of %d bytes, want %d and %d",
		sender, signature, crypto.PublicKeySize, crypto.SignatureSize).at("signatures")
}

// checkValidity checks valid_until against the newest commit. Bound means that a signature or ciphertext
// covers it, so that the node cannot choose it.
func checkValidity(head, until dag.CommitIndex, bound bool) error {
	switch {
	case until == 0 && !bound:
		return nil
	case until == 0:
		return refuse(ReasonTooFarAhead, "what is signed or sealed needs valid_until_commit, %d to %d now", head+1, head+validityWindow).at("valid_until_commit")
	case until <= head:
		return refuse(ReasonExpired, "valid until commit %d, and commit %d is there", until, head).at("valid_until_commit")
	case until > head+validityWindow:
		return over(ReasonTooFarAhead, int(validityWindow), "valid until commit %d: at most %d past the newest, which is %d", until, validityWindow, head).at("valid_until_commit")
	}
	return nil
}

func checkSize(size int) *Refusal {
	switch {
	case size == 0:
		return refuse(ReasonPayloadEmpty, "empty payload, want 1 to %d bytes", dag.MaxTransactionBytes).at("payloads")
	case size > dag.MaxTransactionBytes:
		return over(ReasonTooLarge, dag.MaxTransactionBytes, "payload of %d bytes, limit %d", size, dag.MaxTransactionBytes).at("payloads")
	}
	return nil
}

// checkSender checks the ed25519 signatures, in batches.
func (a *Admission) checkSender(ctx context.Context, s *Submission, out []Admitted) error {
	key := crypto.PublicKey(s.Sender)
	return a.spread(ctx, len(out), signatureChunk, func(from, to int) {
		checks, at := make([]crypto.SignatureCheck, 0, to-from), make([]int, 0, to-from)
		for i := from; i < to; i++ {
			if out[i].Refused != nil {
				continue
			}
			t := dag.Transaction{Namespace: s.Namespace, ValidUntil: s.ValidUntil, Payload: s.Payloads[i]}
			checks = append(checks, crypto.SignatureCheck{
				Key: key, Domain: crypto.DomainTxSignature, Digest: t.SigningDigest(a.network), Signature: crypto.Signature(s.Signatures[i]),
			})
			at = append(at, i)
		}
		for j, valid := range crypto.VerifyBatch(checks) {
			if !valid {
				out[at[j]].Refused = refuse(ReasonSignatureInvalid, "the signature is not that of sender %s over this transaction", key).at("signatures")
			}
		}
	})
}

// spread runs f over 0..n in chunks, as many at a time as there are slots free, and waits for all.
func (a *Admission) spread(ctx context.Context, n, chunk int, f func(from, to int)) error {
	var running sync.WaitGroup
	defer running.Wait()
	for from := 0; from < n; from += chunk {
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("check signatures: %w", context.Cause(ctx))
		}
		to := min(from+chunk, n)
		if to == n { // the last one, and so most calls, needs no goroutine
			f(from, to)
			<-a.slots
			return nil
		}
		running.Go(func() {
			defer func() { <-a.slots }()
			f(from, to)
		})
	}
	return nil
}

// isRefusal reports whether err is a Refusal, as opposed to the node's own trouble.
func isRefusal(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}
