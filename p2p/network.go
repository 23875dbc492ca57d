// Package p2p moves verified blocks and messages between nodes over libp2p: direct push streams
// among validators, fetches by digest or round, and GossipSub for observers. It knows nothing of
// storage or of the engine beyond the data types of ordering.
//
// What arrives is decoded and verified before it is delivered; what is invalid costs its sender
// the connection, never this node. Delivery is a hint and no promise: who misses a block fetches it.
package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// BlockSource is where fetches of other nodes are served from. Both methods are called from many
// goroutines at once and may block; the bytes that they return are not changed.
type BlockSource interface {
	// Block is the encoding of a block; false if this node does not have it.
	Block(ref dag.Ref) ([]byte, bool, error)
	// BlocksInRounds is the encodings of the blocks of the rounds from to to (both included),
	// oldest first, as far as maxBytes goes, and the first round that is not included in full
	// (to+1 if all are).
	BlocksInRounds(from, to dag.Round, maxBytes int) ([][]byte, dag.Round, error)
}

// Config says who a node is and whom it speaks to.
type Config struct {
	Identity  *crypto.IdentityKey
	Committee *dag.Committee
	Listen    []ma.Multiaddr
	// Peers are where other nodes listen. They are dialled for as long as the Network lives, also those
	// outside the committee: whoever is connected to one finds the others through it.
	Peers []peer.AddrInfo
	// Announce are the addresses that others are told; empty for those that the node listens on.
	Announce []ma.Multiaddr
	// Relay says whether observers behind NATs meet through this one.
	Relay  Relay
	Blocks BlockSource
	// Snapshots is where queries of other nodes for snapshots are answered from; nil on nodes that give none.
	Snapshots SnapshotSource
	// AdmitTransaction is a cheap check of a gossiped transaction or bundle, safe for concurrent
	// use. An error is held against the sender unless it wraps ErrNotNow. Nil on nodes that take
	// none.
	AdmitTransaction func(raw []byte) error
	Logger           *slog.Logger // nil for none
	Limits           Limits
}

// Relay says whether a node lets others meet through it.
type Relay uint8

const (
	// NoRelay is what most nodes are.
	NoRelay Relay = iota
	// RelayForOthers is an observer that everybody can reach and that introduces others to each other. Its
	// resources are bounded; no blocks go through it.
	RelayForOthers
)

// ErrNotNow as the cause of an AdmitTransaction error means that the transaction is not wanted
// though its sender did no wrong: the pool is full, it is here already, or it is a little late.
var ErrNotNow = errors.New("not now")

// ErrClosed is what calls return after Close.
var ErrClosed = errors.New("network closed")

// GossipItem is a transaction or bundle that an observer gossiped or offered. It has passed AdmitTransaction.
type GossipItem struct{ Raw []byte }

// Network is the connections of one node. Its methods are safe for concurrent use and do not
// block unless they say so.
type Network struct {
	cfg    Config
	limits Limits
	log    *slog.Logger
	names  names
	own    crypto.PublicKey
	member bool // whether this node belongs to the committee

	host   host.Host
	gate   *gate
	table  *table
	gossip *gossip
	finder *finder

	ctx          context.Context
	cancel       context.CancelFunc
	work         sync.WaitGroup
	mu           sync.Mutex // guards closed, and work.Add against Close
	closed       bool
	events       chan ordering.Event
	transactions chan GossipItem
	strangers    chan struct{} // a token per fetch that is being served to a stranger
	outside      *bucket       // bytes that all strangers together are served
	offers       chan struct{} // a token per offer that is being read
	shared       *bucket       // work that strangers make beyond what each is given
	newest       atomic.Pointer[dag.Ref]
	addrs        map[peer.ID]peer.AddrInfo
	count        counters
}

