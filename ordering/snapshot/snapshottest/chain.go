// Package snapshottest makes a history of four validators for the tests of snapshots, and answers queries
// from it, truly or not.
package snapshottest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// Validators is how many there are; 3 are a quorum.
const Validators = 4

const namespace dag.Namespace = 7

// Chain is the history.
type Chain struct {
	Config  ordering.Config // an observer's
	Keys    []*crypto.IdentityKey
	Blocks  []*dag.Verified    // ancestors first
	Commits []*ordering.Commit // from the first on

	engines []*ordering.Engine
	hasher  *dag.ItemHasher
	now     time.Duration
	mail    []letter
	counter uint64
}

type letter struct {
	to    int
	event ordering.Event
}

// New makes a history of at least so many commits, the same at every run.
func New(tb testing.TB, commits int) *Chain {
	tb.Helper()
	c := &Chain{}
	random := rand.NewChaCha8([32]byte{1})
	var validators []dag.Validator
	var kem []*crypto.KEMKey
	for i := range Validators {
		seed := [crypto.SeedSize]byte{byte(i + 1)}
		key, err := crypto.NewIdentityKey(seed[:])
		check(tb, err)
		secret, err := crypto.GenerateKEMKey(random)
		check(tb, err)
		c.Keys, kem = append(c.Keys, key), append(kem, secret)
		validators = append(validators, dag.Validator{Name: fmt.Sprint("v", i), Identity: key.Public(), KEM: secret.Public()})
	}
	committee, err := dag.NewCommittee(crypto.Hash("snapshot test"), 0, validators)
	check(tb, err)
	registry, err := dag.NewRegistry([]dag.NamespaceRule{{ID: namespace, Name: "open", Scheme: dag.SchemeOpen}})
	check(tb, err)
	c.Config = ordering.Config{Committee: committee, Registry: registry, Self: ordering.Observer, Sealing: ordering.WithSealing}
	c.hasher = dag.NewItemHasher(committee.Network())
	for i := range Validators {
		cfg := c.Config
		cfg.Self, cfg.Signer, cfg.KEM = dag.Author(i), c.Keys[i], kem[i]
		e, err := ordering.NewEngine(cfg, ordering.Restored{})
		check(tb, err)
		c.engines = append(c.engines, e)
		for j := range Validators {
			if j != i {
				c.mail = append(c.mail, letter{i, ordering.PeerConnected{Peer: ordering.Peer(j)}})
			}
		}
	}
	c.Extend(tb, commits)
	return c
}

// Extend lets the validators go on until there are so many commits more.
func (c *Chain) Extend(tb testing.TB, commits int) {
	tb.Helper()
	want := len(c.Commits) + commits
	for steps := 0; len(c.Commits) < want; steps++ {
		if steps > 1000*(commits+10) {
			tb.Fatalf("%d commits of %d", len(c.Commits), want)
		}
		c.now += 5 * time.Millisecond
		mail := c.mail
		c.mail = nil
		for _, l := range mail {
			c.engines[l.to].Step(l.event)
		}
		for i, e := range c.engines {
			e.Step(ordering.Tick{Now: c.now, Wall: 1_000_000 + uint64(c.now/time.Millisecond)})
			if steps%4 == i {
				e.Step(ordering.Submitted{Items: []dag.Item{c.item(tb)}})
			}
			ready := e.Ready()
			check(tb, ready.Fault)
			c.deliver(i, &ready)
			if i == 0 {
				c.Blocks = append(c.Blocks, ready.Persist...)
				c.Commits = append(c.Commits, ready.Commits...)
			}
		}
	}
}

func (c *Chain) item(tb testing.TB) dag.Item {
	c.counter++
	item, err := (&dag.Transaction{Namespace: namespace, Payload: binary.BigEndian.AppendUint64(nil, c.counter)}).Encode(c.hasher)
	check(tb, err)
	return item
}

