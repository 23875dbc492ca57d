package dag

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// Verified is a block that passed Verify or was made by Seal; nothing else can make one, so that
// unverified bytes cannot reach the DAG. It is immutable and safe for concurrent use.
type Verified struct {
	block Block
	ref   Ref
	raw   []byte
}

// Ref names the block.
func (v *Verified) Ref() Ref { return v.ref }

// Slot is where the block stands.
func (v *Verified) Slot() Slot { return v.ref.Slot() }

// Round is the block's round.
func (v *Verified) Round() Round { return v.ref.Round }

// Author is who signed the block.
func (v *Verified) Author() Author { return v.ref.Author }

// Block is the content. It must not be changed.
func (v *Verified) Block() *Block { return &v.block }

// Bytes is the one encoding, signature included. It must not be changed.
func (v *Verified) Bytes() []byte { return v.raw }

// Signer makes the signature of an author's blocks.
type Signer interface {
	Sign(domain crypto.Domain, d crypto.Digest) crypto.Signature
}

// Seal encodes and signs an own block. The block must obey the rules that Verify checks; what
// breaks them is an error of the caller, not of a peer. The items must be as Encode or Decode made
// them, for c's network. The block's slices belong to the result afterwards.
func Seal(c *Committee, b Block, signer Signer) (*Verified, error) {
	if err := checkContent(c, &b); err != nil {
		return nil, fmt.Errorf("seal %v: %w", Slot{b.Round, b.Author}, err)
	}
	raw := b.encodeUnsigned(c.network)
	digest := crypto.Hash(crypto.DomainBlock, raw)
	signature := signer.Sign(crypto.DomainBlock, digest)
	return &Verified{block: b, ref: Ref{b.Round, b.Author, digest}, raw: append(raw, signature[:]...)}, nil
}

// Verify decodes one block and checks it against the committee. Verified blocks share raw, which
// must not be changed afterwards. Errors wrap ErrBlock. Safe for concurrent use.
func Verify(c *Committee, raw []byte) (*Verified, error) {
	v, check, err := decodeAndCheck(c, raw)
	if err != nil {
		return nil, err
	}
	if !check.Key.Verify(check.Domain, check.Digest, check.Signature) {
		return nil, badSignature(v)
	}
	v.block.identify(NewItemHasher(c.network))
	return v, nil
}

// VerifyBatch is Verify over several encodings with the signatures checked together. Of each it
// gives the block or its error. Safe for concurrent use.
func VerifyBatch(c *Committee, raws [][]byte) ([]*Verified, []error) {
	blocks, errs := make([]*Verified, len(raws)), make([]error, len(raws))
	hasher := NewItemHasher(c.network)
	checks, at := make([]crypto.SignatureCheck, 0, len(raws)), make([]int, 0, len(raws))
	for i, raw := range raws {
		v, check, err := decodeAndCheck(c, raw)
		if err != nil {
			errs[i] = err
			continue
		}
		blocks[i] = v
		checks, at = append(checks, check), append(at, i)
	}
	for j, valid := range crypto.VerifyBatch(checks) {
		i := at[j]
		if !valid {
			blocks[i], errs[i] = nil, badSignature(blocks[i])
			continue
		}
		blocks[i].block.identify(hasher)
	}
	return blocks, errs
}

func badSignature(v *Verified) error {
	return fmt.Errorf("%w: %v has a signature that %v did not make", ErrBlock, v.ref, v.ref.Author)
}

// decodeAndCheck does everything but the signature and the items, cheapest checks first.
func decodeAndCheck(c *Committee, raw []byte) (*Verified, crypto.SignatureCheck, error) {
	b, signature, err := decodeBlock(raw, c.network)
	if err != nil {
		return nil, crypto.SignatureCheck{}, err
	}
	if err := checkContent(c, b); err != nil {
		return nil, crypto.SignatureCheck{}, err
	}
	digest := crypto.Hash(crypto.DomainBlock, raw[:len(raw)-crypto.SignatureSize])
	v := &Verified{block: *b, ref: Ref{b.Round, b.Author, digest}, raw: raw}
	return v, crypto.SignatureCheck{
		Key: c.validators[b.Author].Identity, Domain: crypto.DomainBlock, Digest: digest, Signature: signature,
	}, nil
}

// checkContent holds the rules of block validity that need no other block.
func checkContent(c *Committee, b *Block) error {
	switch {
	case b.Epoch != c.epoch:
		return fmt.Errorf("%w: epoch %d, the committee serves %d", ErrBlock, b.Epoch, c.epoch)
	case b.Round == 0:
		return fmt.Errorf("%w: round 0 holds genesis blocks only", ErrBlock)
	case !c.Has(b.Author):
		return fmt.Errorf("%w: author %d of %d", ErrBlock, b.Author, c.Size())
	case len(b.Parents) == 0 || len(b.Parents) > c.Size():
		return fmt.Errorf("%w: %d parents, want 1 to %d", ErrBlock, len(b.Parents), c.Size())
	case b.Parents[0].Author != b.Author:
		return fmt.Errorf("%w: first parent %v is not the author's own block", ErrBlock, b.Parents[0])
	}
	if err := checkParents(c, b); err != nil {
		return err
	}
	return checkLimits(c, b)
}

func checkParents(c *Committee, b *Block) error {
	var cited AuthorSet
	strong := 0
	for _, p := range b.Parents {
		switch {
		case !c.Has(p.Author):
			return fmt.Errorf("%w: parent of author %d of %d", ErrBlock, p.Author, c.Size())
		case p.Round >= b.Round:
			return fmt.Errorf("%w: parent %v is not older than round %d", ErrBlock, p, b.Round)
		case p.Round == 0 && p != c.Genesis(p.Author):
			return fmt.Errorf("%w: parent %v is no genesis block of this network", ErrBlock, p)
		case cited.Has(p.Author):
			return fmt.Errorf("%w: two parents of %v", ErrBlock, p.Author)
		}
		cited.Add(p.Author)
		if p.Round == b.Round-1 {
			strong++
		}
	}
	if strong < c.Quorum() {
		return fmt.Errorf("%w: %d parents in round %d, a quorum is %d", ErrBlock, strong, b.Round-1, c.Quorum())
	}
	return nil
}

// checkLimits bounds what a block carries.
func checkLimits(c *Committee, b *Block) error {
	switch {
	case len(b.System) > MaxSystemMessages:
		return fmt.Errorf("%w: %d system messages, limit %d", ErrBlock, len(b.System), MaxSystemMessages)
	case b.systemBytes() > MaxSystemBytes:
		return fmt.Errorf("%w: system messages of %d bytes, limit %d", ErrBlock, b.systemBytes(), MaxSystemBytes)
	case len(b.Items) > MaxItems:
		return fmt.Errorf("%w: %d items, limit %d", ErrBlock, len(b.Items), MaxItems)
	case b.payloadBytes() > MaxPayloadBytes:
		return fmt.Errorf("%w: items of %d bytes, limit %d", ErrBlock, b.payloadBytes(), MaxPayloadBytes)
	case b.sealedItems() > MaxSealedItems(c.Size()):
		return fmt.Errorf("%w: %d sealed items, limit %d", ErrBlock, b.sealedItems(), MaxSealedItems(c.Size()))
	}
	return nil
}

// sealedItems counts by the first byte: kinds are found when the signature is known to hold.
func (b *Block) sealedItems() int {
	n := 0
	for i := range b.Items {
		if raw := b.Items[i].Raw; len(raw) > 0 && ItemKind(raw[0]) == KindSealed {
			n++
		}
	}
	return n
}
