package ordering

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Commit is one committed round.
type Commit struct {
	CommitHeader
	Digest   crypto.Digest
	Anchors  []dag.Ref   // the round's committed anchors in slot order
	Blocks   []dag.Ref   // the ordered sub-DAG that the anchors bring in
	Chains   []ChainStep // of the namespaces that it touched, and of some others; by namespace
	Accepted []Accepted  // in order; the index in this slice is an item's index in the commit
	Dropped  []Dropped   // what the ordered filters kept out, in order
	Resume   []byte      // the engine's state after this commit but for the seen ids and States; for Restore
	States   []State     // the carried states that this commit changed, by ascending kind

	Controls []Controlled // what its changes of the registry came to, in order

	// Bodies are the blocks of Blocks, in the same order. A commit that was read from the store
	// has none until they are looked up.
	Bodies []*dag.Verified
}

// Accepted is one item that passed the ordered filters.
type Accepted struct {
	ID        crypto.Digest
	Namespace dag.Namespace // of a bundle: its first leg's
	Block     uint32        // index into Blocks
	Item      uint32        // index into that block's items
}

// Dropped is one item that an ordered filter kept out, finally.
type Dropped struct {
	ID     crypto.Digest // zero for a malformed item
	Block  uint32
	Item   uint32
	Reason DropReason
}

// DropReason names the ordered filter that kept an item out.
type DropReason uint8

// The ordered filters. There are no others.
const (
	DropMalformed DropReason = iota + 1
	DropUnknownNamespace
	DropExpired
	DropTooFarAhead
	DropDuplicate
	DropClosedNamespace
)

var dropNames = [...]string{"", "MALFORMED", "NAMESPACE_UNKNOWN", "EXPIRED", "TOO_FAR_AHEAD", "DUPLICATE", "NAMESPACE_CLOSED"}

// String is the reason's name in the API.
func (r DropReason) String() string {
	if int(r) < len(dropNames) {
		return dropNames[r]
	}
	return fmt.Sprintf("DropReason(%d)", uint8(r))
}

// Ref names the commit.
func (c *Commit) Ref() dag.CommitRef { return dag.CommitRef{Index: c.Index, Digest: c.Digest} }

func appendRefs(b []byte, refs []dag.Ref) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(refs)))
	for _, r := range refs {
		b = r.Append(b)
	}
	return b
}

func appendChains(b []byte, steps []ChainStep) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(steps)))
	for i := range steps {
		s := &steps[i]
		b = binary.BigEndian.AppendUint64(b, uint64(s.Namespace))
		b = append(append(b, s.Before[:]...), s.After[:]...)
	}
	return b
}

// ErrCommit wraps everything that can be wrong with an encoded commit.
var ErrCommit = errors.New("malformed commit")

const (
	acceptedSize  = crypto.DigestSize + 8 + 4 + 4
	droppedSize   = crypto.DigestSize + 4 + 4 + 1
	chainStepSize = 8 + 2*crypto.DigestSize
)

// Encode is the commit as the store keeps it: header, digest, anchors, blocks, chains, accepted and dropped
// items, resume state, carried states, results of controls; bodies are left out.
func (c *Commit) Encode() []byte {
	lists := len(c.Blocks)*dag.RefSize + len(c.Chains)*chainStepSize + len(c.Accepted)*acceptedSize + len(c.Dropped)*droppedSize
	b := c.CommitHeader.Append(make([]byte, 0, HeaderSize+256+lists+len(c.Resume)))
	b = append(b, c.Digest[:]...)
	b = appendRefs(b, c.Anchors)
	b = appendRefs(b, c.Blocks)
	b = appendChains(b, c.Chains)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Accepted)))
	for i := range c.Accepted {
		a := &c.Accepted[i]
		b = append(b, a.ID[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(a.Namespace))
		b = binary.BigEndian.AppendUint32(b, a.Block)
		b = binary.BigEndian.AppendUint32(b, a.Item)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Dropped)))
	for i := range c.Dropped {
		d := &c.Dropped[i]
		b = append(b, d.ID[:]...)
		b = binary.BigEndian.AppendUint32(b, d.Block)
		b = binary.BigEndian.AppendUint32(b, d.Item)
		b = append(b, byte(d.Reason))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Resume)))
	b = append(b, c.Resume...)
	b = appendStates(b, c.States)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Controls)))
	for _, r := range c.Controls {
		b = binary.BigEndian.AppendUint32(b, r.Accepted)
		b = append(b, byte(r.Result))
	}
	return b
}