func (c *Chain) deliver(from int, r *ordering.Ready) {
	for _, b := range r.Broadcast {
		c.send(from, ordering.Everyone, ordering.BlockReceived{From: ordering.Peer(from), Block: b})
	}
	for _, s := range r.Sends {
		switch m := s.Message.(type) {
		case ordering.BlockMessage:
			c.send(from, s.To, ordering.BlockReceived{From: ordering.Peer(from), Block: m.Block})
		case ordering.AskNewest:
			c.send(from, s.To, ordering.NewestAsked{From: ordering.Peer(from)})
		case ordering.AnswerNewest:
			c.send(from, s.To, ordering.NewestAnswered{From: ordering.Peer(from), Newest: m.Newest, Signed: m.Signed})
		}
	}
}

func (c *Chain) send(from int, to ordering.Peer, ev ordering.Event) {
	for i := range Validators {
		if i != from && (to == ordering.Everyone || to == ordering.Peer(i)) {
			c.mail = append(c.mail, letter{i, ev})
		}
	}
}

// Source answers queries from a chain. Change, if set, may replace or drop (nil) a record, by its place in
// the answer.
type Source struct {
	Chain    *Chain
	Head     dag.CommitIndex // what is proven
	Earliest dag.CommitIndex // those before are not there
	Gone     []int           // places of deals whose blocks are not there
	Change   func(q snapshot.Query, place int, record []byte) []byte
}

// Snapshot answers a query.
func (s *Source) Snapshot(q snapshot.Query, give func([]byte) error) error {
	for i, record := range s.records(q) {
		if s.Change != nil {
			record = s.Change(q, i, record)
		}
		if record == nil {
			continue
		}
		if err := give(record); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) records(q snapshot.Query) (out [][]byte) {
	commit := func(i dag.CommitIndex) *ordering.Commit { return s.Chain.Commits[i-1] }
	switch q.Kind {
	case snapshot.AskReach:
		return [][]byte{snapshot.Reach{Earliest: s.Earliest, Newest: s.Head}.Encode()}
	case snapshot.AskProof:
		witnesses := s.Chain.Witnesses(s.Head)
		out = append(out, snapshot.EncodeHead(commit(s.Head)))
		last := s.Head
		for _, w := range witnesses {
			last = max(last, w.Block().LastCommit.Index)
		}
		for i := s.Head + 1; i <= last; i++ {
			out = append(out, snapshot.EncodeHeader(&commit(i).CommitHeader))
		}
		for _, w := range witnesses {
			out = append(out, snapshot.EncodeWitness(w))
		}
	case snapshot.AskStates:
		for _, state := range s.Chain.states(q.At) {
			out = append(out, snapshot.EncodeState(state))
		}
	case snapshot.AskDeals:
		for i, b := range s.Chain.Deals(q.At) {
			if i < int(q.Low) {
				continue
			}
			if slices.Contains(s.Gone, i) {
				break
			}
			out = append(out, snapshot.EncodeDeal(b.Bytes()))
		}
	case snapshot.AskWindow:
		for i := q.At; i >= max(q.Low, s.Earliest); i-- {
			out = append(out, snapshot.EncodeCommit(commit(i).EncodeRecord()))
		}
	}
	return out
}

func (c *Chain) states(at dag.CommitIndex) []ordering.State {
	states, err := ordering.ReadStates(c.Commits[at-1], func(i dag.CommitIndex) (*ordering.Commit, error) { return c.Commits[i-1], nil })
	if err != nil {
		panic(err)
	}
	return states
}

// Deals is the blocks that brought in the deals in the states of a commit.
func (c *Chain) Deals(at dag.CommitIndex) []*dag.Verified {
	deals, err := ordering.DealsOf(c.Config.Committee, c.states(at))
	if err != nil {
		panic(err)
	}
	out := make([]*dag.Verified, len(deals))
	for i := range deals {
		out[i] = deals[i].Among(c.Commits[deals[i].Commit-1].Bodies)
	}
	return out
}

// Witnesses is a block of each validator that names a commit from head on, of some a later one.
func (c *Chain) Witnesses(head dag.CommitIndex) []*dag.Verified {
	var out []*dag.Verified
	var have dag.AuthorSet
	for _, b := range c.Blocks {
		named := b.Block().LastCommit.Index
		if named >= head+dag.CommitIndex(b.Author()) && int(named) <= len(c.Commits) && !have.Has(b.Author()) {
			have.Add(b.Author())
			out = append(out, b)
		}
	}
	return out
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
