package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// defaultCuts is how often the stream is cut unless DUNLIN_CUTS says otherwise.
const defaultCuts = 40

// cutter stands before a node's API and cuts each connection after a random number of bytes.
type cutter struct {
	listener net.Listener
	target   string
	cuts     *atomic.Int64
	mu       sync.Mutex
	random   *rand.Rand
	open     sync.WaitGroup
}

func newCutter(t *testing.T, target string, random *rand.Rand, cuts *atomic.Int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, target: strings.TrimPrefix(target, "http://"), cuts: cuts, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
	c.open.Go(c.serve)
	t.Cleanup(func() {
		l.Close()
		c.open.Wait()
	})
	return c
}

func (c *cutter) serve() {
	for {
		from, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.open.Go(func() { c.carry(from) })
	}
}

// carry copies both ways until the answers have been as many bytes as this connection may carry.
func (c *cutter) carry(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", c.target)
	if err != nil {
		return // the node is away
	}
	defer to.Close()
	c.mu.Lock()
	most := 1000 + c.random.Int64N(200_000)
	c.mu.Unlock()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = io.Copy(to, from) // ends with the connection
		to.Close()
	}()
	if n, _ := io.CopyN(from, to, most); n == most {
		c.cuts.Add(1)
	}
	from.Close()
	<-asked
}

// A reader of one namespace loses its connection at random places, begins anew with the cursor of its last item at
// random items, on another node each time, while nodes are killed: it gets every item once, in order, and comes to the hash of the chain
// that the nodes prove.
func TestStreamCuts(t *testing.T) {
	t.Parallel()
	random, goal := chance(t), int64(number(t, "DUNLIN_CUTS", defaultCuts))
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	r := newCutReader(f, random)
	for kills := int64(0); r.cuts.Load() < goal; {
		r.follow(t.Context())
		if r.cuts.Load() > goal*(kills+1)/5 {
			kills++
			victim := random.IntN(len(f.network.Nodes))
			f.kill(victim)
			r.follow(t.Context()) // from the others
			f.start(victim)
		}
	}
	l.stop()
	f.untilProposing(f.all()...)
	r.toTheEnd()
	t.Logf("%d cuts, %d items", r.cuts.Load(), len(r.ids))
	r.check()
}

// cutReader is a client that keeps nothing but a cursor.
type cutReader struct {
	fleet  *fleet
	random *rand.Rand
	cuts   atomic.Int64
	nodes  []string
	cursor string
	ids    []crypto.Digest
	leaves []ordering.NamespaceLeaf
	at     []dag.CommitIndex
}

func newCutReader(f *fleet, random *rand.Rand) *cutReader {
	r := &cutReader{fleet: f, random: random, cursor: "genesis"}
	for _, n := range f.network.Nodes {
		r.nodes = append(r.nodes, "http://"+newCutter(f.t, n.API, random, &r.cuts).listener.Addr().String())
	}
	return r
}

var errCut = errors.New("cut here")

// follow reads a random number of items with a new client, whose nodes stand in a random order.
func (r *cutReader) follow(ctx context.Context) {
	r.fleet.t.Helper()
	nodes := slices.Clone(r.nodes)
	r.random.Shuffle(len(nodes), func(i, k int) { nodes[i], nodes[k] = nodes[k], nodes[i] })
	left := 1 + r.random.IntN(300)
	r.read(ctx, nodes, func() bool { left--; return left == 0 })
	r.cuts.Add(1)
}

// read follows with a new client until a caller has enough.
func (r *cutReader) read(ctx context.Context, nodes []string, enough func() bool) {
	r.fleet.t.Helper()
	c, err := client.New(nodes...)
	if err != nil {
		r.fleet.t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = c.Follow(ctx, devnet.Open, r.cursor, func(item client.Item) error {
		r.cursor = item.Cursor
		r.ids, r.at = append(r.ids, item.ID), append(r.at, item.Commit)
		r.leaves = append(r.leaves, ordering.NamespaceLeaf{Namespace: devnet.Open, Index: item.Index, ID: item.ID})
		if enough() {
			return errCut
		}
		return nil
	})
	if !errors.Is(err, errCut) {
		r.fleet.t.Fatalf("after %d items, from %s: %v", len(r.ids), r.cursor, err)
	}
}

// toTheEnd reads up to the last item that all nodes have, in whole connections.
func (r *cutReader) toTheEnd() {
	r.fleet.t.Helper()
	last := r.truth()
	if len(r.ids) < len(last) {
		r.read(r.fleet.t.Context(), []string{r.fleet.network.Nodes[0].API}, func() bool { return r.ids[len(r.ids)-1] == last[len(last)-1] })
	}
}

// truth is what the namespace got, as the last node tells it in pages.
func (r *cutReader) truth() []crypto.Digest {
	r.fleet.t.Helper()
	var ids []crypto.Digest
	for cursor, more := "genesis", true; more; {
		page, err := r.fleet.clients[len(r.fleet.clients)-1].Range(r.fleet.t.Context(), cursor, devnet.Open)
		if err != nil {
			r.fleet.t.Fatal(err)
		}
		for _, item := range page.GetItems() {
			ids = append(ids, crypto.Digest(item.GetTxId()))
		}
		cursor, more = page.GetNextCursor(), page.GetMore()
	}
	return ids
}

// check compares what was read with the truth, and the chain over it with the one in the last cursor.
func (r *cutReader) check() {
	t := r.fleet.t
	t.Helper()
	want := r.truth()
	if len(want) > len(r.ids) {
		want = want[:len(r.ids)]
	}
	if !slices.Equal(r.ids, want) {
		t.Errorf("read %d items: %s", len(r.ids), firstDifference(r.ids, want))
	}
	chain := proof.NewChained(devnet.Open, ordering.ChainStart(r.fleet.network.NetworkID, devnet.Open))
	for i := range r.leaves {
		chain.Link(r.at[i], &r.leaves[i])
	}
	cursor, err := proof.ParseCursor(r.cursor)
	if err != nil || cursor.Hash != chain.Hash {
		t.Errorf("the chain over %d items ends with %v, the cursor says %v, %v", len(r.ids), chain.Hash.Short(), cursor.Hash.Short(), err)
	}
}

func firstDifference(got, want []crypto.Digest) string {
	for i := range got {
		if i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("item %d is %v", i, got[i].Short())
		}
	}
	return "fewer than there are"
}
