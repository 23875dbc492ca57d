package p2p

import (
	"context"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// What peers outside the committee may take of this node's processors, in microseconds a second. What is beyond
// it waits with them, in the windows of their streams, and not here. Costs were measured roughly, on one core.
const (
	// strangersWork is what all of them share, so that the committee's blocks find the processors free: 6 % of
	// a core, or 7 MiB of blocks that are served. There are other validators to ask.
	strangersWork = 60_000
	// strangerWork is what each is given besides, and strangerSaved is how much of it one may save up: whoever
	// asks little does not wait behind those who ask much.
	strangerWork, strangerSaved = 1_000, 50_000
	// workPatience is how long a stranger's request waits for its turn before it is refused.
	workPatience = 2 * time.Second
	// refusalPause is for how long a stream of a stranger that has too many is held before it is reset: who is
	// refused at once asks again at once.
	refusalPause = 250 * time.Millisecond

	workStream  = 150 // to negotiate and answer one stream of theirs
	workMessage = 40  // a gossiped or pushed message, or an offered item
	workKiB     = 8   // to serve so much, the network of the system included; no less than to read it
)

// afford waits until the work of a stranger may be done, and charges it. It reports false if the stranger's turn
// is too far away, or ctx ended. Members of the committee do not wait and are not charged.
func (n *Network) afford(ctx context.Context, r *remote, cost int) bool {
	if r.member {
		return true
	}
	wait, ok := n.turn(time.Now(), r, cost, workPatience)
	return ok && sleep(ctx, wait)
}

// pace is afford for what a peer says on one stream: it waits however long that takes, and with it the peer.
func (n *Network) pace(ctx context.Context, r *remote, cost int) bool {
	if r.member {
		return true
	}
	wait, _ := n.turn(time.Now(), r, cost, never)
	return sleep(ctx, wait)
}

// spend charges a stranger for work that is done already: what strangers ask next waits the longer, but no longer
// than workPatience, or a flood would be paid for long after its end.
func (n *Network) spend(r *remote, cost int) {
	if !r.member {
		n.turn(time.Now(), r, cost, workPatience)
	}
}

// never is a patience that does not end.
const never = time.Duration(1<<63 - 1)

// turn charges work and says when it is due. It charges nothing if that is later than patience.
func (n *Network) turn(now time.Time, r *remote, cost int, patience time.Duration) (wait time.Duration, ok bool) {
	if r.allowance.allow(now) {
		r.allowance.charge(cost)
		return 0, true
	}
	return n.shared.reserve(now, cost, patience)
}

// sleep waits and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tire holds a stream of a stranger that has too many of them.
func (n *Network) tire(r *remote) {
	if !r.member {
		n.spend(r, workStream)
		sleep(r.ctx, refusalPause)
	}
}

// gossipHost is the host as GossipSub sees it: what strangers send is read no faster than they may take of this
// node's processors.
type gossipHost struct {
	host.Host
	n *Network
}

// SetStreamHandler implements host.Host.
func (h *gossipHost) SetStreamHandler(name protocol.ID, handle network.StreamHandler) {
	h.Host.SetStreamHandler(name, func(s network.Stream) { h.take(s, handle) })
}

// SetStreamHandlerMatch implements host.Host.
func (h *gossipHost) SetStreamHandlerMatch(name protocol.ID, match func(protocol.ID) bool, handle network.StreamHandler) {
	h.Host.SetStreamHandlerMatch(name, match, func(s network.Stream) { h.take(s, handle) })
}

func (h *gossipHost) take(s network.Stream, handle network.StreamHandler) {
	h.n.lend(s, func(r *remote) {
		if r.member {
			handle(s)
			return
		}
		h.n.spend(r, workStream)
		handle(&gossipStream{Stream: s, n: h.n, r: r})
	})
}

// lend lets a library serve a stream of a peer in the table, which ends when the peer is given up.
func (n *Network) lend(s network.Stream, serve func(*remote)) {
	r := n.entered(s)
	if r == nil {
		_ = s.Reset()
		return
	}
	defer r.done()
	defer context.AfterFunc(r.ctx, func() { _ = s.Reset() })()
	serve(r)
}

// gossipStream is a stream on which a stranger gossips. Reads wait for what was said before to be paid for.
type gossipStream struct {
	network.Stream
	n    *Network
	r    *remote
	read int // bytes that are not charged yet
}

// Read implements network.Stream.
func (s *gossipStream) Read(b []byte) (int, error) {
	cost := int(s.r.gossiped.Swap(0)) + s.read/1024*workKiB
	s.read %= 1024
	if cost > 0 && !s.n.pace(s.r.ctx, s.r, cost) {
		return 0, s.r.ctx.Err()
	}
	count, err := s.Stream.Read(b)
	s.read += count
	return count, err
}

// countGossip notes what a stranger's gossip costs. GossipSub calls it for all that it has read, in its own
// goroutine, before it looks at it.
func (n *Network) countGossip(from peer.ID, rpc *pubsub.RPC) error {
	r := n.table.find(from)
	if r == nil || r.member {
		return nil
	}
	r.gossiped.Add(int64(workMessage * (1 + len(rpc.GetPublish()))))
	return nil
}
