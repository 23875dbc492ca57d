package dag

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// Outline reads a block's reference and parents from its encoding and checks nothing else: neither the
// signature nor the network. It is for bytes that were verified before.
func Outline(raw []byte) (Ref, []Ref, error) {
	if len(raw) < minBlock {
		return Ref{}, nil, fmt.Errorf("%w: %d bytes, want %d or more", ErrBlock, len(raw), minBlock)
	}
	body := raw[:len(raw)-crypto.SignatureSize]
	d := &decoder{rest: body, ok: true}
	d.uint16() // protocol version
	d.digest() // network
	d.uint64() // epoch
	b := Block{Round: Round(d.uint64()), Author: Author(d.uint16())}
	d.uint64() // time
	d.uint64() // index of the last commit
	d.digest() // and its digest
	if err := d.parents(&b); err != nil {
		return Ref{}, nil, err
	}
	return Ref{b.Round, b.Author, crypto.Hash(crypto.DomainBlock, body)}, b.Parents, nil
}
