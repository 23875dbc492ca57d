// Package crypto holds Dunlin's cryptography: domain-separated digests, signatures
// and the keys of a validator. It does no I/O except reading and writing a key file
// when asked to, and imports no other Dunlin package.
package crypto

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// DigestSize is the size of a Digest in bytes.
const DigestSize = sha256.Size

// Digest is a domain-separated SHA-256 digest. The zero value stands for "none".
type Digest [DigestSize]byte

// Domain separates the digests and signatures of one purpose from all others.
type Domain string

// The domains of Dunlin. A new purpose takes a new domain; a changed encoding takes a new number.
const (
	DomainGenesis      Domain = "dunlin/genesis/1"
	DomainBlock        Domain = "dunlin/block/1"
	DomainTransaction  Domain = "dunlin/tx/1"
	DomainPayload      Domain = "dunlin/payload/1"
	DomainTxSignature  Domain = "dunlin/tx-sign/1"
	DomainCommit       Domain = "dunlin/commit/2"
	DomainOrderedDAG   Domain = "dunlin/ordered-dag/1"
	DomainMerkleLeaf   Domain = "dunlin/merkle-leaf/1"
	DomainMerkleNode   Domain = "dunlin/merkle-node/1"
	DomainState        Domain = "dunlin/ordering-state/1"
	DomainDedupe       Domain = "dunlin/dedupe/1"
	DomainGossip       Domain = "dunlin/gossip/1"
	DomainKEMPossess   Domain = "dunlin/kem-possession/1"
	DomainBLSPossess   Domain = "dunlin/bls-possession/1"
	DomainNodeStatus   Domain = "dunlin/node-status/1"
	DomainIdempotency  Domain = "dunlin/idempotency/1"
	DomainNamespaceRun Domain = "dunlin/namespace-chain/1"
	DomainChainHeads   Domain = "dunlin/chain-heads/1"
	DomainReceipt      Domain = "dunlin/receipt/1"
	DomainControl      Domain = "dunlin/control/1"
	DomainRegistry     Domain = "dunlin/registry/1"
	DomainSealed       Domain = "dunlin/sealed/1"
	DomainSealBatch    Domain = "dunlin/seal-batch/1"
	DomainSealPart     Domain = "dunlin/seal-part/1"
	DomainCertificate  Domain = "DUNLIN-FIN"

	domainKEMNonce Domain = "dunlin/kem-possession-nonce/1"
)

// IsZero reports whether d is the zero digest, which no content has.
func (d Digest) IsZero() bool { return d == Digest{} }

// Short is the first two bytes in hex, the form used in pictures and logs.
func (d Digest) Short() string { return hex.EncodeToString(d[:2]) }

// String is the whole digest in lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText encodes d as 64 hex digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote; upper case is refused, so that a digest has one text.
func (d *Digest) UnmarshalText(text []byte) error {
	v, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// ParseDigest reads 64 lower-case hex digits.
func ParseDigest(text string) (Digest, error) {
	var d Digest
	err := decodeHex(d[:], []byte(text), "digest")
	return d, err
}

// Hash is the digest of parts under a domain. Every part is length-prefixed, so that
// the parts cannot be cut differently to the same digest.
func Hash(domain Domain, parts ...[]byte) Digest { return NewHasher(domain).Sum(parts...) }

// Hasher computes many digests under one domain and context without allocating for each.
// It is not safe for concurrent use.
type Hasher struct {
	state  hash.Hash
	prefix []byte // domain and context, encoded
	length [4]byte
	sum    [DigestSize]byte
}

// NewHasher returns a Hasher for the domain; context parts are hashed before each input.
func NewHasher(domain Domain, context ...[]byte) *Hasher {
	h := &Hasher{state: sha256.New()}
	h.prefix = appendPart(nil, []byte(domain))
	for _, c := range context {
		h.prefix = appendPart(h.prefix, c)
	}
	return h
}

// Sum is the digest of parts under h's domain and context. The parts may be of any number; their
// lengths must fit 32 bits.
func (h *Hasher) Sum(parts ...[]byte) Digest {
	h.state.Reset()
	h.state.Write(h.prefix)
	for _, p := range parts {
		binary.BigEndian.PutUint32(h.length[:], uint32(len(p)))
		h.state.Write(h.length[:])
		h.state.Write(p)
	}
	h.state.Sum(h.sum[:0])
	return h.sum
}

func appendPart(b, part []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}
