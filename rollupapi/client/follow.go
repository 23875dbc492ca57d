package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

const (
	heartbeat    = 2 * time.Second  // asked of the node
	stallTimeout = 15 * time.Second // without a message the connection is given up: several heartbeats
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// Content says how much a stream carries.
type Content int

// The contents. The zero value is Items.
const (
	Items   Content = iota // items whole, and commits
	IDs                    // items by id, place and namespace, and commits
	Commits                // commits only
)

var contents = [...]pb.Content{Items: pb.Content_CONTENT_ITEMS, IDs: pb.Content_CONTENT_IDS, Commits: pb.Content_CONTENT_COMMITS}

// Selection says what to follow.
type Selection struct {
	Namespaces []dag.Namespace // none for all
	Cursor     string          // exclusive: genesis, tip, commit:N or a cursor of an Item or Event; empty for tip
	Content    Content
	MinState   State // Committed, or Revealed: sealed items with what they held, or Certified: certified, too; empty for Certified if the client has a committee, else for Revealed with Items, else for Committed
	Unproven   bool  // take the node's word: what it leaves out, puts in or changes does not show
}

// minStates is how far commits must have come to be read.
var minStates = map[State]pb.MinState{
	"": pb.MinState_MIN_STATE_UNSPECIFIED, Committed: pb.MinState_MIN_STATE_COMMITTED, Revealed: pb.MinState_MIN_STATE_REVEALED,
	Certified: pb.MinState_MIN_STATE_CERTIFIED,
}

// Item is one position of the order.
type Item struct {
	Commit     dag.CommitIndex
	Index      uint32 // within the commit, over all namespaces
	ID         crypto.Digest
	Namespace  dag.Namespace // of a bundle: its first leg's; of a sealed item: the first that it names
	Kind       dag.ItemKind
	Payload    []byte    // of a transaction
	Legs       []dag.Leg // of a bundle; of a sealed item what it held, if its verdict is Opened
	ValidUntil dag.CommitIndex
	Sender     []byte // none if the envelope is unsigned
	Signature  []byte
	Cursor     string // to go on behind this item

	// Of sealed items; Verdict and Opening if it was read at Revealed. All verdicts but Opened are
	// failures: the item keeps its place and counts for nothing.
	Namespaces []dag.Namespace
	Ciphertext []byte
	Verdict    reveal.Verdict
	Opening    seal.Opening // with which VerifyReveal checks
}

// Event is one message of a stream: items of one commit, or a commit behind its last item, or
// (both empty) the word that there is nothing up to Cursor.
//
// Unless the selection says Unproven, items are handed out when their commit has come to its end and holds: of some
// namespaces, read whole, they are all that the commit has for them, unchanged and in order; of all namespaces, whole or by
// id, the commit also follows the one before. That no commit was passed over for some namespaces shows at the next proof of
// their chains, which nodes give near the tip with each commit, else with every 64th; one that gives none is left. From
// commit:N and tip what lies before the first such proof is the node's word. Cursors stand where they say: of what was handed
// out none leads past anything. What a sealed item has opened to is checked, as VerifyReveal does, if the client has
// a committee; that one did not open, and which key served, is the node's word.
//
// At Certified a client with a committee also proves the headers, before it hands out what they hold for: each is covered by
// a certificate that 2f+1 of these validators signed. So whoever made up commits would need their keys. It costs a request
// for each certified commit, not for each commit. Below Certified, and without a committee, the headers are the node's word:
// an order that a node has made up as a whole, with headers of its own, does not show.
type Event struct {
	Cursor string // stands behind the event
	Head   dag.CommitIndex
	Items  []Item
	Commit *pb.CommitHeader
}

// ErrOrder is wrapped by the error about a node whose stream repeats or goes back.
var ErrOrder = errors.New("stream out of order")

// Follow calls handle for every item of a namespace (0 for all) behind a cursor, in order, with
// neither gap nor repetition, until ctx ends, handle returns an error (which Follow returns as it
// is), a node refuses for good, or what every node shows does not hold (ErrProof). When a connection breaks it goes on
// from where it was, on the next node. It blocks; handle runs on the caller's goroutine. With the cursor of the last item that was
// handled, a later Follow goes on exactly behind it.
func (c *Client) Follow(ctx context.Context, ns dag.Namespace, cursor string, handle func(Item) error) error {
	s := Selection{Cursor: cursor}
	if ns != 0 {
		s.Namespaces = []dag.Namespace{ns}
	}
	return c.FollowEvents(ctx, s, func(e Event) error {
		for i := range e.Items {
			if err := handle(e.Items[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// FollowEvents is Follow with the stream's own messages, which are cheaper where there are many
// items. With IDs the items' cursors are empty.
func (c *Client) FollowEvents(ctx context.Context, s Selection, handle func(Event) error) error {
	if s.Content < 0 || int(s.Content) >= len(contents) {
		return fmt.Errorf("follow: there is no content %d", s.Content)
	}
	if _, ok := minStates[s.MinState]; !ok {
		return fmt.Errorf("follow: there is no min state %s, but Committed, Revealed and Certified", s.MinState)
	}
	if s.MinState == "" && c.trust.committee != nil && !s.Unproven {
		s.MinState = Certified
	}
	f := &follower{client: c, selection: s, handle: handle}
	if s.MinState == Certified {
		f.lag = &lag{logger: c.trust.logger, patience: c.lagPatience}
		if c.trust.committee != nil && !s.Unproven {
			f.covered = &covered{client: c, lag: f.lag}
		}
	}
	pause, liars := firstPause, 0
	for {
		e := c.now()
		progress, err := f.connection(ctx, e)
		f.lag.refused(e, err)
		var stop *handlerError
		if progress {
			liars = 0
		}
		if errors.Is(err, ErrProof) || errors.Is(err, ErrOrder) {
			c.trust.blame(e, err)
			if liars++; liars >= len(c.endpoints) {
				return fmt.Errorf("follow %s: %w", e.url, err)
			}
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &stop):
			return stop.err
		case err != nil && final(err):
			return fmt.Errorf("follow: %w", err)
		case progress:
			pause = firstPause
		}
		c.leave(e)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// handlerError marks what the caller's function returned.
type handlerError struct{ err error }

// Error is the caller's text.
func (h *handlerError) Error() string { return h.err.Error() }

// final reports whether no node would answer otherwise.
func final(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return !e.Retryable && e.Code != connect.CodeInternal && e.Code != connect.CodeUnavailable
}

// follower is where one Follow stands.
type follower struct {
	client    *Client
	selection Selection
	handle    func(Event) error

	ledger  *ledger  // nil before the first connection, and with Unproven
	covered *covered // nil if headers are taken on a node's word
	lag     *lag     // nil if certificates are not waited for

	commit  dag.CommitIndex // place of the last item of the connection
	index   uint32
	started bool // whether there was one
}

// connection follows one node until the stream ends, and says whether anything came.
func (f *follower) connection(ctx context.Context, e *endpoint) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stalled := time.AfterFunc(stallTimeout, cancel)
	defer stalled.Stop()
	if err := f.open(ctx, e); err != nil {
		return false, err
	}
	stream, err := e.read.Stream(ctx, &pb.StreamRequest{
		Namespaces: numbers(f.selection.Namespaces), Cursor: f.selection.Cursor,
		Content: contents[f.selection.Content], HeartbeatMs: uint32(heartbeat.Milliseconds()),
		MinState: minStates[f.selection.MinState], WithProofs: !f.selection.Unproven,
	})
	if err != nil {
		return false, asError(err)
	}
	defer stream.Close()
	progress := false
	for stream.Receive() {
		stalled.Stop() // the caller may take its time
		events, err := f.proven(ctx, e, stream.Msg())
		if err != nil {
			return progress, err
		}
		moved := false
		for _, event := range events {
			progress = progress || event.Cursor != f.selection.Cursor
			if err := f.handle(event); err != nil {
				return progress, &handlerError{err}
			}
			moved = moved || event.Cursor != f.selection.Cursor
			f.selection.Cursor = event.Cursor
		}
		f.lag.look(e, stream.Msg(), moved)
		stalled.Reset(stallTimeout)
	}
	return progress, asError(stream.Err())
}

// open makes ready for a connection: what an earlier one left unfinished comes again.
func (f *follower) open(ctx context.Context, e *endpoint) error {
	f.started = false
	if f.ledger != nil {
		f.ledger.clear()
		return nil
	}
	if f.selection.Unproven {
		return nil
	}
	network, err := f.client.networkID(ctx, e)
	if err != nil {
		return err
	}
	f.ledger = newLedger(network, &f.selection)
	f.selection.Cursor = f.ledger.start(f.selection.Cursor)
	return nil
}

// networkID is the id of the network: that of the client's committee, or what the node says.
func (c *Client) networkID(ctx context.Context, e *endpoint) (crypto.Digest, error) {
	if c.trust.committee != nil {
		return c.trust.committee.Network(), nil
	}
	m, err := e.read.GetInfo(ctx, &pb.GetInfoRequest{})
	if err != nil {
		return crypto.Digest{}, asError(err)
	}
	id, err := crypto.ParseDigest(m.GetNetworkId())
	if err != nil {
		return id, fmt.Errorf("ask for the network: %w", err)
	}
	return id, nil
}

// proven is what can be handed out once a message has come.
func (f *follower) proven(ctx context.Context, e *endpoint, m *pb.StreamResponse) ([]Event, error) {
	event, err := f.event(m)
	switch {
	case err != nil:
		return nil, err
	case f.ledger == nil:
		return []Event{event}, nil
	}
	if f.covered != nil {
		if ready, err := f.covered.take(ctx, e, m); err != nil || !ready {
			return nil, err
		}
	}
	if f.selection.Content == Items {
		if err := f.client.opened(ctx, e, event.Items); err != nil {
			return nil, err
		}
	}
	return f.ledger.take(m, event)
}

// event reads a message and checks that its items go on where the last ones ended.
func (f *follower) event(m *pb.StreamResponse) (Event, error) {
	event := Event{Cursor: m.GetCursor(), Head: dag.CommitIndex(m.GetWatermarks().GetCommitted()), Commit: m.GetCommit()}
	messages := m.GetItems().GetItems()
	switch {
	case m.GetItems() == nil:
		return event, nil
	case len(messages) == 0: // it would pass for a heartbeat, but one whose proof nobody has looked at
		return event, fmt.Errorf("%w: items, but none", ErrOrder)
	}
	event.Items = make([]Item, len(messages))
	for i, m := range messages {
		item := &event.Items[i]
		*item = newItem(m)
		if f.started && (item.Commit < f.commit || item.Commit == f.commit && item.Index <= f.index) {
			return event, fmt.Errorf("%w: item %d of commit %d behind item %d of commit %d", ErrOrder, item.Index, item.Commit, f.index, f.commit)
		}
		f.commit, f.index, f.started = item.Commit, item.Index, true
	}
	return event, nil
}

func newItem(m *pb.Item) Item {
	item := Item{
		Commit: dag.CommitIndex(m.GetCommit()), Index: m.GetIndex(), Namespace: dag.Namespace(m.GetNamespace()), Kind: dag.ItemKind(m.GetKind()),
		Payload: m.GetPayload(), ValidUntil: dag.CommitIndex(m.GetValidUntilCommit()), Sender: m.GetSender(), Signature: m.GetSignature(), Cursor: m.GetCursor(),
		Ciphertext: m.GetCiphertext(), Verdict: reveal.Verdict(m.GetVerdict()),
	}
	copy(item.ID[:], m.GetTxId())
	copy(item.Opening[:], m.GetOpening())
	for _, l := range m.GetLegs() {
		item.Legs = append(item.Legs, dag.Leg{Namespace: dag.Namespace(l.GetNamespace()), Payload: l.GetPayload()})
	}
	for _, ns := range m.GetNamespaces() {
		item.Namespaces = append(item.Namespaces, dag.Namespace(ns))
	}
	return item
}
