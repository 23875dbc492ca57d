package dkg

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// Limits of a run.
const (
	// MaxMembers bounds a run; a deal of so many takes 17.9 KB on ristretto255 and 45.4 KB in G2. It is
	// the largest committee.
	MaxMembers = 256
	// ScalarSize is the size of an encoded scalar in bytes, in each group.
	ScalarSize = 32
)

// Errors of this package.
var (
	// ErrDeal wraps everything that makes a deal unacceptable to everybody.
	ErrDeal = errors.New("unacceptable deal")
	// ErrDealForm wraps, beside ErrDeal, what can be told without a computation in the group: the
	// length, the version, the run that the deal names.
	ErrDealForm = errors.New("malformed deal")
	// ErrDealProof wraps, beside ErrDeal, a proof of knowledge that does not hold.
	ErrDealProof = errors.New("proof of knowledge does not hold")
	// ErrShare wraps everything that makes the share that a deal holds for one member unusable. The
	// dealer is then to blame, and Complain shows it.
	ErrShare = errors.New("bad share")
	// ErrQualified wraps a set of qualified deals from which no key can be made.
	ErrQualified = errors.New("unusable set of deals")
)

// Context names one run. All that a run makes is bound to it.
type Context struct {
	Group   Group
	Network crypto.Digest // the network's id
	Key     uint64        // the id of the key that the run is to make
	Attempt uint32        // counts the runs for one key from 0
}

// Run is one run among the members that hold the KEM keys. It is immutable and safe for concurrent use.
type Run struct {
	context Context
	members []crypto.KEMPublicKey
	points  []element // the decoded keys
	degree  int
	bound   []byte // context and parameters, encoded
}

// NewRun starts a run among 1 to MaxMembers members. Their KEM keys must have been shown to be theirs
// (crypto.KEMPublicKey.VerifyPossession), which a genesis file is checked for.
func NewRun(context Context, members []crypto.KEMPublicKey) (*Run, error) {
	n := len(members)
	if n < 1 || n > MaxMembers {
		return nil, fmt.Errorf("key generation among %d members, want 1 to %d", n, MaxMembers)
	}
	if context.Group == nil {
		return nil, errors.New("key generation without a group")
	}
	r := &Run{context: context, members: members, degree: 2 * ((n - 1) / 3)}
	for k := range members {
		p, err := kem.element(members[k][:])
		if err != nil {
			return nil, fmt.Errorf("kem key of member %d: %w", k, err)
		}
		r.points = append(r.points, p)
	}
	var parameters [16]byte
	binary.BigEndian.PutUint64(parameters[:], context.Key)
	binary.BigEndian.PutUint32(parameters[8:], context.Attempt)
	binary.BigEndian.PutUint16(parameters[12:], uint16(n))
	binary.BigEndian.PutUint16(parameters[14:], uint16(r.degree))
	r.bound = tuple([]byte(context.Group.Name()), context.Network[:], parameters[:])
	return r, nil
}

// Context is what NewRun was given.
func (r *Run) Context() Context { return r.context }

// Members is n.
func (r *Run) Members() int { return len(r.members) }

// Degree is 2f, the degree of every dealt polynomial: so many shares tell nothing.
func (r *Run) Degree() int { return r.degree }

// Threshold is 2f+1: so many shares act as the secret.
func (r *Run) Threshold() int { return r.degree + 1 }

// position encodes a member's index.
func position(member int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(member)) }
