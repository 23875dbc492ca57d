package client_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// trusting is a client that knows the chain's committee.
func trusting(t testing.TB, c *apitest.Chain, endpoints ...string) *client.Client {
	t.Helper()
	out, err := client.NewFrom(client.Config{Endpoints: endpoints, Committee: c.Committee, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	return out
}

// TestLyingNode: nothing is sealed with a key that the committee did not sign, however it is made up.
func TestLyingNode(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	opensAtOnce(t, chain)
	plain := client.Plain{Legs: []dag.Leg{leg(apitest.Open, "secret")}}
	own := chain.OwnKey(t)
	for name, lie := range map[string]func(*pb.EncryptionKey){
		"another key":               func(m *pb.EncryptionKey) { key := m.GetOrigins(); own(m); m.Origins = key[:0:0] },
		"another key, honest deals": func(m *pb.EncryptionKey) { m.Key = m.GetPublicShares()[0] },
		"own deals, honest blocks":  own,
		"own deals, forged blocks":  chain.OwnBlocks(t),
		"no blocks": func(m *pb.EncryptionKey) {
			own(m)
			for _, o := range m.GetOrigins() {
				o.Block = nil
			}
		},
	} {
		liar := chain.ServeLying(t, lie)
		c := trusting(t, chain, liar)
		if result, err := c.SealAndSubmit(t.Context(), plain, client.WaitRevealed); !errors.Is(err, client.ErrOrigin) || !result.ID.IsZero() {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
		if key, err := c.EncryptionKey(t.Context()); !errors.Is(err, client.ErrOrigin) || key != nil {
			t.Errorf("%s: %v", name, err)
		}
		if key, err := c.KeyByID(t.Context(), 1); !errors.Is(err, client.ErrOrigin) || key != nil {
			t.Errorf("%s, by id: %v", name, err)
		}
		if chain.Submits() != 0 {
			t.Fatalf("%s: something was sent", name)
		}
	}
	c := trusting(t, chain, chain.ServeLying(t, func(m *pb.EncryptionKey) {
		if len(m.GetOrigins()[0].GetDeal()) == 0 { // the truth only where it must be proven
			own(m)
		}
	}))
	if key, err := c.EncryptionKey(t.Context()); err != nil || !bytes.Equal(key.Bytes(), chain.Key().Bytes()) {
		t.Errorf("two answers: %v", err)
	}
	honest, _ := chain.Serve(t)
	c = trusting(t, chain, chain.ServeLying(t, own), honest)
	result, err := c.SealAndSubmit(t.Context(), plain, client.WaitRevealed)
	if err != nil || result.State != client.Revealed || c.Endpoint() != honest {
		t.Errorf("beside an honest node: %+v, %v", result, err)
	}
}

// TestProvenOnce: a key's proof is asked for once per key id, and what was proven cannot be replaced.
func TestProvenOnce(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	opensAtOnce(t, chain)
	own := chain.OwnKey(t)
	var proofs, lying atomic.Int32
	c := trusting(t, chain, chain.ServeLying(t, func(m *pb.EncryptionKey) {
		if len(m.GetOrigins()[0].GetDeal()) > 0 {
			proofs.Add(1)
		}
		if lying.Load() > 0 {
			own(m)
		}
	}))
	asked := func(want int32) {
		t.Helper()
		if _, err := c.KeyByID(t.Context(), 0); err != nil {
			t.Error(err)
		}
		if _, err := c.EncryptionKey(t.Context()); err != nil {
			t.Error(err)
		}
		if got := proofs.Load(); got != want {
			t.Errorf("%d proofs, want %d", got, want)
		}
	}
	asked(1)
	asked(1)
	lying.Store(1)
	if _, err := c.KeyByID(t.Context(), 1); !errors.Is(err, client.ErrOrigin) || !strings.Contains(err.Error(), "proven before") {
		t.Errorf("another key of the same id: %v", err)
	}
	lying.Store(0)
	chain.OpenSealing(t)
	asked(2)
}

// TestSaysThatKeyIsUnproven: who seals without a committee is told so, once.
func TestSaysThatKeyIsUnproven(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	opensAtOnce(t, chain)
	url, _ := chain.Serve(t)
	for committee, want := range map[*dag.Committee]int{nil: 1, chain.Committee: 0} {
		var log bytes.Buffer
		c, err := client.NewFrom(client.Config{Endpoints: []string{url}, Committee: committee, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, text := range []string{"one", "two"} {
			if _, err := c.SealAndSubmit(t.Context(), client.Plain{Legs: []dag.Leg{leg(apitest.Open, text)}}, client.WaitNone); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Count(log.String(), "sealing_key_unproven"); got != want {
			t.Errorf("said %d times, want %d: %s", got, want, &log)
		}
	}
}
