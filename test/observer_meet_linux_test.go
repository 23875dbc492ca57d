package test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/p2p"
)

// Two observers sit behind NATs that let nothing in. One finds out that it cannot be reached and lets itself be met
// through a relay; the other knows only that way to it. They end up with a direct connection, and both follow.
func TestObserversMeetThroughARelay(t *testing.T) {
	n := newSwitch(t, 0)
	t.Parallel()
	var hosts []string
	for i := range 5 { // the last is the relay's
		host := fmt.Sprintf("11.77.0.%d", i+1)
		n.ip(t, "-n %s address add %s/32 dev br0", n.hub, host)
		hosts = append(hosts, host)
	}
	n.ip(t, "-n %s link set lo up", n.hub)
	if _, err := n.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"); err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, devnet.Plan{Validators: 4, Hosts: hosts[:4]})
	relay := f.addNode("relay", hosts[4]+":8080")
	hidden, seeker := f.addNode("hidden", "127.0.0.1:8080"), f.addNode("seeker", "127.0.0.1:8080")
	spaces := []string{n.hub, n.hub, n.hub, n.hub, n.hub, newNAT(t, n, n.hub, 1), newNAT(t, n, n.hub, 2)}
	for i := range f.command {
		inside := f.command[i]
		f.command[i] = func(home string) []string { return n.inside(spaces[i], inside(home)...) }
	}
	public := fmt.Sprintf("/ip4/%s/tcp/4001/p2p/%s", hosts[4], f.peerID(relay))
	f.configure(relay, func(c *node.Config) { c.P2P.Listen, c.P2P.Relay = []string{"/ip4/" + hosts[4] + "/tcp/4001"}, true })
	for i, bootstrap := range map[int]string{hidden: public, seeker: public + "/p2p-circuit/p2p/" + f.peerID(hidden)} {
		f.configure(i, func(c *node.Config) {
			c.P2P.Listen, c.P2P.Peers, c.P2P.Bootstrap = []string{"/ip4/0.0.0.0/tcp/4001"}, nil, []string{bootstrap}
		})
	}
	f.start(f.all()...)
	f.untilLogs(hidden, "caught_up", "peer_connected")
	direct := "addr=/ip4/11.77.1.2/tcp/4001"
	f.untilLogs(hidden, "id="+f.peerID(seeker)+" "+direct)
	f.untilLogs(seeker, "id="+f.peerID(hidden)+" addr=/ip4/11.77.1.1/tcp/4001")
}

// peerID is a node's, as text.
func (f *fleet) peerID(i int) string {
	f.t.Helper()
	keys, err := crypto.ReadKeyFile(filepath.Join(f.network.Nodes[i].Home, node.KeyFile))
	if err != nil {
		f.t.Fatal(err)
	}
	id, err := p2p.PeerID(keys.Identity.Public())
	if err != nil {
		f.t.Fatal(err)
	}
	return id.String()
}

// untilLogs waits until a node's log holds one of some texts.
func (f *fleet) untilLogs(i int, texts ...string) {
	f.t.Helper()
	n := f.network.Nodes[i]
	eventually(f.t, fmt.Sprintf("%s logs %q", n.Name, texts), func() error {
		log, err := os.ReadFile(filepath.Join(n.Home, node.LogFile))
		if err != nil {
			return err
		}
		for _, text := range texts {
			if bytes.Contains(log, []byte(text)) {
				return nil
			}
		}
		return fmt.Errorf("it does not")
	})
}
