package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// ErrProof is wrapped where what a node's stream shows does not hold: something was left out, put in, exchanged or
// changed.
var ErrProof = errors.New("stream does not hold")

// maxHeldBytes bounds the items of one commit that wait for its header: more than the blocks of any commit.
const maxHeldBytes = 1 << 30

// ledger is what a follower knows of what it has read, by which it checks what comes next. It lives across
// connections: nodes must go on where others ended.
type ledger struct {
	network  crypto.Digest
	scope    []dag.Namespace // none for all
	content  Content
	chains   map[dag.Namespace]*proof.Chained // where each namespace of the scope stands; missing until a node has shown it
	previous dag.CommitRef                    // the newest header that was seen; of all namespaces the one that the next must follow
	resumed  proof.Cursor                     // where the caller's cursor stands, if that is inside a commit; Commit is 0 if not

	// Of the commit that is being read:
	held   []Event
	bytes  int
	ids    []crypto.Digest
	leaves map[dag.Namespace][]ordering.NamespaceLeaf
}

func newLedger(network crypto.Digest, s *Selection) *ledger {
	l := &ledger{network: network, content: s.Content, chains: map[dag.Namespace]*proof.Chained{}}
	l.scope = slices.Clone(s.Namespaces)
	slices.Sort(l.scope)
	l.scope = slices.Compact(l.scope)
	l.clear()
	return l
}

// start takes the caller's cursor and returns from where to ask a node: from the beginning of a commit, so that all of
// it can be checked.
func (l *ledger) start(cursor string) string {
	if cursor == "genesis" {
		for _, ns := range l.scope {
			l.chains[ns] = proof.NewChained(ns, ordering.ChainStart(l.network, ns))
		}
	}
	c, err := proof.ParseCursor(cursor)
	switch {
	case err != nil: // a word, or the node says what is wrong
		return cursor
	case c.Index != proof.EndOfCommit:
		l.resumed = c
		return fmt.Sprint("commit:", c.Commit-1)
	case c.Scope == proof.One:
		l.chains[c.Namespace] = proof.NewChained(c.Namespace, c.Hash)
	default:
		l.previous = dag.CommitRef{Index: c.Commit, Digest: c.Hash}
	}
	return cursor
}

// clear forgets the commit that is being read, of which nothing was handed out.
func (l *ledger) clear() {
	l.held, l.bytes, l.ids, l.leaves = nil, 0, nil, map[dag.Namespace][]ordering.NamespaceLeaf{}
}

// take checks one message and returns the events that are now proven, in order. What does not hold changes nothing but
// what is held.
func (l *ledger) take(m *pb.StreamResponse, event Event) ([]Event, error) {
	previous, hashes := l.previous, make(map[dag.Namespace]crypto.Digest, len(l.chains))
	for ns, chain := range l.chains {
		hashes[ns] = chain.Hash
	}
	out, err := l.check(m, event)
	if err != nil {
		l.previous = previous
		for ns := range l.chains {
			if hash, known := hashes[ns]; known {
				l.chains[ns].Hash = hash
			} else {
				delete(l.chains, ns)
			}
		}
	}
	return out, err
}

func (l *ledger) check(m *pb.StreamResponse, event Event) ([]Event, error) {
	switch {
	case event.Commit != nil:
		if err := l.commit(m, event.Commit); err != nil {
			return nil, err
		}
		out := append(l.held, event)
		l.clear()
		return l.unread(out), nil
	case len(event.Items) > 0:
		l.held = append(l.held, event)
		return nil, l.items(event.Items)
	}
	if len(l.held) > 0 {
		return nil, fmt.Errorf("%w: a heartbeat inside commit %d", ErrProof, l.held[0].Items[0].Commit)
	}
	if err := l.watermark(m); err != nil || l.resumed.Commit != 0 { // the caller is further than that
		return nil, err
	}
	return []Event{event}, nil
}

// items takes items of one commit.
func (l *ledger) items(items []Item) error {
	for i := range items {
		item := &items[i]
		if first := l.held[0].Items[0].Commit; item.Commit != first {
			return fmt.Errorf("%w: item %d of commit %d among those of commit %d", ErrProof, item.Index, item.Commit, first)
		}
		if l.content == Items {
			if err := l.item(item); err != nil {
				return err
			}
		}
		l.ids = append(l.ids, item.ID)
	}
	return nil
}

