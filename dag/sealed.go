package dag

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
)

// Sealed is one ciphertext at one position of the order. What it holds, one payload or the legs of
// a bundle, shows after its commit; readers see before who sends it, for which namespaces and
// about how much.
//
// Sender and Signature are both present or both empty, as in Transaction. ValidUntil is the user's
// in any case, since the ciphertext is bound to it.
type Sealed struct {
	ValidUntil CommitIndex
	Sender     []byte
	Signature  []byte
	Namespaces []Namespace // of the legs, in order of first mention, 1 to MaxBundleNamespaces
	Ciphertext []byte
}

// ErrContent says that what a ciphertext held is not what its envelope promised: it is opened, and
// counts for nothing.
var ErrContent = errors.New("sealed content does not fit its envelope")

// MaxSealedContent is how many bytes the encoded legs may take before they are sealed.
const MaxSealedContent = seal.MaxMessageSize

const (
	sealedFixed   = itemHeader + 1 + namespaceSize + 1
	namespaceSize = 8
)

// Associated is what the ciphertext of s is bound to beside network and key: kind, valid_until (8),
// number of namespaces (1), each namespace (8), sender mark (1) and the sender's key if there is one.
func (s *Sealed) Associated() []byte {
	out := s.appendPublic(nil)
	if len(s.Sender) == 0 {
		return append(out, senderless)
	}
	return append(append(out, withSender), s.Sender...)
}

func (s *Sealed) appendPublic(b []byte) []byte {
	b = append(b, byte(KindSealed))
	b = binary.BigEndian.AppendUint64(b, uint64(s.ValidUntil))
	b = append(b, byte(len(s.Namespaces)))
	for _, ns := range s.Namespaces {
		b = binary.BigEndian.AppendUint64(b, uint64(ns))
	}
	return b
}

// Encode returns the item: what Associated holds, the signature behind the sender's key, then the
// ciphertext. Errors wrap ErrItem.
func (s *Sealed) Encode(h *ItemHasher) (Item, error) {
	signed, err := envelopeSigned(s.Sender, s.Signature)
	if err != nil {
		return Item{}, err
	}
	if len(s.Namespaces) > MaxBundleNamespaces {
		return Item{}, fmt.Errorf("%w: %d namespaces, limit %d", ErrItem, len(s.Namespaces), MaxBundleNamespaces)
	}
	raw := appendSender(s.appendPublic(nil), signed, s.Sender, s.Signature)
	return h.Decode(append(raw, s.Ciphertext...))
}

// SigningDigest is what the sender signs with DomainTxSignature.
func (s *Sealed) SigningDigest(network crypto.Digest) crypto.Digest {
	return crypto.Hash(crypto.DomainTxSignature, network[:], s.appendPublic(nil), s.Ciphertext)
}

// Sealed decodes an item of kind KindSealed; its ciphertext shares Raw.
// It panics on another kind, which the caller has looked at.
func (i *Item) Sealed() Sealed {
	s, err := decodeSealed(i.Raw)
	if err != nil {
		panic("dag: item holds undecodable ciphertext: " + err.Error())
	}
	return s
}

func decodeSealed(raw []byte) (Sealed, error) {
	if len(raw) < sealedFixed || ItemKind(raw[0]) != KindSealed {
		return Sealed{}, fmt.Errorf("%w: sealed item of %d bytes", ErrItem, len(raw))
	}
	s := Sealed{ValidUntil: CommitIndex(binary.BigEndian.Uint64(raw[1:]))}
	count := int(raw[itemHeader])
	rest := raw[itemHeader+1:]
	switch {
	case s.ValidUntil == 0:
		return Sealed{}, fmt.Errorf("%w: sealed without valid_until", ErrItem)
	case count == 0 || count > MaxBundleNamespaces || len(rest) < count*namespaceSize:
		return Sealed{}, fmt.Errorf("%w: %d namespaces, want 1 to %d", ErrItem, count, MaxBundleNamespaces)
	}
	for range count {
		ns := Namespace(binary.BigEndian.Uint64(rest))
		for _, seen := range s.Namespaces {
			if seen == ns {
				return Sealed{}, fmt.Errorf("%w: namespace %d stands twice", ErrItem, ns)
			}
		}
		s.Namespaces, rest = append(s.Namespaces, ns), rest[namespaceSize:]
	}
	var err error
	if s.Sender, s.Signature, s.Ciphertext, err = cutSender(rest); err != nil {
		return Sealed{}, err
	}
	if size := len(s.Ciphertext); size < seal.SealedSize(1) || size > seal.MaxCiphertextSize {
		return Sealed{}, fmt.Errorf("%w: ciphertext of %d bytes, want %d to %d", ErrItem, size, seal.SealedSize(1), seal.MaxCiphertextSize)
	}
	return s, nil
}

// EncodeContent is the legs as they are sealed: number of legs (1), then per leg namespace (8), length
// (4) and payload. Errors wrap ErrItem.
func EncodeContent(legs []Leg) ([]byte, error) {
	content := appendLegs(nil, legs)
	if _, err := DecodeContent(content); err != nil {
		return nil, err
	}
	return content, nil
}

// DecodeContent reads opened legs; their payloads share content. Errors wrap ErrItem.
func DecodeContent(content []byte) ([]Leg, error) {
	if len(content) > MaxSealedContent {
		return nil, fmt.Errorf("%w: content of %d bytes, limit %d", ErrItem, len(content), MaxSealedContent)
	}
	return decodeLegs(content)
}

// Content reads the opened content of s. It wraps ErrContent where that is no list of legs, or has
// legs of other namespaces than the envelope names, or names them in another order.
func (s *Sealed) Content(content []byte) ([]Leg, error) {
	legs, err := DecodeContent(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	got := legNamespaces(legs)
	if len(got) != len(s.Namespaces) {
		return nil, fmt.Errorf("%w: legs of %d namespaces, the envelope names %d", ErrContent, len(got), len(s.Namespaces))
	}
	for i, ns := range got {
		if ns != s.Namespaces[i] {
			return nil, fmt.Errorf("%w: a leg of namespace %d, the envelope names %d there", ErrContent, ns, s.Namespaces[i])
		}
	}
	return legs, nil
}
