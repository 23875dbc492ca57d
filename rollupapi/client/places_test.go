package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// scopes are the readers that cursors differ for.
var scopes = map[string][]dag.Namespace{"one": {apitest.Open}, "two": {apitest.Open, apitest.Quiet}, "all": nil}

// record is all that a node streams from genesis to a commit.
func record(t testing.TB, c *apitest.Chain, namespaces []dag.Namespace, last uint64) []*pb.StreamResponse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out []*pb.StreamResponse
	whole := make(chan []*pb.StreamResponse, 1)
	url := c.ServeLyingStream(t, func(m *pb.StreamResponse) []*pb.StreamResponse {
		out = append(out, proto.CloneOf(m))
		if m.GetCommit().GetIndex() == last {
			select {
			case whole <- slices.Clone(out):
			default:
			}
			cancel()
		}
		return []*pb.StreamResponse{m}
	})
	err := quietClient(t, url).FollowEvents(ctx, client.Selection{Namespaces: namespaces, Cursor: "genesis"}, func(client.Event) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return <-whole
}

// scripted is a client of one node, which streams these messages whatever it is asked for.
func scripted(t testing.TB, c *apitest.Chain, script []*pb.StreamResponse) *client.Client {
	t.Helper()
	var given atomic.Bool // a client that comes back does so in another goroutine
	return quietClient(t, c.ServeLyingStream(t, func(m *pb.StreamResponse) []*pb.StreamResponse {
		if m.GetWatermark() == nil || !given.CompareAndSwap(false, true) {
			return nil
		}
		return script
	}))
}

// commitOf is the commit that a message tells of, 0 for none.
func commitOf(m *pb.StreamResponse) uint64 { return max(m.GetCommit().GetIndex(), firstOf(m)) }

// TestForgedCursors: a cursor of another place, however genuine there, is not handed out: whoever went on from it later
// would leave something out, and no node could tell.
func TestForgedCursors(t *testing.T) {
	lies := map[string]func(m, later *pb.StreamResponse){
		"behind a commit": func(m, later *pb.StreamResponse) {
			if m.GetCommit().GetIndex() == 2 {
				m.Cursor = later.GetCursor()
			}
		},
		"behind items": func(m, later *pb.StreamResponse) {
			if m.GetItems() != nil && commitOf(m) == 2 {
				m.Cursor = later.GetCursor()
			}
		},
		"behind an item": func(m, later *pb.StreamResponse) {
			if items := m.GetItems().GetItems(); commitOf(m) == 2 && len(items) > 0 {
				items[0].Cursor = later.GetCursor()
			}
		},
		"of a heartbeat": func(m, later *pb.StreamResponse) {
			if m.GetCommit().GetIndex() == 3 {
				m.Event, m.Proof, m.Cursor = &pb.StreamResponse_Watermark{Watermark: &pb.Heartbeat{}}, nil, later.GetCursor()
			}
		},
		"of no items": func(m, later *pb.StreamResponse) {
			if m.GetCommit().GetIndex() == 3 {
				m.Event, m.Proof, m.Cursor = &pb.StreamResponse_Items{Items: &pb.ItemBatch{}}, later.GetProof(), later.GetCursor()
			}
		},
	}
	for scope, namespaces := range scopes {
		for name, lie := range lies {
			t.Run(scope+" "+name, func(t *testing.T) {
				c, _ := longChain(t)
				script := record(t, c, namespaces, 9)
				later, honest := script[len(script)-1], map[string]bool{}
				script = slices.DeleteFunc(script, func(m *pb.StreamResponse) bool { return commitOf(m) > 3 })
				for _, m := range script {
					honest[m.GetCursor()] = true
					for _, item := range m.GetItems().GetItems() {
						honest[item.GetCursor()] = true
					}
					lie(m, later)
				}
				api, reached := scripted(t, c, script), false
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := api.FollowEvents(ctx, client.Selection{Namespaces: namespaces, Cursor: "genesis"}, func(e client.Event) error {
					if !honest[e.Cursor] {
						t.Errorf("cursor %s is handed out", e.Cursor)
					}
					for i := range e.Items {
						if !honest[e.Items[i].Cursor] {
							t.Errorf("cursor %s of item %d is handed out", e.Items[i].Cursor, i)
						}
					}
					reached = reached || e.Commit.GetIndex() == 1
					return nil
				})
				if !errors.Is(err, client.ErrProof) && !errors.Is(err, client.ErrOrder) || !reached {
					t.Errorf("error %v, first commit %t", err, reached)
				}
			})
		}
	}
}

