package ordering

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// The engine's part of certificates: it says which commits are checkpoints, runs the generation of the
// certificate key on the commits, puts this validator's signatures into own blocks, and hands out those of
// others. It neither makes nor checks a signature: that takes time, and is done beside it; see package
// certificate.

// KindSignatures is the system message that carries a validator's signatures of checkpoints. Only the first of a block
// counts. Kinds 1, 2, 4 and 5 are package keygen's.
const KindSignatures dag.SystemKind = 6

// Certification says whether a network certifies its commits. All its nodes must say the same.
type Certification uint8

// A network without certification makes no certificate key.
const (
	Uncertified Certification = iota
	WithCertificates
)

// A certificate of a commit is one of all before it, whose digests it chains to. So only checkpoints are signed:
// a commit is one if since the last one CheckpointPace has passed and an item was accepted, or CheckpointIdle has
// passed, or CheckpointMost commits were made. The times are those of the commits, in milliseconds, so that all
// nodes come to the same checkpoints.
const (
	CheckpointPace = 50
	CheckpointIdle = 1000
	CheckpointMost = 256
)

// checkpoints is what the choice of checkpoints hangs on: the newest one, and what came since.
type checkpoints struct {
	last  dag.CommitIndex
	at    uint64 // its time
	items bool   // something was accepted since
}

// close ends a commit.
func (p *checkpoints) close(c *Commit) {
	p.items = p.items || len(c.Accepted) > 0
	if mutant.Planted(mutant.CheckpointByRound) && c.Round%2 == 0 {
		return
	}
	since := c.Time - p.at
	if (p.items && since >= CheckpointPace) || since >= CheckpointIdle || c.Index-p.last >= CheckpointMost {
		*p = checkpoints{last: c.Index, at: c.Time}
	}
}

// checkpointsSize is the size of the encoding in a commit's Resume, behind the state references: index 8, time 8,
// whether something was accepted since 1.
const checkpointsSize = 8 + 8 + 1

func (p *checkpoints) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(p.last))
	b = binary.BigEndian.AppendUint64(b, p.at)
	if p.items {
		return append(b, 1)
	}
	return append(b, 0)
}

// decode reads the encoding off the front and gives what follows.
func (p *checkpoints) decode(b []byte) ([]byte, error) {
	d := commitDecoder{rest: b}
	p.last, p.at = dag.CommitIndex(d.uint64()), d.uint64()
	items := d.byte()
	if p.items = items == 1; d.failed || items > 1 {
		return nil, fmt.Errorf("%w: state of checkpoints", ErrCommit)
	}
	return d.rest, nil
}

// Checkpoint is the newest checkpoint up to c, which c itself may be. It is 0 where Resume is malformed, which a
// restart refuses.
func (c *Commit) Checkpoint() dag.CommitIndex {
	_, rest, err := decodeStateRefs(c.Resume)
	var p checkpoints
	if err == nil {
		_, err = p.decode(rest)
	}
	if err != nil {
		return 0
	}
	return p.last
}

// Signed is a validator's signature of a checkpoint.
type Signed struct {
	Commit    dag.CommitIndex
	Signature certify.Signature
}

const (
	signedSize = 8 + certify.SignatureSize
	// MaxSigned is how many signatures one message carries.
	MaxSigned = 16
)

// ErrSigned wraps bytes that are no message of signatures. It is its author's fault.
var ErrSigned = errors.New("malformed message of signatures")

// EncodeSigned is a system message's payload: for each of 1 to MaxSigned signatures the commit 8 and the signature
// 48, by ascending commit.
func EncodeSigned(signed []Signed) []byte {
	b := make([]byte, 0, len(signed)*signedSize)
	for i := range signed {
		b = binary.BigEndian.AppendUint64(b, uint64(signed[i].Commit))
		b = append(b, signed[i].Signature[:]...)
	}
	return b
}

