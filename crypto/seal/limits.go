package seal

import "errors"

// Limits. They are part of what a valid ciphertext or share is, so all nodes have the same.
const (
	// MaxMessageSize is the largest message in bytes, that of the largest transaction.
	MaxMessageSize = 128 << 10
	// BucketSize is the step in bytes to which messages are padded, so that their length tells little.
	BucketSize = 256
	// MaxAssociatedSize is the largest associated data in bytes. It is hashed once per check; the
	// envelope of a transaction or bundle takes far less.
	MaxAssociatedSize = 64 << 10
	// MaxCiphertextSize is the size in bytes of a ciphertext with the largest message.
	MaxCiphertextSize = headerSize + payloadOverhead + maxPaddedSize
	// MaxBatch is how many ciphertexts one batch may hold, so that a share of it (32 bytes for each)
	// fits a block's system messages.
	MaxBatch = 4096
	// MaxShareSize is the size in bytes of a share of the largest batch.
	MaxShareSize = shareHeaderSize + MaxBatch*pointSize + proofSize
	// MaxCommittee is the largest committee, as in the rest of Dunlin.
	MaxCommittee = 256

	// maxTerms bounds the points of one multiplication in VerifyShares, which takes some 500 bytes for
	// each. A larger set of shares is checked in parts.
	maxTerms = 1 << 16
	// maxQuorums is how many sets of Lagrange coefficients a Public keeps, up to 8 KiB each. A few
	// commits are open at once, and each needs one set or two.
	maxQuorums = 64
)

// Sizes in bytes.
const (
	pointSize       = 32
	scalarSize      = 32
	contextSize     = 64
	lengthSize      = 4
	headerSize      = 1 + 8 + 2*pointSize + 2*scalarSize + lengthSize
	payloadOverhead = OpeningSize + 16 // sigma and the AEAD's tag
	maxPaddedSize   = (lengthSize + MaxMessageSize + BucketSize - 1) / BucketSize * BucketSize
	shareHeaderSize = 1 + 8 + 2 + 32 + 2
	proofSize       = 2*pointSize + scalarSize
)

// version stands first in every ciphertext and share.
const version = 1

// The reasons why keys, ciphertexts, shares and openings are refused. The errors of this package wrap
// one of them.
var (
	// ErrForm says that the lengths, the version or a count are not those of the encoding.
	ErrForm = errors.New("malformed")
	// ErrSize says that a message, its associated data, a ciphertext or a batch is larger than allowed.
	ErrSize = errors.New("larger than allowed")
	// ErrPoint says that 32 bytes are not the canonical encoding of an element of the group.
	ErrPoint = errors.New("not a canonical group element")
	// ErrIdentity says that a group element is the identity, which no honest party sends.
	ErrIdentity = errors.New("identity element")
	// ErrScalar says that 32 bytes are not a canonical scalar, or zero where it must not be.
	ErrScalar = errors.New("not a canonical scalar")
	// ErrKeyID says that a ciphertext, share or batch belongs to another key.
	ErrKeyID = errors.New("belongs to another key")
	// ErrCiphertext says that a ciphertext's proof does not hold: it was changed, copied from another
	// sender, namespace or network, or made without knowledge of its content.
	ErrCiphertext = errors.New("proof of the ciphertext does not hold")
	// ErrOpening says that an opening does not belong to the ciphertext, or that the ciphertext is one
	// that no opening fits.
	ErrOpening = errors.New("opening does not fit the ciphertext")
	// ErrBatch says that a share was made for another batch.
	ErrBatch = errors.New("share of another batch")
	// ErrIndex says that a validator's index is not in the committee.
	ErrIndex = errors.New("index outside of the committee")
	// ErrRepeated says that a validator's share is already there: the first one counts.
	ErrRepeated = errors.New("validator has a share already")
	// ErrErased says that a secret share was used after Erase.
	ErrErased = errors.New("secret share is erased")
	// ErrInconsistent says that public shares do not lie on one polynomial with the key.
	ErrInconsistent = errors.New("public shares do not fit the key")
)
