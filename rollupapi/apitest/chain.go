// Package apitest is an order made by hand, for tests of the API and of what stands on it.
package apitest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi"
)

// The namespaces that every Chain has.
const (
	Ethereum    dag.Namespace = 1001 // chain id 1001
	Unprotected dag.Namespace = 1002 // chain id 1, transactions without chain id allowed
	Open        dag.Namespace = 1003 // named "open"
	Signed      dag.Namespace = 1004 // ed25519
	Quiet       dag.Namespace = 1005 // open, for what hardly anything is sent to
)

// Chain is a committed order that grows when the test says so, and a node behind it. It implements
// what a rollupapi.Server needs and is safe for concurrent use.
type Chain struct {
	Genesis   *dag.Genesis
	Committee *dag.Committee
	Registry  *dag.Registry

	keys []*crypto.IdentityKey

	mu           sync.Mutex
	answer       func(dag.Item) ordering.OutcomeState
	commits      []*ordering.Commit
	chains       *ordering.Chains
	places       map[crypto.Digest]rollupapi.Location
	byName       map[dag.Namespace][]dag.CommitIndex
	earliest     dag.CommitIndex
	behind       dag.CommitIndex
	pending      []dag.Item
	submits      int
	waits        int
	broken       error
	grown        chan struct{} // closed and replaced when there is a new commit or reveal
	sealing      sealing
	certificates certificates
}

// New returns an empty chain, the same for every test.
func New(t testing.TB) *Chain {
	t.Helper()
	c := &Chain{places: map[crypto.Digest]rollupapi.Location{}, byName: map[dag.Namespace][]dag.CommitIndex{}, grown: make(chan struct{})}
	c.sealing.records, c.sealing.status = map[dag.CommitIndex]*reveal.Record{}, keygen.Status{Phase: keygen.Dealing, Key: 1}
	c.Genesis = &dag.Genesis{Version: dag.GenesisVersion, Chain: "apitest", Created: 1, Sealing: dag.PlainSealing(dag.MinCommittee), Namespaces: []dag.NamespaceRule{
		{ID: Ethereum, Name: "demo-a", Scheme: dag.SchemeEthereum, ChainID: 1001},
		{ID: Unprotected, Name: "old", Scheme: dag.SchemeEthereum, ChainID: 1, AllowUnprotected: true},
		{ID: Open, Name: "open", Scheme: dag.SchemeOpen},
		{ID: Signed, Name: "signed", Scheme: dag.SchemeEd25519},
		{ID: Quiet, Name: "quiet", Scheme: dag.SchemeOpen},
	}}
	for i := range dag.MinCommittee {
		keys, err := crypto.GenerateKeys(rand.NewChaCha8([32]byte{byte(i + 1)}))
		if err != nil {
			t.Fatal(err)
		}
		c.keys, c.sealing.members = append(c.keys, keys.Identity), append(c.sealing.members, keys.KEM)
		c.Genesis.Validators = append(c.Genesis.Validators, dag.GenesisValidator{Name: fmt.Sprintf("v%d", i), PublicKeys: keys.Public()})
	}
	var err error
	if c.Committee, err = c.Genesis.Committee(); err != nil {
		t.Fatal(err)
	}
	c.chains = ordering.NewChains(c.Committee.Network())
	c.Registry = c.Genesis.Registry()
	return c
}

// Answer sets what the sequencer answers for each item; without it every item is Included. It is
// called without locks and may block.
func (c *Chain) Answer(f func(dag.Item) ordering.OutcomeState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

// Break makes every read of the history fail.
func (c *Chain) Break(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
}

// Prune forgets commits below earliest.
func (c *Chain) Prune(earliest dag.CommitIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.earliest = earliest
}

// Submits is how many calls reached the sequencer.
func (c *Chain) Submits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.submits
}

// Waits is how often somebody has begun to wait for a commit or a reveal, or was woken to look again.
func (c *Chain) Waits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waits
}

