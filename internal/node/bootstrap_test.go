package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// Nobody has an address but that of one validator, and that validator has none: they find each other, and an
// observer follows.
func TestBootstrapFromOneAddress(t *testing.T) {
	c := newCluster(t, nil)
	observer := c.addObserver()
	known := slices.Clone(c.peers[c.genesis.Validators[0].Name])
	for _, n := range c.nodes {
		var addresses []string
		if n != c.nodes[0] {
			addresses = known
		}
		if err := SetBootstrap(n.home, addresses); err != nil {
			t.Fatal(err)
		}
		forgetPeers(t, n.home)
	}
	home, err := LoadHome(observer.home)
	if err != nil || len(home.Peers) != 1 {
		t.Fatalf("the observer knows %v, want one: %v", home.Peers, err)
	}
	c.start()
	id := observer.submit([]byte("found through others"))
	for _, n := range c.nodes {
		n.untilCommitted(id)
		others := 4
		if n != observer {
			others = 3
		}
		n.until("is connected to all", func(s client.NodeStatus) bool { return s.Peers == others })
	}
}

// forgetPeers takes the addresses of the validators out of a home's config.
func forgetPeers(t *testing.T, dir string) {
	t.Helper()
	config, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	config.P2P.Peers = nil
	text, err := config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
