package dag

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// ItemKind says what an item of a block's payload is.
type ItemKind uint8

// The kinds of items. Malformed is what a block carries where the bytes are no item: the block
// stays valid, and the ordered filters drop it.
const (
	KindMalformed   ItemKind = 0
	KindTransaction ItemKind = 1
	KindBundle      ItemKind = 2
	KindSealed      ItemKind = 3
)

// Item is one position of the order: an encoded transaction or bundle with what the ordered
// filters need of it. Raw is shared with the block that carries it and must not be changed.
type Item struct {
	ID         crypto.Digest
	Namespace  Namespace // of a bundle: its first leg's; of a sealed item: the first it names
	ValidUntil CommitIndex
	Kind       ItemKind
	Signed     bool // whether sender and signature are present
	Raw        []byte
}

// Transaction is opaque rollup bytes with their envelope.
//
// Sender and Signature are both present (32 and 64 bytes: ed25519 over SigningDigest) or both
// empty, as the namespace's admission rule asks. Without them ValidUntil is set by the validator
// that admits the transaction and is no part of its id.
type Transaction struct {
	Namespace  Namespace
	ValidUntil CommitIndex
	Sender     []byte
	Signature  []byte
	Payload    []byte
}

// BundleMode says what "all or nothing" covers.
type BundleMode uint8

// ModeInclusion: all legs stand at one position of the order, or none is ordered.
const ModeInclusion BundleMode = 1

// Leg is one rollup's part of a bundle.
type Leg struct {
	Namespace Namespace
	Payload   []byte
}

// Bundle is several payloads, possibly of several namespaces, at one position of the order.
type Bundle struct {
	Mode       BundleMode
	ValidUntil CommitIndex
	Sender     []byte
	Signature  []byte
	Legs       []Leg
}

// ErrItem wraps everything that can be wrong with the bytes of an item.
var ErrItem = errors.New("malformed item")

const (
	itemHeader     = 1 + 8                                       // kind, valid_until
	senderless     = 0                                           // marks an envelope without sender and signature
	withSender     = 1                                           // marks one with both
	signatureBytes = crypto.PublicKeySize + crypto.SignatureSize // sender and signature
	txFixed        = 9 + 8 + 1                                   // header, namespace, sender mark
	bundleFixed    = 9 + 1 + 1 + 1
	legHeader      = 8 + 4
)

// ItemHasher computes ids of items for one network. Not safe for concurrent use.
type ItemHasher struct{ hasher *crypto.Hasher }

// NewItemHasher returns the hasher of a network's item ids.
func NewItemHasher(network crypto.Digest) *ItemHasher {
	return &ItemHasher{crypto.NewHasher(crypto.DomainTransaction, network[:])}
}

// id is the digest of the outline with its signature. Without a signature valid_until is left
// out: nodes choose it, and the same payload must have the same id wherever it enters. A sealed item's
// is the user's.
func (h *ItemHasher) id(outline []byte, signed bool) crypto.Digest {
	if signed || ItemKind(outline[0]) == KindSealed {
		return h.hasher.Sum(outline)
	}
	return h.hasher.Sum(outline[:1], outline[itemHeader:])
}

// Encode returns the item of a transaction. The one encoding is: kind, valid_until (8), namespace
// (8), sender mark (1), sender (32) and signature (64) if marked, payload. Integers are big-endian.
func (t *Transaction) Encode(h *ItemHasher) (Item, error) {
	signed, err := envelopeSigned(t.Sender, t.Signature)
	if err != nil {
		return Item{}, err
	}
	if len(t.Payload) == 0 {
		return Item{}, fmt.Errorf("%w: empty payload", ErrItem)
	}
	if len(t.Payload) > MaxTransactionBytes {
		return Item{}, fmt.Errorf("%w: payload of %d bytes, limit %d", ErrItem, len(t.Payload), MaxTransactionBytes)
	}
	raw := make([]byte, 0, txFixed+signatureBytes+len(t.Payload))
	raw = append(raw, byte(KindTransaction))
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.ValidUntil))
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.Namespace))
	raw = appendSender(raw, signed, t.Sender, t.Signature)
	raw = append(raw, t.Payload...)
	return Item{ID: h.id(raw, signed), Namespace: t.Namespace, ValidUntil: t.ValidUntil, Kind: KindTransaction, Signed: signed, Raw: raw}, nil
}

// Encode returns the item of a bundle: kind, valid_until (8), mode (1), sender mark (1), sender and
// signature if marked, number of legs (1), then per leg namespace (8), length (4) and payload.
func (b *Bundle) Encode(h *ItemHasher) (Item, error) {
	signed, err := envelopeSigned(b.Sender, b.Signature)
	if err != nil {
		return Item{}, err
	}
	raw := []byte{byte(KindBundle)}
	raw = binary.BigEndian.AppendUint64(raw, uint64(b.ValidUntil))
	raw = append(raw, byte(b.Mode))
	raw = appendSender(raw, signed, b.Sender, b.Signature)
	if len(b.Legs) > MaxBundleLegs {
		return Item{}, fmt.Errorf("%w: %d legs, limit %d", ErrItem, len(b.Legs), MaxBundleLegs)
	}
	return h.Decode(appendLegs(raw, b.Legs))
}

