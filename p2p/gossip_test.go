package p2p

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

var errBadItem = errors.New("bad item")

// admit takes what begins with "good", puts off "late", and refuses the rest.
func admit(c *Config) {
	c.AdmitTransaction = func(raw []byte) error {
		switch {
		case bytes.HasPrefix(raw, []byte("good")):
			return nil
		case bytes.HasPrefix(raw, []byte("late")):
			return fmt.Errorf("pool is full: %w", ErrNotNow)
		}
		return errBadItem
	}
}

func (n *node) hasItem(raw string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, item := range n.items {
		if string(item) == raw {
			return true
		}
	}
	return false
}

func TestObserver(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c, admit)
	observer := start(t, c, 10, knows(nodes[:2]...)) // knows two of four
	far := start(t, c, 11, knows(observer))          // knows no validator, and may find some
	for _, n := range nodes[:2] {
		observer.waitConnected(t, n)
		n.waitConnected(t, observer)
		if p, _ := n.numberOf(observer); p < ordering.FirstStranger {
			t.Errorf("observer is peer %d", p)
		}
	}
	far.waitConnected(t, observer)
	for _, n := range nodes[:2] {
		eventually(t, "subscription known", func() bool { return n.gossip.listeners.Load() > 0 })
	}
	salt := uint64(0)
	for i, n := range nodes[:2] {
		for _, to := range []*node{observer, far} {
			eventually(t, "block at the observers", func() bool {
				// New blocks until one arrives: a mesh takes a moment to form, and gossip is a hint.
				salt++
				b := block(t, c, dag.Author(i), salt, 1000)
				n.Broadcast(b)
				time.Sleep(20 * time.Millisecond)
				return to.has(b.Ref())
			})
		}
	}
	if nodes[0].Stats().GossipBlocks != 0 {
		t.Error("a validator takes part in the gossip of blocks")
	}
	// The observer can fetch, and validators can fetch from it.
	b := block(t, c, 3, 9, 10)
	nodes[1].source.put(b)
	observer.Fetch(ordering.Fetch{ID: 1, To: 1, Refs: []dag.Ref{b.Ref()}})
	if end := observer.endOf(t, 1); end.Blocks != 1 {
		t.Errorf("observer fetched %d blocks", end.Blocks)
	}
	for _, n := range nodes {
		eventually(t, "transaction at every validator", func() bool {
			if err := observer.PublishTransaction(context.Background(), []byte(fmt.Sprint("good ", time.Now().UnixNano()))); err != nil {
				t.Fatal(err)
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			return len(n.items) > 0
		})
	}
	if err := observer.PublishTransaction(context.Background(), make([]byte, maxGossipItem+1)); err == nil {
		t.Error("an oversize transaction is published")
	}
}

func TestRefusedTransactionsCostTheirSender(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c, admit)
	observer := start(t, c, 10, knows(nodes...))
	for _, n := range nodes {
		observer.waitConnected(t, n)
	}
	publish := func(raw string) {
		t.Helper()
		if err := observer.PublishTransaction(context.Background(), []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	eventually(t, "first good one", func() bool {
		count++
		publish(fmt.Sprint("good ", count))
		return nodes[0].Stats().GossipTransactions > 0
	})
	for i := range 20 {
		publish(fmt.Sprint("late ", i))
	}
	publish("good after late")
	eventually(t, "good after late ones", func() bool { return nodes[0].hasItem("good after late") })
	if n := nodes[0].Stats().GossipRejected; n != 0 {
		t.Errorf("%d of the late ones were held against the sender", n)
	}
	for i := range uint64(2) { // as many as the score forgives
		publish(fmt.Sprint("bad ", i))
		eventually(t, "refused", func() bool { return nodes[0].Stats().GossipRejected == i+1 })
	}
	before := nodes[0].Stats().GossipRejected
	for i := range 100 {
		publish(fmt.Sprint("worse ", i))
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // for what must not happen
	if after := nodes[0].Stats().GossipRejected; after != before {
		t.Errorf("%d messages of a graylisted peer were checked", after-before)
	}
}

func TestForgedGossipBlockIsRefused(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c)
	observer := start(t, c, 10, knows(nodes[0]))
	eventually(t, "subscription known", func() bool { return nodes[0].gossip.listeners.Load() == 1 })
	raw := bytes.Clone(block(t, c, 0, 1, 10).Bytes())
	raw[len(raw)-1] ^= 1
	eventually(t, "refused", func() bool {
		if err := nodes[0].gossip.blocks.Publish(context.Background(), raw); err != nil {
			t.Fatal(err)
		}
		return observer.Stats().GossipRejected > 0
	})
	if observer.Stats().GossipBlocks != 0 {
		t.Error("a forged block was delivered")
	}
}

func TestStrangersMayNotPushBlocks(t *testing.T) {
	c := committee(t, 4)
	for name, message := range map[string]ordering.Message{
		"block": ordering.BlockMessage{Block: block(t, c, 0, 1, 10)}, "ask": ordering.AskNewest{}, "answer": ordering.AnswerNewest{},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, c, 0)
			observer := start(t, c, 10, knows(n))
			observer.waitConnected(t, n)
			n.waitConnected(t, observer)
			if err := observer.Send(ordering.Send{To: 0, Message: ordering.FrontierMessage{}}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "frontier of a stranger", func() bool {
				return n.seen(func(e ordering.Event) bool { _, ok := e.(ordering.FrontierReceived); return ok }) == 1
			})
			if err := observer.Send(ordering.Send{To: 0, Message: message}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "fault", func() bool { return n.Stats().Faults == 1 })
		})
	}
}

