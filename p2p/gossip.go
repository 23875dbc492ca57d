package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// gossip carries blocks to observers and observers' transactions to validators. Observers
// subscribe to blocks, nodes that admit transactions to transactions.
type gossip struct {
	n            *Network
	blocks       *pubsub.Topic
	transactions *pubsub.Topic
	listeners    atomic.Int64 // peers that subscribe to blocks
	own          chan *dag.Verified
}

func newGossip(n *Network) (*gossip, error) {
	ps, err := pubsub.NewGossipSub(n.ctx, &gossipHost{n.host, n}, gossipOptions(n)...)
	if err != nil {
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g := &gossip{n: n, own: make(chan *dag.Verified, gossipQueue)}
	inline := []pubsub.ValidatorOpt{pubsub.WithValidatorInline(true), pubsub.WithValidatorConcurrency(64)}
	if err := errors.Join(
		ps.RegisterTopicValidator(n.names.blocks, g.checkBlock, inline...),
		ps.RegisterTopicValidator(n.names.transactions, g.checkTransaction, inline...),
	); err != nil {
		return nil, fmt.Errorf("register gossip checks: %w", err)
	}
	if g.blocks, err = joinTopic(ps, n.names.blocks); err != nil {
		return nil, err
	}
	if g.transactions, err = joinTopic(ps, n.names.transactions); err != nil {
		return nil, err
	}
	if n.member {
		return g, g.startMember()
	}
	return g, g.startObserver()
}

// startMember publishes own blocks and takes transactions if the node admits them.
func (g *gossip) startMember() error {
	events, err := g.blocks.EventHandler()
	if err != nil {
		return fmt.Errorf("watch topic of blocks: %w", err)
	}
	g.n.spawn(func() { g.countListeners(events) })
	g.n.spawn(g.publishBlocks)
	if g.n.cfg.AdmitTransaction == nil {
		return nil
	}
	return g.subscribe(g.transactions, g.takeTransaction)
}

func (g *gossip) startObserver() error { return g.subscribe(g.blocks, g.takeBlock) }

func joinTopic(ps *pubsub.PubSub, name string) (*pubsub.Topic, error) {
	t, err := ps.Join(name)
	if err != nil {
		return nil, fmt.Errorf("join topic %s: %w", name, err)
	}
	return t, nil
}

func gossipOptions(n *Network) []pubsub.Option {
	// The id is the content, since a message is marked as seen before it is checked: by any other
	// id a forged message would shadow the honest one.
	id := func(m *pb.Message) string {
		d := crypto.Hash(crypto.DomainGossip, []byte(m.GetTopic()), m.GetData())
		return string(d[:])
	}
	return []pubsub.Option{
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(), pubsub.WithMessageIdFn(id),
		pubsub.WithSubscriptionFilter(subscriptionFilter(n.names)),
		pubsub.WithMaxMessageSize(maxGossipMessage), pubsub.WithMaxControlMessageSize(maxGossipControl),
		pubsub.WithValidateQueueSize(1024), pubsub.WithValidateThrottle(256), pubsub.WithPeerOutboundQueueSize(256),
		pubsub.WithPeerScore(peerScore(n.names), &pubsub.PeerScoreThresholds{
			GossipThreshold: -500, PublishThreshold: -1000, GraylistThreshold: -2500,
		}),
		pubsub.WithPeerGater(pubsub.NewPeerGaterParams(0.33, pubsub.ScoreParameterDecay(2*time.Minute), pubsub.ScoreParameterDecay(10*time.Minute))),
		pubsub.WithAppSpecificRpcInspector(n.countGossip),
		pubsub.WithFloodPublish(true), pubsub.WithPeerExchange(false),
		pubsub.WithLogger(slog.New(slog.DiscardHandler)),
	}
}

// subscriptionFilter lets in the two topics of the network and few subscriptions at a time.
func subscriptionFilter(names names) pubsub.SubscriptionFilter {
	return pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(names.blocks, names.transactions), maxSubscriptions)
}

// peerScore is P7 and what decays; nodes of one cluster may share an address, so P6 is off.
func peerScore(names names) *pubsub.PeerScoreParams {
	return &pubsub.PeerScoreParams{
		Topics:                 map[string]*pubsub.TopicScoreParams{names.blocks: topicScore(), names.transactions: topicScore()},
		AppSpecificScore:       func(peer.ID) float64 { return 0 },
		BehaviourPenaltyWeight: -10, BehaviourPenaltyThreshold: 6, BehaviourPenaltyDecay: pubsub.ScoreParameterDecay(10 * time.Minute),
		DecayInterval: time.Second, DecayToZero: 0.01, RetainScore: time.Hour, SkipAtomicValidation: true,
	}
}

// topicScore is P4 alone: two invalid messages cut a peer off from publishing, three from
// everything. Delivery rates (P3) are off, since small committees give false positives.
func topicScore() *pubsub.TopicScoreParams {
	return &pubsub.TopicScoreParams{
		SkipAtomicValidation: true, TopicWeight: 1, TimeInMeshQuantum: time.Second,
		InvalidMessageDeliveriesWeight: -1000, InvalidMessageDeliveriesDecay: pubsub.ScoreParameterDecay(time.Hour),
	}
}