// Submit answers at once and keeps included items for CommitPending.
func (c *Chain) Submit(ctx context.Context, items []dag.Item) ([]ordering.Outcome, error) {
	c.mu.Lock()
	answer := c.answer
	c.submits++
	c.mu.Unlock()
	outcomes := make([]ordering.Outcome, len(items))
	for i := range items {
		state := ordering.Included
		if answer != nil {
			state = answer(items[i])
		}
		outcomes[i] = ordering.Outcome{Index: i, ID: items[i].ID, State: state}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range outcomes {
		if o.State == ordering.Included {
			c.pending = append(c.pending, items[i])
		}
	}
	return outcomes, nil
}

// CommitPending commits what was submitted since the last time.
func (c *Chain) CommitPending(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	items := c.pending
	c.pending = nil
	c.mu.Unlock()
	c.Commit(t, items)
}

// Commit adds one commit with a block for each list of items, at most one per validator.
func (c *Chain) Commit(t testing.TB, blocks ...[]dag.Item) *ordering.Commit {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	commit := c.next()
	for author, items := range blocks {
		commit.Bodies = append(commit.Bodies, c.Signed(t, dag.Block{Author: dag.Author(author), Time: uint64(commit.Index), Items: items}))
		commit.Blocks = append(commit.Blocks, commit.Bodies[author].Ref())
		for i := range items {
			commit.Accepted = append(commit.Accepted, ordering.Accepted{
				ID: items[i].ID, Namespace: items[i].Namespace, Block: uint32(author), Item: uint32(i),
			})
		}
	}
	c.append(t, commit)
	return commit
}

// CommitControl adds one commit with a control transaction, which came to the result.
func (c *Chain) CommitControl(t testing.TB, item dag.Item, result dag.ControlResult) *ordering.Commit {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	commit := c.next()
	body := c.Signed(t, dag.Block{Time: uint64(commit.Index), Items: []dag.Item{item}})
	commit.Bodies, commit.Blocks = []*dag.Verified{body}, []dag.Ref{body.Ref()}
	commit.Accepted = []ordering.Accepted{{ID: item.ID, Namespace: item.Namespace}}
	commit.Controls = []ordering.Controlled{{Result: result}}
	c.append(t, commit)
	return commit
}

// commitDeals adds a commit with a deal of each validator.
func (c *Chain) commitDeals(t testing.TB, kind dag.SystemKind, deals []*dkg.Deal) *ordering.Commit {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	commit := c.next()
	for author, deal := range deals {
		message := dag.SystemMessage{Kind: kind, Payload: deal.Bytes()}
		body := c.Signed(t, dag.Block{Author: dag.Author(author), Time: uint64(commit.Index), System: []dag.SystemMessage{message}})
		commit.Bodies, commit.Blocks = append(commit.Bodies, body), append(commit.Blocks, body.Ref())
	}
	c.append(t, commit)
	return commit
}

// next is the beginning of the next commit.
func (c *Chain) next() *ordering.Commit {
	n := dag.CommitIndex(len(c.commits)) + 1
	commit := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: n, Epoch: dag.FirstEpoch, Round: dag.Round(n), Time: 1_700_000_000_000 + uint64(n)}}
	if n > 1 {
		commit.Previous = c.commits[n-2].Digest
	}
	return commit
}

// Drop adds a commit that drops items for a reason.
func (c *Chain) Drop(t testing.TB, reason ordering.DropReason, items ...dag.Item) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := dag.CommitIndex(len(c.commits)) + 1
	commit := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: n, Epoch: dag.FirstEpoch, Round: dag.Round(n)}}
	for _, item := range items {
		commit.Dropped = append(commit.Dropped, ordering.Dropped{ID: item.ID, Reason: reason})
	}
	c.append(t, commit)
}

// Signed is a signed block of the first round with the content that is given.
func (c *Chain) Signed(t testing.TB, content dag.Block) *dag.Verified {
	content.Epoch, content.Round, content.Parents = dag.FirstEpoch, 1, []dag.Ref{c.Committee.Genesis(content.Author)}
	for i := range c.Committee.Size() {
		if dag.Author(i) != content.Author {
			content.Parents = append(content.Parents, c.Committee.Genesis(dag.Author(i)))
		}
	}
	b, err := dag.Seal(c.Committee, content, c.keys[content.Author])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c *Chain) append(t testing.TB, commit *ordering.Commit) {
	t.Helper()
	leaves, err := commit.Derive()
	if err != nil {
		t.Fatal(err)
	}
	c.chains.Extend(commit, leaves)
	commit.Digest = commit.ComputeDigest()
	c.commits = append(c.commits, commit)
	for i, a := range commit.Accepted {
		c.places[a.ID] = rollupapi.Location{Commit: commit.Index, Index: uint32(i)}
		item := commit.Bodies[a.Block].Block().Items[a.Item]
		for _, ns := range item.Namespaces() {
			if list := c.byName[ns]; len(list) == 0 || list[len(list)-1] != commit.Index {
				c.byName[ns] = append(list, commit.Index)
			}
		}
	}
	c.advance()
	c.ring()
}

