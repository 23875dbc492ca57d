package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// longChain has commits with items of several namespaces, bundles and gaps, and says what each namespace got.
func longChain(t testing.TB) (*apitest.Chain, map[dag.Namespace][]crypto.Digest) {
	t.Helper()
	c, want := apitest.New(t), map[dag.Namespace][]crypto.Digest{}
	for i := range 12 {
		var items []dag.Item
		for k := range 3 {
			if i%4 != 3 {
				items = append(items, c.OpenItem(t, apitest.Open, fmt.Sprint("open ", i, k)))
			}
			items = append(items, c.OpenItem(t, apitest.Unprotected, fmt.Sprint("other ", i, k)))
		}
		if i%2 == 0 {
			items = append(items, c.BundleItem(t, fmt.Sprint("bundle ", i), apitest.Quiet, apitest.Open))
		}
		for _, item := range items {
			for _, ns := range item.Namespaces() {
				want[ns] = append(want[ns], item.ID)
			}
			want[0] = append(want[0], item.ID)
		}
		c.Commit(t, items)
	}
	return c, want
}

// quietClient does not log what the nodes are caught at.
func quietClient(t testing.TB, endpoints ...string) *client.Client {
	t.Helper()
	c, err := client.NewFrom(client.Config{Endpoints: endpoints, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// collect follows until it has n items or Follow ends, for a minute at most.
func collect(t testing.TB, c *client.Client, s client.Selection, n int) ([]crypto.Digest, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []crypto.Digest
	err := c.FollowEvents(ctx, s, func(e client.Event) error {
		for _, item := range e.Items {
			if got = append(got, item.ID); len(got) == n {
				cancel()
			}
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return got, err
}

// lies are what a node can do to a stream of namespace Open. Each gets every message, and the number of the messages
// with items so far, this one counted in.
var lies = map[string]func(m *pb.StreamResponse, batch int) []*pb.StreamResponse{
	"omits one transaction": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if items := m.GetItems(); items != nil && batch == 2 {
			items.Items = slices.Delete(items.Items, 1, 2)
		}
		return []*pb.StreamResponse{m}
	},
	"omits the last transaction of a commit": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if items := m.GetItems(); items != nil && batch == 2 {
			items.Items = items.Items[:len(items.Items)-1]
		}
		return []*pb.StreamResponse{m}
	},
	"omits a commit": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if batch == 2 && (m.GetItems() != nil || m.GetCommit() != nil) {
			return nil
		}
		return []*pb.StreamResponse{m}
	},
	"reorders two": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if items := m.GetItems().GetItems(); batch == 2 && len(items) > 1 {
			items[0], items[1] = items[1], items[0]
			items[0].Index, items[1].Index = items[1].Index, items[0].Index
		}
		return []*pb.StreamResponse{m}
	},
	"shows another namespace's transaction": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if items := m.GetItems().GetItems(); batch == 2 && len(items) > 0 {
			items[0].Namespace = uint64(apitest.Quiet)
		}
		return []*pb.StreamResponse{m}
	},
	"shows another leg of a bundle": func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		for _, item := range m.GetItems().GetItems() {
			if len(item.GetLegs()) > 1 {
				item.Legs[0], item.Legs[1] = item.Legs[1], item.Legs[0]
			}
		}
		return []*pb.StreamResponse{m}
	},
	"shows a bundle without its other leg": func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		for _, item := range m.GetItems().GetItems() {
			if len(item.GetLegs()) > 1 {
				item.Legs = item.Legs[1:]
			}
		}
		return []*pb.StreamResponse{m}
	},
	"changes a payload": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if items := m.GetItems().GetItems(); batch == 2 && len(items) > 0 {
			items[0].Payload = append([]byte(nil), "changed"...)
		}
		return []*pb.StreamResponse{m}
	},
	"repeats one": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if items := m.GetItems(); items != nil && batch == 2 {
			items.Items = append(items.Items, items.Items[len(items.Items)-1])
		}
		return []*pb.StreamResponse{m}
	},
	"leaves the proofs out": func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		m.Proof = nil
		return []*pb.StreamResponse{m}
	},
	"changes a header": func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if h := m.GetCommit(); h != nil && batch == 2 {
			h.TimeUnixMs++
		}
		return []*pb.StreamResponse{m}
	},
	"ends with a cursor of another place": func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		if m.GetCommit() != nil {
			m.Cursor = "AgAAAAAAAAAAAQAAAAAAAAPrAAAAAAAAAAH_____AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		}
		return []*pb.StreamResponse{m}
	},
}

