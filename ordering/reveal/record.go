package reveal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// Verdict is what became of one sealed item. Every node comes to the same one.
type Verdict uint8

// The verdicts. All but Opened are failures: the item keeps its place in the order and counts for
// nothing.
const (
	Opened            Verdict = iota + 1 // its content is known to all
	CiphertextInvalid                    // its proof or signature does not hold: changed, or copied from another envelope
	KeyStale                             // sealed with a key that did not serve in its commit
	DecryptFailed                        // 2f+1 verified shares open to nothing
	ContentInvalid                       // what it held is not what its envelope named
)

var verdictNames = [...]string{"", "OPENED", "CIPHERTEXT_INVALID", "KEY_STALE", "DECRYPT_FAILED", "CONTENT_INVALID"}

// String is the verdict's name in the API.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// Outcome is the verdict on one sealed item. Opening is set for Opened and ContentInvalid: with it
// anybody opens the ciphertext again, without the committee.
type Outcome struct {
	Index   uint32 // in Commit.Accepted
	Verdict Verdict
	Opening seal.Opening
}

// Record is the reveal of one commit: the outcomes of all its sealed items, by Index.
type Record struct {
	Commit   dag.CommitRef
	Key      uint64 // the key that served in this commit; 0 for none
	Outcomes []Outcome
}

// ErrRecord wraps everything that can be wrong with an encoded record.
var ErrRecord = errors.New("malformed reveal record")

const (
	recordFixed = 8 + crypto.DigestSize + 8 + 4
	outcomeSize = 4 + 1 + seal.OpeningSize
)

// Encode is the record as the store keeps it, integers big-endian: commit index 8, digest 32, key 8,
// number of outcomes 4, then per outcome index 4, verdict 1, opening 32.
func (r *Record) Encode() []byte {
	b := make([]byte, 0, recordFixed+len(r.Outcomes)*outcomeSize)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Commit.Index))
	b = append(b, r.Commit.Digest[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Key)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Outcomes)))
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		b = binary.BigEndian.AppendUint32(b, o.Index)
		b = append(b, byte(o.Verdict))
		b = append(b, o.Opening[:]...)
	}
	return b
}

// DecodeRecord reads what Encode wrote. Errors wrap ErrRecord.
func DecodeRecord(b []byte) (*Record, error) {
	if len(b) < recordFixed {
		return nil, fmt.Errorf("%w: %d bytes", ErrRecord, len(b))
	}
	r := &Record{Commit: dag.CommitRef{Index: dag.CommitIndex(binary.BigEndian.Uint64(b))}}
	copy(r.Commit.Digest[:], b[8:])
	r.Key = binary.BigEndian.Uint64(b[8+crypto.DigestSize:])
	n, rest := int(binary.BigEndian.Uint32(b[recordFixed-4:])), b[recordFixed:]
	if len(rest) != n*outcomeSize {
		return nil, fmt.Errorf("%w: %d outcomes in %d bytes", ErrRecord, n, len(rest))
	}
	for ; len(rest) > 0; rest = rest[outcomeSize:] {
		o := Outcome{Index: binary.BigEndian.Uint32(rest), Verdict: Verdict(rest[4]), Opening: seal.Opening(rest[5:outcomeSize])}
		if o.Verdict < Opened || o.Verdict > ContentInvalid {
			return nil, fmt.Errorf("%w: verdict %d", ErrRecord, o.Verdict)
		}
		if k := len(r.Outcomes); k > 0 && r.Outcomes[k-1].Index >= o.Index {
			return nil, fmt.Errorf("%w: outcomes out of order", ErrRecord)
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	return r, nil
}

// Find is the outcome of the item with an index in Commit.Accepted.
func (r *Record) Find(index uint32) (Outcome, bool) {
	lo, hi := 0, len(r.Outcomes)
	for lo < hi {
		if mid := (lo + hi) / 2; r.Outcomes[mid].Index < index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(r.Outcomes) && r.Outcomes[lo].Index == index {
		return r.Outcomes[lo], true
	}
	return Outcome{}, false
}

// Open gives the legs of a sealed item from its outcome: two multiplications, no committee needed. Errors
// wrap seal.ErrOpening where the opening is not that of the ciphertext, or dag.ErrContent.
func Open(key *seal.Key, sealed *dag.Sealed, opening seal.Opening) ([]dag.Leg, error) {
	content, err := key.Open(sealed.Associated(), sealed.Ciphertext, opening)
	if err != nil {
		return nil, fmt.Errorf("open sealed item: %w", err)
	}
	return sealed.Content(content)
}
