package p2p

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// All protocols speak in frames, integers big-endian:
//
//	length 4 (of the body) | kind 1 | body
//
// Push, /dunlin/<8 hex of the network id>/push/1: each side opens one stream, writes frames on it
// for as long as it is connected and reads nothing. Fetch, /dunlin/<8 hex>/fetch/1: the asker
// writes one request and closes its side; the answer is block frames and one trailer. Offer,
// /dunlin/<8 hex>/offer/1: the asker writes items and closes its side; the answer is their verdicts.
// Snapshot, /dunlin/<8 hex>/snapshot/1: the asker writes one query and closes its side; the answer is
// records in parts and one trailer.
//
//	block         encoded block
//	frontier      count 2 | count x ref 42
//	ask newest    empty
//	answer newest signed round 8 | encoded block or nothing
//	ping, pong    8 bytes that the pong gives back
//	fetch refs    count 2 (1 to 1000) | count x ref 42
//	fetch rounds  from 8 | to 8
//	trailer       status 1 | blocks 4 | next round 8 (the first that was not served in full)
//	item          encoded transaction or bundle
//	verdicts      1 for each item: taken 1, not now 2, refused 3
//	query         see package snapshot
//	part          1 if the record goes on in the next frame, else 0 | bytes of a record
type frameKind uint8

const (
	kindBlock frameKind = iota + 1
	kindFrontier
	kindAskNewest
	kindAnswerNewest
	kindPing
	kindPong
	kindFetchRefs
	kindFetchRounds
	kindTrailer
	kindItem
	kindVerdicts
	kindQuery
	kindPart
)

const (
	frameHeader = 5
	pingSize    = 8
	trailerSize = 1 + 4 + 8
	roundsSize  = 8 + 8
)

// The statuses of a trailer.
const (
	fetchComplete uint8 = iota // all that was asked and is there
	fetchCut                   // the answer reached its limit
	fetchBusy                  // nothing served: the asker is over its rate
	fetchError                 // the server could not read its blocks
)

// errWire wraps everything that can be wrong with a frame. It is always its sender's fault.
var errWire = errors.New("malformed frame")

// bodyLimits holds the smallest and largest body of each kind in bytes.
var bodyLimits = [...]struct{ low, high int }{
	kindBlock:        {1, dag.MaxBlockBytes},
	kindFrontier:     {2, 2 + dag.MaxCommittee*dag.RefSize},
	kindAskNewest:    {0, 0},
	kindAnswerNewest: {answerFixed, answerFixed + dag.MaxBlockBytes},
	kindPing:         {pingSize, pingSize},
	kindPong:         {pingSize, pingSize},
	kindFetchRefs:    {2 + dag.RefSize, 2 + maxFetchRefs*dag.RefSize},
	kindFetchRounds:  {roundsSize, roundsSize},
	kindTrailer:      {trailerSize, trailerSize},
	kindItem:         {1, maxGossipItem},
	kindVerdicts:     {1, MaxOfferItems},
	kindQuery:        {snapshot.QuerySize, snapshot.QuerySize},
	kindPart:         {2, 1 + partBytes},
}

// frame is one message on a stream. The body of a block frame is the block's own bytes.
type frame struct {
	kind frameKind
	body []byte
}

func (f frame) size() int { return frameHeader + len(f.body) }

func (f frame) writeTo(w io.Writer) error {
	var header [frameHeader]byte
	binary.BigEndian.PutUint32(header[:], uint32(len(f.body)))
	header[4] = byte(f.kind)
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	_, err := w.Write(f.body)
	return err
}

// parseHeader reads kind and body length and holds them against the kind's limits.
func parseHeader(header []byte) (frameKind, int, error) {
	size, kind := binary.BigEndian.Uint32(header), frameKind(header[4])
	if kind == 0 || int(kind) >= len(bodyLimits) {
		return 0, 0, fmt.Errorf("%w: kind %d is unknown", errWire, kind)
	}
	if l := bodyLimits[kind]; int64(size) < int64(l.low) || int64(size) > int64(l.high) {
		return 0, 0, fmt.Errorf("%w: kind %d with a body of %d bytes, want %d to %d", errWire, kind, size, l.low, l.high)
	}
	return kind, int(size), nil
}

// readFrame blocks for the next frame. The body is newly allocated, in exactly its size: a block
// keeps it. Errors that do not wrap errWire are the stream's.
func readFrame(r *bufio.Reader) (frame, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	kind, size, err := parseHeader(header[:])
	if err != nil {
		return frame{}, err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return frame{}, fmt.Errorf("frame cut short: %w", err)
	}
	return frame{kind, body}, nil
}

// blockReady reports whether the next frame is a block that lies in the buffer as a whole.
func blockReady(r *bufio.Reader) bool {
	if r.Buffered() < frameHeader {
		return false
	}
	header, err := r.Peek(frameHeader)
	if err != nil {
		return false
	}
	kind, size, err := parseHeader(header)
	return err == nil && kind == kindBlock && r.Buffered() >= frameHeader+size
}

func encodeRefs(refs []dag.Ref) []byte {
	b := make([]byte, 0, 2+len(refs)*dag.RefSize)
	b = binary.BigEndian.AppendUint16(b, uint16(len(refs)))
	for _, r := range refs {
		b = r.Append(b)
	}
	return b
}

