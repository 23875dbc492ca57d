package client

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// ErrProof is wrapped where what a node's stream shows does not hold: something was left out, put in, exchanged or
// changed.
var ErrProof = errors.New("stream does not hold")

// maxHeldBytes bounds the items of one commit that wait for its header: more than the blocks of any commit.
const maxHeldBytes = 1 << 30

// itemCost is what an item takes in memory beside its content, in bytes.
const itemCost = 512

// maxUnchained is how many commits with items may pass without a proof of the chains, which shows whether any was passed
// over. Nodes show one with every 64th, but cannot for the oldest 256 that they keep.
const maxUnchained = 1024

// ledger is what a follower knows of what it has read, by which it checks what comes next. It lives across
// connections: nodes must go on where others ended.
type ledger struct {
	network crypto.Digest
	scope   []dag.Namespace // none for all
	content Content
	resumed proof.Cursor // where the caller's cursor stands, if that is inside a commit; Commit is 0 if not
	standing

	chains map[dag.Namespace]*proof.Chained // where each namespace of the scope stands; missing until a node has shown it
	word   bool                             // the only chain is a cursor's word, which no proof has borne out yet

	// Of the commit that is being read:
	held   []Event
	bytes  int
	ids    []crypto.Digest
	leaves map[dag.Namespace][]ordering.NamespaceLeaf
	behind map[uint32]crypto.Digest // of one namespace: its chain behind each item that is behind the caller's cursor
}

// standing is up to where all was read.
type standing struct {
	placed    bool          // false until a node has said where the tip is
	at        dag.CommitRef // the newest commit that was read to its end; the digest is zero where nobody has shown it
	unchained int           // commits with items since the chains were last proven
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
	cursor = strings.TrimSpace(cursor)
	if cursor == "genesis" {
		cursor = "commit:0"
	}
	if number, ok := strings.CutPrefix(cursor, "commit:"); ok {
		if n, err := strconv.ParseUint(number, 10, 63); err == nil { // else the node says what is wrong
			l.begin(dag.CommitRef{Index: dag.CommitIndex(n)})
		}
		return cursor
	}
	c, err := proof.ParseCursor(cursor)
	switch {
	case err != nil: // a word, or the node says what is wrong
		return cursor
	case c.Index != proof.EndOfCommit:
		l.resumed = c
		l.begin(dag.CommitRef{Index: c.Commit - 1})
		return fmt.Sprint("commit:", c.Commit-1)
	case c.Scope == proof.One:
		l.begin(dag.CommitRef{Index: c.Commit})
		l.chains[c.Namespace] = proof.NewChained(c.Namespace, c.Hash)
	default:
		l.begin(dag.CommitRef{Index: c.Commit, Digest: c.Hash})
	}
	return cursor
}

// begin says behind which commit the caller wants to go on. Before the first nobody's chain has a link.
func (l *ledger) begin(at dag.CommitRef) {
	l.placed, l.at = true, at
	if at.Index == 0 {
		for _, ns := range l.scope {
			l.chains[ns] = proof.NewChained(ns, ordering.ChainStart(l.network, ns))
		}
	}
}

// clear forgets the commit that is being read, of which nothing was handed out.
func (l *ledger) clear() {
	l.held, l.bytes, l.ids = nil, 0, nil
	l.leaves, l.behind = map[dag.Namespace][]ordering.NamespaceLeaf{}, map[uint32]crypto.Digest{}
}

