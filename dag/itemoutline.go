package dag

import (
	"encoding/binary"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// The outline of an item is what its id is the digest of, small enough to go into a proof: the encoding
// with the digest of each payload in the payload's place. Whoever has it knows every leg of a bundle, by
// namespace, size and digest, and can check those whose payload it has. A transaction's outline is its
// encoding.

// outlineLeg is the size of a leg's place in an outline: namespace, size, digest of the payload.
const outlineLeg = legHeader + crypto.DigestSize

// MaxItemOutline is the size of the largest outline of a bundle or sealed item, in bytes.
const MaxItemOutline = sealedFixed + MaxBundleNamespaces*namespaceSize + signatureBytes + 1 + MaxBundleLegs*outlineLeg

// ItemOutline says of a bundle or sealed item what stands around its payloads, and their digests.
type ItemOutline struct {
	Kind       ItemKind
	ValidUntil CommitIndex // what the id covers only if Signed or sealed
	Signed     bool
	Namespaces []Namespace   // of a sealed item
	Legs       []OutlinedLeg // of a bundle
}

// OutlinedLeg is a leg of a bundle without its payload.
type OutlinedLeg struct {
	Namespace Namespace
	Size      uint32 // of the payload, in bytes
	Digest    crypto.Digest
}

// PayloadDigest is what stands in an outline for a payload.
func PayloadDigest(payload []byte) crypto.Digest { return crypto.Hash(crypto.DomainPayload, payload) }

// Outline is the item's outline. A transaction's shares Raw.
func (i *Item) Outline() []byte {
	switch i.Kind {
	case KindBundle:
		b := i.Bundle()
		head := len(i.Raw) - 1
		for _, l := range b.Legs {
			head -= legHeader + len(l.Payload)
		}
		return outlineLegs(i.Raw[:head], b.Legs)
	case KindSealed:
		s := i.Sealed()
		return outlineSealed(i.Raw[:len(i.Raw)-len(s.Ciphertext)], s.Ciphertext)
	}
	return i.Raw
}

// outlineLegs appends number of legs (1), then per leg namespace (8), size (4), digest of the payload (32).
func outlineLegs(head []byte, legs []Leg) []byte {
	out := append(make([]byte, 0, len(head)+1+len(legs)*outlineLeg), head...)
	out = append(out, byte(len(legs)))
	for _, l := range legs {
		out = binary.BigEndian.AppendUint64(out, uint64(l.Namespace))
		out = appendDigestOf(out, l.Payload)
	}
	return out
}

// outlineSealed appends size (4) and digest of the ciphertext (32).
func outlineSealed(head, ciphertext []byte) []byte {
	out := append(make([]byte, 0, len(head)+4+crypto.DigestSize), head...)
	return appendDigestOf(out, ciphertext)
}

func appendDigestOf(b, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	digest := PayloadDigest(payload)
	return append(b, digest[:]...)
}

// DecodeOutline reads the outline of a bundle or sealed item and gives the item's id with it. Errors wrap
// ErrItem.
func (h *ItemHasher) DecodeOutline(raw []byte) (ItemOutline, crypto.Digest, error) {
	if len(raw) < itemHeader || len(raw) > MaxItemOutline {
		return ItemOutline{}, crypto.Digest{}, fmt.Errorf("%w: outline of %d bytes, limit %d", ErrItem, len(raw), MaxItemOutline)
	}
	o := ItemOutline{Kind: ItemKind(raw[0]), ValidUntil: CommitIndex(binary.BigEndian.Uint64(raw[1:]))}
	var err error
	switch o.Kind {
	case KindBundle:
		err = o.readBundle(raw[itemHeader:])
	case KindSealed:
		err = o.readSealed(raw[itemHeader:])
	default:
		err = fmt.Errorf("%w: outline of kind %d", ErrItem, o.Kind)
	}
	if err != nil {
		return ItemOutline{}, crypto.Digest{}, err
	}
	return o, h.id(raw, o.Signed), nil
}

func (o *ItemOutline) readBundle(b []byte) error {
	if len(b) < 1 || BundleMode(b[0]) != ModeInclusion {
		return fmt.Errorf("%w: outline of an unknown bundle mode", ErrItem)
	}
	sender, _, rest, err := cutSender(b[1:])
	if err != nil {
		return err
	}
	if len(rest) < 1 || rest[0] == 0 || rest[0] > MaxBundleLegs || len(rest) != 1+int(rest[0])*outlineLeg {
		return fmt.Errorf("%w: outline cut short or too long", ErrItem)
	}
	o.Signed = len(sender) > 0
	for rest = rest[1:]; len(rest) > 0; rest = rest[outlineLeg:] {
		o.Legs = append(o.Legs, OutlinedLeg{
			Namespace: Namespace(binary.BigEndian.Uint64(rest)), Size: binary.BigEndian.Uint32(rest[8:]), Digest: crypto.Digest(rest[legHeader:outlineLeg]),
		})
	}
	return nil
}

func (o *ItemOutline) readSealed(b []byte) error {
	if len(b) < 1 || b[0] == 0 || b[0] > MaxBundleNamespaces || len(b) < 1+int(b[0])*namespaceSize {
		return fmt.Errorf("%w: outline without namespaces", ErrItem)
	}
	count := int(b[0])
	for b = b[1:]; len(o.Namespaces) < count; b = b[namespaceSize:] {
		o.Namespaces = append(o.Namespaces, Namespace(binary.BigEndian.Uint64(b)))
	}
	sender, _, rest, err := cutSender(b)
	if err != nil {
		return err
	}
	if len(rest) != 4+crypto.DigestSize {
		return fmt.Errorf("%w: outline cut short or too long", ErrItem)
	}
	o.Signed = len(sender) > 0
	return nil
}

// LegNamespaces appends the namespaces of the item's legs to b, in their order and with repetition; of a sealed
// item those that it names; of a transaction its one.
func (i *Item) LegNamespaces(b []Namespace) []Namespace {
	switch i.Kind {
	case KindBundle:
		bundle := i.Bundle()
		for _, l := range bundle.Legs {
			b = append(b, l.Namespace)
		}
		return b
	case KindSealed:
		sealed := i.Sealed()
		return append(b, sealed.Namespaces...)
	}
	return append(b, i.Namespace)
}
