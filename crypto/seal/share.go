package seal

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// Share is what one validator releases for a batch. Its group elements are well-formed; whether it is
// right is for a Combiner or VerifyShares to say. It is immutable and safe for concurrent use.
type Share struct {
	keyID   uint64
	index   int
	batch   crypto.Digest
	points  []*curve.RistrettoPoint
	encoded []byte // the points' encodings, one after the other

	a, b               *curve.RistrettoPoint
	encodedA, encodedB [pointSize]byte
	z                  *scalar.Scalar
}

// ShareSize is the size in bytes of an encoded share of a batch with the given number of ciphertexts.
func ShareSize(batch int) int { return shareHeaderSize + batch*pointSize + proofSize }

// DecodeShare reads what Encode wrote: version, key id (8), index (2), batch id (32), count (2), the
// points (32 each), A, B and z (32 each). It costs one square root for each point and does not keep the
// bytes. Errors wrap ErrForm, ErrSize, ErrIndex, ErrPoint, ErrIdentity or ErrScalar; all are the sender's
// fault.
func DecodeShare(b []byte) (*Share, error) {
	s, err := decodeShare(b)
	if err != nil {
		return nil, fmt.Errorf("read share: %w", err)
	}
	return s, nil
}

func decodeShare(b []byte) (*Share, error) {
	if len(b) > MaxShareSize {
		return nil, fmt.Errorf("%d bytes: %w (%d)", len(b), ErrSize, MaxShareSize)
	}
	if len(b) < ShareSize(1) || b[0] != version {
		return nil, ErrForm
	}
	s := &Share{keyID: binary.BigEndian.Uint64(b[1:]), index: int(binary.BigEndian.Uint16(b[9:]))}
	copy(s.batch[:], b[11:])
	count := int(binary.BigEndian.Uint16(b[43:]))
	if count == 0 || len(b) != ShareSize(count) {
		return nil, fmt.Errorf("%w: %d bytes for %d ciphertexts", ErrForm, len(b), count)
	}
	if s.index < 1 || s.index > MaxCommittee {
		return nil, fmt.Errorf("%w: %d", ErrIndex, s.index)
	}
	proof := b[shareHeaderSize+count*pointSize:]
	s.encoded = bytes.Clone(b[shareHeaderSize : shareHeaderSize+count*pointSize])
	copy(s.encodedA[:], proof)
	copy(s.encodedB[:], proof[pointSize:])
	return s, s.decodeElements(proof[2*pointSize:])
}

func (s *Share) decodeElements(z []byte) (err error) {
	if s.z, err = decodeScalar(z); err != nil {
		return fmt.Errorf("z: %w", err)
	}
	if s.a, err = decodePoint(s.encodedA[:]); err != nil {
		return fmt.Errorf("a: %w", err)
	}
	if s.b, err = decodePoint(s.encodedB[:]); err != nil {
		return fmt.Errorf("b: %w", err)
	}
	s.points = make([]*curve.RistrettoPoint, len(s.encoded)/pointSize)
	for i := range s.points {
		if s.points[i], err = decodePoint(s.encoded[i*pointSize:][:pointSize]); err != nil {
			return fmt.Errorf("point %d: %w", i, err)
		}
	}
	return nil
}

// Encode is the share's only encoding.
func (s *Share) Encode() []byte {
	z := encodeScalar(s.z)
	out := make([]byte, 0, ShareSize(len(s.points)))
	out = append(out, version)
	out = binary.BigEndian.AppendUint64(out, s.keyID)
	out = append(out, encodeIndex(s.index)...)
	out = append(out, s.batch[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(s.points)))
	out = append(out, s.encoded...)
	out = append(out, s.encodedA[:]...)
	out = append(out, s.encodedB[:]...)
	return append(out, z[:]...)
}

// Index is that of the validator whose share this claims to be, 1 to MaxCommittee. Compare it with who
// signed the message.
func (s *Share) Index() int { return s.index }

// KeyID is the number of the key that the share belongs to.
func (s *Share) KeyID() uint64 { return s.keyID }

// BatchID names the batch that the share is for.
func (s *Share) BatchID() crypto.Digest { return s.batch }

// Len is the number of ciphertexts that the share is for.
func (s *Share) Len() int { return len(s.points) }

// fits reports why s is not a share of a batch by one of the committee's n validators.
func (s *Share) fits(b *Batch, n int) error {
	switch {
	case s.keyID != b.key.id:
		return fmt.Errorf("%w: key %d, want %d", ErrKeyID, s.keyID, b.key.id)
	case s.batch != b.id || len(s.points) != len(b.points):
		return fmt.Errorf("%w: %s, want %s", ErrBatch, s.batch.Short(), b.id.Short())
	case s.index < 1 || s.index > n:
		return fmt.Errorf("%w: %d of %d", ErrIndex, s.index, n)
	}
	return nil
}

// rho are the powers of 128 bits that make one proof speak for all points.
func (s *Share) rho() []*scalar.Scalar {
	seed := sha512.Sum512(tuple([]byte(tagRho), s.batch[:], encodeIndex(s.index), s.encoded))
	return shortScalars(seed[:], len(s.points))
}

// challenge is the c of the share's proof, for the validator's public share.
func (s *Share) challenge(public [pointSize]byte) *scalar.Scalar {
	return hashToScalar(tagDLEQ, s.batch[:], encodeIndex(s.index), public[:], s.encoded, s.encodedA[:], s.encodedB[:])
}

// shortScalars expands a seed to count numbers of 128 bits.
func shortScalars(seed []byte, count int) []*scalar.Scalar {
	const perBlock = sha512.Size / 16
	out := make([]*scalar.Scalar, 0, count)
	input := append(bytes.Clone(seed), 0, 0, 0, 0)
	for block := 0; len(out) < count; block++ {
		binary.BigEndian.PutUint32(input[len(seed):], uint32(block))
		sum := sha512.Sum512(input)
		for i := 0; i < perBlock && len(out) < count; i++ {
			out = append(out, shortScalar(sum[16*i:16*(i+1)]))
		}
	}
	return out
}
