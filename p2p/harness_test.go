package p2p

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/goleak"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen: far more than a slow machine needs.
const patience = time.Minute

const (
	tcpAny  = "/ip4/127.0.0.1/tcp/0"
	quicAny = "/ip4/127.0.0.1/udp/0/quic-v1"
)

// quick are limits with short pauses.
var quick = Limits{
	RedialMin: 50 * time.Millisecond, RedialMax: 200 * time.Millisecond, PingInterval: 100 * time.Millisecond,
	FetchTimeout: 2 * time.Second, Penalty: 100 * time.Millisecond, PenaltyMax: 200 * time.Millisecond,
}

func key(i int) *crypto.IdentityKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "key %d", i))
	k, err := crypto.NewIdentityKey(seed[:])
	if err != nil {
		panic(err)
	}
	return k
}

func committee(tb testing.TB, n int) *dag.Committee {
	tb.Helper()
	validators := make([]dag.Validator, n)
	for i := range validators {
		validators[i] = dag.Validator{Name: fmt.Sprintf("v%d", i), Identity: key(i).Public()}
	}
	c, err := dag.NewCommittee(crypto.Hash(crypto.DomainGenesis, []byte("test")), 0, validators)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// block is a signed block of round 1; blocks with different salts differ.
func block(tb testing.TB, c *dag.Committee, author dag.Author, salt uint64, payload int) *dag.Verified {
	tb.Helper()
	return blockAt(tb, c, author, 1, salt, payload)
}

// blockAt is a signed block of a round whose parents of the round before are made up.
func blockAt(tb testing.TB, c *dag.Committee, author dag.Author, round dag.Round, salt uint64, payload int) *dag.Verified {
	tb.Helper()
	b := dag.Block{Epoch: c.Epoch(), Round: round, Author: author, Time: salt}
	for i := range c.Size() {
		a := dag.Author((int(author) + i) % c.Size())
		parent := c.Genesis(a)
		if round > 1 {
			parent = dag.Ref{Round: round - 1, Author: a, Digest: crypto.Hash(crypto.DomainBlock, []byte{byte(a)})}
		}
		b.Parents = append(b.Parents, parent)
	}
	hasher := dag.NewItemHasher(c.Network())
	for payload > 0 {
		size := min(payload, 64<<10)
		tx := dag.Transaction{Namespace: 1, ValidUntil: 1, Payload: bytes.Repeat([]byte{byte(salt)}, size)}
		item, err := tx.Encode(hasher)
		if err != nil {
			tb.Fatal(err)
		}
		b.Items = append(b.Items, item)
		payload -= size
	}
	v, err := dag.Seal(c, b, key(int(author)))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// source is blocks in memory.
type source struct {
	mu     sync.Mutex
	blocks []*dag.Verified
	broken bool
}

func (s *source) put(blocks ...*dag.Verified) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = append(s.blocks, blocks...)
}

func (s *source) Block(ref dag.Ref) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return nil, false, errors.New("disk on fire")
	}
	for _, b := range s.blocks {
		if b.Ref() == ref {
			return b.Bytes(), true, nil
		}
	}
	return nil, false, nil
}

func (s *source) BlocksInRounds(from, to dag.Round, maxBytes int) ([][]byte, dag.Round, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return nil, from, errors.New("disk on fire")
	}
	sorted := slices.Clone(s.blocks)
	slices.SortFunc(sorted, func(a, b *dag.Verified) int { return a.Ref().Compare(b.Ref()) })
	var out [][]byte
	for _, b := range sorted {
		if b.Round() < from || b.Round() > to {
			continue
		}
		if maxBytes -= len(b.Bytes()); maxBytes < 0 {
			return out, b.Round(), nil
		}
		out = append(out, b.Bytes())
	}
	return out, to + 1, nil
}

// node is a Network with everything that it delivered.
type node struct {
	*Network
	index  int
	source *source

	mu     sync.Mutex
	events []ordering.Event
	items  [][]byte
	paused chan struct{} // non-nil: the drain stands still until it is closed
	done   chan struct{}
}

type option func(*Config)

func listen(addrs ...string) option {
	return func(c *Config) {
		c.Listen = nil
		for _, a := range addrs {
			c.Listen = append(c.Listen, ma.StringCast(a))
		}
	}
}

func knows(nodes ...*node) option {
	return func(c *Config) {
		for _, n := range nodes {
			c.Peers = append(c.Peers, peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()})
		}
	}
}

func limited(change func(*Limits)) option { return func(c *Config) { change(&c.Limits) } }

