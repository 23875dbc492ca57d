package dag

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// MinCommittee is the smallest committee that survives one fault.
const MinCommittee = 4

// Committee is the validators of one epoch, with one vote each. It is immutable.
//
// With n validators f = (n-1)/3 may be faulty; a quorum is n-f, so that two quorums share an
// honest validator also where n is not 3f+1.
type Committee struct {
	network    crypto.Digest
	epoch      Epoch
	validators []Validator
	byKey      map[crypto.PublicKey]Author
}

// Validator is the public part of one member.
type Validator struct {
	Name     string
	Identity crypto.PublicKey
	KEM      crypto.KEMPublicKey
	BLS      crypto.BLSPublicKey
}

// NewCommittee returns the committee of an epoch. It needs 1 to MaxCommittee validators with
// different identities; networks need MinCommittee, which genesis checks.
func NewCommittee(network crypto.Digest, epoch Epoch, validators []Validator) (*Committee, error) {
	if len(validators) == 0 || len(validators) > MaxCommittee {
		return nil, fmt.Errorf("committee of %d validators, want 1 to %d", len(validators), MaxCommittee)
	}
	c := &Committee{network: network, epoch: epoch, validators: append([]Validator(nil), validators...), byKey: make(map[crypto.PublicKey]Author, len(validators))}
	for i, v := range c.validators {
		if _, taken := c.byKey[v.Identity]; taken {
			return nil, errors.New("committee: two validators have identity " + v.Identity.String())
		}
		c.byKey[v.Identity] = Author(i)
	}
	return c, nil
}

// Network is the id of the network: the digest of its genesis file.
func (c *Committee) Network() crypto.Digest { return c.network }

// Epoch is the epoch that the committee serves.
func (c *Committee) Epoch() Epoch { return c.epoch }

// Size is n.
func (c *Committee) Size() int { return len(c.validators) }

// Faults is f: how many validators may be faulty.
func (c *Committee) Faults() int { return (len(c.validators) - 1) / 3 }

// Quorum is n-f.
func (c *Committee) Quorum() int { return len(c.validators) - c.Faults() }

// Validity is f+1: among so many there is an honest one.
func (c *Committee) Validity() int { return c.Faults() + 1 }

// Has reports whether a is an index of the committee.
func (c *Committee) Has(a Author) bool { return int(a) < len(c.validators) }

// Validator is the member with index a, which must exist.
func (c *Committee) Validator(a Author) Validator { return c.validators[a] }

// AuthorOf finds the member with an identity.
func (c *Committee) AuthorOf(key crypto.PublicKey) (Author, bool) {
	a, ok := c.byKey[key]
	return a, ok
}

// Genesis is the reference of a member's block of round 0. Genesis blocks exist by definition
// and are never sent.
func (c *Committee) Genesis(a Author) Ref {
	var fixed [10]byte
	binary.BigEndian.PutUint64(fixed[:], uint64(c.epoch))
	binary.BigEndian.PutUint16(fixed[8:], uint16(a))
	return Ref{Author: a, Digest: crypto.Hash(crypto.DomainGenesis, c.network[:], fixed[:])}
}