// checkBlock verifies a gossiped block; what it accepts carries the verified block along.
func (g *gossip) checkBlock(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if from == g.n.host.ID() {
		return pubsub.ValidationAccept
	}
	v, err := dag.Verify(g.n.cfg.Committee, m.Data)
	if err != nil {
		return g.reject(from, err)
	}
	m.ValidatorData = v
	return pubsub.ValidationAccept
}

func (g *gossip) checkTransaction(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	switch {
	case from == g.n.host.ID():
		return pubsub.ValidationAccept
	case len(m.Data) == 0 || len(m.Data) > maxGossipItem:
		return g.reject(from, fmt.Errorf("%w: gossiped transaction of %d bytes", errFault, len(m.Data)))
	case g.n.cfg.AdmitTransaction == nil:
		return pubsub.ValidationIgnore
	}
	err := g.n.cfg.AdmitTransaction(m.Data)
	switch {
	case err == nil:
		return pubsub.ValidationAccept
	case errors.Is(err, ErrNotNow):
		return pubsub.ValidationIgnore
	}
	return g.reject(from, err)
}

// reject refuses a message. Who says too much that is invalid, and is no member of the committee, loses its
// connections: GossipSub alone would read on what it says, to throw it away.
func (g *gossip) reject(from peer.ID, err error) pubsub.ValidationResult {
	g.n.count.gossipRejected.Add(1)
	if r := g.n.table.find(from); r != nil && !r.member && r.rejected.Add(1) >= maxRejected {
		r.rejected.Store(0)
		g.n.fault(r, fmt.Errorf("%d invalid messages gossiped, the last: %w", maxRejected, err))
	}
	return pubsub.ValidationReject
}

// subscribe hands the topic's messages to take until Close.
func (g *gossip) subscribe(t *pubsub.Topic, take func(*pubsub.Message)) error {
	sub, err := t.Subscribe(pubsub.WithBufferSize(gossipQueue))
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", t, err)
	}
	g.n.spawn(func() {
		defer sub.Cancel()
		for {
			m, err := sub.Next(g.n.ctx)
			if err != nil {
				return // the network is closing
			}
			take(m)
		}
	})
	return nil
}

// takeBlock delivers a gossiped block. One from a peer that the engine does not know of yet is left
// out: waiting for that peer would hold up everybody's, for ever if it never takes a push stream.
func (g *gossip) takeBlock(m *pubsub.Message) {
	v, ok := m.ValidatorData.(*dag.Verified)
	r := g.n.table.find(m.ReceivedFrom)
	if !ok || r == nil || !r.begin() {
		return
	}
	defer r.done()
	if r.connected() {
		g.n.count.gossipBlocks.Add(1)
		g.n.deliver(ordering.BlockReceived{From: r.number, Block: v})
	}
}

func (g *gossip) takeTransaction(m *pubsub.Message) {
	if m.ReceivedFrom == g.n.host.ID() {
		return
	}
	select {
	case g.n.transactions <- GossipItem{Raw: m.Data}:
		g.n.count.gossipTransactions.Add(1)
	default:
		g.n.count.gossipDropped.Add(1)
	}
}

// countListeners keeps the number of peers that subscribe to blocks.
func (g *gossip) countListeners(events *pubsub.TopicEventHandler) {
	defer events.Cancel()
	for {
		e, err := events.NextPeerEvent(g.n.ctx)
		if err != nil {
			return // the network is closing
		}
		switch e.Type {
		case pubsub.PeerJoin:
			g.listeners.Add(1)
		case pubsub.PeerLeave:
			g.listeners.Add(-1)
		}
	}
}

// subscribes reports whether a peer listens to one of the topics.
func (g *gossip) subscribes(id peer.ID) bool {
	return slices.Contains(g.blocks.ListPeers(), id) || slices.Contains(g.transactions.ListPeers(), id)
}

// offer queues an own block for the topic if anybody listens.
func (g *gossip) offer(v *dag.Verified) {
	if g.listeners.Load() == 0 {
		return
	}
	select {
	case g.own <- v:
	default:
		g.n.count.gossipDropped.Add(1)
	}
}

func (g *gossip) publishBlocks() {
	for {
		select {
		case <-g.n.ctx.Done():
			return
		case v := <-g.own:
			if err := g.blocks.Publish(g.n.ctx, v.Bytes()); err != nil {
				g.n.count.gossipDropped.Add(1)
			}
		}
	}
}

// PublishTransaction gossips an encoded transaction or bundle to the validators. It waits for
// the local gossip queue only; that a validator took it is not known.
func (n *Network) PublishTransaction(ctx context.Context, raw []byte) error {
	if len(raw) == 0 || len(raw) > maxGossipItem {
		return fmt.Errorf("publish transaction: %d bytes, want 1 to %d", len(raw), maxGossipItem)
	}
	if n.ctx.Err() != nil {
		return fmt.Errorf("publish transaction: %w", ErrClosed)
	}
	if err := n.gossip.transactions.Publish(ctx, raw); err != nil {
		return fmt.Errorf("publish transaction: %w", err)
	}
	return nil
}
