package fake_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The order is the real one: duplicates and what has expired are kept out, and everything else comes once, with proofs
// that the client checks.
func TestSequencer(t *testing.T) {
	s, err := fake.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := client.New(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var payloads [][]byte
	for i := range 1000 {
		payloads = append(payloads, fmt.Appendf(nil, "transaction %d", i))
	}
	for range 2 {
		results, err := c.Submit(t.Context(), client.Submission{Namespace: fake.Open, Payloads: payloads, Wait: client.WaitCommitted, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.State != client.Committed {
				t.Fatalf("transaction %d is %s: %v", i, r.State, r.Err)
			}
		}
	}
	status, err := c.NodeStatus(t.Context())
	if err != nil || !status.Proposing || status.Commit == 0 {
		t.Errorf("status %+v, %v", status, err)
	}
	seen := make(map[string]bool)
	cursor := "genesis"
	for len(seen) < len(payloads) {
		answer, err := c.Range(t.Context(), cursor, fake.Open)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range answer.GetItems() {
			if seen[string(item.GetPayload())] {
				t.Fatalf("%q comes twice", item.GetPayload())
			}
			seen[string(item.GetPayload())] = true
		}
		cursor = answer.GetNextCursor()
	}
	if _, err := c.SubmitBatch(t.Context(), dag.Namespace(99), [][]byte{{1}}); err == nil {
		t.Error("a namespace that was not asked for is taken")
	}
}

// TestCertificates: what is submitted is certified, and the client proves it, also in the block of the key's maker.
func TestCertificates(t *testing.T) {
	s, err := fake.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := client.New(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	results, err := c.Submit(t.Context(), client.Submission{Namespace: fake.Open, Payloads: [][]byte{[]byte("x")}, Wait: client.WaitCertified, Timeout: time.Minute})
	if err != nil || results[0].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	got, err := c.Certificate(t.Context(), results[0].Commit)
	if err != nil || got.Headers[0].Index != results[0].Commit {
		t.Errorf("%+v, %v", got, err)
	}
}