// DecodeSigned reads what EncodeSigned wrote. Errors wrap ErrSigned.
func DecodeSigned(payload []byte) ([]Signed, error) {
	n := len(payload) / signedSize
	if len(payload)%signedSize != 0 || n == 0 || n > MaxSigned {
		return nil, fmt.Errorf("%w: %d bytes, want 1 to %d times %d", ErrSigned, len(payload), MaxSigned, signedSize)
	}
	out := make([]Signed, n)
	for i := range out {
		b := payload[i*signedSize : (i+1)*signedSize]
		out[i] = Signed{dag.CommitIndex(binary.BigEndian.Uint64(b)), certify.Signature(b[8:])}
		if i > 0 && out[i].Commit <= out[i-1].Commit {
			return nil, fmt.Errorf("%w: commit %d after %d", ErrSigned, out[i].Commit, out[i-1].Commit)
		}
	}
	return out, nil
}

// SignaturesMade offers this validator's signatures for own blocks, by ascending commit.
type SignaturesMade struct{ Signed []Signed }

func (SignaturesMade) event() {}

// SignaturesSeen is signatures that stand in an accepted block, MaxSigned at most, and does not hold on to the block.
// Nobody has looked at them.
type SignaturesSeen struct {
	Block   dag.Ref
	Payload []byte
}

// certificates is the engine's state of them; nil in a network without.
type certificates struct {
	*generation
	queue  []Signed        // for own blocks
	urgent dag.CommitIndex // the newest checkpoint that somebody waits for
}

func newCertificates(cfg Config) (*certificates, error) {
	if cfg.Certification == Uncertified {
		return nil, nil
	}
	g, err := newGeneration(cfg, keygen.Certificates)
	if err != nil {
		return nil, err
	}
	return &certificates{generation: g}, nil
}

// closeCertificates ends a commit for the checkpoints and the key generation.
func (e *Engine) closeCertificates(c *Commit) {
	items := e.checkpoints.items || len(c.Accepted) > 0
	e.checkpoints.close(c)
	s := e.certificates
	if s == nil {
		return
	}
	if key := s.keygen.Close(c.Index); key != nil {
		e.ready.CertificateKeys = append(e.ready.CertificateKeys, s.ready(*key))
	}
	if items && e.checkpoints.last == c.Index {
		s.urgent = c.Index
	}
}

// signaturesMade queues signatures for the next own block, of commits of this engine's own order. The newest
// matter most: an older one has room only while it is there.
func (e *Engine) signaturesMade(ev SignaturesMade) {
	s := e.certificates
	if s == nil || s.member == nil {
		return
	}
	for _, o := range ev.Signed {
		if o.Commit <= e.head.Index && (len(s.queue) == 0 || o.Commit > s.queue[len(s.queue)-1].Commit) {
			s.queue = append(s.queue, o)
		}
	}
	s.queue = s.queue[max(0, len(s.queue)-MaxSigned):]
}

// say puts the queued signatures into an own block.
func (s *certificates) say(out *systemMessages) {
	if len(s.queue) > 0 && out.add(dag.SystemMessage{Kind: KindSignatures, Payload: EncodeSigned(s.queue)}) {
		s.queue = s.queue[:0]
	}
}

// saysMore reports whether a signature that somebody waits for waits for an own block. Others wait for the
// next block, whenever it comes: signatures alone keep no network awake.
func (s *certificates) saysMore() bool {
	return s != nil && len(s.queue) > 0 && s.queue[0].Commit <= s.urgent
}

// signaturesSeen hands out the signatures of an accepted block: one message, so that nobody crowds out the others'.
func (e *Engine) signaturesSeen(b *dag.Verified) {
	if e.certificates == nil {
		return
	}
	system := b.Block().System
	at := slices.IndexFunc(system, func(m dag.SystemMessage) bool { return m.Kind == KindSignatures })
	if at >= 0 && len(system[at].Payload) <= MaxSigned*signedSize {
		e.ready.Signatures = append(e.ready.Signatures, SignaturesSeen{Block: b.Ref(), Payload: bytes.Clone(system[at].Payload)})
	}
}
