package p2p

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	// connectionGrace is how long a new connection is safe from the connection manager, and how far apart
	// its looks are.
	connectionGrace = time.Minute
	// trimmedShare is which part of the strangers makes room when there are too many.
	trimmedShare = 8
	// natChecks and natChecksPerPeer are how many others per minute an observer tells whether they can be
	// reached.
	natChecks, natChecksPerPeer = 30, 3
	// relaysWanted is at how many relays an observer behind a NAT can be met.
	relaysWanted = 2
	// relayPause is how soon a relay is looked for, and how soon again where there was none.
	relayPause = 10 * time.Second
)

// relayResources bound what a relay gives: through it two observers agree on how to connect directly, which
// takes a few KiB. Blocks do not fit.
func relayResources() relay.Resources {
	r := relay.DefaultResources()
	r.MaxReservations, r.MaxCircuits = 64, 4
	r.Limit = &relay.RelayLimit{Duration: time.Minute, Data: 64 << 10}
	return r
}

// roleOptions are libp2p's services. A validator has an address that is known and does nothing for
// strangers beyond what it serves them as Dunlin: no relay, hole punching or checks of who can be reached.
// An observer finds out whether it can be reached; if not, it lets others meet it through a relay, and
// both make holes into their NATs.
func roleOptions(n *Network) []libp2p.Option {
	if n.member {
		return []libp2p.Option{
			// Two nodes that dial each other from the ports that they listen on would open one TCP
			// connection with two dialling ends.
			libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
			libp2p.DisableRelay(), libp2p.ForceReachabilityPublic(), libp2p.DisableIdentifyAddressDiscovery(),
		}
	}
	options := []libp2p.Option{
		// From the port that it listens on: what others see of it is where it can be reached.
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.EnableRelay(), libp2p.EnableNATService(), libp2p.AutoNATServiceRateLimit(natChecks, natChecksPerPeer, time.Minute),
		libp2p.EnableHolePunching(),
	}
	if n.cfg.Relay == RelayForOthers {
		return append(options, libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(relay.WithResources(relayResources())))
	}
	return append(options, libp2p.EnableAutoRelayWithPeerSource(n.possibleRelays, autorelay.WithNumRelays(relaysWanted),
		autorelay.WithMinCandidates(1), autorelay.WithBootDelay(relayPause), autorelay.WithMinInterval(relayPause), autorelay.WithBackoff(relayPause)))
}

// possibleRelays gives the connected observers; libp2p takes those that are relays.
func (n *Network) possibleRelays(ctx context.Context, most int) <-chan peer.AddrInfo {
	out := make(chan peer.AddrInfo, min(most, n.limits.Strangers))
	defer close(out)
	for _, r := range n.table.all() {
		if r.member || !r.connected() || ctx.Err() != nil {
			continue
		}
		select {
		case out <- n.host.Peerstore().PeerInfo(r.id):
		default:
			return out
		}
	}
	return out
}

// newConnections is the connection manager: where there are more strangers than there is room for, some make
// room. The committee and what is configured are protected from it.
func newConnections(cfg *Config) (*connmgr.BasicConnMgr, error) {
	most := cfg.Committee.Size() + cfg.Limits.Strangers
	m, err := connmgr.NewConnManager(most-cfg.Limits.Strangers/trimmedShare, most,
		connmgr.WithGracePeriod(connectionGrace), connmgr.WithSilencePeriod(connectionGrace))
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}
	return m, nil
}
