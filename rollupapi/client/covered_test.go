package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// certifiedItems is a chain whose every third commit is certified, to the last one, and what Open got.
func certifiedItems(t *testing.T, word string) (*apitest.Chain, []crypto.Digest) {
	t.Helper()
	c := apitest.New(t)
	c.OpenCertificates(t)
	var want []crypto.Digest
	for i := 2; i <= 13; i++ {
		item := c.OpenItem(t, apitest.Open, fmt.Sprint(word, i))
		c.Commit(t, []dag.Item{item})
		want = append(want, item.ID)
		if i%3 == 1 {
			c.Certify(t, dag.CommitIndex(i))
		}
	}
	return c, want
}

// TestForgedHeaders: an order that a node has made up as a whole, headers and proofs and all, is noticed by the certificates before
// any of it is handed out, whatever the node says for certificates.
func TestForgedHeaders(t *testing.T) {
	c, want := certifiedItems(t, "true ")
	forged, lies := certifiedItems(t, "forged ")
	one := client.Selection{Namespaces: []dag.Namespace{apitest.Open}, Cursor: "genesis"}
	for name, lie := range map[string]func(honest, forged *pb.GetCertificateResponse) *pb.GetCertificateResponse{
		"honest certificates": func(honest, _ *pb.GetCertificateResponse) *pb.GetCertificateResponse { return honest },
		"honest signatures, forged headers": func(honest, forged *pb.GetCertificateResponse) *pb.GetCertificateResponse {
			forged.Certificate.Signature = honest.GetCertificate().GetSignature()
			return forged
		},
		"honest certificates behind forged headers": func(honest, forged *pb.GetCertificateResponse) *pb.GetCertificateResponse {
			honest.Headers[0] = forged.GetHeaders()[0]
			return honest
		},
		"certificates of another commit": func(honest, forged *pb.GetCertificateResponse) *pb.GetCertificateResponse {
			forged.Certificate = honest.GetCertificate()
			return forged
		},
		"a key that is not there": func(_, forged *pb.GetCertificateResponse) *pb.GetCertificateResponse {
			forged.Certificate.KeyId = 7
			return forged
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := c.ServeForging(t, forged, lie)
			for scope, s := range map[string]client.Selection{"one": one, "all": {Cursor: "genesis"}, "commits": {Cursor: "genesis", Content: client.Commits}} {
				err := trusting(t, c, url).FollowEvents(t.Context(), s, func(e client.Event) error {
					if len(e.Items) > 0 || e.Commit.GetIndex() > 1 { // both have the first commit
						return errors.New("handed out")
					}
					return nil
				})
				if !errors.Is(err, client.ErrProof) {
					t.Errorf("%s: the forger alone: error %v, want %v", scope, err, client.ErrProof)
				}
			}
			honest, _ := c.Serve(t)
			got, err := collect(t, trusting(t, c, url, honest), one, len(want))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("with an honest node: %d items of %d, error %v", len(got), len(want), err)
			}
			got, err = collect(t, quietClient(t, url), one, len(lies)) // without a committee: nothing but the certificates tells
			if err != nil || !slices.Equal(got, lies) {
				t.Errorf("the forged order has another fault: %v", err)
			}
		})
	}
}

// TestFollowFromTip: what is not certified yet is awaited, and then handed out.
func TestFollowFromTip(t *testing.T) {
	c, _ := certifiedItems(t, "true ")
	c.Commit(t) // the tip is not certified
	url, _ := c.Serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done, sent := make(chan error, 1), map[crypto.Digest]bool{}
	var got client.Item
	go func() {
		done <- trusting(t, c, url).Follow(ctx, apitest.Open, "tip", func(item client.Item) error {
			got = item
			cancel()
			return nil
		})
	}()
	for at := dag.CommitIndex(15); ; at++ { // until the reader, which begins at a tip that is not certified, has one
		item := c.OpenItem(t, apitest.Open, fmt.Sprint("new ", at))
		sent[item.ID] = true
		c.Commit(t, []dag.Item{item})
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) || !sent[got.ID] {
				t.Errorf("ended with %v and item %v", err, got.ID)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		c.Certify(t, at)
	}
}

// TestKeyIsRemembered: the key is proven once; nodes that have pruned what proves it serve a client that knows it, or that
// has another node to ask.
func TestKeyIsRemembered(t *testing.T) {
	c, _ := certifiedItems(t, "true ")
	url, _ := c.Serve(t)
	early := trusting(t, c, url)
	if _, err := early.Certificate(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	keeps, _ := certifiedItems(t, "true ")
	c.Prune(4)
	if _, err := early.Certificate(t.Context(), 8); err != nil {
		t.Errorf("a client that knows the key: %v", err)
	}
	if _, err := trusting(t, c, url).Certificate(t.Context(), 8); !errors.Is(err, client.ErrOrigin) {
		t.Errorf("a client that does not: %v, want %v", err, client.ErrOrigin)
	}
	other, _ := keeps.Serve(t)
	if _, err := trusting(t, c, url, other).Certificate(t.Context(), 8); err != nil {
		t.Errorf("one with another node: %v", err)
	}
}

// TestKeyFromAnotherNode: a node that cannot prove the key is followed all the same where another one proves it, although
// that one streams nothing.
func TestKeyFromAnotherNode(t *testing.T) {
	c, _ := certifiedItems(t, "true ")
	keeps, _ := certifiedItems(t, "true ")
	c.Prune(4)
	url, _ := c.Serve(t)
	silent := keeps.ServeLyingStream(t, func(*pb.StreamResponse) []*pb.StreamResponse { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := errors.New("an item came")
	err := trusting(t, c, url, silent).Follow(ctx, apitest.Open, "commit:5", func(client.Item) error { return got })
	if !errors.Is(err, got) {
		t.Errorf("ended with %v", err)
	}
}
