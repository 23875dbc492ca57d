package client

import (
	"bytes"
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
