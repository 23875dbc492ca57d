package p2p

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// gate decides whom this node is connected to: peers with ed25519 keys that are not barred. The
// number of strangers is bounded where they get their number. Safe for concurrent use.
type gate struct {
	penalty, longest time.Duration

	mu   sync.Mutex
	bars map[peer.ID]bar
}

// bar is the penalty of one peer.
type bar struct {
	faults int
	last   time.Time
	until  time.Time
}

func newGate(penalty, longest time.Duration) *gate {
	return &gate{penalty: penalty, longest: longest, bars: make(map[peer.ID]bar)}
}

// bar keeps a peer out for a while: twice as long after each fault in short succession.
func (g *gate) bar(id peer.ID, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.bars[id]
	if now.Sub(b.last) > faultMemory {
		b.faults = 0
	}
	pause := g.penalty
	for range b.faults {
		if pause *= 2; pause >= g.longest {
			pause = g.longest
			break
		}
	}
	if _, known := g.bars[id]; !known && len(g.bars) >= maxBars {
		g.forgetOne()
	}
	g.bars[id] = bar{faults: b.faults + 1, last: now, until: now.Add(pause)}
}

func (g *gate) forgetOne() {
	var first peer.ID
	for id, b := range g.bars {
		if first == "" || b.until.Before(g.bars[first].until) {
			first = id
		}
	}
	delete(g.bars, first)
}

func (g *gate) barred(id peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, known := g.bars[id]
	return known && time.Now().Before(b.until)
}

// InterceptPeerDial implements libp2p's ConnectionGater.
func (g *gate) InterceptPeerDial(id peer.ID) bool { return !g.barred(id) }

// InterceptAddrDial implements libp2p's ConnectionGater.
func (g *gate) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }

// InterceptAccept implements libp2p's ConnectionGater. Addresses say nothing about who calls.
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements libp2p's ConnectionGater.
func (g *gate) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	if _, err := IdentityOf(id); err != nil {
		return false
	}
	return !g.barred(id)
}

// InterceptUpgraded implements libp2p's ConnectionGater.
func (g *gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