// appendLegs appends the number of legs (1), then per leg namespace (8), length (4) and payload.
func appendLegs(raw []byte, legs []Leg) []byte {
	raw = append(raw, byte(len(legs)))
	for _, l := range legs {
		raw = binary.BigEndian.AppendUint64(raw, uint64(l.Namespace))
		raw = binary.BigEndian.AppendUint32(raw, uint32(len(l.Payload)))
		raw = append(raw, l.Payload...)
	}
	return raw
}

// Decode reads one item and computes its id. The item shares raw.
func (h *ItemHasher) Decode(raw []byte) (Item, error) {
	if len(raw) < itemHeader {
		return Item{}, fmt.Errorf("%w: %d bytes", ErrItem, len(raw))
	}
	item := Item{Kind: ItemKind(raw[0]), ValidUntil: CommitIndex(binary.BigEndian.Uint64(raw[1:])), Raw: raw}
	switch item.Kind {
	case KindTransaction:
		t, err := decodeTransaction(raw)
		if err != nil {
			return Item{}, err
		}
		item.Namespace, item.Signed = t.Namespace, len(t.Sender) > 0
	case KindBundle:
		b, err := decodeBundle(raw)
		if err != nil {
			return Item{}, err
		}
		item.Namespace, item.Signed = b.Legs[0].Namespace, len(b.Sender) > 0
	case KindSealed:
		s, err := decodeSealed(raw)
		if err != nil {
			return Item{}, err
		}
		item.Namespace, item.Signed = s.Namespaces[0], len(s.Sender) > 0
	default:
		return Item{}, fmt.Errorf("%w: kind %d is unknown", ErrItem, item.Kind)
	}
	item.ID = h.id(item.Outline(), item.Signed)
	return item, nil
}

// Transaction decodes an item of kind KindTransaction; its fields share Raw.
// It panics on another kind, which the caller has looked at.
func (i *Item) Transaction() Transaction {
	t, err := decodeTransaction(i.Raw)
	if err != nil {
		panic("dag: item holds undecodable transaction: " + err.Error())
	}
	return t
}

// Bundle decodes an item of kind KindBundle; its fields share Raw.
// It panics on another kind, which the caller has looked at.
func (i *Item) Bundle() Bundle {
	b, err := decodeBundle(i.Raw)
	if err != nil {
		panic("dag: item holds undecodable bundle: " + err.Error())
	}
	return b
}

// Namespaces lists the namespaces of the item in order of first mention, without repetition.
func (i *Item) Namespaces() []Namespace {
	switch i.Kind {
	case KindBundle:
		bundle := i.Bundle()
		return legNamespaces(bundle.Legs)
	case KindSealed:
		sealed := i.Sealed()
		return sealed.Namespaces
	}
	return []Namespace{i.Namespace}
}

// SigningDigest is what the sender of a transaction signs with DomainTxSignature.
func (t *Transaction) SigningDigest(network crypto.Digest) crypto.Digest {
	var fixed [17]byte
	fixed[0] = byte(KindTransaction)
	binary.BigEndian.PutUint64(fixed[1:], uint64(t.ValidUntil))
	binary.BigEndian.PutUint64(fixed[9:], uint64(t.Namespace))
	return crypto.Hash(crypto.DomainTxSignature, network[:], fixed[:], t.Payload)
}

// SigningDigest is what the submitter of a bundle signs with DomainTxSignature.
func (b *Bundle) SigningDigest(network crypto.Digest) crypto.Digest {
	var fixed [10]byte
	fixed[0] = byte(KindBundle)
	fixed[1] = byte(b.Mode)
	binary.BigEndian.PutUint64(fixed[2:], uint64(b.ValidUntil))
	parts := [][]byte{network[:], fixed[:]}
	for _, l := range b.Legs {
		parts = append(parts, binary.BigEndian.AppendUint64(nil, uint64(l.Namespace)), l.Payload)
	}
	return crypto.Hash(crypto.DomainTxSignature, parts...)
}

func envelopeSigned(sender, signature []byte) (bool, error) {
	switch {
	case len(sender) == 0 && len(signature) == 0:
		return false, nil
	case len(sender) == crypto.PublicKeySize && len(signature) == crypto.SignatureSize:
		return true, nil
	}
	return false, fmt.Errorf("%w: sender of %d and signature of %d bytes, want 32 and 64 or neither", ErrItem, len(sender), len(signature))
}