// ring wakes everybody who waits.
func (c *Chain) ring() {
	close(c.grown)
	c.grown = make(chan struct{})
}

// Heads says how far the chain reaches.
func (c *Chain) Heads() rollupapi.Heads {
	c.mu.Lock()
	defer c.mu.Unlock()
	return rollupapi.Heads{Committed: dag.CommitIndex(len(c.commits)), Revealed: c.sealing.revealed, Certified: c.certificates.newest(), Earliest: c.earliest, Epoch: dag.FirstEpoch}
}

// read is the commit with an index.
func (c *Chain) read(index dag.CommitIndex) (*ordering.Commit, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil || index == 0 || index > dag.CommitIndex(len(c.commits)) || index < c.earliest {
		return nil, false, c.broken
	}
	return c.commits[index-1], true, nil
}

// Lookup finds where an id was committed.
func (c *Chain) Lookup(id crypto.Digest) (rollupapi.Location, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.places[id]
	return at, ok, c.broken
}

// LookupRecent is Lookup: a short chain is all recent.
func (c *Chain) LookupRecent(id crypto.Digest) (rollupapi.Location, bool, error) { return c.Lookup(id) }

// Wait blocks until there is a commit past after.
func (c *Chain) Wait(ctx context.Context, after dag.CommitIndex) (dag.CommitIndex, error) {
	for {
		c.mu.Lock()
		c.waits++
		head, grown := dag.CommitIndex(len(c.commits)), c.grown
		c.mu.Unlock()
		if head > after {
			return head, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// CommitsOfNamespace lists commits that hold an item of the namespace.
func (c *Chain) CommitsOfNamespace(ns dag.Namespace, after dag.CommitIndex, limit int) ([]dag.CommitIndex, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []dag.CommitIndex
	for _, index := range c.byName[ns] {
		if index > after && len(out) < limit {
			out = append(out, index)
		}
	}
	return out, c.broken
}

// Status is the node's word about itself.
func (c *Chain) Status() rollupapi.NodeStatus {
	heads := c.Heads()
	status := rollupapi.NodeStatus{
		Name: "v0", NetworkID: c.Committee.Network(), Chain: "apitest", Version: "test", Role: rollupapi.RoleValidator, Author: "A", Epoch: dag.FirstEpoch,
		Commit: heads.Committed, Peers: 3, Proposing: true, PeerList: []rollupapi.PeerStatus{{Name: "v1", Connected: true}},
	}
	if commit, ok, _ := c.read(heads.Committed); ok {
		status.Round, status.CommitDigest = commit.Round, commit.Digest
	}
	return status
}

// FallBehind makes the node lack so many commits.
func (c *Chain) FallBehind(by dag.CommitIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind = by
}

// Standing is how far the node has come.
func (c *Chain) Standing() rollupapi.Standing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return rollupapi.Standing{Round: dag.Round(len(c.commits)), Behind: c.behind}
}

// history is the chain's side that reads commits; its method would have the name of Chain.Commit.
type history struct{ *Chain }

// Commit reads one commit.
func (h history) Commit(index dag.CommitIndex) (*ordering.Commit, bool, error) { return h.read(index) }

// Record reads one commit.
func (h history) Record(index dag.CommitIndex) (*ordering.Commit, bool, error) { return h.read(index) }

// DealBlock reads the block that brought in a deal.
func (h history) DealBlock(d *ordering.Deal) ([]byte, bool, error) {
	c, ok, err := h.read(d.Commit)
	if err != nil || !ok {
		return nil, false, err
	}
	b := d.Among(c.Bodies)
	if b == nil {
		return nil, false, nil
	}
	return b.Bytes(), true, nil
}
