package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	msmux "github.com/multiformats/go-multistream"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// writers are the write buffers; a peer holds one only while it has frames to write.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(io.Discard, writeBuffer) }}

// attend keeps one peer: it dials where the peer has addresses, opens the push stream, tells the
// engine, writes what is queued, and begins again when the stream is lost. For a peer that is not
// standing it ends when the peer is gone.
func (n *Network) attend(r *remote) {
	pause, tries := n.limits.RedialMin, 0
	r.seekAt = time.Now().Add(n.limits.LookupMin)
	for r.ctx.Err() == nil {
		began := time.Now()
		s, err := n.openPush(r)
		if err == nil {
			pause, tries = n.limits.RedialMin, 0
			n.converse(r, s)
			r.seekAt, r.seekPause = time.Now().Add(n.limits.LookupMin), 0
			// A peer that only ends each stream is no reason to hurry; after a connection is
			// superseded there is a token in wake.
			if n.isConnected(r.id) && time.Since(began) >= n.limits.RedialMin {
				continue
			}
		}
		if !r.standing && n.listensOnly(r, err) {
			tries = 0
		}
		tries++
		if !r.standing && n.leave(r, tries) {
			return
		}
		if err != nil {
			n.log.Debug("peer_unreachable", "peer", r.name, "error", err)
			n.seek(r)
		}
		select {
		case <-r.ctx.Done():
		case <-r.wake:
		case <-time.After(pause):
			pause = min(2*pause, n.limits.RedialMax)
		}
	}
	r.end()
}

// leave removes a stranger that is not connected any more, or that does not speak the protocol,
// and says whether it is gone.
func (n *Network) leave(r *remote, tries int) bool {
	if n.isConnected(r.id) {
		if tries >= strangerTries {
			n.disconnect(r.id)
		}
		return false
	}
	r.end()
	n.table.remove(r)
	if n.isConnected(r.id) {
		n.meet(r.id)
	}
	return true
}

// listensOnly reports whether a stranger that does not speak the push protocol, as err says, takes part in gossip: a
// program in another language needs no more than a GossipSub of its own. It stays among the strangers, who are limited.
func (n *Network) listensOnly(r *remote, err error) bool {
	var unsupported msmux.ErrNotSupported[protocol.ID]
	return errors.As(err, &unsupported) && n.gossip.subscribes(r.id)
}

// meet enters a peer that has connected and begins to attend it; without room for it, it is
// disconnected and the result is nil.
func (n *Network) meet(id peer.ID) *remote {
	r, fresh := n.table.add(id)
	switch {
	case r == nil:
		n.count.strangersRefused.Add(1)
		n.disconnect(id)
		return nil
	case !fresh:
		r.nudge()
	case !n.spawn(func() { n.attend(r) }):
		r.end()
		return nil
	}
	return r
}

func (n *Network) isConnected(id peer.ID) bool {
	return n.host.Network().Connectedness(id) == network.Connected
}

// openPush dials if need be and opens the outbound push stream.
func (n *Network) openPush(r *remote) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(r.ctx, n.limits.DialTimeout)
	defer cancel()
	if !n.isConnected(r.id) {
		info := n.whereabouts(r)
		if len(info.Addrs) == 0 {
			return nil, errors.New("not connected and no address known")
		}
		// What was heard of the peer meanwhile is left out: many false addresses would keep the true one waiting.
		n.host.Peerstore().ClearAddrs(r.id)
		if s, ok := n.host.Network().(*swarm.Swarm); ok {
			s.Backoff().Clear(r.id) // the pauses between attempts are this package's
		}
		if err := n.host.Connect(ctx, info); err != nil {
			return nil, fmt.Errorf("dial %s: %w", r.name, err)
		}
	}
	s, err := n.host.NewStream(network.WithNoDial(ctx, "push"), r.id, n.names.push)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // the link died before it was watched
			n.count.dead.Add(1)
			n.disconnect(r.id)
		}
		return nil, fmt.Errorf("open push stream to %s: %w", r.name, err)
	}
	return s, nil
}

// converse tells the engine that the peer is there, writes to it until the stream is lost, and
// tells the engine that it is gone.
func (n *Network) converse(r *remote, s network.Stream) {
	ctx, cancel := context.WithCancel(r.ctx)
	lost := make(chan struct{})
	go func() { // the peer writes nothing here: a read returns when the stream is lost
		defer close(lost)
		defer cancel()
		var b [1]byte
		_, _ = s.Read(b[:])
	}()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer func() {
		cancel()
		stop()
		_ = s.Reset()
		<-lost
	}()
	r.queue.start()
	n.ping(r)
	if err := n.drain(r, s); err != nil { // the first ping makes libp2p negotiate the stream
		r.queue.stop()
		return
	}
	if !n.deliver(ordering.PeerConnected{Peer: r.number}) {
		return
	}
	r.setUp()
	n.log.Info("peer_connected", "peer", r.name, "id", r.id, "addr", s.Conn().RemoteMultiaddr())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		n.watch(ctx, r)
	}()
	err := n.write(ctx, r, s)
	cancel()
	<-watched
	r.queue.stop()
	r.setDown()
	n.log.Info("peer_disconnected", "peer", r.name, "error", err)
	n.deliver(ordering.PeerDisconnected{Peer: r.number})
}

// write sends queued frames until the stream fails or ctx ends.
func (n *Network) write(ctx context.Context, r *remote, s network.Stream) error {
	ticker := time.NewTicker(n.limits.PingInterval)
	defer ticker.Stop()
	for {
		if err := n.drain(r, s); err != nil {
			return err
		}
		if r.queue.caughtUp() {
			n.hint(r)
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.queue.signal:
		case <-ticker.C:
			n.ping(r)
		}
	}
}

// hint tells a peer that has missed blocks which own block is the newest, so that it pulls.
func (n *Network) hint(r *remote) {
	newest := n.newest.Load()
	if newest == nil {
		return
	}
	n.count.hints.Add(1)
	n.enqueue(r, frame{kindFrontier, encodeRefs([]dag.Ref{*newest})})
}

// ping measures the round trip. Without an answer the newest ping counts.
func (n *Network) ping(r *remote) {
	now := time.Now().UnixNano()
	r.pinged.Store(now)
	n.enqueue(r, frame{kindPing, binary.BigEndian.AppendUint64(nil, uint64(now))})
}

// drain writes all that is queued, many frames in one Write.
func (n *Network) drain(r *remote, s network.Stream) error {
	batch := r.queue.take(writeBuffer)
	if len(batch) == 0 {
		return nil
	}
	w := writers.Get().(*bufio.Writer)
	w.Reset(s)
	defer func() {
		w.Reset(io.Discard)
		writers.Put(w)
	}()
	for ; len(batch) > 0; batch = r.queue.take(writeBuffer) {
		if err := s.SetWriteDeadline(time.Now().Add(n.limits.WriteTimeout)); err != nil {
			return fmt.Errorf("set write deadline: %w", err)
		}
		size, blocks := 0, 0
		for _, f := range batch {
			if err := f.writeTo(w); err != nil {
				return fmt.Errorf("write frame: %w", err)
			}
			if size += f.size(); f.kind == kindBlock {
				blocks++
			}
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write frames: %w", err)
		}
		n.count.blocksOut.Add(uint64(blocks))
		n.count.bytesOut.Add(uint64(size))
		r.bytesOut.Add(uint64(size))
	}
	return nil
}
