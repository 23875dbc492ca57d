// Package snapshot says what a snapshot of the order is, and proves one that a peer gives. A snapshot is the
// state of the order at one commit, its head: the head with what it carries over, the carried states, and
// the window of duplicates, which is the last dag.ValidityWindow commits without their blocks. Whoever has
// it goes on from there as if it had made every commit before. With it come the blocks that brought in the deals
// of the network's keys: whoever has them proves those keys to others.
//
// Nothing of it is believed. Blocks of 2f+1 validators name commits that stand on the chain of digests
// from the head on; the chain proves the window, and the head's state digest proves the rest.
//
// A peer is asked Queries; each is answered by a row of records, and a record is checked when it has come.
// The package is pure.
package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// ErrSnapshot is wrapped by everything that is wrong with what a peer gave. It is the peer's fault.
var ErrSnapshot = errors.New("snapshot does not hold")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrSnapshot, fmt.Errorf(format, args...))
}

// Limits of what a peer may give.
const (
	// MaxRecordBytes bounds one record: a commit of two million ids, or a carried state.
	MaxRecordBytes = 64 << 20
	// MaxHeaders is how many commits the newest witness may be ahead of the head.
	MaxHeaders = 1024
	// headersBytes is how much the headers of a proof and the head's Resume may take together.
	headersBytes = (1+MaxHeaders)*(1+ordering.HeaderSize) + 4<<20
	// maxStates is how many states a commit may carry.
	maxStates = 16
	// windowBytes is how much an answer about the window or the deals holds beside its last record.
	windowBytes = 4 << 20
	// maxDeals is how many deals the states of a commit can hold: of f+1 keys and a run, for two purposes.
	maxDeals = 2 * (dag.MaxCommittee/3 + 2) * dag.MaxCommittee
)

// Kind is what a query asks for.
type Kind uint8

// The kinds of queries.
const (
	// AskReach asks which commits the peer has.
	AskReach Kind = iota + 1
	// AskProof asks for a head and its proof: the newest that the peer can prove.
	AskProof
	// AskStates asks for the states that commit At carries.
	AskStates
	// AskWindow asks for records of the commits from At down to Low, as many as fit one answer.
	AskWindow
	// AskDeals asks for the blocks that brought in the deals that the states of commit At hold, from the deal at place
	// Low on, as many as fit one answer and without a gap. Places count from 0, as ordering.DealsOf lists the deals.
	AskDeals
)

// Query is one question to a peer.
type Query struct {
	Kind    Kind
	At, Low dag.CommitIndex
}

// QuerySize is the size of an encoded Query: kind 1, at 8, low 8, big-endian.
const QuerySize = 1 + 8 + 8

