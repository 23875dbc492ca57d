package p2p

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/dunlin-network/dunlin/dag"
)

// bareHost is a libp2p node that knows nothing of this package.
func bareHost(t *testing.T) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// A program with nothing but a GossipSub of its own gets blocks and is kept connected; one that takes part in nothing
// is not.
func TestGossipAloneIsEnough(t *testing.T) {
	c := committee(t, 4)
	n := start(t, c, 0, admit, limited(func(l *Limits) { l.RedialMin, l.RedialMax = 200*time.Millisecond, 200*time.Millisecond }))
	to := peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()}

	idle := bareHost(t)
	if err := idle.Connect(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	eventually(t, "idle peer is disconnected", func() bool { return idle.Network().Connectedness(to.ID) != network.Connected })

	listener := bareHost(t)
	ps, err := pubsub.NewGossipSub(t.Context(), listener, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return string(m.GetData()) })) // without authors all others are alike
	if err != nil {
		t.Fatal(err)
	}
	topic, err := ps.Join(n.names.blocks)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := topic.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(chan []byte, 1)
	go func() {
		defer close(blocks)
		for {
			m, err := sub.Next(t.Context())
			if err != nil {
				return // the test has ended
			}
			blocks <- m.Data
		}
	}()
	t.Cleanup(func() {
		for range blocks { // until the reader has ended
		}
	})
	for salt, got := uint64(0), 0; got < 20; salt++ {
		if listener.Network().Connectedness(to.ID) != network.Connected { // the subscription came too late that time
			if err := listener.Connect(t.Context(), to); err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
		}
		n.Broadcast(block(t, c, dag.Author(0), salt, 100)) // a new one each time: what was lost is not gossiped again
		select {
		case raw := <-blocks:
			if _, err := dag.Verify(c, raw); err != nil {
				t.Fatal(err)
			}
			got++
		case <-time.After(20 * time.Millisecond): // no block yet: it was lost or not subscribed yet
		}
	}
	conns := len(listener.Network().ConnsToPeer(to.ID))
	tries := n.Stats().StrangersRefused
	time.Sleep(2 * time.Second) // ten attempts to open a push stream
	if listener.Network().Connectedness(to.ID) != network.Connected || conns == 0 || n.Stats().StrangersRefused != tries {
		t.Error("a peer that only gossips was disconnected")
	}
}
