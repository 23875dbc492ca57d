package rollupapi_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// document reads a proof over REST and checks it.
func document(t *testing.T, url string) *proof.Shown {
	t.Helper()
	status, body := get(t, url)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", url, status, body)
	}
	d, err := proof.DecodeDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := d.Verify()
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return shown
}

// TestSealedSiblings: before and after a sealed bundle is opened, its proof shows the namespaces that stand at one position,
// and each of them has its leaf there.
func TestSealedSiblings(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	item := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("a")}, dag.Leg{Namespace: apitest.Quiet, Payload: []byte("b")})
	commit := c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "before"), item})
	url, _ := c.Serve(t)
	for _, when := range []string{"sealed", "opened"} {
		for _, ns := range []dag.Namespace{apitest.Open, apitest.Quiet} {
			shown := document(t, fmt.Sprintf("%s/v1/transactions/%v/proof?namespace=%d", url, item.ID, ns))
			if o := shown.Outline; o == nil || len(o.Namespaces) != 2 || o.Namespaces[0] != apitest.Open || o.Namespaces[1] != apitest.Quiet {
				t.Errorf("%s: outline %+v", when, shown.Outline)
			}
			last := shown.Leaves[len(shown.Leaves)-1]
			if last.ID != item.ID || last.Index != 1 || last.Namespace != ns || shown.Digest != commit.Digest {
				t.Errorf("%s: last leaf %+v under %v", when, last, shown.Digest.Short())
			}
		}
		c.RevealAll(t)
	}
}

// TestProofsOverCommits: a list has one proof for each commit, and says what cannot be proven.
func TestProofsOverCommits(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	head := c.Heads().Committed
	url, _ := c.Serve(t)
	status, body := get(t, fmt.Sprintf("%s/v1/namespaces/open/proof?commit=1&to_commit=%d", url, head))
	var list struct {
		Proofs []*proof.Document `json:"proofs"`
	}
	if err := json.Unmarshal(body, &list); status != http.StatusOK || err != nil || len(list.Proofs) != int(head) {
		t.Fatalf("%d proofs of %d commits: %d %s, %v", len(list.Proofs), head, status, body, err)
	}
	chain := proof.NewChained(apitest.Open, ordering.ChainStart(c.Committee.Network(), apitest.Open))
	for _, d := range list.Proofs {
		shown, err := d.Verify()
		if err != nil {
			t.Fatal(err)
		}
		for i := range shown.Leaves {
			chain.Link(shown.Header.Index, &shown.Leaves[i])
		}
		if shown.Chains[0].Hash != chain.Hash {
			t.Errorf("commit %d: the chain over all leaves is not the one that is proven", shown.Header.Index)
		}
	}
	for path, want := range map[string]rollupapi.Reason{
		"/v1/namespaces/open/proof?commit=1&to_commit=65":                     rollupapi.ReasonTooManyItems,
		"/v1/namespaces/open/proof?commit=2&to_commit=1":                      rollupapi.ReasonRequestMalformed,
		"/v1/namespaces/open/proof?commit=x":                                  rollupapi.ReasonRequestMalformed,
		fmt.Sprintf("/v1/namespaces/open/proof?commit=%d", head+1):            rollupapi.ReasonNotFound,
		"/v1/namespaces/nobody/proof":                                         rollupapi.ReasonNamespaceUnknown,
		"/v1/transactions/" + crypto.Hash("test/nothing").String() + "/proof": rollupapi.ReasonNotFound,
		"/v1/rounds/0":   rollupapi.ReasonRequestMalformed,
		"/v1/rounds/999": rollupapi.ReasonNotFound,
		"/v1/blocks/A1/" + crypto.Hash("test/nothing").String(): rollupapi.ReasonNotFound,
		"/v1/blocks/A1/12": rollupapi.ReasonRequestMalformed,
		"/v1/blocks/1A/" + crypto.Hash("test/nothing").String(): rollupapi.ReasonRequestMalformed,
		"/v1/commits/x/dependencies":                            rollupapi.ReasonRequestMalformed,
	} {
		if _, body := get(t, url+path); reasonIn(t, body) != string(want) {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
}

// TestRangeWithProofs: pages of any size end with whole commits, and each commit's items are those that are proven.
func TestRangeWithProofs(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, _ := c.Serve(t)
	api := dunlinv1connect.NewReadClient(web(t), url)
	for size := uint32(1); size < 12; size++ {
		proven, read := 0, 0 // legs of the namespace
		for cursor, more := "genesis", true; more; {
			page, err := api.Range(t.Context(), &pb.RangeRequest{Namespaces: []uint64{uint64(apitest.Open)}, Cursor: cursor, MaxItems: size, WithProofs: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.GetProofs() {
				if h, err := ordering.DecodeHeader(m.GetHeader()); err != nil || h.ComputeDigest() != crypto.Digest(m.GetDigest()) {
					t.Fatalf("header of commit %d: %v", m.GetCommit(), err)
				}
				for _, n := range m.GetNamespaces() {
					proven += len(n.GetLegs())
				}
			}
			for _, item := range page.GetItems() {
				if item.GetKind() == pb.Kind_KIND_TRANSACTION {
					read++
				}
				for _, l := range item.GetLegs() {
					if l.GetNamespace() == uint64(apitest.Open) {
						read++
					}
				}
			}
			cursor, more = page.GetNextCursor(), page.GetMore()
		}
		if size > 8 && proven != read { // a commit that is larger than the page comes without a proof
			t.Errorf("pages of %d: %d legs, %d of them proven", size, read, proven)
		}
	}
}

// TestDAG: rounds list blocks, and each block is served as its author signed it.
func TestDAG(t *testing.T) {
	c := apitest.New(t)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "a")}, []dag.Item{c.OpenItem(t, apitest.Open, "b")})
	url, _ := c.Serve(t)
	read := dunlinv1connect.NewReadClient(web(t), url)
	round, err := read.GetRound(t.Context(), &pb.GetRoundRequest{Round: 1})
	if err != nil || len(round.GetBlocks()) != 2 {
		t.Fatalf("%d blocks, %v", len(round.GetBlocks()), err)
	}
	for _, b := range round.GetBlocks() {
		answer, err := read.GetBlock(t.Context(), &pb.GetBlockRequest{Ref: b.GetRef()})
		if err != nil {
			t.Fatal(err)
		}
		v, err := dag.Verify(c.Committee, answer.GetBlock().GetEncoded())
		if err != nil || uint32(v.Author()) != b.GetRef().GetAuthor() || len(v.Block().Items) != int(b.GetItems()) || len(b.GetParents()) != 4 {
			t.Errorf("block %v: %v", b.GetRef(), err)
		}
		status, body := get(t, fmt.Sprintf("%s/v1/blocks/%v/%x", url, v.Slot(), b.GetRef().GetDigest()))
		var form struct {
			Encoded string `json:"encoded"`
		}
		if err := json.Unmarshal(body, &form); status != http.StatusOK || err != nil || form.Encoded != "0x"+hex.EncodeToString(v.Bytes()) {
			t.Errorf("block by REST: %d %s, %v", status, body, err)
		}
	}
	if status, body := get(t, url+"/v1/rounds/1"); status != http.StatusOK {
		t.Errorf("round by REST: %d %s", status, body)
	}
	for _, bad := range []*pb.BlockRef{nil, {Round: 1, Digest: make([]byte, 31)}, {Round: 1, Author: dag.MaxCommittee, Digest: make([]byte, 32)}} {
		if _, err := read.GetBlock(t.Context(), &pb.GetBlockRequest{Ref: bad}); err == nil {
			t.Errorf("ref %v is taken", bad)
		}
	}
}

// TestDependencies: what bundles tie together is listed by commit and streamed as commits come, and the rest is not.
func TestDependencies(t *testing.T) {
	c := apitest.New(t)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "alone"), c.BundleItem(t, "same", apitest.Open, apitest.Open)})
	both := c.BundleItem(t, "both", apitest.Open, apitest.Quiet)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "before"), both})
	url, _ := c.Serve(t)
	read := dunlinv1connect.NewReadClient(web(t), url)
	check := func(what string, got []*pb.Dependency, commit uint64, id crypto.Digest) {
		t.Helper()
		if len(got) != 1 || got[0].GetCommit() != commit || got[0].GetIndex() != 1 || crypto.Digest(got[0].GetTxId()) != id || len(got[0].GetNamespaces()) != 2 {
			t.Errorf("%s: %v", what, got)
		}
	}
	listed, err := read.GetDependencies(t.Context(), &pb.GetDependenciesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	check("list", listed.GetDependencies(), 2, both.ID)
	if status, body := get(t, url+"/v1/commits/1/dependencies"); status != http.StatusOK || !json.Valid(body) {
		t.Errorf("by REST: %d %s", status, body)
	}
	stream, err := read.StreamDependencies(t.Context(), &pb.StreamDependenciesRequest{Cursor: "genesis", Namespaces: []uint64{uint64(apitest.Quiet)}, HeartbeatMs: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	next := func() []*pb.Dependency {
		for stream.Receive() {
			if got := stream.Msg().GetDependencies(); len(got) > 0 {
				return got
			}
		}
		t.Fatal(stream.Err())
		return nil
	}
	check("stream", next(), 2, both.ID)
	later := c.BundleItem(t, "later", apitest.Quiet, apitest.Unprotected)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Quiet, "x"), later})
	check("stream of what comes", next(), 3, later.ID)
}

