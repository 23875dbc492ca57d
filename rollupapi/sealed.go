package rollupapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// sealedChunk is how many ciphertexts one goroutine checks at a time: proof and signature take 0.2 ms.
const sealedChunk = 16

// Sealed admits each sealed item on its own; head is the newest commit. What can be told without
// a computation in the group is told first; then come signature and proof, once each. The error is a
// Refusal of all, since there is no key yet or the reveals are behind, or ctx's if it ended first. It blocks while
// ciphertexts are checked.
func (a *Admission) Sealed(ctx context.Context, head dag.CommitIndex, items []dag.Sealed) ([]Admitted, error) {
	serving, err := a.servingKey()
	if err != nil {
		return nil, err
	}
	if err := checkReveals(a.heads.Heads()); err != nil {
		return nil, err
	}
	key, err := a.keys.ready(&serving)
	if err != nil {
		return nil, err
	}
	out := make([]Admitted, len(items))
	hasher := dag.NewItemHasher(a.network)
	for i := range items {
		if out[i].Refused = a.checkSealedForm(head, key.ID(), &items[i]); out[i].Refused != nil {
			continue
		}
		if out[i].Item, err = items[i].Encode(hasher); err != nil {
			out[i].Refused = refuse(ReasonSealedMalformed, "%s", err)
		}
	}
	err = a.spread(ctx, len(items), sealedChunk, func(from, to int) {
		for i := from; i < to; i++ {
			if out[i].Refused == nil {
				out[i].Refused = a.checkSealedProofs(key, &items[i])
			}
		}
	})
	return out, err
}

// servingKey is the key that users seal with; the error is a Refusal where there is none yet.
func (a *Admission) servingKey() (keygen.Key, error) {
	key, ok := a.keys.serving()
	if !ok {
		return key, notReady(a.keys.sealing.SealingStatus())
	}
	return key, nil
}

// checkReveals refuses while so much is committed and not opened that what comes now would stay unread.
func checkReveals(h Heads) error {
	if h.Committed <= h.Revealed+maxUnrevealed {
		return nil
	}
	return over(ReasonRevealsBehind, maxUnrevealed, "%d commits wait for their reveals, limit %d: what is sealed now would stay unread", h.Committed-h.Revealed, maxUnrevealed)
}

// notReady says how far the first key is.
func notReady(s keygen.Status) *Refusal {
	step := fmt.Sprintf("%d validators have dealt", s.Deals)
	if s.Phase == keygen.Acknowledging {
		step = fmt.Sprintf("%d deals, acknowledged by %d validators", s.Deals, s.Acks)
	}
	if s.Deadline != 0 {
		step += fmt.Sprintf("; at commit %d it goes on without the others", s.Deadline)
	}
	return refuse(ReasonSealingNotReady, "the network is still making its key (%s): %s", s.Phase, step)
}

// encodedSealed admits a sealed item that came encoded.
func (a *Admission) encodedSealed(ctx context.Context, head dag.CommitIndex, s dag.Sealed) error {
	admitted, err := a.Sealed(ctx, head, []dag.Sealed{s})
	if err == nil && admitted[0].Refused != nil {
		return admitted[0].Refused
	}
	return err
}

// checkSealedForm is what costs next to nothing: lengths, namespaces, expiry, and which key it is for.
func (a *Admission) checkSealedForm(head dag.CommitIndex, serving uint64, s *dag.Sealed) *Refusal {
	if len(s.Namespaces) == 0 || len(s.Namespaces) > dag.MaxBundleNamespaces {
		return over(ReasonSealedMalformed, dag.MaxBundleNamespaces, "%d namespaces, want 1 to %d", len(s.Namespaces), dag.MaxBundleNamespaces).at("namespaces")
	}
	if len(s.Sender)+len(s.Signature) > 0 && (len(s.Sender) != crypto.PublicKeySize || len(s.Signature) != crypto.SignatureSize) {
		return badEnvelope(len(s.Sender), len(s.Signature))
	}
	for _, ns := range s.Namespaces {
		rule, err := a.leg(ns)
		if err != nil {
			return refusalOf(err)
		}
		if rule.Scheme == dag.SchemeEd25519 && len(s.Sender) == 0 {
			return refuse(ReasonSignatureMissing, "namespace %d needs the sender and signature of whoever sealed it", ns).at("sender")
		}
	}
	if err := checkValidity(head, s.ValidUntil, true); err != nil {
		return refusalOf(err)
	}
	return checkCiphertextForm(serving, s.Ciphertext)
}

// checkCiphertextForm looks at the size of a ciphertext and at the key that it names.
func checkCiphertextForm(serving uint64, ciphertext []byte) *Refusal {
	size := len(ciphertext)
	switch {
	case size > seal.MaxCiphertextSize:
		return over(ReasonTooLarge, seal.MaxCiphertextSize, "ciphertext of %d bytes, limit %d: seal at most %d bytes", size, seal.MaxCiphertextSize, dag.MaxSealedContent).at("ciphertext")
	case size < seal.SealedSize(1):
		return over(ReasonCiphertextInvalid, seal.SealedSize(1), "ciphertext of %d bytes, the shortest has %d", size, seal.SealedSize(1)).at("ciphertext")
	}
	id, err := seal.KeyID(ciphertext)
	switch {
	case err != nil:
		return refuse(ReasonCiphertextInvalid, "%s", err).at("ciphertext")
	case id > serving:
		return refuse(ReasonSealingNotReady, "sealed with key %d; this node knows key %d and no later one", id, serving).at("ciphertext")
	case id < serving:
		return refuse(ReasonEpochKeyStale, "sealed with key %d, which was replaced by key %d: get the encryption key again and seal with that", id, serving).at("ciphertext")
	}
	return nil
}

// checkSealedProofs checks the signature, where there is one, and that whoever made the ciphertext made it
// for this envelope and knows its content.
func (a *Admission) checkSealedProofs(key *seal.Key, s *dag.Sealed) *Refusal {
	if len(s.Sender) > 0 {
		sender := crypto.PublicKey(s.Sender)
		if !sender.Verify(crypto.DomainTxSignature, s.SigningDigest(a.network), crypto.Signature(s.Signature)) {
			return refuse(ReasonSignatureInvalid, "the signature is not that of sender %s over this ciphertext", sender).at("signature")
		}
	}
	_, err := key.Verify(s.Associated(), s.Ciphertext)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, seal.ErrCiphertext):
		return refuse(ReasonCiphertextInvalid, "the ciphertext was not made for these namespaces, this sender, valid_until_commit and network, or was changed: seal anew for this envelope").at("ciphertext")
	}
	return refuse(ReasonCiphertextInvalid, "%s", err).at("ciphertext")
}
