package devnet

import (
	"bytes"
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestOpenPayloadsDiffer(t *testing.T) {
	a, err := newOpenSource(Open, minPayload)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newOpenSource(Open, minPayload)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, s := range []*openSource{a, b} {
		for batch := range uint64(50) {
			ns, payloads, err := s.next(t.Context(), batch, 20)
			if err != nil || ns != Open || len(payloads) != 20 {
				t.Fatalf("%d payloads of namespace %d, %v", len(payloads), ns, err)
			}
			for _, p := range payloads {
				if len(p) != minPayload || cap(p) != minPayload || seen[string(p)] {
					t.Fatalf("payload %x of %d bytes is wrong or not new", p, len(p))
				}
				seen[string(p)] = true
			}
		}
	}
}

func TestDemoTransactions(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	s, err := newDemoSource(ctx, &group, 1)
	if err != nil {
		t.Fatal(err)
	}
	nonces := make(map[common.Address]uint64)
	for batch := range uint64(20) {
		ns, payloads, err := s.next(ctx, batch, 10)
		if err != nil {
			t.Fatal(err)
		}
		if want := demoRollups[batch%2]; ns != want {
			t.Fatalf("batch %d is for namespace %d, want %d", batch, ns, want)
		}
		for _, raw := range payloads {
			var tx types.Transaction
			if err := tx.UnmarshalBinary(raw); err != nil {
				t.Fatal(err)
			}
			again, err := tx.MarshalBinary()
			if err != nil || !bytes.Equal(raw, again) {
				t.Fatalf("not canonical: %x", raw)
			}
			from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), &tx)
			if err != nil || tx.ChainId().Uint64() != uint64(ns) || tx.Type() != types.DynamicFeeTxType {
				t.Fatalf("chain %v, type %d, signature %v", tx.ChainId(), tx.Type(), err)
			}
			if tx.Nonce() != nonces[from] {
				t.Fatalf("nonce %d of %s, want %d", tx.Nonce(), from, nonces[from])
			}
			nonces[from]++
			if len(raw) > demoPayload {
				t.Fatalf("%d bytes", len(raw))
			}
		}
	}
	if len(nonces) != 2*accountsPerStream {
		t.Errorf("%d senders, want %d", len(nonces), 2*accountsPerStream)
	}
	cancel()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.next(ctx, 0, maxPrepared+1); err == nil {
		t.Error("next goes on after the end")
	}
}