// countedRecords counts the records that are read.
type countedRecords struct {
	rollupapi.History
	records atomic.Int64
}

func (h *countedRecords) Record(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	h.records.Add(1)
	return h.History.Record(i)
}

// TestProofsOfARangeReadOnce: the chains of neighbouring commits come from each other, and what old ones cost is not paid by
// readers at the tip.
func TestProofsOfARangeReadOnce(t *testing.T) {
	c := apitest.New(t)
	const old, range64, head = 30, 64, 200
	for i := range head {
		c.Commit(t, []dag.Item{c.OpenItem(t, []dag.Namespace{apitest.Open, apitest.Quiet}[i%2], fmt.Sprint(i))})
	}
	config := c.Config()
	counted := &countedRecords{History: config.History}
	config.History = counted
	url, _ := apitest.Start(t, rollupapi.New(config))
	read := func(from, to int) int64 {
		before := counted.records.Load()
		status, body := get(t, fmt.Sprintf("%s/v1/namespaces/open/proof?commit=%d&to_commit=%d", url, from, to))
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		return counted.records.Load() - before
	}
	read(head, head)
	if n := read(old+1, old+range64); n > old+2*range64 {
		t.Errorf("%d records are read for %d commits", n, range64)
	}
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "next")})
	if n := read(head+1, head+1); n > 2 {
		t.Errorf("%d records are read for the next commit at the tip", n)
	}
	document(t, url+"/v1/namespaces/open/proof?commit=201")
	document(t, url+"/v1/namespaces/quiet/proof?commit=60")
}
