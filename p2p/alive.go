package p2p

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// A link can die without a word: a cable is pulled, a NAT forgets. libp2p and the kernel take half a minute
// or longer to notice, in which the peer counts as connected and nothing reaches it.
const (
	// silentTicks is for how many Limits.WatchEvery nothing has come from a peer that is pinged, before it
	// is asked for a sign of life.
	silentTicks = 2
	// deathTicks is how many more it has for the sign. They are ticks of this process and not time: one
	// that was itself stopped or starved does not take its peers for dead.
	deathTicks = 4
	// echoSize is the sign of life: bytes that come back.
	echoSize = 8
	// echoesPerPeer is how many are answered to one peer at a time.
	echoesPerPeer = 2
)

// watch ends the connections of a peer that is silent and gives no sign of life. It blocks until ctx ends.
func (n *Network) watch(ctx context.Context, r *remote) {
	ticker := time.NewTicker(n.limits.WatchEvery)
	defer ticker.Stop()
	heard, silent := r.bytesIn.Load(), 0
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		// Where this node does not keep up, what peers say waits unread.
		if now := r.bytesIn.Load(); now != heard || len(n.events) == cap(n.events) {
			heard, silent = now, 0
			continue
		}
		if silent++; silent < silentTicks {
			n.ping(r)
			continue
		}
		if !n.livesOn(ctx, r, ticker.C) {
			n.count.dead.Add(1)
			n.log.Warn("peer_silent", "peer", r.name, "next", "none: its connections are closed, and it is dialled again")
			n.disconnect(r.id)
			return
		}
		silent = 0
	}
}

// livesOn asks a peer for a sign of life past its engine, which may be busy, and waits for it or for anything
// else from the peer.
func (n *Network) livesOn(ctx context.Context, r *remote, ticks <-chan time.Time) bool {
	ctx, cancel := context.WithCancel(ctx)
	back := make(chan error, 1)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		back <- n.echo(ctx, r)
	}()
	defer func() {
		cancel()
		<-asked
	}()
	heard := r.bytesIn.Load()
	for range deathTicks {
		select {
		case err := <-back:
			if err == nil {
				return true
			}
			back = nil // the link may say so at once; a busy peer may refuse and speak
		case <-ctx.Done():
			return true // it is being closed anyway
		case <-ticks:
		}
		if r.bytesIn.Load() != heard {
			return true
		}
	}
	return false
}

// echo sends bytes and waits until they come back.
func (n *Network) echo(ctx context.Context, r *remote) error {
	s, err := n.host.NewStream(network.WithNoDial(ctx, "echo"), r.id, n.names.echo)
	if err != nil {
		return fmt.Errorf("open echo stream: %w", err)
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	var b [echoSize]byte
	if _, err := s.Write(b[:]); err != nil {
		return fmt.Errorf("write echo: %w", err)
	}
	if _, err := io.ReadFull(s, b[:]); err != nil {
		return fmt.Errorf("read echo: %w", err)
	}
	return nil
}

// handleEcho gives a peer its bytes back.
func (n *Network) handleEcho(s network.Stream) {
	defer func() { _ = s.Reset() }()
	r := n.entered(s)
	if r == nil {
		return
	}
	defer r.done()
	defer context.AfterFunc(r.ctx, func() { _ = s.Reset() })()
	select {
	case r.echoing <- struct{}{}:
		defer func() { <-r.echoing }()
	default:
		n.tire(r)
		return
	}
	n.spend(r, workStream)
	if err := s.SetDeadline(time.Now().Add(n.limits.FetchTimeout)); err != nil {
		return
	}
	var b [echoSize]byte
	if _, err := io.ReadFull(s, b[:]); err != nil {
		return
	}
	if _, err := s.Write(b[:]); err == nil {
		_ = s.Close() // a reset would cut it off
	}
}
