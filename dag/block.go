package dag

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// Block is the content of one vertex: what its author says in one round.
type Block struct {
	Epoch      Epoch
	Round      Round
	Author     Author
	Time       uint64    // the author's clock, Unix milliseconds; never a reason to refuse
	LastCommit CommitRef // the author's newest commit when it made the block
	Parents    []Ref     // the author's own newest block first, then at most one per other author
	System     []SystemMessage
	Items      []Item
}

// SystemKind says which part of the protocol a system message belongs to.
type SystemKind uint8

// SystemMessage is a message of the protocol itself that rides in a block. Its payload is opaque
// to the DAG; unknown kinds are carried and ignored.
type SystemMessage struct {
	Kind    SystemKind
	Payload []byte
}

// ErrBlock wraps everything that makes a block invalid. It is always the fault of whoever made
// or sent the bytes.
var ErrBlock = errors.New("invalid block")

// The encoding of a block, integers big-endian:
//
//	version 2 | network 32 | epoch 8 | round 8 | author 2 | time 8 | last commit 8+32 |
//	parents 2 x (round 8, author 2, digest 32) | system messages 2 x (kind 1, length 4, bytes) |
//	items 4 x (length 4, bytes) | signature 64
//
// Every field has one encoding, so a content has one digest.
const (
	blockFixed = 2 + crypto.DigestSize + 8 + 8 + 2 + 8 + 8 + crypto.DigestSize
	minBlock   = blockFixed + 2 + 2 + 4 + crypto.SignatureSize
	itemPrefix = 4 // the length that stands before each item

	systemPrefix = 1 + 4 // kind and length before each system message
)

// systemBytes is how much the system messages take, encoded.
func (b *Block) systemBytes() int {
	n := 0
	for i := range b.System {
		n += systemPrefix + len(b.System[i].Payload)
	}
	return n
}

// payloadBytes is how much the items take, encoded, without their prefixes.
func (b *Block) payloadBytes() int {
	n := 0
	for i := range b.Items {
		n += len(b.Items[i].Raw)
	}
	return n
}

// encodeUnsigned is the encoding of everything but the signature, with room for it.
func (b *Block) encodeUnsigned(network crypto.Digest) []byte {
	size := minBlock + len(b.Parents)*RefSize + b.systemBytes() + itemPrefix*len(b.Items) + b.payloadBytes()
	out := make([]byte, 0, size)
	out = binary.BigEndian.AppendUint16(out, ProtocolVersion)
	out = append(out, network[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(b.Epoch))
	out = binary.BigEndian.AppendUint64(out, uint64(b.Round))
	out = binary.BigEndian.AppendUint16(out, uint16(b.Author))
	out = binary.BigEndian.AppendUint64(out, b.Time)
	out = binary.BigEndian.AppendUint64(out, uint64(b.LastCommit.Index))
	out = append(out, b.LastCommit.Digest[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(b.Parents)))
	for _, p := range b.Parents {
		out = p.Append(out)
	}
	out = binary.BigEndian.AppendUint16(out, uint16(len(b.System)))
	for _, m := range b.System {
		out = append(out, byte(m.Kind))
		out = binary.BigEndian.AppendUint32(out, uint32(len(m.Payload)))
		out = append(out, m.Payload...)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(b.Items)))
	for i := range b.Items {
		out = binary.BigEndian.AppendUint32(out, uint32(len(b.Items[i].Raw)))
		out = append(out, b.Items[i].Raw...)
	}
	return out
}

// decoder reads fixed parts off the front of a slice; after a short read ok is false and all
// further reads give zero values.
type decoder struct {
	rest []byte
	ok   bool
}

func (d *decoder) take(n int) []byte {
	if !d.ok || n < 0 || len(d.rest) < n {
		d.ok = false
		return nil
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) digest() (out crypto.Digest) {
	copy(out[:], d.take(crypto.DigestSize))
	return out
}

// decodeBlock reads a block without checking it against a committee. Items share raw, and have
// nothing but Raw until identify has looked at them.
func decodeBlock(raw []byte, network crypto.Digest) (*Block, crypto.Signature, error) {
	var signature crypto.Signature
	if len(raw) < minBlock || len(raw) > MaxBlockBytes {
		return nil, signature, fmt.Errorf("%w: %d bytes, want %d to %d", ErrBlock, len(raw), minBlock, MaxBlockBytes)
	}
	body := len(raw) - crypto.SignatureSize
	copy(signature[:], raw[body:])
	d := &decoder{rest: raw[:body:body], ok: true}
	if v := d.uint16(); v != ProtocolVersion {
		return nil, signature, fmt.Errorf("%w: protocol version %d, this node speaks %d", ErrBlock, v, ProtocolVersion)
	}
	if d.digest() != network {
		return nil, signature, fmt.Errorf("%w: made for another network", ErrBlock)
	}
	b := &Block{Epoch: Epoch(d.uint64()), Round: Round(d.uint64()), Author: Author(d.uint16()), Time: d.uint64()}
	b.LastCommit = CommitRef{Index: CommitIndex(d.uint64()), Digest: d.digest()}
	for _, part := range []func(*Block) error{d.parents, d.system, d.items} {
		if err := part(b); err != nil {
			return nil, signature, err
		}
	}
	if len(d.rest) != 0 {
		return nil, signature, fmt.Errorf("%w: %d bytes after the last item", ErrBlock, len(d.rest))
	}
	return b, signature, nil
}

func (d *decoder) parents(b *Block) error {
	n := int(d.uint16())
	if n > MaxCommittee {
		return fmt.Errorf("%w: %d parents, limit %d", ErrBlock, n, MaxCommittee)
	}
	refs := d.take(n * RefSize)
	if !d.ok {
		return fmt.Errorf("%w: parents cut short", ErrBlock)
	}
	b.Parents = make([]Ref, n)
	for i := range b.Parents {
		b.Parents[i] = DecodeRef(refs[i*RefSize:])
	}
	return nil
}

func (d *decoder) system(b *Block) error {
	n := int(d.uint16())
	if n > MaxSystemMessages {
		return fmt.Errorf("%w: %d system messages, limit %d", ErrBlock, n, MaxSystemMessages)
	}
	for range n {
		kind := d.take(1)
		payload := d.take(int(d.uint32()))
		if !d.ok {
			return fmt.Errorf("%w: system message cut short", ErrBlock)
		}
		b.System = append(b.System, SystemMessage{Kind: SystemKind(kind[0]), Payload: payload})
	}
	return nil
}

func (d *decoder) items(b *Block) error {
	n := int(d.uint32())
	if n > MaxItems {
		return fmt.Errorf("%w: %d items, limit %d", ErrBlock, n, MaxItems)
	}
	if !d.ok || len(d.rest) < itemPrefix*n {
		return fmt.Errorf("%w: items cut short", ErrBlock)
	}
	if n > 0 {
		b.Items = make([]Item, n)
	}
	for i := range b.Items {
		b.Items[i].Raw = d.take(int(d.uint32()))
		if !d.ok {
			return fmt.Errorf("%w: item cut short", ErrBlock)
		}
	}
	return nil
}

// identify gives every item its id and what else is read from it. Bytes that are no item become
// KindMalformed: a block's validity does not depend on its payload.
func (b *Block) identify(hasher *ItemHasher) {
	for i := range b.Items {
		raw := b.Items[i].Raw
		item, err := hasher.Decode(raw)
		if err != nil {
			item = Item{Kind: KindMalformed, Raw: raw}
		}
		b.Items[i] = item
	}
}