// liar serves a chain with a lie.
func liar(t testing.TB, c *apitest.Chain, lie func(*pb.StreamResponse, int) []*pb.StreamResponse) string {
	t.Helper()
	return c.ServeLyingStream(t, func(m *pb.StreamResponse) []*pb.StreamResponse {
		own := proto.CloneOf(m) // what nodes prove is shared among their readers
		batch := 0
		if own.GetItems() != nil || own.GetCommit() != nil {
			batch = 1
			if commit := max(own.GetCommit().GetIndex(), firstOf(own)); commit > 1 {
				batch = int(commit)
			}
		}
		return lie(own, batch)
	})
}

func firstOf(m *pb.StreamResponse) uint64 {
	if items := m.GetItems().GetItems(); len(items) > 0 {
		return items[0].GetCommit()
	}
	return 0
}

// TestLiars: each lie is caught, nothing of it is handed out, and with an honest node beside it all comes once and in order.
func TestLiars(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			c, want := longChain(t)
			url := liar(t, c, lie)
			s := client.Selection{Namespaces: []dag.Namespace{apitest.Open}, Cursor: "genesis"}
			got, err := collect(t, quietClient(t, url), s, len(want[apitest.Open]))
			if !errors.Is(err, client.ErrProof) && !errors.Is(err, client.ErrOrder) {
				t.Errorf("the liar alone: error %v, want %v", err, client.ErrProof)
			}
			if n := len(got); !slices.Equal(got, want[apitest.Open][:n]) {
				t.Errorf("the liar alone: %d items, not the first ones", n)
			}
			honest, _ := c.Serve(t)
			got, err = collect(t, quietClient(t, url, honest), s, len(want[apitest.Open]))
			if err != nil || !slices.Equal(got, want[apitest.Open]) {
				t.Errorf("with an honest node: %d items of %d, error %v", len(got), len(want[apitest.Open]), err)
			}
		})
	}
}

// TestLiarsOfAll: a reader of all namespaces notices the same, also by ids alone.
func TestLiarsOfAll(t *testing.T) {
	for _, name := range []string{"omits one transaction", "omits the last transaction of a commit", "omits a commit", "reorders two", "repeats one", "changes a header"} {
		for _, content := range []client.Content{client.Items, client.IDs} {
			t.Run(fmt.Sprint(name, content), func(t *testing.T) {
				c, want := longChain(t)
				got, err := collect(t, quietClient(t, liar(t, c, lies[name])), client.Selection{Cursor: "genesis", Content: content}, len(want[0]))
				if !errors.Is(err, client.ErrProof) && !errors.Is(err, client.ErrOrder) {
					t.Errorf("error %v, want %v", err, client.ErrProof)
				}
				if n := len(got); !slices.Equal(got, want[0][:n]) {
					t.Errorf("%d items, not the first ones", n)
				}
			})
		}
	}
}

