package test

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// fewDescriptors is how many files the node may open, and strangersPerPort how many connections strangers open to
// its mesh and to its API.
const (
	fewDescriptors   = "1000"
	strangersPerPort = 500
)

// A validator that may open few files is called on by more strangers than it has files. It says so, goes on
// proposing, writes its database, and lets in a member of the committee that comes meanwhile.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	const late = 3
	f := newFleet(t, devnet.Plan{Validators: 4})
	limited := f.command[0]
	f.command[0] = func(home string) []string {
		return append([]string{"/bin/sh", "-c", "ulimit -n " + fewDescriptors + " && exec \"$@\"", "sh"}, limited(home)...)
	}
	f.start(0, 1, 2)
	f.untilProposing(0, 1, 2)
	l := startLoad(f, 0, 1, 2)
	l.untilMore(100)
	mesh, err := peer.AddrInfoFromString(f.network.Nodes[0].P2P)
	if err != nil {
		t.Fatal(err)
	}
	port, err := mesh.Addrs[0].ValueForProtocol(ma.P_TCP)
	if err != nil {
		t.Fatal(err)
	}
	api, err := url.Parse(f.network.Nodes[0].API)
	if err != nil {
		t.Fatal(err)
	}
	for range strangersPerPort {
		for _, to := range []string{net.JoinHostPort("127.0.0.1", port), api.Host} {
			if c, err := net.Dial("tcp", to); err == nil {
				defer c.Close()
			}
		}
	}
	at := f.commitOf(1)
	f.start(late)
	f.untilProposing(late)
	f.until(late, "knows all three", func(s status) bool { return s.Peers == 3 })
	f.untilPast(1, at+200)
	f.until(0, "proposes among all", func(s status) bool { return s.Proposing && s.Peers == 3 && s.Commit > at+100 })
	l.untilMore(100)
	l.stop()
	f.checkCommitted(l.promised())
	f.checkHonest()
	log, err := os.ReadFile(filepath.Join(f.network.Nodes[0].Home, node.LogFile))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "few_file_descriptors") || strings.Contains(string(log), "too many open files") {
		t.Error("the log does not say that files are few, or files ran out")
	}
}
