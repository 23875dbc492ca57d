package ordering

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// StateKind names a state that the engine carries from commit to commit and that changes rarely. A
// commit holds the states that it changed; every commit names, for each kind, the commit that wrote it
// last and its digest, so that the newest commit leads to all of them.
type StateKind uint8

// The carried states.
const (
	// SealingKey is package keygen's state for the key that contents are sealed with, in networks with
	// sealing only.
	SealingKey StateKind = iota + 1
	// Namespaces is the registry, in networks whose genesis lets somebody change it.
	Namespaces
	// CertificateKey is package keygen's state for the key that certificates are signed with, in networks
	// with certification only.
	CertificateKey
)

// String is the kind for people.
func (k StateKind) String() string {
	switch k {
	case SealingKey:
		return "generation of the sealing key"
	case Namespaces:
		return "registry of namespaces"
	case CertificateKey:
		return "generation of the certificate key"
	}
	return fmt.Sprintf("StateKind(%d)", uint8(k))
}

// State is a carried state, encoded.
type State struct {
	Kind    StateKind
	Encoded []byte
}

// StateRef is where a carried state was written last.
type StateRef struct {
	Kind   StateKind
	Commit dag.CommitIndex // whose States hold it; 0 if it stands as at the start
	Digest crypto.Digest   // of the state, not of its encoding
}

// A commit's Resume begins with its state references: their count 1, and for each, by ascending kind,
// the kind 1, the commit 8, the digest 32.
const stateRefSize = 1 + 8 + crypto.DigestSize

// StateRefs is where the carried states are as they stood after c, by ascending kind. It is nil where
// Resume is malformed, which a restart refuses.
func (c *Commit) StateRefs() []StateRef {
	refs, _, err := decodeStateRefs(c.Resume)
	if err != nil {
		return nil
	}
	return refs
}

// decodeStateRefs reads the references off the front of a commit's Resume and gives what follows.
func decodeStateRefs(resume []byte) (refs []StateRef, rest []byte, err error) {
	d := commitDecoder{rest: resume}
	for range d.byte() {
		refs = append(refs, StateRef{Kind: StateKind(d.byte()), Commit: dag.CommitIndex(d.uint64()), Digest: d.digest()})
	}
	if d.failed {
		return nil, nil, fmt.Errorf("%w: references to carried states cut short", ErrCommit)
	}
	return refs, d.rest, nil
}

// ReadStates is the carried states as they stood after head, for a restart or a snapshot; head may be nil.
// It asks commit for the commits that hold them.
func ReadStates(head *Commit, commit func(dag.CommitIndex) (*Commit, error)) ([]State, error) {
	if head == nil {
		return nil, nil
	}
	var out []State
	for _, ref := range head.StateRefs() {
		if ref.Commit == 0 {
			continue
		}
		c, err := commit(ref.Commit)
		if err != nil {
			return nil, fmt.Errorf("%v, written with commit %d: %w", ref.Kind, ref.Commit, err)
		}
		encoded := encodedState(c.States, ref.Kind)
		if encoded == nil {
			return nil, fmt.Errorf("%w: commit %d does not hold the %v", ErrCommit, ref.Commit, ref.Kind)
		}
		out = append(out, State{ref.Kind, encoded})
	}
	return out, nil
}

func encodedState(states []State, kind StateKind) []byte {
	for _, s := range states {
		if s.Kind == kind {
			return s.Encoded
		}
	}
	return nil
}

// carrier is a state as the engine's parts keep it.
type carrier interface {
	// Digest is cheap while nothing has changed.
	Digest() crypto.Digest
	Encode() []byte
}

// carried is one carrier with where it was written last.
type carried struct {
	StateRef
	state carrier
}

func newCarried(kind StateKind, state carrier) carried {
	return carried{StateRef{Kind: kind, Digest: state.Digest()}, state}
}

// writeStates puts what commit c changed into it, and references to all carried states into its Resume.
func (e *Engine) writeStates(c *Commit) {
	c.Resume = []byte{byte(len(e.carried))}
	for i := range e.carried {
		s := &e.carried[i]
		if d := s.state.Digest(); d != s.Digest {
			s.Commit, s.Digest = c.Index, d
			c.States = append(c.States, State{s.Kind, s.state.Encode()})
		}
		c.Resume = append(c.Resume, byte(s.Kind))
		c.Resume = binary.BigEndian.AppendUint64(c.Resume, uint64(s.Commit))
		c.Resume = append(c.Resume, s.Digest[:]...)
	}
}

// restoreStates goes on from the states that were written, which must be those of the head. It gives
// the rest of the head's Resume.
func (e *Engine) restoreStates(r Restored) ([]byte, error) {
	refs, rest, err := decodeStateRefs(r.Head.Resume)
	if err != nil {
		return nil, err
	}
	if len(refs) != len(e.carried) {
		return nil, fmt.Errorf("%w: commit %d carries %d states, this network %d", ErrCommit, r.Head.Index, len(refs), len(e.carried))
	}
	for i, ref := range refs {
		s := &e.carried[i]
		if ref.Kind != s.Kind {
			return nil, fmt.Errorf("%w: commit %d carries a %v in place of the %v", ErrCommit, r.Head.Index, ref.Kind, s.Kind)
		}
		if ref.Commit > 0 {
			if s.state, err = e.decodeState(ref.Kind, encodedState(r.States, ref.Kind)); err != nil {
				return nil, fmt.Errorf("%v as of commit %d: %w", ref.Kind, ref.Commit, err)
			}
		}
		if s.state.Digest() != ref.Digest {
			return nil, fmt.Errorf("%w: the %v is not that of commit %d", ErrCommit, ref.Kind, r.Head.Index)
		}
		s.StateRef = ref
	}
	return rest, nil
}

var errStateKind = errors.New("no such state is carried")

// decodeState hands a state that was written to its owner.
func (e *Engine) decodeState(kind StateKind, encoded []byte) (carrier, error) {
	switch kind {
	case SealingKey:
		return e.sealing.decode(e.cfg.Committee, keygen.Sealing, encoded)
	case Namespaces:
		registry, err := e.cfg.Registry.Decode(encoded)
		if err != nil {
			return nil, err
		}
		e.registrar.registry, e.pool.rules = registry, registry
		return e.registrar, nil
	case CertificateKey:
		return e.certificates.decode(e.cfg.Committee, keygen.Certificates, encoded)
	}
	return nil, fmt.Errorf("%w: %v", errStateKind, kind)
}

// appendStates appends their count 1, and for each the kind 1, the length 4 and the encoding.
func appendStates(b []byte, states []State) []byte {
	b = append(b, byte(len(states)))
	for _, s := range states {
		b = append(b, byte(s.Kind))
		b = binary.BigEndian.AppendUint32(b, uint32(len(s.Encoded)))
		b = append(b, s.Encoded...)
	}
	return b
}

func (d *commitDecoder) states() []State {
	var out []State
	for range d.byte() {
		kind := StateKind(d.byte())
		out = append(out, State{kind, append([]byte(nil), d.take(d.count(1))...)})
		if d.failed {
			return nil
		}
	}
	return out
}