// Encode is the query on the wire.
func (q Query) Encode() []byte {
	b := append(make([]byte, 0, QuerySize), byte(q.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(q.At))
	return binary.BigEndian.AppendUint64(b, uint64(q.Low))
}

// DecodeQuery reads what Encode wrote. Errors wrap ErrSnapshot.
func DecodeQuery(raw []byte) (Query, error) {
	if len(raw) != QuerySize {
		return Query{}, wrong("query of %d bytes, want %d", len(raw), QuerySize)
	}
	q := Query{
		Kind: Kind(raw[0]), At: dag.CommitIndex(binary.BigEndian.Uint64(raw[1:])), Low: dag.CommitIndex(binary.BigEndian.Uint64(raw[9:])),
	}
	switch {
	case q.Kind < AskReach || q.Kind > AskDeals:
		return Query{}, wrong("query of unknown kind %d", q.Kind)
	case q.Kind <= AskProof && (q.At != 0 || q.Low != 0), q.Kind == AskStates && (q.At == 0 || q.Low != 0):
		return Query{}, wrong("query of kind %d for commits %d to %d", q.Kind, q.At, q.Low)
	case q.Kind == AskDeals && (q.At == 0 || q.Low >= maxDeals):
		return Query{}, wrong("deals of commit %d from place %d on", q.At, q.Low)
	case q.Kind == AskWindow && (q.Low == 0 || q.Low > q.At || q.At-q.Low >= dag.ValidityWindow):
		return Query{}, wrong("window from commit %d down to %d, want at most %d commits", q.At, q.Low, dag.ValidityWindow)
	}
	return q, nil
}

// MaxAnswer is how many bytes of records an answer to the query may hold in a committee of so many.
func (q Query) MaxAnswer(committee int) int {
	switch q.Kind {
	case AskReach:
		return reachSize
	case AskProof:
		return headersBytes + committee*dag.MaxBlockBytes
	case AskStates:
		return maxStates * MaxRecordBytes
	case AskDeals:
		return windowBytes + 1 + dag.MaxBlockBytes
	default:
		return windowBytes + MaxRecordBytes
	}
}

// Full reports whether an answer to the query that holds so many bytes of records takes no further one.
func (q Query) Full(size int) bool { return q.Kind >= AskWindow && size >= windowBytes }

// Every record begins with its kind:
//
//	reach    1 | earliest commit 8 | newest commit 8
//	head     2 | header | resume
//	header   3 | header, of the commit after the one before
//	witness  4 | encoded block
//	state    5 | kind 1 | encoded state
//	commit   6 | ordering.EncodeRecord, of the commit before the one before
//	deal     7 | encoded block, which brought in the deal after the one before
const (
	recordReach byte = iota + 1
	recordHead
	recordHeader
	recordWitness
	recordState
	recordCommit
	recordDeal
)

const reachSize = 1 + 8 + 8

// Reach is which commits a node has: all from Earliest to Newest. Newest is 0 before the first.
type Reach struct{ Earliest, Newest dag.CommitIndex }

// Encode is the record that answers AskReach.
func (r Reach) Encode() []byte {
	b := append(make([]byte, 0, reachSize), recordReach)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Earliest))
	return binary.BigEndian.AppendUint64(b, uint64(r.Newest))
}

// DecodeReach reads what Encode wrote. It is a peer's word and no more. Errors wrap ErrSnapshot.
func DecodeReach(record []byte) (Reach, error) {
	if len(record) != reachSize || record[0] != recordReach {
		return Reach{}, wrong("no answer to which commits there are")
	}
	return Reach{dag.CommitIndex(binary.BigEndian.Uint64(record[1:])), dag.CommitIndex(binary.BigEndian.Uint64(record[9:]))}, nil
}

// EncodeHead is the first record of a proof: a head with its Resume.
func EncodeHead(c *ordering.Commit) []byte {
	return append(c.CommitHeader.Append([]byte{recordHead}), c.Resume...)
}

// DecodeHead reads what EncodeHead wrote: a commit with header, digest and Resume. Errors wrap ErrSnapshot.
func DecodeHead(record []byte) (*ordering.Commit, error) {
	if len(record) < 1+ordering.HeaderSize || record[0] != recordHead {
		return nil, wrong("no head")
	}
	h, err := ordering.DecodeHeader(record[1 : 1+ordering.HeaderSize])
	if err != nil {
		return nil, wrong("head: %w", err)
	}
	c := &ordering.Commit{CommitHeader: h, Resume: append([]byte(nil), record[1+ordering.HeaderSize:]...)}
	c.Digest = c.ComputeDigest()
	return c, nil
}

// EncodeHeader is a further record of a proof: the header of the next commit.
func EncodeHeader(h *ordering.CommitHeader) []byte {
	return h.Append([]byte{recordHeader})
}

// EncodeWitness is a last record of a proof: a block that names the head or one of the headers.
func EncodeWitness(b *dag.Verified) []byte { return append([]byte{recordWitness}, b.Bytes()...) }

// EncodeState is a record that answers AskStates.
func EncodeState(s ordering.State) []byte {
	return append([]byte{recordState, byte(s.Kind)}, s.Encoded...)
}

// EncodeCommit is a record that answers AskWindow; record is what ordering.EncodeRecord made.
func EncodeCommit(record []byte) []byte { return append([]byte{recordCommit}, record...) }

// EncodeDeal is a record that answers AskDeals.
func EncodeDeal(block []byte) []byte { return append([]byte{recordDeal}, block...) }