// take checks one message and returns the events that are now proven, in order. What does not hold changes nothing but
// what is held.
func (l *ledger) take(m *pb.StreamResponse, event Event) ([]Event, error) {
	before, resumed, hashes := l.standing, l.resumed, make(map[dag.Namespace]crypto.Digest, len(l.chains))
	for ns, chain := range l.chains {
		hashes[ns] = chain.Hash
	}
	out, err := l.check(m, event)
	if err == nil {
		return out, nil
	}
	l.standing, l.resumed = before, resumed
	l.unchained = 0 // the next node is not to blame
	for ns := range l.chains {
		if hash, known := hashes[ns]; known && !l.word {
			l.chains[ns].Hash = hash
		} else {
			delete(l.chains, ns)
		}
	}
	l.word = false
	return nil, err
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
	if ok, err := l.watermark(m); err != nil || !ok || l.resumed.Commit != 0 { // the caller is further than that
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
		if len(l.scope) == 0 && item.Index != uint32(len(l.ids)) {
			return fmt.Errorf("%w: item %d of commit %d stands at place %d", ErrProof, item.Index, item.Commit, len(l.ids))
		}
		if l.bytes += itemCost + len(item.Payload) + len(item.Ciphertext); l.bytes > maxHeldBytes {
			return fmt.Errorf("%w: more than %d bytes of one commit", ErrProof, maxHeldBytes)
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
	item.keepProven()
	for _, leg := range item.Legs {
		l.bytes += len(leg.Payload)
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

// keepProven clears what the item's kind does not have, and its id says nothing about.
func (i *Item) keepProven() {
	if i.Kind != dag.KindTransaction {
		i.Payload = nil
	}
	if i.Kind != dag.KindSealed {
		i.Namespaces, i.Ciphertext, i.Verdict, i.Opening = nil, nil, 0, seal.Opening{}
	}
	if i.Kind == dag.KindTransaction || i.Kind == dag.KindSealed && i.Verdict != reveal.Opened {
		i.Legs = nil
	}
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
	case l.resumed.Commit != 0 && l.resumed.Scope == proof.All &&
		(l.resumed.Commit == h.Index && l.resumed.Hash != digest || l.resumed.Commit+1 == h.Index && l.resumed.Hash != h.Previous):
		return fmt.Errorf("%w: commit %d is not the one that the cursor stands in", ErrProof, l.resumed.Commit)
	}
	if len(l.scope) == 0 {
		err = l.whole(&h)
	} else {
		err = l.parts(m, &h)
	}
	if err == nil {
		err = l.places(m, &h)
	}
	if err == nil {
		l.placed, l.at = true, dag.CommitRef{Index: h.Index, Digest: digest}
	}
	return err
}

// whole checks a commit of a reader of all namespaces: it follows the one before, and the items are all of it.
func (l *ledger) whole(h *ordering.CommitHeader) error {
	shown := l.at.Index == 0 || !l.at.Digest.IsZero()
	if l.placed && (h.Index != l.at.Index+1 || shown && h.Previous != l.at.Digest) {
		return fmt.Errorf("%w: commit %d does not follow commit %v", ErrProof, h.Index, l.at)
	}
	if l.content == Commits {
		return nil
	}
	return refuted(proof.Order(h, l.ids))
}

// parts checks a commit of a reader of some namespaces: it comes behind what was read, and the items are all that it has
// for each of them.
func (l *ledger) parts(m *pb.StreamResponse, h *ordering.CommitHeader) error {
	switch {
	case l.placed && h.Index <= l.at.Index:
		return fmt.Errorf("%w: commit %d behind commit %d", ErrProof, h.Index, l.at.Index)
	case l.resumed.Scope == proof.One && l.resumed.Commit != 0 && h.Index > l.resumed.Commit:
		return fmt.Errorf("%w: commit %d without the rest of commit %d", ErrProof, h.Index, l.resumed.Commit)
	case l.content != Items:
		return nil
	}
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
	return l.heads(h, shown)
}

// link goes on over what a namespace got in a commit, past the place of the caller's cursor if that is in it.
func (l *ledger) link(commit dag.CommitIndex, ns dag.Namespace) error {
	inside := l.resumed.Commit == commit && l.resumed.Scope == proof.One
	chain, leaves := l.chains[ns], l.leaves[ns]
	var before []ordering.NamespaceLeaf
	if inside {
		n := slices.IndexFunc(leaves, func(leaf ordering.NamespaceLeaf) bool { return leaf.Index > l.resumed.Index })
		if n < 0 {
			n = len(leaves)
		}
		before, leaves = leaves[:n], leaves[n:]
	}
	switch {
	case chain == nil && inside:
		chain, before = proof.NewChained(ns, l.resumed.Hash), nil
		l.chains[ns] = chain
	case chain == nil:
		return nil
	}
	for i := range before {
		chain.Link(commit, &before[i])
	}
	if inside && chain.Hash != l.resumed.Hash {
		return fmt.Errorf("%w: what stands before item %d of commit %d is not what was read up to the cursor", ErrProof, l.resumed.Index, commit)
	}
	for i := range leaves {
		chain.Link(commit, &leaves[i])
		l.behind[leaves[i].Index] = chain.Hash
	}
	return nil
}

// heads compares the chains with the heads that a proof shows. Where a chain is not known yet it begins there.
func (l *ledger) heads(h *ordering.CommitHeader, shown *pb.Proof) error {
	if len(shown.GetChains()) == 0 {
		if l.unchained++; l.unchained > maxUnchained {
			return fmt.Errorf("%w: %d commits without a proof that none was passed over", ErrProof, l.unchained)
		}
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
	l.unchained, l.word = 0, false
	return nil
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
