package ordering

import (
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Peer names a neighbour. Committee members are their author index; everyone else gets a number
// from FirstStranger on, which p2p gives out and takes back.
type Peer uint32

// FirstStranger is the first Peer that is no committee member.
const FirstStranger Peer = 1 << 16

// Event is one thing that happened outside the engine. A recorded list of events replays a node.
type Event interface{ event() }

// Tick tells the engine the time. Every Step sees the time of the last Tick.
type Tick struct {
	Now  time.Duration // monotonic, since the node's start
	Wall uint64        // Unix milliseconds; only ever written into blocks
}

// BlockReceived is a verified block with who sent it.
type BlockReceived struct {
	From  Peer
	Block *dag.Verified
}

// Submitted asks the pool to take items for inclusion. They have passed admission. Items with
// ValidUntil 0 that are not signed get one from the engine. Ready answers with the same Ticket.
type Submitted struct {
	Ticket uint64
	Items  []dag.Item
}

// PeerConnected says that a peer can be reached (again).
type PeerConnected struct{ Peer Peer }

// PeerDisconnected says that a peer is gone.
type PeerDisconnected struct{ Peer Peer }

// FrontierReceived is a peer's newest block of each author it knows.
type FrontierReceived struct {
	From   Peer
	Newest []dag.Ref
}

// FetchEnded says that a fetch is over: its blocks, if any, have come as BlockReceived before.
type FetchEnded struct {
	Fetch  Fetch
	Blocks int // how many blocks came
}

// NewestAsked asks for the newest block that this node knows of a committee member, and for the
// highest round that this node has signed: the member wants to know what it said before a restart.
type NewestAsked struct{ From Peer }

// NewestAnswered is a peer's answer to AskNewest.
type NewestAnswered struct {
	From   Peer
	Newest *dag.Verified // the newest block of this node's that the peer knows; nil for none
	Signed dag.Round     // the highest round that the peer itself has signed, as far as it knows
	Lost   bool          // the peer has lost its log, and does not know all that it signed
}

// DiskSpace tells the engine whether the node may still write. Without space it stops proposing.
type DiskSpace struct{ Enough bool }

func (Tick) event()             {}
func (BlockReceived) event()    {}
func (Submitted) event()        {}
func (PeerConnected) event()    {}
func (PeerDisconnected) event() {}
func (FrontierReceived) event() {}
func (FetchEnded) event()       {}
func (NewestAsked) event()      {}
func (NewestAnswered) event()   {}
func (DiskSpace) event()        {}

// Ready is the work that the engine hands out. Persist must be on disk (one fdatasync) before any
// other part of the same Ready leaves the node. The parts are in the order in which they arose.
type Ready struct {
	Persist   []*dag.Verified // accepted and own blocks, ancestors first
	Broadcast []*dag.Verified // own blocks, for every validator and for observers
	Sends     []Send
	Fetches   []Fetch
	Commits   []*Commit
	Outcomes  []Outcome
	Evidence  []dag.Evidence
	Keys      []KeyReady  // sealing keys; those of the commits of the same Ready among them
	Shares    []ShareSeen // of accepted blocks; take them after Commits

	CertificateKeys []KeyReady       // like Keys
	Signatures      []SignaturesSeen // of accepted blocks, like Shares

	Fault  error         // the rule found more than f faulty validators; the node must stop
	WakeAt time.Duration // when the engine wants a Tick at the latest; 0 for no wish
}

// Send is a message for one peer (or for all connected validators).
type Send struct {
	To      Peer
	Message Message
}

// Everyone as the receiver of a Send means all connected validators.
const Everyone Peer = 1<<32 - 1

// Message is what nodes say to each other beside blocks.
type Message interface{ message() }

// BlockMessage is a block that the receiver should have (again).
type BlockMessage struct{ Block *dag.Verified }

// FrontierMessage tells the newest block per author that the sender knows.
type FrontierMessage struct{ Newest []dag.Ref }

// AskNewest asks NewestAsked of the receiver.
type AskNewest struct{}

// AnswerNewest answers it: NewestAnswered at the receiver.
type AnswerNewest struct {
	Newest *dag.Verified // nil for none
	Signed dag.Round
	Lost   bool
}

func (BlockMessage) message()    {}
func (FrontierMessage) message() {}
func (AskNewest) message()       {}
func (AnswerNewest) message()    {}

// Fetch asks one peer for blocks: for Refs, or, if Refs is empty, for all blocks of the rounds From
// to To (both included), oldest first, as far as the limits of one answer go. At most MaxFetchRefs
// refs. Every Fetch ends in one FetchEnded.
type Fetch struct {
	ID                 uint64
	To                 Peer
	Refs               []dag.Ref
	FromRound, ToRound dag.Round
}

// OutcomeState is what became of a submitted item.
type OutcomeState uint8

// The outcomes. Every item of a Submitted gets exactly one, unless the node stops before: Included
// once it stands in an own block that is on disk, the others as soon as they are known.
const (
	Included        OutcomeState = iota + 1
	Committed                    // it had been committed before
	Busy                         // the pool is full: retry later
	Expired                      // valid_until has passed
	TooFarAhead                  // valid_until lies more than dag.ValidityWindow commits ahead
	OverShare                    // the namespace has its share of the pool, or its quota's, waiting: retry later
	NamespaceClosed              // the namespace was closed while the item waited
	NotProposing                 // this node makes no blocks now (observer, recovering, out of disk)
)

// Outcome answers one item of a Submitted.
type Outcome struct {
	Ticket uint64
	Index  int // in Submitted.Items
	ID     crypto.Digest
	State  OutcomeState
	Block  dag.Ref         // Included: the block
	Commit dag.CommitIndex // Committed: where
}
