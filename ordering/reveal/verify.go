package reveal

import (
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// ErrSignature says that the signature of a sealed item is not that of the sender that it names.
var ErrSignature = errors.New("signature of the sealed item does not hold")

// Verify checks a sealed item in public, against the key that serves in its commit: that the sender it names,
// if any, has signed it, and that its ciphertext was made for its envelope. Nothing else may be opened. The
// signature counts because the id of an item covers it: a copy under a spoilt one is another item, which a
// faulty validator could have ordered, and so opened, while it holds back the sender's own. Errors wrap
// ErrSignature, or what seal.Key.Verify says.
func Verify(key *seal.Key, sealed *dag.Sealed) (*seal.Ciphertext, error) {
	if len(sealed.Sender) > 0 {
		sender, signature := crypto.PublicKey(sealed.Sender), crypto.Signature(sealed.Signature)
		if !sender.Verify(crypto.DomainTxSignature, sealed.SigningDigest(key.Network()), signature) {
			return nil, fmt.Errorf("verify sealed item: %w: sender %s", ErrSignature, sender)
		}
	}
	return key.Verify(sealed.Associated(), sealed.Ciphertext)
}