// item checks that an item's id is that of its content, and notes what its namespaces get.
func (l *ledger) item(item *Item) error {
	encoded, err := item.encode(dag.NewItemHasher(l.network))
	if err != nil || encoded.ID != item.ID || encoded.Namespace != item.Namespace {
		return fmt.Errorf("%w: item %d of commit %d is not what its id %v stands for", ErrProof, item.Index, item.Commit, item.ID.Short())
	}
	if l.bytes += len(encoded.Raw); l.bytes > maxHeldBytes {
		return fmt.Errorf("%w: more than %d bytes of one commit", ErrProof, maxHeldBytes)
	}
	ours := len(l.scope) == 0
	for _, leaf := range ordering.AppendLeaves(nil, item.Index, &encoded) {
		if slices.Contains(l.scope, leaf.Namespace) {
			ours, l.leaves[leaf.Namespace] = true, append(l.leaves[leaf.Namespace], leaf)
		}
	}
	if !ours {
		return fmt.Errorf("%w: item %d of commit %d has nothing for the namespaces that were asked for", ErrProof, item.Index, item.Commit)
	}
	return nil
}

// encode is the item as it stands in the order, from its parts.
func (i *Item) encode(h *dag.ItemHasher) (dag.Item, error) {
	switch i.Kind {
	case dag.KindTransaction:
		t := dag.Transaction{Namespace: i.Namespace, ValidUntil: i.ValidUntil, Sender: i.Sender, Signature: i.Signature, Payload: i.Payload}
		return t.Encode(h)
	case dag.KindBundle:
		b := dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: i.ValidUntil, Sender: i.Sender, Signature: i.Signature, Legs: i.Legs}
		return b.Encode(h)
	}
	sealed := i.Sealed()
	return sealed.Encode(h)
}

// commit checks the end of a commit against all that was read of it.
func (l *ledger) commit(m *pb.StreamResponse, c *pb.CommitHeader) error {
	h, err := headerOf(c)
	if err != nil {
		return err
	}
	digest := h.ComputeDigest()
	switch {
	case digest != crypto.Digest(c.GetDigest()):
		return fmt.Errorf("%w: the header of commit %d does not have the digest that it names", ErrProof, h.Index)
	case len(l.held) > 0 && l.held[0].Items[0].Commit != h.Index:
		return fmt.Errorf("%w: items of commit %d end with the header of commit %d", ErrProof, l.held[0].Items[0].Commit, h.Index)
	case l.resumed.Commit == h.Index && l.resumed.Scope == proof.All && l.resumed.Hash != digest:
		return fmt.Errorf("%w: commit %d is not the one that the cursor stands in", ErrProof, h.Index)
	}
	if len(l.scope) == 0 {
		err = l.whole(&h)
	} else if l.content == Items {
		err = l.parts(m, &h)
	}
	if err == nil {
		l.previous = dag.CommitRef{Index: h.Index, Digest: digest}
	}
	return err
}

// whole checks a commit of a reader of all namespaces: it follows the one before, and the items are all of it.
func (l *ledger) whole(h *ordering.CommitHeader) error {
	if l.previous.Index != 0 && (h.Index != l.previous.Index+1 || h.Previous != l.previous.Digest) {
		return fmt.Errorf("%w: commit %d does not follow commit %v", ErrProof, h.Index, l.previous)
	}
	if l.content == Commits {
		return nil
	}
	return refuted(proof.Order(h, l.ids))
}

// parts checks a commit of a reader of some namespaces: the items are all that it has for each of them.
func (l *ledger) parts(m *pb.StreamResponse, h *ordering.CommitHeader) error {
	shown := m.GetProof()
	if header := h.Append(nil); string(header) != string(shown.GetHeader()) || len(shown.GetNamespaces()) != len(l.scope) {
		return fmt.Errorf("%w: commit %d comes without a proof of its own", ErrProof, h.Index)
	}
	for i, ns := range l.scope {
		n := shown.GetNamespaces()[i]
		p, err := pathOf(n, len(l.leaves[ns]))
		if err == nil {
			err = proof.Namespace(h, ns, l.leaves[ns], &p)
		}
		if err != nil {
			return refuted(err)
		}
		if err := l.link(h.Index, ns); err != nil {
			return err
		}
	}
	if err := l.heads(h, shown); err != nil {
		return err
	}
	return l.cursor(m, h.Index)
}