// TestEveryCursor: from the cursor of every item and event a later Follow goes on exactly behind it, whatever the scope.
func TestEveryCursor(t *testing.T) {
	c, want := longChain(t)
	url, _ := c.Serve(t)
	api := newClient(t, url)
	for name, namespaces := range map[string][]dag.Namespace{"one": {apitest.Open}, "two": {apitest.Open, apitest.Quiet}, "all": nil} {
		t.Run(name, func(t *testing.T) {
			all := want[0]
			if len(namespaces) > 0 {
				all = slices.Clone(all)
				all = slices.DeleteFunc(all, func(id crypto.Digest) bool {
					return !slices.ContainsFunc(namespaces, func(ns dag.Namespace) bool { return slices.Contains(want[ns], id) })
				})
			}
			cursors := map[string]int{"genesis": 0}
			s := client.Selection{Namespaces: namespaces, Cursor: "genesis"}
			ctx, cancel := context.WithCancel(t.Context())
			seen := 0
			err := api.FollowEvents(ctx, s, func(e client.Event) error {
				for _, item := range e.Items {
					seen++
					cursors[item.Cursor] = seen
				}
				if cursors[e.Cursor] = seen; seen == len(all) && e.Commit != nil {
					cancel()
				}
				return nil
			})
			if !errors.Is(err, context.Canceled) || seen != len(all) {
				t.Fatalf("%d items of %d, %v", seen, len(all), err)
			}
			for cursor, at := range cursors {
				if at == len(all) {
					continue
				}
				s.Cursor = cursor
				got, err := collect(t, api, s, len(all)-at)
				if err != nil || !slices.Equal(got, all[at:]) {
					t.Errorf("from behind item %d: %d items, want %d, error %v", at, len(got), len(all)-at, err)
				}
			}
		})
	}
}

// TestDivergedCursor: a cursor of another history is refused by the node, and one whose place inside a commit holds
// something else is noticed by the client.
func TestDivergedCursor(t *testing.T) {
	c, _ := longChain(t)
	other := apitest.New(t)
	for i := range 12 {
		other.Commit(t, []dag.Item{other.OpenItem(t, apitest.Open, fmt.Sprint("else ", i)), other.OpenItem(t, apitest.Open, fmt.Sprint("more ", i))})
	}
	url, _ := c.Serve(t)
	strange, _ := other.Serve(t)
	for _, namespaces := range [][]dag.Namespace{{apitest.Open}, {apitest.Open, apitest.Quiet}, nil} {
		s := client.Selection{Namespaces: namespaces, Cursor: "genesis"}
		ctx, cancel := context.WithCancel(t.Context())
		var cursors []string
		err := newClient(t, strange).FollowEvents(ctx, s, func(e client.Event) error {
			for _, item := range e.Items {
				cursors = append(cursors, item.Cursor)
			}
			if cursors = append(cursors, e.Cursor); len(cursors) > 12 {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for _, cursor := range cursors[1:] { // the first may be that of the beginning, which both have
			s.Cursor = cursor
			_, err := collect(t, quietClient(t, url), s, -1)
			var refused *client.Error
			if !errors.Is(err, client.ErrProof) && (!errors.As(err, &refused) || refused.Reason != "CURSOR_DIVERGED") {
				t.Errorf("namespaces %v, cursor %s: %v", namespaces, cursor, err)
			}
		}
	}
}

// TestRandomCuts cuts connections at random places of a stream of three nodes and starts anew from the stored cursor at
// random items: every item comes once and in order.
func TestRandomCuts(t *testing.T) {
	c, want := longChain(t)
	random := rand.New(rand.NewPCG(1, 2))
	url, _ := c.Serve(t)
	var nodes []string
	for range 3 {
		nodes = append(nodes, flaky(t, url, 700+random.IntN(4000)))
	}
	nodes = append(nodes, url)
	var got []crypto.Digest
	cursor := "genesis"
	api := newClient(t, nodes...)
	stop := errors.New("stop")
	for len(got) < len(want[apitest.Open]) {
		left := 1 + random.IntN(5)
		err := api.Follow(t.Context(), apitest.Open, cursor, func(item client.Item) error {
			got, cursor = append(got, item.ID), item.Cursor
			if left--; left == 0 || len(got) == len(want[apitest.Open]) {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Fatalf("after %d items: %v", len(got), err)
		}
	}
	if !slices.Equal(got, want[apitest.Open]) {
		t.Errorf("%d items, not what was committed", len(got))
	}
}
