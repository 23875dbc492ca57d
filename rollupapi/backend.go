// Package rollupapi is what rollups and their tools talk to: it admits transactions, says what
// has become of them, and serves the committed order, over Connect, REST, server-sent events and
// JSON-RPC on one port. It keeps nothing on disk: the order comes from a History.
package rollupapi

import (
	"context"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// Sequencer takes admitted items into own blocks. It must be safe for concurrent use.
type Sequencer interface {
	// Submit blocks until every item is Included or refused, and answers one outcome per item, in
	// their order; Busy and the like are outcomes. An error means that the node is stopping or that
	// ctx ended; what became of the items is then unknown.
	Submit(ctx context.Context, items []dag.Item) ([]ordering.Outcome, error)
}

// History reads the committed order. It must be safe for concurrent use, and what it answers for
// an index or id that exists must never change.
type History interface {
	// Heads says how far the history reaches. It must not block. Commit and Lookup know everything up
	// to Committed by the time that Heads says so, and Reveals.Reveal everything up to Revealed.
	Heads() Heads
	// Commit reads one commit with its Bodies; false if it is not there (not yet, or pruned).
	Commit(index dag.CommitIndex) (*ordering.Commit, bool, error)
	// Record is Commit for who needs no Bodies, which may be missing.
	Record(index dag.CommitIndex) (*ordering.Commit, bool, error)
	// Lookup finds where an id was committed; false if it was not, as far as this node knows.
	Lookup(id crypto.Digest) (Location, bool, error)
	// LookupRecent is Lookup over a stretch of recent history that is longer than the window of
	// duplicates; it must be cheap for ids that are not there, since every submission asks.
	LookupRecent(id crypto.Digest) (Location, bool, error)
	// DealBlock reads the encoding of the block that brought in a deal of a key, which its dealer signed; false if it is
	// no longer kept. A node should keep it when it prunes the commit.
	DealBlock(d *ordering.Deal) (block []byte, ok bool, err error)
}

// DAG reads the blocks under the order, committed or not. It must be safe for concurrent use.
type DAG interface {
	// Round gives the encodings of a round's blocks that this node has, by author, as many as maxBytes allow but
	// at least one if there is one.
	Round(round dag.Round, maxBytes int) ([][]byte, error)
	// Block gives the encoding of one block, and whether this node has it.
	Block(ref dag.Ref) ([]byte, bool, error)
}

// Watcher tells what followers of the order wait for. It must be safe for concurrent use.
type Watcher interface {
	// Wait blocks until Heads().Committed is larger than after, and returns it; or until ctx ends, and
	// returns its error.
	Wait(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error)
	// CommitsOfNamespace lists up to limit commits larger than after, ascending, that hold an item of
	// the namespace (a bundle counts for every namespace of its legs).
	CommitsOfNamespace(ns dag.Namespace, after dag.CommitIndex, limit int) ([]dag.CommitIndex, error)
}

// Sealing is the key generation and its keys, as the committed order makes them. It must be safe for
// concurrent use and must not block: it answers from a snapshot that is at most a commit old.
type Sealing interface {
	// SealingStatus says where the key generation stands.
	SealingStatus() keygen.Status
	// SealingKeys is all keys that are ready, oldest first; the last one serves. None before the first.
	SealingKeys() []keygen.Key
	// SealingOrigins is the deals that a ready key is made of, by dealer; nil for an unknown key.
	SealingOrigins(id uint64) ([]keygen.Origin, error)
}

// Reveals is what became of sealed items. It must be safe for concurrent use.
type Reveals interface {
	// Reveal reads the outcomes of a commit's sealed items. It is false if the commit is not revealed, is
	// pruned or has no sealed items. What it answers for a commit up to Heads.Revealed never changes.
	Reveal(index dag.CommitIndex) (*reveal.Record, bool, error)
	// WaitRevealed blocks until Heads().Revealed is larger than after, and returns it; or until ctx ends,
	// and returns its error.
	WaitRevealed(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error)
	// RevealProgress says of a commit with sealed items that is not revealed how many validators' shares
	// are here and count, how many are needed, and whose are missing; ok is false for any other
	// commit. It must not block.
	RevealProgress(index dag.CommitIndex) (have, need int, missing []dag.Author, ok bool)
}

// Certificates is the certificates of commits, and the keys that they are signed with. It must be safe for
// concurrent use. All but Certificate and WaitCertified must not block.
type Certificates interface {
	// Certificate reads the certificate of a commit or, where it has none, of the next commit that has one, which
	// covers it; false for none yet. It has been verified.
	Certificate(index dag.CommitIndex) (*certificate.Certificate, bool, error)
	// WaitCertified blocks until Heads().Certified is larger than after, and returns it; or until ctx ends,
	// and returns its error.
	WaitCertified(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error)
	// CertificateStatus says where the generation of the key stands.
	CertificateStatus() keygen.Status
	// CertificateKeys is all keys that are ready, oldest first; the last one serves. None before the first.
	CertificateKeys() []keygen.Key
	// CertificateOrigins is the deals that a ready key is made of, by dealer.
	CertificateOrigins(id uint64) ([]keygen.Origin, error)
}

// NodeInfo says how the node is doing. It must be safe for concurrent use and must not block.
type NodeInfo interface {
	// Status is a snapshot. The latencies, Sealing, Revealed and Reveal are filled in by the Server.
	Status() NodeStatus
	// Standing is the part of it that every call asks for; it must be cheap.
	Standing() Standing
}

// Standing is how far a node has come.
type Standing struct {
	Round  dag.Round       // of its DAG
	Behind dag.CommitIndex // commits that the node is known to lack
}

// Namespaces knows which namespaces there are. It must be safe for concurrent use and must not block.
// A *dag.Registry is one that never changes.
type Namespaces interface {
	// Registry is the registry as of the newest commit, or of one more than Heads says.
	Registry() *dag.Registry
}

// Heads is how far a node's history reaches.
type Heads struct {
	Committed dag.CommitIndex // the newest commit; 0 for none yet
	Revealed  dag.CommitIndex // all commits up to it are revealed; one without sealed items is at once
	Certified dag.CommitIndex // a certificate covers all commits up to it
	Earliest  dag.CommitIndex // the oldest commit that is still kept; 0 or 1 if none is pruned
	Epoch     dag.Epoch
}

// Headed says how far the node has come. It must be safe for concurrent use and must not block.
type Headed interface {
	// Heads is History's.
	Heads() Heads
}

// Location is an item's place in the order.
type Location struct {
	Commit dag.CommitIndex
	Index  uint32 // in the commit's accepted items, over all namespaces
}

// NodeStatus is what a node says of itself. The JSON names are those of `dunlin status --json`.
type NodeStatus struct {
	Name         string          `json:"name"`
	NetworkID    crypto.Digest   `json:"network_id"`
	Chain        string          `json:"chain"`
	Version      string          `json:"version"`
	Role         Role            `json:"role"`
	Author       string          `json:"author,omitempty"` // the validator's letter
	Epoch        dag.Epoch       `json:"epoch"`
	Round        dag.Round       `json:"round"`
	Commit       dag.CommitIndex `json:"commit"`
	CommitDigest crypto.Digest   `json:"commit_digest"`
	Peers        int             `json:"peers"` // connected validators, this node not counted
	PeerList     []PeerStatus    `json:"peer_list"`
	Proposing    bool            `json:"proposing"`
	Reason       string          `json:"reason"` // why it does not propose; empty if it does
	PoolItems    int             `json:"pool_items"`
	PoolBytes    int             `json:"pool_bytes"`
	Started      int64           `json:"started_unix_ms"`
	Uptime       int64           `json:"uptime_ms"`
	Behind       dag.CommitIndex `json:"behind"`         // commits that the node is known to lack
	ETA          int64           `json:"eta_ms"`         // until it has them, at the present speed; 0 if unknown or there is nothing to catch up with
	Equivocators int             `json:"equivocators"`   // validators whose signed contradictions this node holds
	LatencyP50   float64         `json:"latency_p50_ms"` // transactions submitted here, from entry to commit
	LatencyP99   float64         `json:"latency_p99_ms"`
	Sealing      KeyGeneration   `json:"sealing"`
	Revealed     dag.CommitIndex `json:"revealed"`  // all commits up to it are opened
	Certified    dag.CommitIndex `json:"certified"` // all commits up to it are certified
	Archive      Archive         `json:"archive,omitempty"`
	Reveal       *RevealProgress `json:"reveal,omitempty"` // what the first commit past Revealed waits for; nil if it does not wait
}

// Role is what a node does in its network.
type Role string

// The roles.
const (
	RoleValidator Role = "validator"
	RoleObserver  Role = "observer"
)

// Archive is where the history is from the first commit on.
type Archive string

// The places. Before the others were asked it is empty.
const (
	ArchiveHere Archive = "here"
	ArchivePeer Archive = "peer" // a connected node says so
	ArchiveNone Archive = "none" // as far as connected nodes say
)

// PeerStatus is one validator as another node sees it.
type PeerStatus struct {
	Name      string `json:"name"`
	Connected bool   `json:"connected"`
	Lagging   bool   `json:"lagging"` // its newest block is far behind ours
}
