package test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// An observer sits in a network of its own, from which a gateway passes connections on to the validators and
// into which nobody can connect, as behind a NAT. It follows and submits, also after the gateway has
// forgotten its connections without telling anybody.
func TestObserverBehindNAT(t *testing.T) {
	needCurl(t)
	const validators = 4
	n := newSwitch(t, validators)
	t.Parallel()
	private, address := n.addPrivate(t)
	f := newFleet(t, devnet.Plan{Validators: validators, Hosts: n.hosts})
	for i := range f.command {
		inside := f.command[i]
		f.command[i] = func(home string) []string { return n.inside(n.nodes[i], inside(home)...) }
	}
	gateway := newGateway(t, n)
	observer := f.addObserver(net.JoinHostPort(address, "8080"))
	run := f.command[observer]
	f.command[observer] = func(home string) []string { return n.inside(private, run(home)...) }
	f.configure(observer, func(c *node.Config) {
		c.P2P.Listen = []string{"/ip4/0.0.0.0/tcp/4001"}
		for i := range validators {
			key := f.network.Nodes[i].P2P[len(fmt.Sprintf("/ip4/%s/tcp/4001", n.hosts[i])):]
			c.P2P.Peers[f.network.Nodes[i].Name] = []string{fmt.Sprintf("/ip4/%s/tcp/%d%s", gatewayInside, gatewayPort+i, key)}
		}
	})
	f.start(0, 1, 2, 3)
	for i := range validators {
		n.untilMeshed(t, f, i)
	}
	f.start(observer)
	n.submit(t, f, observer, "from behind the gateway")
	out, err := n.run("ip", "netns", "exec", n.nodes[0], program(t), "status", "--api", f.network.Nodes[observer].API)
	if err == nil {
		t.Errorf("a validator reaches the observer:\n%s", out)
	}

	gateway.forget()
	n.submit(t, f, observer, "after the gateway forgot")
	head := n.status(t, f, observer).Commit
	eventually(t, "the observer is connected to all again", func() error {
		if s := n.status(t, f, observer); s.Peers != validators || s.Commit <= head {
			return fmt.Errorf("status is %+v", s)
		}
		return nil
	})
	if a, b := n.digest(t, f, observer, uint64(head)), n.digest(t, f, 0, uint64(head)); a != b {
		t.Errorf("commit %d: the observer has %s, n0 has %s", head, a, b)
	}
}

// Where the gateway is from inside, and its port for the first validator.
const (
	gatewayInside = "10.78.0.1"
	gatewayPort   = 4001
)

// addPrivate makes a namespace that only the hub is linked with; the hub passes no packets on.
func (n *ethernetSwitch) addPrivate(t *testing.T) (name, address string) {
	t.Helper()
	name, address = n.name+"-private", "10.78.0.2"
	n.ip(t, "netns add %s", name)
	t.Cleanup(func() { deleteNamespace(t, name) })
	n.ip(t, "-n %s link add private type veth peer name eth0 netns %s", n.hub, name)
	n.ip(t, "-n %s address add %s/24 dev private", n.hub, gatewayInside)
	n.ip(t, "-n %s link set private up", n.hub)
	n.ip(t, "-n %s address add %s/24 dev eth0", name, address)
	n.ip(t, "-n %s link set eth0 up", name)
	n.ip(t, "-n %s link set lo up", name)
	return name, address
}

// gateway passes TCP connections from the private network on to the validators, from an address of its own.
type gateway struct {
	dial chan dialling // served inside the hub's namespace

	mu        sync.Mutex
	forgotten chan struct{} // closed once what goes through is swallowed
	open      []net.Conn
	work      sync.WaitGroup
}

type dialling struct {
	to     string
	result chan<- net.Conn // nil where it failed
}

func newGateway(t *testing.T, n *ethernetSwitch) *gateway {
	t.Helper()
	g := &gateway{dial: make(chan dialling), forgotten: make(chan struct{})}
	listeners := make(chan []net.Listener)
	g.work.Go(func() { g.inside(t, n, listeners) })
	all := <-listeners
	if len(all) != len(n.hosts) {
		t.Fatal("the gateway cannot listen")
	}
	var accepting sync.WaitGroup
	for i, l := range all {
		accepting.Go(func() { g.accept(l, net.JoinHostPort(n.hosts[i], "4001")) })
	}
	t.Cleanup(func() {
		for _, l := range all {
			_ = l.Close()
		}
		g.mu.Lock()
		for _, c := range g.open {
			_ = c.Close()
		}
		g.mu.Unlock()
		accepting.Wait()
		close(g.dial)
		g.work.Wait()
	})
	return g
}

// inside listens and dials in the hub's namespace until dial is closed.
func (g *gateway) inside(t *testing.T, n *ethernetSwitch, listeners chan<- []net.Listener) {
	defer close(listeners)
	err := inNamespace(n.hub, func() error {
		var all []net.Listener
		for i := range n.hosts {
			l, err := net.Listen("tcp", net.JoinHostPort(gatewayInside, fmt.Sprint(gatewayPort+i)))
			if err != nil {
				return err
			}
			all = append(all, l)
		}
		listeners <- all
		for d := range g.dial {
			address, err := net.ResolveTCPAddr("tcp", d.to)
			var c net.Conn
			if err == nil {
				c, err = net.DialTCP("tcp", nil, address) // on this thread: one address, no race of several
			}
			if err != nil {
				c = nil
			}
			d.result <- c
		}
		return nil
	})
	if err != nil {
		t.Errorf("gateway: %v", err)
	}
}

func (g *gateway) accept(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		result := make(chan net.Conn)
		g.dial <- dialling{to, result}
		out := <-result
		if out == nil {
			_ = in.Close()
			continue
		}
		g.mu.Lock()
		forgotten := g.forgotten
		g.open = append(g.open, in, out)
		g.mu.Unlock()
		g.work.Go(func() { translate(out, in, forgotten) })
		g.work.Go(func() { translate(in, out, forgotten) })
	}
}

// translate copies until the connection is forgotten; from then on it swallows.
func translate(to, from net.Conn, forgotten <-chan struct{}) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			_ = to.Close()
			return
		}
		select {
		case <-forgotten:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			_ = from.Close()
			return
		}
	}
}

// forget swallows what comes on the connections that are open, and tells nobody.
func (g *gateway) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.forgotten)
	g.forgotten = make(chan struct{})
}
