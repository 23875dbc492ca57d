package p2p

import (
	"bytes"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// notifiee hears of connections from libp2p. Its methods must not block.
type notifiee struct{ n *Network }

// Connected implements network.Notifiee.
func (e *notifiee) Connected(_ network.Network, c network.Conn) {
	if c.Stat().Limited {
		return // through a relay, for as long as it takes to find a direct way
	}
	e.n.spawn(func() {
		e.n.supersede(c.RemotePeer())
		e.n.meet(c.RemotePeer())
	})
}

// Disconnected implements network.Notifiee.
func (e *notifiee) Disconnected(_ network.Network, c network.Conn) {
	if r := e.n.table.find(c.RemotePeer()); r != nil {
		r.nudge()
	}
}

// Listen implements network.Notifiee.
func (e *notifiee) Listen(network.Network, ma.Multiaddr) {}

// ListenClose implements network.Notifiee.
func (e *notifiee) ListenClose(network.Network, ma.Multiaddr) {}

// supersede closes all connections to a peer but the one that wins.
func (n *Network) supersede(id peer.ID) {
	conns := slices.DeleteFunc(n.host.Network().ConnsToPeer(id), func(c network.Conn) bool { return c.Stat().Limited })
	for _, c := range losers(n.host.ID(), id, conns) {
		n.count.superseded.Add(1)
		// An error means that the connection was dead already, which is as good.
		_ = c.Close()
	}
}

// losers picks the connections to close, oldest first; conns are in the order in which they opened.
//
// A node dials only while it believes itself unconnected, so a newer connection means that one
// end lost the older one (a process was killed: QUIC sends nothing then, and the other end would
// keep the dead connection for 30 s), except where both ends dialled at once. Then both must keep
// the same one: that of the dialler with the smaller id. Two ends that see the times differently
// may close both connections; the next dial heals that.
func losers(own, remote peer.ID, conns []network.Conn) []network.Conn {
	if len(conns) < 2 {
		return nil
	}
	var out []network.Conn
	winner := conns[0]
	for _, c := range conns[1:] {
		loser := winner
		if sameTime(winner, c) && preferred(own, remote, winner) && !preferred(own, remote, c) {
			loser = c
		} else {
			winner = c
		}
		out = append(out, loser)
	}
	return out
}

// preferred reports whether the end with the smaller id dialled the connection.
func preferred(own, remote peer.ID, c network.Conn) bool {
	ownIsSmaller := bytes.Compare([]byte(own), []byte(remote)) < 0
	return ownIsSmaller == (c.Stat().Direction == network.DirOutbound)
}

func sameTime(a, b network.Conn) bool {
	return b.Stat().Opened.Sub(a.Stat().Opened).Abs() < simultaneous
}
