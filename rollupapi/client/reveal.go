package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// ErrReveal is wrapped where a node's word about a sealed item does not hold.
var ErrReveal = errors.New("reveal does not hold")

// ErrUnproven is wrapped where a verdict cannot be checked with an opening: that enough shares open an item
// to nothing shows in the shares alone.
var ErrUnproven = errors.New("verdict has no proof in the item")

// Sealed is the envelope of a sealed item.
func (i *Item) Sealed() dag.Sealed {
	return dag.Sealed{ValidUntil: i.ValidUntil, Sender: i.Sender, Signature: i.Signature, Namespaces: i.Namespaces, Ciphertext: i.Ciphertext}
}

// VerifyReveal checks a sealed item that was read at Revealed against its opening, by two multiplications and
// without the node's or the committee's help: that its id is that of its envelope and ciphertext, and that
// the ciphertext opens to the legs that it carries, or is as bad as its verdict says. The key is the one
// that served in the item's commit. Errors wrap ErrReveal, or ErrUnproven.
func (k *EncryptionKey) VerifyReveal(item *Item) error {
	sealed := item.Sealed()
	encoded, err := sealed.Encode(dag.NewItemHasher(k.Network()))
	switch {
	case item.Kind != dag.KindSealed || item.Verdict == 0:
		return fmt.Errorf("%w: it is not sealed, or not revealed", ErrReveal)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrReveal, err)
	case encoded.ID != item.ID:
		return fmt.Errorf("%w: the item's id is %s, not %s", ErrReveal, encoded.ID, item.ID)
	case item.Commit < k.From || k.Until != 0 && item.Commit > k.Until:
		return fmt.Errorf("%w: key %d did not serve in commit %d", ErrReveal, k.ID, item.Commit)
	}
	if item.Verdict != reveal.Opened && len(item.Legs) > 0 {
		return fmt.Errorf("%w: verdict %s with content", ErrReveal, item.Verdict)
	}
	id, err := seal.KeyID(sealed.Ciphertext)
	if stale := err == nil && id != k.ID; stale != (item.Verdict == reveal.KeyStale) {
		return fmt.Errorf("%w: verdict %s, sealed with key %d where key %d served", ErrReveal, item.Verdict, id, k.ID)
	}
	if item.Verdict == reveal.KeyStale {
		return nil
	}
	_, bad := reveal.Verify(k.key, &sealed)
	if (bad != nil) != (item.Verdict == reveal.CiphertextInvalid) {
		return fmt.Errorf("%w: verdict %s, and the proof of the ciphertext says %v", ErrReveal, item.Verdict, bad)
	}
	switch item.Verdict {
	case reveal.CiphertextInvalid:
		return nil
	case reveal.Opened, reveal.ContentInvalid:
		return k.verifyContent(item, &sealed)
	}
	return fmt.Errorf("%w: %s", ErrUnproven, item.Verdict)
}

// verifyContent opens the ciphertext again.
func (k *EncryptionKey) verifyContent(item *Item, sealed *dag.Sealed) error {
	legs, err := reveal.Open(k.key, sealed, item.Opening)
	if item.Verdict == reveal.ContentInvalid {
		if !errors.Is(err, dag.ErrContent) {
			return fmt.Errorf("%w: verdict %s, and it opens with %v", ErrReveal, item.Verdict, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReveal, err)
	}
	same := len(legs) == len(item.Legs)
	for i := 0; same && i < len(legs); i++ {
		same = legs[i].Namespace == item.Legs[i].Namespace && bytes.Equal(legs[i].Payload, item.Legs[i].Payload)
	}
	if !same {
		return fmt.Errorf("%w: it opens to other content", ErrReveal)
	}
	return nil
}

// opened checks what a node shows of sealed items that have opened: that their content is what they held. With a key that
// the committee has made; a client without one takes the node's word. So do all where an item has not opened.
func (c *Client) opened(ctx context.Context, e *endpoint, items []Item) error {
	if c.trust.committee == nil {
		return nil
	}
	for i := range items {
		item := &items[i]
		if item.Kind != dag.KindSealed || item.Verdict != reveal.Opened && item.Verdict != reveal.ContentInvalid {
			continue
		}
		k, err := c.openingKey(ctx, e, item)
		if err == nil {
			err = refuted(k.VerifyReveal(item))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openingKey is the proven key that an item is sealed with: from memory, from the node, or, where that cannot prove it any
// more, from another. Errors about what does not hold wrap ErrProof.
func (c *Client) openingKey(ctx context.Context, e *endpoint, item *Item) (*EncryptionKey, error) {
	id, err := seal.KeyID(item.Ciphertext)
	if err != nil {
		return nil, refuted(err)
	}
	c.trust.mu.Lock()
	known := c.trust.proven[id]
	c.trust.mu.Unlock()
	if known != nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, coverPatience)
	defer cancel()
	var k *EncryptionKey
	err = c.proving(e, func(e *endpoint) (err error) {
		k, err = c.trust.check(ctx, e, &EncryptionKey{ID: id})
		return err
	})
	switch {
	case errors.Is(err, ErrOrigin):
		return nil, refuted(err)
	case err != nil && final(err): // of this node, which shows what was opened with it
		return nil, fmt.Errorf("%w: no key %d: %v", ErrProof, id, err)
	}
	return k, err
}
