package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/goleak"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/freeport"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// patience is far more than anything here takes on a slow machine; nothing is asserted about time.
const patience = 2 * time.Minute

// open is the namespace of the tests' network.
const openNamespace dag.Namespace = 7

// cluster is four nodes of one network in this process.
type cluster struct {
	t       *testing.T
	genesis *dag.Genesis
	peers   map[string][]string
	dir     string
	nodes   []*running
}

// running is one node, whether it runs now or not.
type running struct {
	t    *testing.T
	home string
	api  string
	log  *journal
	stop context.CancelFunc // nil while it does not run
	done chan error

	begin Begin // where its history begins
}

// newCluster writes four homes. change may change a config before it is written.
func newCluster(t *testing.T, change func(i int, c *Config)) *cluster {
	t.Helper()
	// A cleanup runs after those that were registered later: by then all nodes must have gone.
	t.Cleanup(func() { goleak.VerifyNone(t) })
	keys, genesis := network(t)
	genesis.Namespaces = []dag.NamespaceRule{{ID: openNamespace, Name: "open", Scheme: dag.SchemeOpen}}
	c := &cluster{t: t, genesis: genesis, dir: t.TempDir(), peers: make(map[string][]string)}
	addresses := freeAddresses(t, 2*len(keys))
	for i, k := range keys {
		c.peers[genesis.Validators[i].Name] = []string{multiaddress(t, addresses[2*i], k)}
	}
	for i, k := range keys {
		config := configOf(genesis.Validators[i].Name, c.peers)
		config.P2P.Listen, config.API.Listen = []string{listenAddress(t, addresses[2*i])}, addresses[2*i+1]
		config.Limits.MinFreeDiskMiB = minFreeDiskMiB
		if change != nil {
			change(i, &config)
		}
		c.add(config, k)
	}
	return c
}

// add writes the home of one more node.
func (c *cluster) add(config Config, keys *crypto.Keys) *running {
	c.t.Helper()
	n := &running{t: c.t, home: filepath.Join(c.dir, config.Name), api: "http://" + config.API.Listen, log: &journal{}}
	if err := WriteHome(n.home, config, c.genesis, keys); err != nil {
		c.t.Fatal(err)
	}
	c.nodes = append(c.nodes, n)
	return n
}

// addObserver writes the home of a node whose key is not in the genesis.
func (c *cluster) addObserver() *running {
	c.t.Helper()
	keys, err := crypto.GenerateKeys(rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	addresses := freeAddresses(c.t, 2)
	config := configOf("observer", c.peers)
	config.P2P.Listen, config.API.Listen = []string{listenAddress(c.t, addresses[0])}, addresses[1]
	config.Limits.MinFreeDiskMiB = minFreeDiskMiB
	return c.add(config, keys)
}

func (c *cluster) start() {
	for _, n := range c.nodes {
		n.start()
	}
}

// start runs the node until the test ends or it is stopped. What it logs is shown if the test fails.
func (n *running) start() {
	n.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	n.stop, n.done = stop, make(chan error, 1)
	done := n.done
	go func() {
		done <- Run(ctx, Options{Home: n.home, Version: "test", Begin: n.begin, Logger: slog.New(slog.NewTextHandler(n.log, nil))})
	}()
	n.t.Cleanup(func() {
		if n.done == done {
			n.halt()
		}
		if n.t.Failed() {
			n.t.Logf("log of %s:\n%s", n.home, n.log.take())
		}
	})
}

// halt stops the node in order, as SIGTERM does.
func (n *running) halt() {
	n.t.Helper()
	if n.stop == nil {
		return
	}
	n.stop()
	if err := n.ended(); err != nil {
		n.t.Errorf("node %s: %v", n.home, err)
	}
}

// ended waits until the node has ended and returns what Run returned.
func (n *running) ended() error {
	n.t.Helper()
	select {
	case err := <-n.done:
		n.stop()
		n.stop, n.done = nil, nil
		return err
	case <-time.After(patience):
		n.t.Fatal("the node does not end")
		return nil
	}
}

// client is a client of this node alone.
func (n *running) client() *client.Client {
	n.t.Helper()
	c, err := client.New(n.api)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

// until asks for the node's status until it is as wanted.
func (n *running) until(what string, ok func(client.NodeStatus) bool) client.NodeStatus {
	n.t.Helper()
	c := n.client()
	var last client.NodeStatus
	eventually(n.t, n.home+" "+what, func() error {
		var err error
		last, err = c.NodeStatus(n.t.Context())
		switch {
		case err != nil:
			return err
		case !ok(last):
			return fmt.Errorf("status is %+v", last)
		}
		return nil
	})
	return last
}

func (n *running) untilProposing() client.NodeStatus {
	n.t.Helper()
	return n.until("proposes", func(s client.NodeStatus) bool { return s.Proposing && s.Commit > 0 })
}

// eventually tries until it works.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// submit sends one payload until the node has acknowledged it.
func (n *running) submit(payload []byte) crypto.Digest {
	n.t.Helper()
	c := n.client()
	var id crypto.Digest
	eventually(n.t, "submission to "+n.home, func() error {
		results, err := c.SubmitBatch(n.t.Context(), openNamespace, [][]byte{payload})
		if err != nil {
			return err
		}
		if results[0].Err != nil {
			return results[0].Err
		}
		if s := results[0].State; s != client.Included && s != client.Committed {
			return fmt.Errorf("state %s", s)
		}
		id = results[0].ID
		return nil
	})
	return id
}

// order reads the node's order of the open namespace up to the head that it has now.
func (n *running) order() []crypto.Digest {
	n.t.Helper()
	c, head := n.client(), n.until("answers", func(client.NodeStatus) bool { return true }).Commit
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	var ids []crypto.Digest
	whole := errors.New("read to the head")
	err := c.FollowEvents(ctx, client.Selection{Cursor: "genesis", Content: client.IDs}, func(e client.Event) error {
		for i := range e.Items {
			ids = append(ids, e.Items[i].ID)
		}
		if e.Commit != nil && dag.CommitIndex(e.Commit.GetIndex()) >= head {
			return whole
		}
		return nil
	})
	if !errors.Is(err, whole) {
		n.t.Fatalf("read the order of %s: %v", n.home, err)
	}
	return ids
}

// commitDigest is the digest of one commit as the node serves it.
func (n *running) commitDigest(i dag.CommitIndex) crypto.Digest {
	n.t.Helper()
	header, err := n.client().Commit(n.t.Context(), i)
	if err != nil {
		n.t.Fatal(err)
	}
	return crypto.Digest(header.GetDigest())
}

// times counts how often an id stands in an order.
func times(order []crypto.Digest, id crypto.Digest) int {
	count := 0
	for _, other := range order {
		if other == id {
			count++
		}
	}
	return count
}

// freeAddresses are n different host:port that nobody listens on.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range n {
		l, err := freeport.Listen("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		out = append(out, l.Addr().String())
	}
	return out
}

func listenAddress(t *testing.T, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/ip4/%s/tcp/%s", host, port)
}

func multiaddress(t *testing.T, address string, k *crypto.Keys) string {
	t.Helper()
	var id peer.ID
	id, err := p2p.PeerID(k.Identity.Public())
	if err != nil {
		t.Fatal(err)
	}
	return listenAddress(t, address) + "/p2p/" + id.String()
}

// journal collects what a node logs. It is safe for concurrent use.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes one line.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