// TestCursorOfAnotherNetwork: whoever follows a node that was replaced by one of another network is told just that.
func TestCursorOfAnotherNetwork(t *testing.T) {
	c, _ := longChain(t)
	script := record(t, c, nil, 3)
	for _, m := range script {
		if m.GetCursor() == "" {
			continue
		}
		cursor, err := proof.ParseCursor(m.GetCursor())
		if err != nil {
			t.Fatal(err)
		}
		cursor.Network[0] ^= 1
		m.Cursor = cursor.String()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := scripted(t, c, script).FollowEvents(ctx, client.Selection{Cursor: "genesis"}, func(client.Event) error { return nil })
	if !errors.Is(err, client.ErrProof) || !strings.Contains(err.Error(), "another network") {
		t.Errorf("error %v", err)
	}
}

// TestUnprovenHeartbeat: the word alone that there was nothing moves no reader of some namespaces.
func TestUnprovenHeartbeat(t *testing.T) {
	for scope, namespaces := range scopes {
		if namespaces == nil {
			continue
		}
		t.Run(scope, func(t *testing.T) {
			c, _ := longChain(t)
			script := record(t, c, namespaces, 9)
			later := script[len(script)-1].GetCursor()
			for _, m := range script {
				if m.GetCommit().GetIndex() == 2 {
					m.Event, m.Proof, m.Cursor = &pb.StreamResponse_Watermark{Watermark: &pb.Heartbeat{}}, nil, later
				}
			}
			script = slices.DeleteFunc(script, func(m *pb.StreamResponse) bool { return commitOf(m) > 1 && m.GetCommit().GetIndex() != 9 })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := scripted(t, c, script).FollowEvents(ctx, client.Selection{Namespaces: namespaces, Cursor: "genesis"}, func(e client.Event) error {
				if e.Cursor == later {
					t.Error("the cursor is handed out")
				}
				return nil
			})
			if !errors.Is(err, client.ErrProof) {
				t.Errorf("the ninth commit behind the first: %v", err)
			}
		})
	}
}

// TestOldCommits: a node that begins before the caller's cursor is caught before it repeats anything, and so is one that
// begins behind it.
func TestOldCommits(t *testing.T) {
	for scope, namespaces := range scopes {
		for name, first := range map[string]uint64{"before": 2, "behind": 5} {
			t.Run(scope+" "+name, func(t *testing.T) {
				c, _ := longChain(t)
				script := record(t, c, namespaces, 9)
				cursor := "genesis"
				for _, m := range script {
					if m.GetCommit().GetIndex() == 3 {
						cursor = m.GetCursor()
					}
					if m.Proof != nil && commitOf(m) < 9 {
						m.Proof.Chains = nil // as nodes do far from the tip
					}
				}
				if name == "behind" {
					cursor = "commit:3"
					if namespaces != nil {
						return // from a number the first proof of the chain is where it begins
					}
				}
				script = slices.DeleteFunc(script, func(m *pb.StreamResponse) bool { return commitOf(m) < first })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := scripted(t, c, script).FollowEvents(ctx, client.Selection{Namespaces: namespaces, Cursor: cursor}, func(e client.Event) error {
					t.Errorf("%d items of commit %d are handed out", len(e.Items), e.Commit.GetIndex())
					return nil
				})
				if !errors.Is(err, client.ErrProof) {
					t.Errorf("error %v, want %v", err, client.ErrProof)
				}
			})
		}
	}
}

// TestGenesisIsTheBeginning: who reads all of everything gets the first commit first.
func TestGenesisIsTheBeginning(t *testing.T) {
	c, _ := longChain(t)
	for _, cursor := range []string{"genesis", "commit:0"} {
		script := slices.DeleteFunc(record(t, c, nil, 9), func(m *pb.StreamResponse) bool { return commitOf(m) == 1 })
		got, err := collect(t, scripted(t, c, script), client.Selection{Cursor: cursor}, -1)
		if !errors.Is(err, client.ErrProof) || len(got) > 0 {
			t.Errorf("%s: %d items, error %v", cursor, len(got), err)
		}
	}
}

// TestNothingYet: who reads from the beginning of an order without commits hears that it is connected.
func TestNothingYet(t *testing.T) {
	url, _ := apitest.New(t).Serve(t)
	for scope, namespaces := range scopes {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		heard := errors.New("heard")
		err := quietClient(t, url).FollowEvents(ctx, client.Selection{Namespaces: namespaces, Cursor: "genesis"}, func(client.Event) error { return heard })
		if cancel(); !errors.Is(err, heard) {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

// TestPlacesOfAll: items of all namespaces stand at the places that they are shown at.
func TestPlacesOfAll(t *testing.T) {
	c, _ := longChain(t)
	lie := func(m *pb.StreamResponse, batch int) []*pb.StreamResponse {
		if items := m.GetItems().GetItems(); batch == 2 && len(items) > 0 {
			items[len(items)-1].Index += 1000
		}
		return []*pb.StreamResponse{m}
	}
	for _, content := range []client.Content{client.Items, client.IDs} {
		_, err := collect(t, quietClient(t, liar(t, c, lie)), client.Selection{Cursor: "genesis", Content: content}, -1)
		if !errors.Is(err, client.ErrProof) {
			t.Errorf("content %d: error %v", content, err)
		}
	}
}

// TestForeignParts: what an item's kind does not have is not handed out, since nothing proves it.
func TestForeignParts(t *testing.T) {
	c, want := longChain(t)
	lie := func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		for _, item := range m.GetItems().GetItems() {
			item.Ciphertext, item.Verdict = []byte("made up"), 1
			if len(item.Legs) == 0 {
				item.Legs = []*pb.Leg{{Namespace: uint64(apitest.Open), Payload: []byte("made up")}}
			} else {
				item.Payload = []byte("made up")
			}
		}
		return []*pb.StreamResponse{m}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	err := quietClient(t, liar(t, c, lie)).Follow(ctx, 0, "genesis", func(i client.Item) error {
		if bundle := i.Kind == dag.KindBundle; i.Ciphertext != nil || i.Verdict != 0 || bundle == (i.Legs == nil) || bundle != (i.Payload == nil) {
			t.Errorf("%+v", i)
		}
		if n++; n == len(want[0]) {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after %d items: %v", n, err)
	}
}

// TestPassedOver: a node that passes over commits and never proves how far the chains reach is found out; honest nodes prove
// it on the way, however long.
func TestPassedOver(t *testing.T) {
	c := apitest.New(t)
	const commits = 1500
	var want []crypto.Digest
	for i := range commits {
		item := c.OpenItem(t, apitest.Open, fmt.Sprint(i))
		c.Commit(t, []dag.Item{item})
		want = append(want, item.ID)
	}
	s := client.Selection{Namespaces: []dag.Namespace{apitest.Open, apitest.Quiet}, Cursor: "genesis"}
	url, _ := c.Serve(t)
	if got, err := collect(t, quietClient(t, url), s, commits); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d items, error %v", len(got), err)
	}
	passing := liar(t, c, func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		if commitOf(m) == 7 {
			return nil
		}
		if m.Proof != nil {
			m.Proof.Chains = nil
		}
		return []*pb.StreamResponse{m}
	})
	if got, err := collect(t, quietClient(t, passing), s, commits); !errors.Is(err, client.ErrProof) {
		t.Errorf("%d items, error %v", len(got), err)
	}
	honest := liar(t, c, func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		if commitOf(m) == 7 {
			return nil
		}
		return []*pb.StreamResponse{m}
	})
	if got, err := collect(t, quietClient(t, honest), s, commits); !errors.Is(err, client.ErrProof) || len(got) > 70 {
		t.Errorf("one passed over: %d items, error %v", len(got), err)
	}
}

// TestLiarsWithoutEnd: nodes that lie behind a heartbeat each time are not asked for ever.
func TestLiarsWithoutEnd(t *testing.T) {
	c, _ := longChain(t)
	lie := func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
		if m.GetCommit() != nil {
			m.Cursor = ""
		}
		return []*pb.StreamResponse{m}
	}
	s := client.Selection{Namespaces: []dag.Namespace{apitest.Open}, Cursor: "genesis"}
	if _, err := collect(t, quietClient(t, liar(t, c, lie), liar(t, c, lie)), s, 1); !errors.Is(err, client.ErrProof) {
		t.Error(err)
	}
}
