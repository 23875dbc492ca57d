package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// The keys of Badger, integers big-endian so that they sort as numbers:
//
//	b | ref 42                       -> block | crc32c
//	o | round 8 | digest 32          -> (own blocks, by round)
//	c | commit 8                     -> commit | crc32c
//	n | namespace 8 | commit 8       -> (commits that hold something of the namespace)
//	r | first commit 8               -> a run of the transaction index | crc32c
//	t | first commit 8 | bucket 1    -> its entries | crc32c
//	m                                -> whose store this is | crc32c
//	v | commit 8                     -> what its sealed items came to | crc32c
//	w                                -> up to which commit all are revealed, 8, and settled, 8 | crc32c
//	e                                -> the oldest commit kept, 8 | crc32c
//	s | span 8                       -> bytes of the span's commits, 8 | crc32c
//	h                                -> log id 16, highest own round that log gave | crc32c
//	f | commit 8                     -> certificate | crc32c
//	z                                -> head of the snapshot that the history began from | crc32c
//	d | commit 8                     -> record of its window of duplicates | crc32c
//	y | commit 8 | kind 1            -> state that it carries and that commit wrote | crc32c
//	g | kind 1 | digest 32           -> block that brought in this deal of a key generation | crc32c
const (
	prefixBlock       = 'b'
	prefixOwn         = 'o'
	prefixCommit      = 'c'
	prefixNamespace   = 'n'
	prefixRun         = 'r'
	prefixBucket      = 't'
	prefixIdentity    = 'm'
	prefixHighest     = 'h'
	prefixEarliest    = 'e'
	prefixSize        = 's'
	prefixDropped     = 0xff // nothing stays under it
	prefixReveal      = 'v'
	prefixRevealed    = 'w'
	prefixCertificate = 'f'
	prefixBase        = 'z'
	prefixWindow      = 'd'
	prefixState       = 'y'
	prefixDeal        = 'g'
)

const checksumSize = 4

var errChecksum = errors.New("value with a bad checksum")

func blockKey(r dag.Ref) []byte {
	return r.Append(append(make([]byte, 0, 1+dag.RefSize), prefixBlock))
}

func roundKey(r dag.Round) []byte { return numberKey(prefixBlock, uint64(r)) }

func ownKey(r dag.Ref) []byte {
	return append(numberKey(prefixOwn, uint64(r.Round)), r.Digest[:]...)
}

// refOfOwnKey reads back what ownKey made.
func refOfOwnKey(key []byte, self dag.Author) dag.Ref {
	return dag.Ref{Round: dag.Round(binary.BigEndian.Uint64(key[1:])), Author: self, Digest: crypto.Digest(key[9:])}
}

func commitKey(i dag.CommitIndex) []byte { return numberKey(prefixCommit, uint64(i)) }

func namespaceKey(ns dag.Namespace, i dag.CommitIndex) []byte {
	return binary.BigEndian.AppendUint64(numberKey(prefixNamespace, uint64(ns)), uint64(i))
}

func runKey(first dag.CommitIndex) []byte { return numberKey(prefixRun, uint64(first)) }

func bucketKey(first dag.CommitIndex, bucket byte) []byte {
	return append(numberKey(prefixBucket, uint64(first)), bucket)
}

func numberKey(prefix byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 49), prefix), n)
}

// lastNumber is the number that a key ends in.
func lastNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// appendSealed appends parts and the checksum that openValue checks. The digest of a block does not
// cover its signature, nor that of a commit what lies beside the header.
func appendSealed(b []byte, parts ...[]byte) []byte {
	at := len(b)
	for _, p := range parts {
		b = append(b, p...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

func openValue(v []byte) ([]byte, error) {
	n := len(v) - checksumSize
	if n < 0 || crc32.Checksum(v[:n], castagnoli) != binary.BigEndian.Uint32(v[n:]) {
		return nil, errChecksum
	}
	return v[:n:n], nil
}

// blockDigest recomputes the digest that a block's bytes have: it covers all but the signature.
func blockDigest(raw []byte) crypto.Digest {
	if len(raw) < crypto.SignatureSize {
		return crypto.Digest{}
	}
	return crypto.Hash(crypto.DomainBlock, raw[:len(raw)-crypto.SignatureSize])
}