func appendSender(raw []byte, signed bool, sender, signature []byte) []byte {
	if !signed {
		return append(raw, senderless)
	}
	raw = append(raw, withSender)
	raw = append(raw, sender...)
	return append(raw, signature...)
}

// cutSender reads the sender mark and what it announces, and returns the rest.
func cutSender(b []byte) (sender, signature, rest []byte, err error) {
	switch {
	case len(b) >= 1 && b[0] == senderless:
		return nil, nil, b[1:], nil
	case len(b) >= 1+signatureBytes && b[0] == withSender:
		b = b[1:]
		return b[:crypto.PublicKeySize], b[crypto.PublicKeySize:signatureBytes], b[signatureBytes:], nil
	}
	return nil, nil, nil, fmt.Errorf("%w: sender", ErrItem)
}

func decodeTransaction(raw []byte) (Transaction, error) {
	if len(raw) < txFixed || ItemKind(raw[0]) != KindTransaction {
		return Transaction{}, fmt.Errorf("%w: transaction of %d bytes", ErrItem, len(raw))
	}
	t := Transaction{
		ValidUntil: CommitIndex(binary.BigEndian.Uint64(raw[1:])),
		Namespace:  Namespace(binary.BigEndian.Uint64(raw[itemHeader:])),
	}
	var err error
	if t.Sender, t.Signature, t.Payload, err = cutSender(raw[itemHeader+8:]); err != nil {
		return Transaction{}, err
	}
	if len(t.Payload) == 0 || len(t.Payload) > MaxTransactionBytes {
		return Transaction{}, fmt.Errorf("%w: payload of %d bytes, limit %d", ErrItem, len(t.Payload), MaxTransactionBytes)
	}
	return t, nil
}

func decodeBundle(raw []byte) (Bundle, error) {
	if len(raw) < bundleFixed || ItemKind(raw[0]) != KindBundle {
		return Bundle{}, fmt.Errorf("%w: bundle of %d bytes", ErrItem, len(raw))
	}
	b := Bundle{ValidUntil: CommitIndex(binary.BigEndian.Uint64(raw[1:])), Mode: BundleMode(raw[itemHeader])}
	if b.Mode != ModeInclusion {
		return Bundle{}, fmt.Errorf("%w: bundle mode %d is unknown", ErrItem, b.Mode)
	}
	var rest []byte
	var err error
	if b.Sender, b.Signature, rest, err = cutSender(raw[itemHeader+1:]); err != nil {
		return Bundle{}, err
	}
	if b.Legs, err = decodeLegs(rest); err != nil {
		return Bundle{}, err
	}
	return b, nil
}

// decodeLegs reads what appendLegs wrote.
func decodeLegs(rest []byte) ([]Leg, error) {
	if len(rest) < 1 || rest[0] == 0 || rest[0] > MaxBundleLegs {
		return nil, fmt.Errorf("%w: number of legs, want 1 to %d", ErrItem, MaxBundleLegs)
	}
	legs, rest := make([]Leg, rest[0]), rest[1:]
	total := 0
	for i := range legs {
		if len(rest) < legHeader {
			return nil, fmt.Errorf("%w: leg %d cut short", ErrItem, i)
		}
		size := int64(binary.BigEndian.Uint32(rest[8:]))
		if size == 0 || size > int64(len(rest)-legHeader) {
			return nil, fmt.Errorf("%w: leg %d of %d bytes", ErrItem, i, size)
		}
		end := legHeader + int(size)
		legs[i] = Leg{Namespace: Namespace(binary.BigEndian.Uint64(rest)), Payload: rest[legHeader:end]}
		total, rest = total+int(size), rest[end:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the last leg", ErrItem, len(rest))
	}
	if total > MaxTransactionBytes {
		return nil, fmt.Errorf("%w: legs of %d bytes in all, limit %d", ErrItem, total, MaxTransactionBytes)
	}
	if n := len(legNamespaces(legs)); n > MaxBundleNamespaces {
		return nil, fmt.Errorf("%w: legs in %d namespaces, limit %d", ErrItem, n, MaxBundleNamespaces)
	}
	return legs, nil
}

func legNamespaces(legs []Leg) []Namespace {
	var out []Namespace
next:
	for _, l := range legs {
		for _, seen := range out {
			if seen == l.Namespace {
				continue next
			}
		}
		out = append(out, l.Namespace)
	}
	return out
}

// SetValidUntil sets the expiry of an unsigned item, whose id does not cover it, by writing into Raw.
// It panics on a signed item. Only the validator that admits the item may call it.
func (i *Item) SetValidUntil(until CommitIndex) {
	if i.Signed || i.Kind == KindSealed {
		panic("dag: valid_until of a signed or sealed item is its sender's")
	}
	i.ValidUntil = until
	binary.BigEndian.PutUint64(i.Raw[1:], uint64(until))
}