// New starts listening and dialling. The caller drains Events and Transactions until Close.
func New(cfg Config) (*Network, error) {
	if cfg.Identity == nil || cfg.Committee == nil || cfg.Blocks == nil {
		return nil, errors.New("start network: identity, committee and blocks are needed")
	}
	cfg.Limits = cfg.Limits.withDefaults()
	n := &Network{
		cfg: cfg, limits: cfg.Limits, log: cfg.Logger, names: namesOf(cfg.Committee.Network()), own: cfg.Identity.Public(),
		gate:         newGate(cfg.Limits.Penalty, cfg.Limits.PenaltyMax),
		events:       make(chan ordering.Event, cfg.Limits.Events),
		transactions: make(chan GossipItem, transactionQueue),
		strangers:    make(chan struct{}, servedStrangers),
		outside:      newBucket(strangersByteRate, strangersByteRate),
		offers:       make(chan struct{}, offersServed),
		shared:       newBucket(float64(cfg.Limits.StrangersWork), float64(cfg.Limits.StrangersWork)),
		addrs:        make(map[peer.ID]peer.AddrInfo),
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if _, n.member = cfg.Committee.AuthorOf(n.own); n.member && cfg.Relay == RelayForOthers {
		return nil, errors.New("start network: a validator is no relay for others")
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.table = newTable(n.ctx, cfg.Committee, cfg.Limits)
	if err := n.start(); err != nil {
		n.Close()
		return nil, fmt.Errorf("start network: %w", err)
	}
	return n, nil
}

func (n *Network) start() error {
	remotes, err := n.standing()
	if err != nil {
		return err
	}
	if n.host, err = newHost(n); err != nil {
		return err
	}
	if n.gossip, err = newGossip(n); err != nil {
		return err
	}
	if n.finder, err = newFinder(n); err != nil {
		return err
	}
	n.host.SetStreamHandler(n.names.push, n.handlePush)
	n.host.SetStreamHandler(n.names.fetch, n.handleFetch)
	n.host.SetStreamHandler(n.names.echo, n.handleEcho)
	if n.cfg.Snapshots != nil {
		n.host.SetStreamHandler(n.names.snapshot, n.handleSnapshot)
	}
	if n.member {
		n.host.SetStreamHandler(n.names.offer, n.handleOffer)
	}
	n.host.Network().Notify(&notifiee{n})
	if len(n.cfg.Listen) > 0 {
		if err := n.host.Network().Listen(n.cfg.Listen...); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	for _, r := range remotes {
		n.host.ConnManager().Protect(r.id, "standing")
		n.spawn(func() { n.attend(r) })
	}
	if !n.member {
		n.spawn(n.mingle)
	}
	n.log.Info("network_listening", "peer", n.host.ID(), "addrs", n.Addrs())
	return nil
}

// standing enters the committee and the configured peers into the table.
func (n *Network) standing() ([]*remote, error) {
	self, err := PeerID(n.own)
	if err != nil {
		return nil, err
	}
	for _, info := range n.cfg.Peers {
		known := n.addrs[info.ID]
		n.addrs[info.ID] = peer.AddrInfo{ID: info.ID, Addrs: append(known.Addrs, info.Addrs...)}
	}
	ids := make([]peer.ID, 0, n.cfg.Committee.Size()+len(n.addrs))
	for a := range n.cfg.Committee.Size() {
		id, err := PeerID(n.cfg.Committee.Validator(dag.Author(a)).Identity)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	for _, info := range n.cfg.Peers {
		ids = append(ids, info.ID)
	}
	var out []*remote
	for _, id := range ids {
		if id == self {
			continue
		}
		r, fresh := n.table.add(id)
		if r == nil {
			return nil, fmt.Errorf("peer %s: no ed25519 key or more than %d peers outside the committee", id, n.limits.Strangers)
		}
		if fresh {
			r.standing = true
			out = append(out, r)
		}
	}
	return out, nil
}

// Close stops everything and waits for it; then Events and Transactions are closed. Fetches that
// are under way end; their FetchEnded is lost if Events is full and nobody drains it.
func (n *Network) Close() {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return
	}
	n.closed = true
	n.mu.Unlock()
	n.cancel()
	var err error
	if n.finder != nil {
		err = n.finder.close()
	}
	if n.host != nil {
		err = errors.Join(err, n.host.Close())
	}
	if err != nil {
		n.log.Warn("network_close", "error", err)
	}
	n.work.Wait()
	close(n.events)
	close(n.transactions)
}

// spawn runs f in a goroutine that Close waits for. It does nothing after Close and says so.
func (n *Network) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.work.Go(f)
	return true
}

// ID is this node's libp2p id.
func (n *Network) ID() peer.ID { return n.host.ID() }

// Addrs is where this node listens, with the ports that it got and on all interfaces where it
// was told to listen on all.
func (n *Network) Addrs() []ma.Multiaddr {
	addrs, err := n.host.Network().InterfaceListenAddresses()
	if err != nil { // the interfaces cannot be listed
		return n.host.Network().ListenAddresses()
	}
	return slices.DeleteFunc(addrs, func(a ma.Multiaddr) bool { // the relay transport's, which is no address
		_, err := a.ValueForProtocol(ma.P_CIRCUIT)
		return err == nil
	})
}

// Events delivers what happens, in the order in which it happened per peer. Nothing of a peer
// comes before its PeerConnected. A full channel makes only the readers of peers wait.
func (n *Network) Events() <-chan ordering.Event { return n.events }

// Transactions delivers gossiped and offered transactions. When nobody takes them they are dropped.
func (n *Network) Transactions() <-chan GossipItem { return n.transactions }

// deliver blocks until the node takes the event; after Close it only tries.
func (n *Network) deliver(e ordering.Event) bool {
	select {
	case n.events <- e:
		return true
	case <-n.ctx.Done():
	}
	select {
	case n.events <- e:
		return true
	default:
		return false
	}
}

// Broadcast pushes an own block to every connected validator, and gossips it if somebody outside
// the committee listens.
func (n *Network) Broadcast(v *dag.Verified) {
	ref := v.Ref()
	n.newest.Store(&ref)
	n.sendMembers(frame{kindBlock, v.Bytes()})
	n.gossip.offer(v)
}

// Send passes a message to its receiver if that is connected. A message that breaks the limits is
// an error, and so is a receiver that is not connected.
func (n *Network) Send(s ordering.Send) error {
	f, err := encodeMessage(s.Message)
	if err != nil {
		return fmt.Errorf("send to peer %d: %w", s.To, err)
	}
	if s.To == ordering.Everyone {
		n.sendMembers(f)
		return nil
	}
	r := n.table.numbered(s.To)
	if r == nil || !n.enqueue(r, f) {
		return fmt.Errorf("send to peer %d: not connected", s.To)
	}
	return nil
}

func (n *Network) sendMembers(f frame) {
	for _, r := range n.table.all() {
		if r.member {
			n.enqueue(r, f)
		}
	}
}

func (n *Network) enqueue(r *remote, f frame) bool {
	dropped, ok := r.queue.push(f)
	n.count.dropped.Add(uint64(dropped))
	return ok
}

// fault ends the connections of a peer that sent something invalid and bars it for a while.
func (n *Network) fault(r *remote, err error) {
	if n.ctx.Err() != nil {
		return
	}
	n.count.faults.Add(1)
	n.gate.bar(r.id, time.Now())
	n.log.Warn("peer_fault", "peer", r.name, "error", err)
	n.disconnect(r.id)
}

// disconnect closes all connections to a peer without waiting for it.
func (n *Network) disconnect(id peer.ID) {
	n.spawn(func() {
		// An error means that a connection was closing already.
		_ = n.host.Network().ClosePeer(id)
	})
}
