package frontrun

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// steal gives the bot the shares of the serving key of so many validators. It is the control: whoever holds
// 2f+1 of them reads what is sealed.
func (b *bot) steal(count int) error {
	serving, ok := b.keygen.Serving()
	if !ok {
		return fmt.Errorf("steal shares: %w", keygen.ErrNoKey)
	}
	for a := range dag.Author(count) {
		share, err := keygen.NewMember(a, b.world.secrets[a]).Share(b.keygen, serving.ID)
		if err != nil {
			return fmt.Errorf("steal shares: %w", err)
		}
		secret, err := seal.NewSecretShare(b.keys[serving.ID], int(a)+1, share[:])
		if err != nil {
			return fmt.Errorf("steal shares: %w", err)
		}
		b.stolen = append(b.stolen, secret)
	}
	return nil
}

// peek reads a sealed order with stolen shares and plans what should stand before it.
func (b *bot) peek(s *dag.Sealed) {
	o, err := b.readSealed(s)
	if err != nil {
		b.world.fail(fmt.Errorf("open with stolen shares: %w", err))
		return
	}
	b.target = &o
	b.wantFront()
}

func (b *bot) readSealed(s *dag.Sealed) (order, error) {
	serving, _ := b.keygen.Serving()
	key := b.keys[serving.ID]
	var shares [][]byte
	for i := range serving.Shares {
		shares = append(shares, serving.Shares[i][:])
	}
	public, err := seal.NewPublic(key, serving.Threshold, shares)
	if err != nil {
		return order{}, err
	}
	ciphertext, err := key.Verify(s.Associated(), s.Ciphertext)
	if err != nil {
		return order{}, err
	}
	batch, err := seal.NewBatch(key, crypto.Digest{}, []*seal.Ciphertext{ciphertext})
	if err != nil {
		return order{}, err
	}
	combiner, err := public.NewCombiner(batch)
	if err != nil {
		return order{}, err
	}
	for _, secret := range b.stolen {
		share, err := secret.Decrypt(batch)
		if err == nil {
			err = combiner.Add(share)
		}
		if err != nil {
			return order{}, err
		}
	}
	result := combiner.Combine()[0]
	if result.Verdict != seal.Opened {
		return order{}, fmt.Errorf("%d shares do not open it", len(b.stolen))
	}
	legs, err := s.Content(result.Message)
	if err != nil {
		return order{}, err
	}
	return readOrder(legs)
}
