package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// opensAtOnce makes a chain that commits and reveals whatever is submitted before it answers.
func opensAtOnce(t testing.TB, c *apitest.Chain) {
	t.Helper()
	c.Answer(func(item dag.Item) ordering.OutcomeState {
		c.Commit(t, []dag.Item{item})
		c.RevealAll(t)
		return ordering.Committed
	})
}

func leg(ns dag.Namespace, payload string) dag.Leg {
	return dag.Leg{Namespace: ns, Payload: []byte(payload)}
}

func sender(t testing.TB) *crypto.IdentityKey {
	t.Helper()
	key, err := crypto.NewIdentityKey(bytes.Repeat([]byte{9}, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// itemOf reads the item with a number, from 1, of the whole order at REVEALED.
func itemOf(t testing.TB, c *client.Client, number int) client.Item {
	t.Helper()
	enough := errors.New("enough")
	var last client.Item
	err := c.Follow(t.Context(), 0, "genesis", func(item client.Item) error {
		if last = item; number > 1 {
			number--
			return nil
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return last
}

// TestSealAndSubmit: what is sealed here comes back opened, and checks without the node.
func TestSealAndSubmit(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	opensAtOnce(t, chain)
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	for i, p := range []client.Plain{
		{Legs: []dag.Leg{leg(apitest.Open, "hello")}},
		{Legs: []dag.Leg{leg(apitest.Signed, "mine")}, Signer: sender(t)},
		{Legs: []dag.Leg{leg(apitest.Quiet, "one"), leg(apitest.Open, "two"), leg(apitest.Quiet, "three")}, ValidUntil: 100},
		{Legs: []dag.Leg{{Namespace: apitest.Open, Payload: bytes.Repeat([]byte{7}, 128<<10-13)}}},
	} {
		result, err := c.SealAndSubmit(t.Context(), p, client.WaitRevealed)
		if err != nil || result.State != client.Revealed || result.Commit != dag.CommitIndex(i+2) {
			t.Fatalf("%d: %+v, %v", i, result, err)
		}
		item := itemOf(t, c, i+1)
		if item.ID != result.ID || len(item.Legs) != len(p.Legs) || !bytes.Equal(item.Legs[len(p.Legs)-1].Payload, p.Legs[len(p.Legs)-1].Payload) {
			t.Errorf("%d: %s, %d legs", i, item.ID, len(item.Legs))
		}
		key, err := c.EncryptionKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := key.VerifyReveal(&item); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	for name, p := range map[string]client.Plain{
		"no legs":   {},
		"too large": {Legs: []dag.Leg{{Namespace: apitest.Open, Payload: make([]byte, 128<<10-12)}}},
		"two of 64 KiB": {Legs: []dag.Leg{
			{Namespace: apitest.Open, Payload: make([]byte, 64<<10)}, {Namespace: apitest.Open, Payload: make([]byte, 64<<10)},
		}},
	} {
		if _, err := c.SealAndSubmit(t.Context(), p, client.WaitNone); !errors.Is(err, dag.ErrItem) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.SealAndSubmit(t.Context(), client.Plain{Legs: []dag.Leg{leg(apitest.Signed, "unsigned")}}, client.WaitNone); reasonOf(err) != "SIGNATURE_MISSING" {
		t.Errorf("unsigned: %v", err)
	}
}

func reasonOf(err error) string {
	var refused *client.Error
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return ""
}

// TestSealWithReplacedKey: a key that no longer serves is noticed before the order and behind it, and what
// was sealed with it is sealed anew.
func TestSealWithReplacedKey(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	first, err := c.EncryptionKey(t.Context())
	if err != nil || first.ID != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	chain.OpenSealing(t)
	opensAtOnce(t, chain)
	plain := client.Plain{Legs: []dag.Leg{leg(apitest.Open, "before the order")}}
	if result, err := c.SealAndSubmit(t.Context(), plain, client.WaitRevealed); err != nil || result.State != client.Revealed {
		t.Errorf("%+v, %v", result, err)
	}
	submits := 0
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		if submits++; submits == 1 {
			chain.OpenSealing(t) // while the item is on its way
		}
		chain.Commit(t, []dag.Item{item})
		chain.RevealAll(t)
		return ordering.Committed
	})
	plain.Legs[0].Payload = []byte("behind it")
	result, err := c.SealAndSubmit(t.Context(), plain, client.WaitRevealed)
	if err != nil || result.State != client.Revealed || submits != 2 {
		t.Errorf("%+v, %v after %d submissions", result, err, submits)
	}
	if key, err := c.EncryptionKey(t.Context()); err != nil || key.ID != 3 {
		t.Errorf("%+v, %v", key, err)
	}
	if old, err := c.KeyByID(t.Context(), 1); err != nil || old.Until == 0 || !bytes.Equal(old.Bytes(), first.Bytes()) {
		t.Errorf("%+v, %v", old, err)
	}
}

// TestSealedOnce: what a node took without answering is sent again as it is. Sealed anew it would be ordered twice.
func TestSealedOnce(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	url, _ := chain.Serve(t)
	ids := map[crypto.Digest]int{}
	var mu sync.Mutex
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		mu.Lock()
		defer mu.Unlock()
		ids[item.ID]++
		return ordering.Included
	})
	behind, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasSuffix(r.Request.URL.Path, "/SubmitSealed") && lost.Add(1) <= 2 {
			return errors.New("the answer is lost")
		}
		return nil
	}
	web := httptest.NewServer(proxy)
	defer web.Close()
	result, err := newClient(t, web.URL).SealAndSubmit(t.Context(), client.Plain{Legs: []dag.Leg{leg(apitest.Open, "once")}}, client.WaitIncluded)
	if err != nil || lost.Load() != 3 {
		t.Fatalf("%+v, %v after %d answers", result, err, lost.Load())
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) != 1 || ids[result.ID] == 0 {
		t.Errorf("%d items, %v", len(ids), ids)
	}
}

// TestSealNotReady: without a key the error says how far it is, and whoever waits gets on when it is there.
func TestSealNotReady(t *testing.T) {
	chain := apitest.New(t)
	chain.GenerateKey(keygen.Status{Phase: keygen.Dealing, Deals: 1})
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	var refused *client.Error
	if _, err := c.EncryptionKey(t.Context()); !errors.As(err, &refused) || refused.Reason != "SEALING_NOT_READY" || !refused.Retryable || !strings.Contains(refused.Message, "1 validators have dealt") {
		t.Errorf("%v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	plain := client.Plain{Legs: []dag.Leg{leg(apitest.Open, "x")}}
	if _, err := c.SealAndSubmit(short, plain, client.WaitNone); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := c.SealAndSubmit(t.Context(), plain, client.WaitIncluded)
		done <- err
	}()
	chain.OpenSealing(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestForgedContent: a follower that knows the committee hands out nothing of what a node makes up for the content of a
// sealed item, and gets the truth from the next node.
func TestForgedContent(t *testing.T) {
	for name, lie := range map[string]func(*pb.Item){
		"other content": func(m *pb.Item) { m.Legs[0].Payload = []byte("forged") },
		"one leg less":  func(m *pb.Item) { m.Legs = m.Legs[1:] },
		"no content":    func(m *pb.Item) { m.Legs, m.Verdict = nil, pb.Verdict(reveal.ContentInvalid) },
		"another opening": func(m *pb.Item) {
			m.Opening = bytes.Clone(m.GetOpening())
			m.Opening[0] ^= 1
		},
		"a key that is not there": func(m *pb.Item) {
			m.Ciphertext = bytes.Clone(m.GetCiphertext())
			m.Ciphertext[8] ^= 64
		},
	} {
		t.Run(name, func(t *testing.T) {
			chain := apitest.New(t)
			chain.OpenSealing(t)
			good := chain.SealedItem(t, leg(apitest.Open, "one"), leg(apitest.Quiet, "two"))
			chain.Commit(t, []dag.Item{chain.OpenItem(t, apitest.Open, "plain"), good})
			chain.RevealAll(t)
			lying := liar(t, chain, func(m *pb.StreamResponse, _ int) []*pb.StreamResponse {
				for _, item := range m.GetItems().GetItems() {
					if item.GetVerdict() != 0 {
						lie(item)
					}
				}
				return []*pb.StreamResponse{m}
			})
			honest, _ := chain.Serve(t)
			s := client.Selection{Namespaces: []dag.Namespace{apitest.Open}, Cursor: "genesis", MinState: client.Revealed}
			if got, err := collect(t, trusting(t, chain, lying), s, -1); !errors.Is(err, client.ErrProof) || len(got) > 0 {
				t.Errorf("the liar alone: %d items, error %v", len(got), err)
			}
			got, err := collect(t, trusting(t, chain, lying, honest), s, 2)
			if err != nil || len(got) != 2 || got[1] != good.ID {
				t.Errorf("with an honest node: %v, error %v", got, err)
			}
		})
	}
}

// TestVerifyReveal: every verdict that a node can show is believed only if it is right.
func TestVerifyReveal(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	stale := chain.SealedItem(t, leg(apitest.Open, "stale"))
	chain.OpenSealing(t)
	good := chain.SealedItem(t, leg(apitest.Open, "one"), leg(apitest.Quiet, "two"))
	copied := good.Sealed()
	copied.ValidUntil--
	lying := chain.Seal(t, dag.Sealed{ValidUntil: 50, Namespaces: []dag.Namespace{apitest.Open}}, []byte("no legs"))
	chain.Commit(t, []dag.Item{good, stale, chain.Envelope(t, copied), lying, chain.OpenItem(t, apitest.Open, "plain")})
	chain.RevealAll(t)
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	key, err := c.EncryptionKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old, err := c.KeyByID(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var items []client.Item
	for n := range 5 {
		items = append(items, itemOf(t, c, n+1))
	}
	for i := range 4 {
		if err := key.VerifyReveal(&items[i]); err != nil {
			t.Errorf("%s: %v", items[i].Verdict, err)
		}
		if err := old.VerifyReveal(&items[i]); !errors.Is(err, client.ErrReveal) {
			t.Errorf("%s with the key before: %v", items[i].Verdict, err)
		}
		for verdict := reveal.Opened; verdict <= reveal.ContentInvalid; verdict++ {
			if verdict == items[i].Verdict {
				continue
			}
			lie := items[i]
			if lie.Verdict = verdict; verdict != reveal.Opened {
				lie.Legs = nil
			}
			// DECRYPT_FAILED is beyond an opening, but where the ciphertext is bad at first sight (1 and 2).
			if err := key.VerifyReveal(&lie); err == nil || (verdict == reveal.DecryptFailed) != errors.Is(err, client.ErrUnproven) && i != 1 && i != 2 {
				t.Errorf("%s told as %s: %v", items[i].Verdict, verdict, err)
			}
		}
	}
	for name, change := range map[string]func(*client.Item){
		"payload": func(item *client.Item) { item.Legs = []dag.Leg{leg(apitest.Open, "One"), item.Legs[1]} },
		"namespace": func(item *client.Item) {
			item.Legs = []dag.Leg{{Namespace: 1, Payload: item.Legs[0].Payload}, item.Legs[1]}
		},
		"leg less": func(item *client.Item) { item.Legs = item.Legs[:1] },
		"opening":  func(item *client.Item) { item.Opening[3] ^= 1 },
		"id":       func(item *client.Item) { item.ID[0] ^= 1 },
		"expiry":   func(item *client.Item) { item.ValidUntil++ },
		"commit":   func(item *client.Item) { item.Commit = 1 },
		"kind":     func(item *client.Item) { item.Kind = dag.KindBundle },
		"verdict":  func(item *client.Item) { item.Verdict = 0 },
		"failed with content": func(item *client.Item) {
			item.Verdict = reveal.DecryptFailed
		},
		"ciphertext": func(item *client.Item) {
			item.Ciphertext = append(bytes.Clone(item.Ciphertext[:99]), item.Ciphertext[98:]...)
		},
	} {
		lie := items[0]
		change(&lie)
		if err := key.VerifyReveal(&lie); !errors.Is(err, client.ErrReveal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := key.VerifyReveal(&items[4]); !errors.Is(err, client.ErrReveal) {
		t.Errorf("an open item: %v", err)
	}
}

// TestFollowStates: a client chooses whether it waits for reveals.
func TestFollowStates(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	chain.Commit(t, []dag.Item{chain.SealedItem(t, leg(apitest.Open, "x"))})
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	enough := errors.New("enough")
	first := func(state client.State) (item client.Item) {
		t.Helper()
		err := c.FollowEvents(t.Context(), client.Selection{Cursor: "genesis", MinState: state}, func(e client.Event) error {
			if len(e.Items) == 0 {
				return nil
			}
			item = e.Items[0]
			return enough
		})
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
		return item
	}
	if item := first(client.Committed); item.Verdict != 0 || len(item.Legs) != 0 || len(item.Ciphertext) == 0 || len(item.Namespaces) != 1 {
		t.Errorf("committed: %+v", item)
	}
	chain.Shares(1)
	status, err := c.Status(t.Context(), lastPlaced(t, chain))
	if err != nil || status.State != client.Committed || status.Reveal != "1 of 3 shares, missing v1 v2 v3" {
		t.Errorf("%+v, %v", status, err)
	}
	chain.RevealAll(t)
	for _, state := range []client.State{client.Revealed, ""} {
		if item := first(state); item.Verdict != reveal.Opened || string(item.Legs[0].Payload) != "x" {
			t.Errorf("%q: %+v", state, item)
		}
	}
	if err := c.FollowEvents(t.Context(), client.Selection{MinState: client.Included}, nil); err == nil {
		t.Error("a stream of what is included")
	}
}

// lastPlaced is the id of the newest commit's first item.
func lastPlaced(t testing.TB, chain *apitest.Chain) crypto.Digest {
	t.Helper()
	commit, ok, err := chain.Config().History.Commit(chain.Heads().Committed)
	if err != nil || !ok {
		t.Fatal(err)
	}
	return commit.Accepted[0].ID
}