// TestNothingComesBeforeTheConnection pushes from a peer to which this node cannot open a stream.
func TestNothingComesBeforeTheConnection(t *testing.T) {
	c := committee(t, 4)
	deaf := start(t, c, 1)
	deaf.host.RemoveStreamHandler(deaf.names.push)
	n := start(t, c, 0, knows(deaf))
	deaf.waitConnected(t, n)
	if err := deaf.Send(ordering.Send{To: 0, Message: ordering.FrontierMessage{}}); err != nil {
		t.Fatal(err)
	}
	deaf.Broadcast(block(t, c, 1, 1, 10))
	time.Sleep(200 * time.Millisecond) // for what must not happen: checkOrder looks when the node stops
	deaf.host.SetStreamHandler(deaf.names.push, deaf.handlePush)
	n.waitConnected(t, deaf)
	eventually(t, "block that waited", func() bool { return n.blocksFrom(1) == 1 })
}

// TestADeafPeerHoldsUpNobodysBlocks: a member that takes no push stream gossips a block to an observer.
func TestADeafPeerHoldsUpNobodysBlocks(t *testing.T) {
	c := committee(t, 4)
	deaf, n := start(t, c, 1), start(t, c, 0)
	deaf.host.RemoveStreamHandler(deaf.names.push)
	observer := start(t, c, 10, knows(deaf, n))
	for _, from := range []*node{deaf, n} {
		from.waitConnected(t, observer)
		eventually(t, "subscription", func() bool { return from.gossip.listeners.Load() > 0 })
	}
	observer.waitConnected(t, n)
	deaf.Broadcast(block(t, c, 1, 1, 10))
	time.Sleep(300 * time.Millisecond) // so that it comes first
	eventually(t, "the other's block", func() bool {
		n.Broadcast(block(t, c, 0, uint64(time.Now().UnixNano()), 10))
		return observer.blocksFrom(0) > 0
	})
}

func TestStrangersAreBoundedAndTheirNumbersComeBack(t *testing.T) {
	c := committee(t, 4)
	n := start(t, c, 0, limited(func(l *Limits) { l.Strangers = 2 }))
	a, b := start(t, c, 10, knows(n)), start(t, c, 11, knows(n))
	n.waitConnected(t, a)
	n.waitConnected(t, b)
	late := start(t, c, 12, knows(n))
	eventually(t, "the third refused", func() bool { return n.Stats().StrangersRefused > 0 })
	if _, ok := n.numberOf(late); ok {
		t.Fatal("three strangers where two may be")
	}
	member := start(t, c, 1, knows(n))
	n.waitConnected(t, member)
	free, _ := n.numberOf(a)
	a.stop()
	n.waitConnected(t, late)
	if got, _ := n.numberOf(late); got != free {
		t.Errorf("number %d, want the free %d", got, free)
	}
	var order []ordering.Event
	n.mu.Lock()
	for _, e := range n.events {
		if isEvent(e, ordering.PeerConnected{Peer: free}) || isEvent(e, ordering.PeerDisconnected{Peer: free}) {
			order = append(order, e)
		}
	}
	n.mu.Unlock()
	for i, e := range order {
		if _, up := e.(ordering.PeerConnected); up != (i%2 == 0) {
			t.Errorf("events of the number: %v", order)
		}
	}
}

// TestSubscriptionsAreBounded: invented topics are not remembered, and a message with many
// subscriptions is refused as a whole.
func TestSubscriptionsAreBounded(t *testing.T) {
	topics := namesOf(committee(t, 4).Network())
	yes := true
	subscriptions := func(n int, topic func(int) string) []*pb.RPC_SubOpts {
		var out []*pb.RPC_SubOpts
		for i := range n {
			name := topic(i)
			out = append(out, &pb.RPC_SubOpts{Subscribe: &yes, Topicid: &name})
		}
		return out
	}
	invented := func(i int) string { return fmt.Sprint("topic ", i) }
	real := func(int) string { return topics.blocks }
	for name, test := range map[string]struct {
		in     []*pb.RPC_SubOpts
		want   int
		refuse bool
	}{
		"true":           {subscriptions(1, real), 1, false},
		"invented":       {subscriptions(maxSubscriptions, invented), 0, false},
		"many":           {subscriptions(maxSubscriptions+1, real), 0, true},
		"many, invented": {subscriptions(200, invented), 0, true},
	} {
		got, err := subscriptionFilter(topics).FilterIncomingSubscriptions("peer", test.in)
		if len(got) != test.want || (err != nil) != test.refuse {
			t.Errorf("%s: %d kept, %v", name, len(got), err)
		}
	}
}