// link goes on over what a namespace got in a commit, past the place of the caller's cursor if that is in it.
func (l *ledger) link(commit dag.CommitIndex, ns dag.Namespace) error {
	chain := l.chains[ns]
	if chain == nil {
		return nil
	}
	inside := l.resumed.Commit == commit && l.resumed.Scope == proof.One
	before := chain.Hash
	for i := range l.leaves[ns] {
		leaf := &l.leaves[ns][i]
		chain.Link(commit, leaf)
		if inside && leaf.Index <= l.resumed.Index {
			before = chain.Hash
		}
	}
	if inside && before != l.resumed.Hash {
		return fmt.Errorf("%w: what stands before item %d of commit %d is not what was read up to the cursor", ErrProof, l.resumed.Index, commit)
	}
	return nil
}

// heads compares the chains with the heads that a proof shows. Where a chain is not known yet it begins there.
func (l *ledger) heads(h *ordering.CommitHeader, shown *pb.Proof) error {
	if len(shown.GetChains()) == 0 {
		return nil
	}
	if len(shown.GetChains()) != len(l.scope) {
		return fmt.Errorf("%w: heads of %d chains in commit %d, want %d", ErrProof, len(shown.GetChains()), h.Index, len(l.scope))
	}
	for i, ns := range l.scope {
		p, err := chainOf(shown.GetChains()[i])
		if err != nil {
			return err
		}
		if chain := l.chains[ns]; chain != nil {
			err = chain.Check(l.network, h, &p)
		} else {
			var hash crypto.Digest
			hash, err = proof.Chain(l.network, h, ns, &p)
			l.chains[ns] = proof.NewChained(ns, hash)
		}
		if err != nil {
			return refuted(err)
		}
	}
	return nil
}

// cursor compares the chain of a reader of one namespace with the cursor behind a message.
func (l *ledger) cursor(m *pb.StreamResponse, commit dag.CommitIndex) error {
	c, err := proof.ParseCursor(m.GetCursor())
	if err != nil {
		return refuted(err)
	}
	if c.Commit != commit && c.Index == proof.EndOfCommit && commit != 0 {
		return fmt.Errorf("%w: the cursor behind commit %d stands in commit %d", ErrProof, commit, c.Commit)
	}
	if len(l.scope) != 1 {
		return nil
	}
	switch chain := l.chains[l.scope[0]]; {
	case chain == nil && c.Scope == proof.One && c.Index == proof.EndOfCommit:
		l.chains[l.scope[0]] = proof.NewChained(l.scope[0], c.Hash)
	case chain != nil && (c.Scope != proof.One || c.Hash != chain.Hash):
		return fmt.Errorf("%w: the cursor in commit %d is not what was read up to it", ErrProof, c.Commit)
	}
	return nil
}

// watermark takes the word that there is nothing up to a cursor, and checks it where the node proves it.
func (l *ledger) watermark(m *pb.StreamResponse) error {
	if l.content != Items || len(l.scope) == 0 {
		return nil
	}
	if shown := m.GetProof(); shown != nil {
		h, err := ordering.DecodeHeader(shown.GetHeader())
		if err != nil {
			return refuted(err)
		}
		ref := h.Ref()
		if ref.Index == l.previous.Index && ref != l.previous {
			return fmt.Errorf("%w: commit %v was %v before", ErrProof, ref, l.previous)
		}
		if err := l.heads(&h, shown); err != nil {
			return err
		}
		l.previous = ref
	}
	return l.cursor(m, 0)
}

// unread drops what stands before the caller's cursor, which was read again to be checked.
func (l *ledger) unread(events []Event) []Event {
	if l.resumed.Commit == 0 {
		return events
	}
	var out []Event
	for _, event := range events {
		if len(event.Items) > 0 {
			event.Items = slices.DeleteFunc(event.Items, func(i Item) bool {
				return i.Commit < l.resumed.Commit || i.Commit == l.resumed.Commit && i.Index <= l.resumed.Index
			})
			if len(event.Items) == 0 {
				continue
			}
		}
		out = append(out, event)
	}
	if last := events[len(events)-1].Commit; last.GetIndex() >= uint64(l.resumed.Commit) {
		l.resumed = proof.Cursor{}
	}
	return out
}

func refuted(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrProof, err)
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
