package p2p

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// probesAtOnce is how many peers are dialled at a time.
const probesAtOnce = 16

// Reach is whether a peer was reached.
type Reach struct {
	ID   peer.ID
	Took time.Duration // to connect, its identity proven
	Err  error         // nil if it was reached
}

// Probe dials every peer once, under an identity made for it, and says who was reached, in their order. patience
// bounds each attempt. It blocks until all have ended.
func Probe(ctx context.Context, peers []peer.AddrInfo, patience time.Duration) ([]Reach, error) {
	h, err := libp2p.New(
		libp2p.NoListenAddrs, libp2p.UserAgent("dunlin-doctor"), libp2p.Security(noise.ID, noise.New),
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Transport(quic.NewTransport), libp2p.Ping(false), libp2p.DisableMetrics(),
		libp2p.WithDialTimeout(patience),
	)
	if err != nil {
		return nil, fmt.Errorf("probe peers: %w", err)
	}
	out := make([]Reach, len(peers))
	slots := make(chan struct{}, probesAtOnce)
	var work sync.WaitGroup
	for i, info := range peers {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			began := time.Now()
			err := h.Connect(ctx, info)
			out[i] = Reach{info.ID, time.Since(began), err}
		})
	}
	work.Wait()
	if err := h.Close(); err != nil {
		return out, fmt.Errorf("probe peers: %w", err)
	}
	return out, nil
}
