package rollupapi_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/gen/sequencing"
	"github.com/dunlin-network/dunlin/rollupapi/gen/sequencing/sequencingpbconnect"
)

// rollkit is a rollup that knows the sequencing interface alone, over gRPC as its nodes speak it.
type rollkit struct {
	t      testing.TB
	input  sequencingpbconnect.SequencerInputClient
	output sequencingpbconnect.SequencerOutputClient
	verify sequencingpbconnect.BatchVerifierClient
	id     string
	max    uint64
	last   []byte
}

func newRollkit(t testing.TB, url, id string) *rollkit {
	web := h2c(t)
	return &rollkit{
		t: t, id: id,
		input:  sequencingpbconnect.NewSequencerInputClient(web, url, connect.WithGRPC()),
		output: sequencingpbconnect.NewSequencerOutputClient(web, url, connect.WithGRPC()),
		verify: sequencingpbconnect.NewBatchVerifierClient(web, url, connect.WithGRPC()),
	}
}

func (r *rollkit) submit(data string) error {
	_, err := r.input.SubmitRollupTransaction(r.t.Context(), &sequencingpb.SubmitRollupTransactionRequest{RollupId: []byte(r.id), Data: []byte(data)})
	return err
}

// next takes the next batch and notes its hash, which it computes as go-sequencing does, by hand.
func (r *rollkit) next() ([]string, error) {
	answer, err := r.output.GetNextBatch(r.t.Context(), &sequencingpb.GetNextBatchRequest{RollupId: []byte(r.id), LastBatchHash: r.last, MaxBytes: r.max})
	if err != nil {
		return nil, err
	}
	if answer.GetTimestamp().GetSeconds() == 0 {
		r.t.Error("a batch without a time")
	}
	var encoded bytes.Buffer
	var out []string
	for _, t := range answer.GetBatch().GetTransactions() {
		encoded.Write([]byte{1<<3 | 2, byte(len(t))})
		encoded.Write(t)
		out = append(out, string(t))
	}
	if len(out) > 0 {
		hash := sha256.Sum256(encoded.Bytes())
		r.last = hash[:]
	}
	return out, nil
}

func (r *rollkit) wants(want ...string) {
	r.t.Helper()
	got, err := r.next()
	if err != nil {
		r.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("next batch (-want +got):\n%s", diff)
	}
}

func (r *rollkit) known(hash []byte) bool {
	r.t.Helper()
	answer, err := r.verify.VerifyBatch(r.t.Context(), &sequencingpb.VerifyBatchRequest{RollupId: []byte(r.id), BatchHash: hash})
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.GetStatus()
}

// TestSequencing follows a namespace the way a Rollkit node does: what others submit in bundles and under seal stands
// in its batches too, in the order, and nothing else does; another node goes on from the same hash.
func TestSequencing(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	url, _ := c.Serve(t)
	r := newRollkit(t, url, "open")
	r.wants()
	for range 2 { // the second time it is committed already
		if err := r.submit("a"); err != nil {
			t.Fatal(err)
		}
		c.CommitPending(t)
	}
	r.wants("a")
	r.wants()
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Quiet, "not here"), c.OpenItem(t, apitest.Open, "b"), c.BundleItem(t, "c", apitest.Open, apitest.Quiet)})
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Quiet, "nor here")})
	c.Commit(t, []dag.Item{
		c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("d")}, dag.Leg{Namespace: apitest.Quiet, Payload: []byte("x")}),
		c.OpenItem(t, apitest.Open, "e"),
	})
	r.wants("b", "c")
	r.wants() // what is sealed has not been opened, and nothing overtakes it
	c.RevealAll(t)
	r.wants("d", "e")
	r.wants()
	if !r.known(r.last) || r.known(bytes.Repeat([]byte{1}, sha256.Size)) {
		t.Error("a batch of the order is not known, or another one is")
	}

	other, _ := c.Serve(t)
	moved := newRollkit(t, other, "1003")
	moved.last = r.last
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "f")})
	moved.wants("f")
	r.wants("f")
	if !bytes.Equal(moved.last, r.last) {
		t.Error("two nodes made different batches")
	}
	moved.last = nil
	moved.wants("a")
}

// TestSequencingSizes cuts batches by bytes: every transaction comes once, whatever the limit.
func TestSequencingSizes(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	var items []dag.Item
	for i := range 7 {
		items = append(items, c.OpenItem(t, apitest.Open, fmt.Sprintf("tx-%d", i)))
	}
	c.Commit(t, items)
	r := newRollkit(t, url, "open")
	r.max = 8
	r.wants("tx-0", "tx-1")
	if !r.known(r.last) {
		t.Error("a batch that was given out is not known")
	}
	other, _ := c.Serve(t)
	moved := newRollkit(t, other, "open")
	moved.max, moved.last = r.max, r.last
	moved.wants("tx-2", "tx-3")
	r.max = 1
	if _, err := r.next(); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("a batch cut by another limit: %v", err)
	}
	r.last = nil
	for i := range 7 {
		r.wants(fmt.Sprintf("tx-%d", i))
	}
	r.wants()
}

// TestSequencingRefusals goes through what is wrong with requests.
func TestSequencingRefusals(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	for _, test := range []struct {
		name string
		id   string
		data string
		last []byte
		code connect.Code
	}{
		{"unknown rollup", "nobody", "x", nil, connect.CodeNotFound},
		{"wants signatures", "signed", "x", nil, connect.CodeInvalidArgument},
		{"empty", "open", "", nil, connect.CodeInvalidArgument},
		{"too large", "open", string(make([]byte, dag.MaxTransactionBytes+1)), nil, connect.CodeInvalidArgument},
	} {
		if err := newRollkit(t, url, test.id).submit(test.data); connect.CodeOf(err) != test.code {
			t.Errorf("%s: %v, want %v", test.name, err, test.code)
		}
	}
	r := newRollkit(t, url, "open")
	r.last = []byte("short")
	if _, err := r.next(); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("short hash: %v", err)
	}
	r.last = bytes.Repeat([]byte{1}, sha256.Size)
	if _, err := r.next(); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("unknown hash: %v", err)
	}
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "a")})
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "b")})
	c.Prune(2)
	r.last = nil
	if _, err := r.next(); connect.CodeOf(err) != connect.CodeOutOfRange {
		t.Errorf("pruned beginning: %v", err)
	}
}
