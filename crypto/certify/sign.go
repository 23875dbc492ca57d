package certify

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/ecc/bls12381"
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/dunlin-network/dunlin/crypto"
)

// Sizes in bytes. Points are compressed as in Zcash's format, the identity is refused everywhere.
const (
	SignatureSize = 48
	PublicKeySize = 96
	ShareSize     = 32
)

// hashToCurve is the domain separation tag of the hash to G1.
const hashToCurve = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"

// Errors of this package.
var (
	// ErrSignature wraps a signature that is no element of G1, or not of the message and key.
	ErrSignature = errors.New("signature does not hold")
	// ErrKey wraps bytes that are no key, no share of one, or not of the committee.
	ErrKey = errors.New("unusable certificate key")
	// ErrQuorum wraps a set of partial signatures that cannot be combined.
	ErrQuorum = errors.New("partial signatures do not combine")
)

// Signature is an element of G1, of one member or of the committee.
type Signature [SignatureSize]byte

// String is the signature in hex.
func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// PublicKey is the committee's key: an element of G2.
type PublicKey [PublicKeySize]byte

// String is the key in hex.
func (p PublicKey) String() string { return hex.EncodeToString(p[:]) }

// Message is what a certificate signs: SHA-256 over the tuple of "DUNLIN-FIN", the network's id (32 bytes), the
// epoch (8 bytes, big-endian), the commit's index (8) and its digest (32), each part with its length in 4 bytes
// before it. The digest chains to all commits before, and so does the certificate. Other messages of keys on
// this curve are longer than 32 bytes.
func Message(network crypto.Digest, epoch, index uint64, commit crypto.Digest) crypto.Digest {
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:], epoch)
	binary.BigEndian.PutUint64(numbers[8:], index)
	return crypto.Hash(crypto.DomainCertificate, network[:], numbers[:8], numbers[8:], commit[:])
}

// Share is a member's secret s_k.
type Share struct{ scalar bls12381.Scalar }

// NewShare reads a share as package dkg gives it: a big-endian scalar of 32 bytes. It refuses zero, the share of
// a member that nobody can count on. Errors wrap ErrKey.
func NewShare(secret []byte) (*Share, error) {
	s := new(Share)
	if len(secret) != ShareSize {
		return nil, fmt.Errorf("%w: share of %d bytes, want %d", ErrKey, len(secret), ShareSize)
	}
	if err := s.scalar.UnmarshalBinary(secret); err != nil {
		return nil, fmt.Errorf("%w: share: %w", ErrKey, err)
	}
	if s.scalar.IsZero() == 1 {
		return nil, fmt.Errorf("%w: the share is zero", ErrKey)
	}
	return s, nil
}

// Sign is the member's partial signature. It takes 0.8 ms.
func (s *Share) Sign(message crypto.Digest) Signature {
	point := hashed(message).RawBytes()
	var p bls12381.G1
	if err := p.SetBytes(point[:]); err != nil {
		panic("certify: a hash to the curve does not read back: " + err.Error())
	}
	p.ScalarMult(&s.scalar, &p)
	return Signature(p.BytesCompressed())
}

// String hides the share, so that it does not get into a log by accident.
func (*Share) String() string { return "secret share" }

// GoString hides the share.
func (*Share) GoString() string { return "secret share" }

// NewPublicKey reads a key as package dkg gives it, or compressed. Errors wrap ErrKey.
func NewPublicKey(encoded []byte) (PublicKey, error) {
	p, err := readKey(encoded)
	if err != nil {
		return PublicKey{}, err
	}
	return p.Bytes(), nil
}

// Verify checks the committee's signature. It takes 1.5 ms. Errors wrap ErrSignature or ErrKey.
func (p PublicKey) Verify(message crypto.Digest, s Signature) error {
	key, err := readKey(p[:])
	if err != nil {
		return err
	}
	point, err := readSignature(s)
	if err != nil {
		return err
	}
	if !paired(point, hashed(message), key) {
		return fmt.Errorf("%w: %s over %s with key %s", ErrSignature, s, message, p)
	}
	return nil
}

// paired reports whether e(signature, g2) = e(message, key).
func paired(signature, message *fast.G1Affine, key *fast.G2Affine) bool {
	_, _, _, generator := fast.Generators()
	generator.Neg(&generator)
	ok, err := fast.PairingCheck([]fast.G1Affine{*signature, *message}, []fast.G2Affine{generator, *key})
	return err == nil && ok
}

func hashed(message crypto.Digest) *fast.G1Affine {
	p, err := fast.HashToG1(message[:], []byte(hashToCurve))
	if err != nil {
		panic("certify: hash to curve: " + err.Error())
	}
	return &p
}

// compressedFlag is the bit of an encoding's first byte that says that it is compressed.
const compressedFlag = 0x80

func readSignature(s Signature) (*fast.G1Affine, error) {
	p := new(fast.G1Affine)
	if s[0]&compressedFlag == 0 {
		return nil, fmt.Errorf("%w: %s is not compressed", ErrSignature, s)
	}
	if _, err := p.SetBytes(s[:]); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSignature, s, err)
	}
	if p.IsInfinity() {
		return nil, fmt.Errorf("%w: it is the identity", ErrSignature)
	}
	return p, nil
}

// readKey reads an element of G2, compressed or not.
func readKey(b []byte) (*fast.G2Affine, error) {
	p := new(fast.G2Affine)
	if n, err := p.SetBytes(b); err != nil || n != len(b) {
		return nil, errors.Join(fmt.Errorf("%w: %d bytes that are no element of G2", ErrKey, len(b)), err)
	}
	if p.IsInfinity() {
		return nil, fmt.Errorf("%w: it is the identity", ErrKey)
	}
	return p, nil
}