// start runs the node with key index.
func start(tb testing.TB, c *dag.Committee, index int, options ...option) *node {
	tb.Helper()
	n := &node{index: index, source: &source{}, done: make(chan struct{})}
	cfg := Config{Identity: key(index), Committee: c, Blocks: n.source, Limits: quick, Listen: []ma.Multiaddr{ma.StringCast(tcpAny)}}
	for _, o := range options {
		o(&cfg)
	}
	var err error
	if n.Network, err = New(cfg); err != nil {
		tb.Fatal(err)
	}
	go n.drainEvents()
	tb.Cleanup(func() {
		n.stop()
		n.checkOrder(tb)
	})
	return n
}

// checkOrder holds the promise of Events: nothing of a peer before its PeerConnected.
func (n *node) checkOrder(tb testing.TB) {
	met := make(map[ordering.Peer]bool)
	for i, e := range n.events {
		var from ordering.Peer
		switch e := e.(type) {
		case ordering.PeerConnected:
			met[e.Peer] = true
			continue
		case ordering.BlockReceived:
			from = e.From
		case ordering.FrontierReceived:
			from = e.From
		case ordering.NewestAsked:
			from = e.From
		case ordering.NewestAnswered:
			from = e.From
		default:
			continue
		}
		if !met[from] {
			tb.Errorf("event %d of peer %d came before its connection: %T", i, from, e)
			return
		}
	}
}

func (n *node) stop() {
	n.resume()
	n.Close()
	<-n.done
}

// cluster runs n validators that all know each other.
func cluster(tb testing.TB, c *dag.Committee, options ...option) []*node {
	tb.Helper()
	var nodes []*node
	for i := range c.Size() {
		nodes = append(nodes, start(tb, c, i, append(options, knows(nodes...))...))
	}
	for _, n := range nodes {
		for _, o := range nodes {
			if o != n {
				n.waitConnected(tb, o)
			}
		}
	}
	return nodes
}

func (n *node) drainEvents() {
	defer close(n.done)
	events, transactions := n.Events(), n.Transactions()
	for events != nil || transactions != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			n.mu.Lock()
			n.events = append(n.events, e)
			paused := n.paused
			n.mu.Unlock()
			if paused != nil {
				<-paused
			}
		case item, ok := <-transactions:
			if !ok {
				transactions = nil
				continue
			}
			n.mu.Lock()
			n.items = append(n.items, item.Raw)
			n.mu.Unlock()
		}
	}
}

// pause makes the node stop taking events after the next one.
func (n *node) pause() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = make(chan struct{})
}

func (n *node) resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.paused != nil {
		close(n.paused)
		n.paused = nil
	}
}

// seen counts the events for which match holds.
func (n *node) seen(match func(ordering.Event) bool) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, e := range n.events {
		if match(e) {
			count++
		}
	}
	return count
}

func (n *node) has(ref dag.Ref) bool {
	return n.seen(func(e ordering.Event) bool {
		b, ok := e.(ordering.BlockReceived)
		return ok && b.Block.Ref() == ref
	}) > 0
}

func (n *node) blocksFrom(p ordering.Peer) int {
	return n.seen(func(e ordering.Event) bool {
		b, ok := e.(ordering.BlockReceived)
		return ok && b.From == p
	})
}

// endOf waits for the end of a fetch and returns it.
func (n *node) endOf(tb testing.TB, id uint64) ordering.FetchEnded {
	tb.Helper()
	var end ordering.FetchEnded
	ended := func() bool {
		return n.seen(func(e ordering.Event) bool {
			f, ok := e.(ordering.FetchEnded)
			if ok && f.Fetch.ID == id {
				end = f
			}
			return ok && f.Fetch.ID == id
		}) > 0
	}
	eventually(tb, fmt.Sprintf("end of fetch %d", id), ended)
	return end
}

// numberOf is o's number at n, or false if n does not know it.
func (n *node) numberOf(o *node) (ordering.Peer, bool) {
	for _, p := range n.Peers() {
		if p.ID == o.ID() && p.Connected {
			return p.Peer, true
		}
	}
	return 0, false
}

func (n *node) waitConnected(tb testing.TB, o *node) {
	tb.Helper()
	eventually(tb, fmt.Sprintf("node %d connected to %d", n.index, o.index), func() bool {
		_, ok := n.numberOf(o)
		return ok
	})
}

func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	tb.Fatalf("did not come true in %v: %s", patience, what)
}

func salted(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
