package test

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/freeport"
	"github.com/dunlin-network/dunlin/internal/node"
)

// A validator is eclipsed: all that it reaches are two nodes that are no validators. It says so, with whom it
// misses and how much the others count, and commits nothing while the committee goes on. When a way opens it
// catches up and takes part.
func TestEclipse(t *testing.T) {
	t.Parallel()
	const victim = 3
	f := newFleet(t, devnet.Plan{Validators: 4})
	gates := make(map[string]*gate)
	for i := range victim {
		gates[f.network.Nodes[i].Name] = newGate(t, f.network.Nodes[i].P2P)
	}
	alone := f.network.Nodes[victim]
	f.configure(victim, func(c *node.Config) {
		for name, g := range gates {
			c.P2P.Peers[name] = []string{g.address}
		}
	})
	for i := range victim {
		f.configure(i, func(c *node.Config) { delete(c.P2P.Peers, alone.Name) })
	}
	var strangers []int
	for range 2 {
		i := f.addObserver(freeAddress(t))
		f.configure(i, func(c *node.Config) {
			c.P2P.Peers = map[string][]string{alone.Name: {alone.P2P}}
		})
		strangers = append(strangers, i)
	}
	f.start(f.all()...)
	f.untilProposing(0, 1, 2)
	ids := f.submitOpen(0, "while one is eclipsed", 5)
	head := f.commitOf(0)
	s := f.until(victim, "says that it is eclipsed", func(s status) bool {
		return !s.Proposing && strings.Contains(s.Reason, "connected to 0 other validators, 2 are needed") &&
			strings.Contains(s.Reason, "missing n0 n1 n2") && strings.Contains(s.Reason, "connected to 2 nodes that are no validators")
	})
	if s.Commit != 0 {
		t.Errorf("eclipsed, it is at commit %d", s.Commit)
	}
	f.untilSays(victim, "not_proposing")
	for _, i := range strangers {
		if s := f.until(i, "answers", func(status) bool { return true }); s.Commit != 0 {
			t.Errorf("a stranger that reaches only the eclipsed one is at commit %d", s.Commit)
		}
	}
	for _, g := range gates {
		g.open.Store(true)
	}
	f.untilProposing(victim)
	f.untilPast(victim, head)
	f.untilSays(victim, "proposing_again")
	for _, i := range strangers {
		f.untilPast(i, head) // what they know, they have from it
	}
	f.checkCommitted(append(ids, f.submitOpen(victim, "after the eclipse", 3)...))
	f.checkHonest()
}

// gate is an address that leads to a node once it is opened; until then its connections end at once.
type gate struct {
	address string // multiaddr with the node's id
	behind  string // host:port
	open    atomic.Bool
}

// newGate makes a closed gate before an address like /ip4/127.0.0.1/tcp/4001/p2p/ID.
func newGate(t *testing.T, target string) *gate {
	t.Helper()
	parts := strings.Split(target, "/")
	if len(parts) != 7 {
		t.Fatalf("address %s", target)
	}
	listener, err := freeport.Listen(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{behind: net.JoinHostPort(parts[2], parts[4])}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	parts[4] = port
	g.address = strings.Join(parts, "/")
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go g.pass(in)
		}
	}()
	t.Cleanup(func() { _ = listener.Close() }) // its connections end with the processes
	return g
}

// pass carries one connection to its end.
func (g *gate) pass(in net.Conn) {
	defer in.Close()
	if !g.open.Load() {
		return
	}
	out, err := net.Dial("tcp", g.behind)
	if err != nil {
		return
	}
	defer out.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(in, out) // the end of either side ends both
		_ = in.Close()
	})
	_, _ = io.Copy(out, in)
	_ = out.Close()
	back.Wait()
}
