package crypto

import (
	"errors"
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"
)

// PublicKeys is what the world may know of a validator's keys, with the proofs that it owns them.
// All fields are hex in JSON and TOML.
type PublicKeys struct {
	Identity PublicKey    `json:"identity"`
	KEM      KEMPublicKey `json:"kem"`
	KEMProof KEMProof     `json:"kem_proof"`
	BLS      BLSPublicKey `json:"bls"`
	BLSProof BLSProof     `json:"bls_proof"`
}

// Verify checks the identity key and both proofs of possession. Errors wrap ErrProof. It takes
// milliseconds, most of them for the BLS proof.
func (p PublicKeys) Verify() error {
	if err := p.Identity.validate(); err != nil {
		return fmt.Errorf("%w: identity %s: %w", ErrProof, p.Identity, err)
	}
	if err := p.KEM.VerifyPossession(p.Identity, p.KEMProof); err != nil {
		return err
	}
	return p.BLS.VerifyPossession(p.Identity, p.BLSProof)
}

// validate refuses keys under which anyone could sign (points of small order) and torsion variants
// of a key, which would let one key hold two identities. A point of prime order has one encoding:
// only y below 19 could have a second, and no such point is of prime order.
func (p PublicKey) validate() error {
	compressed, err := curve.NewCompressedEdwardsY().SetBytes(p[:])
	if err != nil {
		return err
	}
	point, err := curve.NewEdwardsPoint().SetCompressedY(compressed)
	if err != nil {
		return err
	}
	if point.IsSmallOrder() || !point.IsTorsionFree() {
		return errors.New("not in the group of prime order")
	}
	return nil
}