// DecodeCommit reads what Encode wrote, and checks the digest against the header and the header against anchors
// and blocks. Errors wrap ErrCommit.
func DecodeCommit(raw []byte) (*Commit, error) {
	d := commitDecoder{rest: raw}
	c := &Commit{CommitHeader: d.header(), Digest: d.digest(), Anchors: d.refs(), Blocks: d.refs(), Chains: d.chains()}
	if n := d.count(acceptedSize); n > 0 {
		c.Accepted = make([]Accepted, n)
		for i := range c.Accepted {
			c.Accepted[i] = Accepted{ID: d.digest(), Namespace: dag.Namespace(d.uint64()), Block: d.uint32(), Item: d.uint32()}
		}
	}
	if n := d.count(droppedSize); n > 0 {
		c.Dropped = make([]Dropped, n)
		for i := range c.Dropped {
			c.Dropped[i] = Dropped{ID: d.digest(), Block: d.uint32(), Item: d.uint32(), Reason: DropReason(d.byte())}
		}
	}
	c.Resume = append([]byte(nil), d.take(d.count(1))...)
	c.States = d.states()
	for range d.count(controlledSize) {
		c.Controls = append(c.Controls, Controlled{Accepted: d.uint32(), Result: dag.ControlResult(d.byte())})
	}
	if d.failed || len(d.rest) != 0 {
		return nil, fmt.Errorf("%w: cut short or bytes left over", ErrCommit)
	}
	switch {
	case c.ComputeDigest() != c.Digest:
		return nil, fmt.Errorf("%w: commit %d does not have the digest %v that it names", ErrCommit, c.Index, c.Digest)
	case DAGRoot(c.Anchors, c.Blocks) != c.DAGRoot:
		return nil, fmt.Errorf("%w: commit %d does not have the anchors and blocks that it names", ErrCommit, c.Index)
	case int(c.Items) != len(c.Accepted):
		return nil, fmt.Errorf("%w: commit %d has %d items and names %d", ErrCommit, c.Index, len(c.Accepted), c.Items)
	}
	return c, nil
}

// commitDecoder reads fixed parts off the front; after a short read failed is true and everything
// read is zero.
type commitDecoder struct {
	rest   []byte
	failed bool
}

func (d *commitDecoder) take(n int) []byte {
	if d.failed || len(d.rest) < n {
		d.failed = true
		return nil
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out
}

func (d *commitDecoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *commitDecoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *commitDecoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *commitDecoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *commitDecoder) digest() (out crypto.Digest) {
	copy(out[:], d.take(crypto.DigestSize))
	return out
}

// count reads the length of a list whose entries take size bytes, and refuses more than are there.
func (d *commitDecoder) count(size int) int {
	n := int(d.uint32())
	if n*size > len(d.rest) {
		d.failed = true
		return 0
	}
	return n
}

func (d *commitDecoder) refs() []dag.Ref {
	n := d.count(dag.RefSize)
	refs := make([]dag.Ref, n)
	for i := range refs {
		refs[i] = dag.DecodeRef(d.take(dag.RefSize))
	}
	return refs
}

func (d *commitDecoder) chains() []ChainStep {
	n := d.count(chainStepSize)
	if n == 0 {
		return nil
	}
	steps := make([]ChainStep, n)
	for i := range steps {
		steps[i] = ChainStep{Namespace: dag.Namespace(d.uint64()), Before: d.digest(), After: d.digest()}
	}
	return steps
}