func decodeRefs(body []byte) ([]dag.Ref, error) {
	if len(body) < 2 {
		return nil, fmt.Errorf("%w: references cut short", errWire)
	}
	n, rest := int(binary.BigEndian.Uint16(body)), body[2:]
	if len(rest) != n*dag.RefSize {
		return nil, fmt.Errorf("%w: %d references in %d bytes", errWire, n, len(rest))
	}
	refs := make([]dag.Ref, n)
	for i := range refs {
		refs[i] = dag.DecodeRef(rest[i*dag.RefSize:])
	}
	return refs, nil
}

// request is what a fetch asks for: refs, or all blocks of the rounds from to to.
type request struct {
	refs     []dag.Ref
	from, to dag.Round
}

func (q request) encode() frame {
	if len(q.refs) > 0 {
		return frame{kindFetchRefs, encodeRefs(q.refs)}
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, roundsSize), uint64(q.from))
	return frame{kindFetchRounds, binary.BigEndian.AppendUint64(b, uint64(q.to))}
}

func decodeRequest(f frame) (request, error) {
	switch f.kind {
	case kindFetchRefs:
		refs, err := decodeRefs(f.body)
		if err == nil && (len(refs) == 0 || len(refs) > maxFetchRefs) {
			err = fmt.Errorf("%w: request for %d blocks, want 1 to %d", errWire, len(refs), maxFetchRefs)
		}
		return request{refs: refs}, err
	case kindFetchRounds:
		if len(f.body) != roundsSize {
			return request{}, fmt.Errorf("%w: rounds in %d bytes, want %d", errWire, len(f.body), roundsSize)
		}
		q := request{from: dag.Round(binary.BigEndian.Uint64(f.body)), to: dag.Round(binary.BigEndian.Uint64(f.body[8:]))}
		if q.from > q.to {
			return request{}, fmt.Errorf("%w: rounds %d to %d", errWire, q.from, q.to)
		}
		return q, nil
	}
	return request{}, fmt.Errorf("%w: kind %d is no request", errWire, f.kind)
}

// trailer ends an answer.
type trailer struct {
	status uint8
	blocks uint32
	next   dag.Round
}

func (t trailer) encode() frame {
	b := append(make([]byte, 0, trailerSize), t.status)
	b = binary.BigEndian.AppendUint32(b, t.blocks)
	return frame{kindTrailer, binary.BigEndian.AppendUint64(b, uint64(t.next))}
}

func decodeTrailer(body []byte) (trailer, error) {
	if len(body) != trailerSize || body[0] > fetchError {
		return trailer{}, fmt.Errorf("%w: trailer", errWire)
	}
	return trailer{body[0], binary.BigEndian.Uint32(body[1:]), dag.Round(binary.BigEndian.Uint64(body[5:]))}, nil
}

// decodeFrontier reads a frontier: at most one reference per author of the committee.
func decodeFrontier(c *dag.Committee, body []byte) ([]dag.Ref, error) {
	refs, err := decodeRefs(body)
	if err != nil {
		return nil, err
	}
	var seen dag.AuthorSet
	for _, r := range refs {
		if !c.Has(r.Author) || seen.Has(r.Author) {
			return nil, fmt.Errorf("%w: frontier names author %d twice or outside the committee", errWire, r.Author)
		}
		seen.Add(r.Author)
	}
	return refs, nil
}

// An answer about somebody's newest block: lost 1 (1 if the answerer's own log is, else 0) | signed 8 | the
// block, if there is one.
const answerFixed = 1 + 8

func encodeAnswer(a ordering.AnswerNewest) frame {
	b := []byte{0}
	if a.Lost {
		b[0] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(a.Signed))
	if a.Newest != nil {
		b = append(b, a.Newest.Bytes()...)
	}
	return frame{kindAnswerNewest, b}
}

// decodeAnswer reads an answer about the blocks of the member with key own.
func decodeAnswer(c *dag.Committee, own crypto.PublicKey, body []byte) (ordering.AnswerNewest, error) {
	if len(body) < answerFixed || body[0] > 1 {
		return ordering.AnswerNewest{}, fmt.Errorf("%w: answer cut short, or of an unknown form", errWire)
	}
	a := ordering.AnswerNewest{Lost: body[0] == 1, Signed: dag.Round(binary.BigEndian.Uint64(body[1:]))}
	if len(body) == answerFixed {
		return a, nil
	}
	v, err := dag.Verify(c, body[answerFixed:])
	if err != nil {
		return ordering.AnswerNewest{}, err
	}
	if c.Validator(v.Author()).Identity != own {
		return ordering.AnswerNewest{}, fmt.Errorf("%w: answer with a block of %v, which was not asked", errWire, v.Author())
	}
	a.Newest = v
	return a, nil
}

// encodeMessage is the frame of what the engine wants to say, or an error for a message that
// breaks the limits.
func encodeMessage(m ordering.Message) (frame, error) {
	switch m := m.(type) {
	case ordering.BlockMessage:
		return frame{kindBlock, m.Block.Bytes()}, nil
	case ordering.FrontierMessage:
		if len(m.Newest) > dag.MaxCommittee {
			return frame{}, fmt.Errorf("frontier of %d blocks, limit %d", len(m.Newest), dag.MaxCommittee)
		}
		return frame{kindFrontier, encodeRefs(m.Newest)}, nil
	case ordering.AskNewest:
		return frame{kindAskNewest, nil}, nil
	case ordering.AnswerNewest:
		return encodeAnswer(m), nil
	}
	return frame{}, fmt.Errorf("message of type %T is not for the wire", m)
}
