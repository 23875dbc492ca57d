package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// Plain is what is to be sealed: one leg is a transaction, several are a bundle.
type Plain struct {
	Legs       []dag.Leg           // up to 16, in up to 8 namespaces; encoded 128 KiB in all
	ValidUntil dag.CommitIndex     // the last commit that may hold it; needed by Seal
	Signer     *crypto.IdentityKey // signs the envelope; needed if a leg is of an ed25519 namespace, else nil
}

// Seal encrypts on this side: nobody learns the content before the order is fixed. Errors wrap
// dag.ErrItem where the legs are too many, too large or empty.
func (k *EncryptionKey) Seal(p Plain) (dag.Sealed, error) {
	s := dag.Sealed{ValidUntil: p.ValidUntil}
	content, err := dag.EncodeContent(p.Legs)
	if err != nil {
		return s, fmt.Errorf("seal: %w", err)
	}
	for i := range p.Legs {
		if ns := p.Legs[i].Namespace; !slices.Contains(s.Namespaces, ns) {
			s.Namespaces = append(s.Namespaces, ns)
		}
	}
	if p.Signer != nil {
		sender := p.Signer.Public()
		s.Sender = sender[:]
	}
	if s.Ciphertext, err = k.key.Encrypt(rand.Reader, s.Associated(), content); err != nil {
		return s, fmt.Errorf("seal: %w", err)
	}
	if p.Signer != nil {
		signature := p.Signer.Sign(crypto.DomainTxSignature, s.SigningDigest(k.Network()))
		s.Signature = signature[:]
	}
	return s, nil
}

// SealedSubmission is ciphertexts, each with its envelope.
type SealedSubmission struct {
	Items   []dag.Sealed // up to 256, 1 MiB in all
	Wait    Wait
	Timeout time.Duration // of Wait; 0 for the node's default
}

// SubmitSealed sends ciphertexts and returns one result per item. It goes on to the next node if one
// does not answer: an id is ordered once, however often it is sent. The error is about the whole call.
func (c *Client) SubmitSealed(ctx context.Context, s SealedSubmission) ([]Result, error) {
	if s.Wait < 0 || int(s.Wait) >= len(waits) {
		return nil, fmt.Errorf("submit sealed: there is no wait %d", s.Wait)
	}
	request := &pb.SubmitSealedRequest{Wait: waits[s.Wait], TimeoutMs: uint32(s.Timeout.Milliseconds())}
	for i := range s.Items {
		item := &s.Items[i]
		request.Items = append(request.Items, &pb.SealedItem{
			Namespaces: numbers(item.Namespaces), Ciphertext: item.Ciphertext, ValidUntilCommit: uint64(item.ValidUntil),
			Sender: item.Sender, Signature: item.Signature,
		})
	}
	var response *pb.SubmitSealedResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		response, err = e.ingress.SubmitSealed(ctx, request)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("submit sealed: %w", err)
	}
	if len(response.GetItems()) != len(s.Items) {
		return nil, fmt.Errorf("submit sealed: %d results for %d items", len(response.GetItems()), len(s.Items))
	}
	return newResults(response.GetItems()), nil
}

// SealAndSubmit seals p and sends it until it has come as far as wait says or is refused for good. What is
// refused for now, or has met a node that did not answer, it sends again as it is, so that it is ordered once; what was
// sealed with a key that no longer serves it seals anew, also where it was committed: there it counts for nothing. Without
// p.ValidUntil it takes half the window from now. The error is the refusal, or ctx's with the last refusal, or as Seal's,
// or wraps ErrOrigin where the client has a committee and the key is not that committee's; the result is then how far it
// had come. A client without a committee logs once that it takes the key on the node's word.
func (c *Client) SealAndSubmit(ctx context.Context, p Plain, wait Wait) (Result, error) {
	if wait < 0 || int(wait) >= len(waits) {
		return Result{}, fmt.Errorf("seal and submit: there is no wait %d", wait)
	}
	if _, err := dag.EncodeContent(p.Legs); err != nil {
		return Result{}, fmt.Errorf("seal and submit: %w", err)
	}
	var last error
	var known Result // of what was sent last
	var sent sealedOnce
	for {
		result, err := c.sealOnce(ctx, p, wait, &sent)
		if !result.ID.IsZero() {
			known = result
		}
		var refused *Error
		switch {
		case err == nil:
			return result, nil
		case errors.As(err, &refused) && !refused.Retryable && refused.Reason != reasonKeyStale:
			return result, fmt.Errorf("seal and submit: %w", err)
		case errors.Is(err, ErrOrigin):
			return known, fmt.Errorf("seal and submit: %w", err)
		case ctx.Err() == nil:
			last = err
		}
		pause := retryPause
		if refused != nil {
			pause = max(pause, refused.RetryAfter)
		}
		if err := sleep(ctx, pause); err != nil {
			return known, fmt.Errorf("seal and submit: %w", errors.Join(err, last))
		}
	}
}

// reasonKeyStale is why what was sealed is to be sealed anew.
const reasonKeyStale = "EPOCH_KEY_STALE"

// sealedOnce is what was sealed, with which key; nil for nothing yet. Sealed again it would be another item, which counts
// beside the first.
type sealedOnce struct {
	key  *EncryptionKey
	item dag.Sealed
}

// sealOnce seals p with the key that is known to serve, unless it was sealed before, and sends that until it has come as
// far as wait says, it is refused, or a node does not answer.
func (c *Client) sealOnce(ctx context.Context, p Plain, wait Wait, sent *sealedOnce) (Result, error) {
	if sent.key == nil {
		if err := c.seal(ctx, p, sent); err != nil {
			return Result{}, err
		}
	}
	for {
		results, err := c.SubmitSealed(ctx, SealedSubmission{Items: []dag.Sealed{sent.item}, Wait: wait})
		if err != nil {
			return Result{}, err
		}
		result := results[0]
		if result.Err != nil {
			if result.Err.Reason == reasonKeyStale {
				c.stale(sent.key)
				sent.key = nil
			}
			return result, result.Err
		}
		if result.State.reaches(wait) {
			return result, nil
		}
		if err := sleep(ctx, retryPause); err != nil {
			return result, err
		}
	}
}

// seal seals p with the key that is known to serve.
func (c *Client) seal(ctx context.Context, p Plain, into *sealedOnce) error {
	key, err := c.EncryptionKey(ctx)
	if err != nil {
		return err
	}
	c.trust.say(c.Endpoint())
	if p.ValidUntil == 0 {
		info, err := c.Info(ctx)
		if err != nil {
			return err
		}
		p.ValidUntil = dag.CommitIndex(info.GetWatermarks().GetCommitted()) + dag.ValidityWindow/2
	}
	if into.item, err = key.Seal(p); err != nil {
		return err
	}
	into.key = key
	return nil
}
