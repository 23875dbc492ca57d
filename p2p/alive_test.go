package p2p

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/dunlin-network/dunlin/ordering"
)

// hole passes TCP connections on to a node until it is told to swallow what they carry, as a link does that
// is cut: nobody is told.
type hole struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	open  []net.Conn
	deaf  chan struct{} // closed once what goes through is swallowed
	works sync.WaitGroup
}

func newHole(t *testing.T, behind *node) *hole {
	t.Helper()
	_, to, err := manet.DialArgs(behind.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{listener: l, to: to, deaf: make(chan struct{})}
	h.works.Go(h.accept)
	t.Cleanup(func() {
		_ = l.Close()
		h.mu.Lock()
		for _, c := range h.open {
			_ = c.Close()
		}
		h.mu.Unlock()
		h.works.Wait()
	})
	return h
}

func (h *hole) accept() {
	for {
		in, err := h.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", h.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		h.mu.Lock()
		deaf := h.deaf
		h.open = append(h.open, in, out)
		h.mu.Unlock()
		h.works.Go(func() { pass(out, in, deaf) })
		h.works.Go(func() { pass(in, out, deaf) })
	}
}

func pass(to, from net.Conn, deaf <-chan struct{}) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			_ = to.Close()
			return
		}
		select {
		case <-deaf:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// swallow lets nothing more through on the connections that are open; later ones work.
func (h *hole) swallow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.deaf)
	h.deaf = make(chan struct{})
}

// through is an option to know a node by the address of the hole.
func (h *hole) through(behind *node) option {
	return func(c *Config) {
		addr, err := manet.FromNetAddr(h.listener.Addr())
		if err != nil {
			panic(err)
		}
		c.Peers = append(c.Peers, peer.AddrInfo{ID: behind.ID(), Addrs: []ma.Multiaddr{addr}})
	}
}

// A link that swallows everything is noticed by both ends, and the peer is dialled again.
func TestDeadLinkIsNoticed(t *testing.T) {
	c := committee(t, 4)
	often := limited(func(l *Limits) { l.WatchEvery, l.DialTimeout = 200*time.Millisecond, time.Second })
	one := start(t, c, 0, often)
	holes := []*hole{newHole(t, one), newHole(t, one)}
	dialers := []*node{start(t, c, 1, often, holes[0].through(one)), start(t, c, 10, often, holes[1].through(one))}
	connected := func() bool {
		for _, d := range dialers {
			_, there := d.numberOf(one)
			if _, here := one.numberOf(d); !there || !here {
				return false
			}
		}
		return true
	}
	dead := func() uint64 { return one.Stats().Dead + dialers[0].Stats().Dead + dialers[1].Stats().Dead }
	eventually(t, "all are connected", connected)
	before, began := dead(), time.Now()
	for _, h := range holes {
		h.swallow()
	}
	eventually(t, "both dialers notice, or are told by the other end", func() bool {
		lost := func(e ordering.Event) bool { _, ok := e.(ordering.PeerDisconnected); return ok }
		return dead() > before && dialers[0].seen(lost) > 0 && dialers[1].seen(lost) > 0 && one.seen(lost) > 1
	})
	t.Logf("noticed after %s", time.Since(began))
	dialers[0].waitConnected(t, one) // by now they know other addresses of it than those of the holes
	dialers[1].waitConnected(t, one)
}

// A peer whose engine takes nothing for a while, and that therefore reads and answers nothing, is not taken
// for dead; nor is one that this node does not keep up with.
func TestBusyPeersAreNotDead(t *testing.T) {
	c := committee(t, 4)
	options := []option{limited(func(l *Limits) { l.WatchEvery, l.Events = 500*time.Millisecond, 1 })}
	nodes := []*node{start(t, c, 0, options...)}
	nodes = append(nodes, start(t, c, 1, append(options, knows(nodes[0]))...))
	nodes[1].waitConnected(t, nodes[0])
	nodes[0].waitConnected(t, nodes[1])
	nodes[0].pause()
	for i := range 10 {
		nodes[1].Broadcast(block(t, c, 1, uint64(i), 10))
	}
	time.Sleep(3 * (silentTicks + deathTicks) * 500 * time.Millisecond)
	nodes[0].resume()
	for _, n := range nodes {
		if got := n.Stats().Dead; got != 0 {
			t.Errorf("node %d took its peer for dead %d times", n.index, got)
		}
		if lost := n.seen(func(e ordering.Event) bool { _, ok := e.(ordering.PeerDisconnected); return ok }); lost != 0 {
			t.Errorf("node %d lost its peer", n.index)
		}
	}
}
