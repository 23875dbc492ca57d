package devnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// fakeNode serves an order that a test wrote. It commits what is submitted at once.
type fakeNode struct {
	dunlinv1connect.UnimplementedReadHandler
	dunlinv1connect.UnimplementedIngressHandler
	dunlinv1connect.UnimplementedStatusHandler

	mu      sync.Mutex
	commits []fakeCommit
	expired map[string]bool
	held    map[string]bool // acknowledged, and not committed yet
	behind  dag.CommitIndex
	later   []fakeCommit // of which it has one more whenever it is asked how it is
	refuse  string
	grown   chan struct{} // closed and renewed at every commit
}

type fakeCommit struct {
	index  uint64
	digest crypto.Digest
	ids    [][]byte
}

func newFakeNode() *fakeNode {
	return &fakeNode{expired: make(map[string]bool), held: make(map[string]bool), grown: make(chan struct{})}
}

// commit appends a commit whose digest follows from its index and ids.
func (f *fakeNode) commit(ids ...[]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	index := uint64(len(f.commits)) + 1
	f.commits = append(f.commits, fakeCommit{index, crypto.Hash(crypto.DomainCommit, append([][]byte{{byte(index)}}, ids...)...), ids})
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *fakeNode) serve(t *testing.T) *client.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(dunlinv1connect.NewReadHandler(f))
	mux.Handle(dunlinv1connect.NewIngressHandler(f))
	mux.Handle(dunlinv1connect.NewStatusHandler(f))
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if n := len(f.commits); n < len(f.later) {
			f.commits = append(f.commits, f.later[n])
		}
		_ = json.NewEncoder(w).Encode(client.NodeStatus{Commit: dag.CommitIndex(len(f.commits)), Proposing: true, Behind: f.behind})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return connectTo(t, server.URL)
}

func connectTo(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (f *fakeNode) Get(_ context.Context, r *dunlinv1.GetRequest) (*dunlinv1.GetResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	state := dunlinv1.State_STATE_UNKNOWN
	switch {
	case f.expired[string(r.GetId())]:
		state = dunlinv1.State_STATE_EXPIRED
	case f.held[string(r.GetId())]:
		state = dunlinv1.State_STATE_INCLUDED
	case slices.ContainsFunc(f.commits, func(c fakeCommit) bool {
		return slices.ContainsFunc(c.ids, func(id []byte) bool { return bytes.Equal(id, r.GetId()) })
	}):
		state = dunlinv1.State_STATE_COMMITTED
	}
	return &dunlinv1.GetResponse{State: state}, nil
}

func (f *fakeNode) Submit(_ context.Context, r *dunlinv1.SubmitRequest) (*dunlinv1.SubmitResponse, error) {
	answer := &dunlinv1.SubmitResponse{}
	if f.refuse == "SILENT" {
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("gone"))
	}
	var ids [][]byte
	for _, p := range r.GetPayloads() {
		if f.refuse == "SLOW" {
			answer.Items = append(answer.Items, &dunlinv1.SubmitResult{State: dunlinv1.State_STATE_RECEIVED})
			continue
		}
		if f.refuse != "" {
			answer.Items = append(answer.Items, &dunlinv1.SubmitResult{State: dunlinv1.State_STATE_REJECTED, Error: &dunlinv1.ErrorInfo{Reason: f.refuse}})
			continue
		}
		id := crypto.Hash(crypto.DomainTransaction, p)
		ids = append(ids, id[:])
		answer.Items = append(answer.Items, &dunlinv1.SubmitResult{TxId: id[:], State: dunlinv1.State_STATE_INCLUDED})
	}
	if f.refuse == "" {
		f.commit(ids...)
	}
	return answer, nil
}

// Stream serves from genesis, or from the cursor "at N".
func (f *fakeNode) Stream(ctx context.Context, r *dunlinv1.StreamRequest, out *connect.ServerStream[dunlinv1.StreamResponse]) error {
	at := strings.Count(r.GetCursor(), "+")
	for {
		f.mu.Lock()
		var next *fakeCommit
		if at < len(f.commits) {
			next = &f.commits[at]
		}
		grown := f.grown
		f.mu.Unlock()
		if next == nil {
			select {
			case <-grown:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		at++
		batch := &dunlinv1.ItemBatch{}
		for i, id := range next.ids {
			batch.Items = append(batch.Items, &dunlinv1.Item{Commit: next.index, Index: uint32(i), TxId: id})
		}
		if len(batch.GetItems()) > 0 {
			if err := out.Send(&dunlinv1.StreamResponse{Cursor: strings.Repeat("+", at-1), Event: &dunlinv1.StreamResponse_Items{Items: batch}}); err != nil {
				return err
			}
		}
		header := &dunlinv1.CommitHeader{Index: next.index, Round: 10 * next.index, Digest: next.digest[:]}
		if err := out.Send(&dunlinv1.StreamResponse{Cursor: strings.Repeat("+", at), Event: &dunlinv1.StreamResponse_Commit{Commit: header}}); err != nil {
			return err
		}
	}
}

func id(name string) crypto.Digest { return crypto.Hash(crypto.DomainTransaction, []byte(name)) }

func bytesOf(names ...string) [][]byte {
	var out [][]byte
	for _, name := range names {
		d := id(name)
		out = append(out, d[:])
	}
	return out
}

func TestAudit(t *testing.T) {
	acknowledged := []crypto.Digest{id("a"), id("b"), id("c")}
	healthy := func() *fakeNode {
		f := newFakeNode()
		f.commit(bytesOf("a")...)
		f.commit()
		f.commit(bytesOf("b", "c", "unknown")...)
		return f
	}
	tests := []struct {
		name  string
		spoil func(f *fakeNode) // of the second of three nodes
		want  finding
		fault string
	}{
		{"healthy", func(*fakeNode) {}, finding{commits: 3, rounds: 30, committed: 3, agreement: true}, ""},
		{"ahead", func(f *fakeNode) { f.commit() }, finding{commits: 3, rounds: 30, committed: 3, agreement: true}, ""},
		{"other result", func(f *fakeNode) { f.commits[1].digest[0] ^= 1 }, finding{commits: 3, rounds: 30, committed: 3, disagreement: "commit 2: x has"}, ""},
		{"other order at the end", func(f *fakeNode) { f.commits[2].digest[31] ^= 1 }, finding{commits: 3, rounds: 30, committed: 3, disagreement: "commit 3: x has"}, ""},
		{"twice in one commit", func(f *fakeNode) { f.commits[0].ids = bytesOf("a", "a") }, finding{commits: 3, rounds: 30, committed: 3, duplicates: 1, agreement: true}, ""},
		{"twice in two commits", func(f *fakeNode) { f.commits[1].ids = bytesOf("a", "unknown") }, finding{commits: 3, rounds: 30, committed: 3, duplicates: 2, agreement: true}, ""},
		{"gap", func(f *fakeNode) { f.commits[1].index = 3 }, finding{}, "read back y: it serves commit 3 where 2 is next"},
		{"no id", func(f *fakeNode) { f.commits[0].ids = [][]byte{{}} }, finding{}, "without an id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nodes := []Node{{Name: "x"}, {Name: "y"}, {Name: "z"}}
			var clients []*client.Client
			for i := range nodes {
				f := healthy()
				if i == 1 {
					test.spoil(f)
				}
				clients = append(clients, f.serve(t))
			}
			_, got, err := audit(t.Context(), nodes, clients, acknowledged, nil)
			if test.fault != "" {
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Fatalf("got %v, want %q", err, test.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(got.disagreement, test.want.disagreement) || (got.disagreement == "") != got.agreement {
				t.Errorf("agreement %v, disagreement %q, want %q", got.agreement, got.disagreement, test.want.disagreement)
			}
			got.disagreement, test.want.disagreement = "", ""
			if got.commits != test.want.commits || got.rounds != test.want.rounds || got.committed != test.want.committed ||
				got.lost != 0 || got.duplicates != test.want.duplicates || got.agreement != test.want.agreement {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// What one node lacks is lost or expired, however many others have it; a node that is away is named.
func TestAuditOfMissing(t *testing.T) {
	whole, lacking := newFakeNode(), newFakeNode()
	whole.commit(bytesOf("a", "b", "c")...)
	lacking.commit(bytesOf("a")...)
	d := id("b")
	lacking.expired[string(d[:])] = true
	readings := []*reading{{name: "y", client: lacking.serve(t), cursor: "genesis"}, {name: "x", client: whole.serve(t), cursor: "genesis"}}
	for _, r := range readings {
		if err := r.readTo(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	missing := readings[0].missing([]crypto.Digest{id("a"), id("b"), id("c")})
	if len(missing) != 2 {
		t.Fatalf("missing %v, want b and c", missing)
	}
	var judged finding
	judged.judge(t.Context(), readings[:1], missing)
	if judged.expired != 1 || judged.lost != 1 || judged.late != 0 {
		t.Errorf("%+v: want b expired and c lost", judged)
	}
	if len(readings[1].missing(missing)) != 0 {
		t.Error("something is missing where nothing is")
	}
	away := connectTo(t, "http://127.0.0.1:1")
	_, f, err := audit(t.Context(), []Node{{Name: "x"}, {Name: "away"}}, []*client.Client{readings[1].client, away}, nil, nil)
	if err != nil || len(f.unreachable) != 1 || f.unreachable[0] != "away" {
		t.Errorf("unreachable %v, %v", f.unreachable, err)
	}
}

// A reading goes on where it stopped.
func TestReadingGoesOn(t *testing.T) {
	f := newFakeNode()
	r := &reading{name: "x", client: f.serve(t), cursor: "genesis"}
	for _, name := range []string{"a", "b", "c"} {
		f.commit(bytesOf(name)...)
		if err := r.readTo(t.Context(), uint64(len(f.commits))); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.keys) != 3 || len(r.digests) != 3 || r.duplicates() != 0 {
		t.Errorf("%d items in %d commits, %d duplicates", len(r.keys), len(r.digests), r.duplicates())
	}
}

func TestDriver(t *testing.T) {
	tests := []struct {
		refuse                            string
		acknowledged, refused, unanswered uint64
	}{
		{"", 20, 0, 0},
		{"BUSY", 0, 20, 0},
		{"SILENT", 0, 0, 20},
		{"SLOW", 0, 0, 20},
	}
	for _, test := range tests {
		t.Run(test.refuse, func(t *testing.T) {
			f := newFakeNode()
			f.refuse = test.refuse
			s, err := newOpenSource(Open, 64)
			if err != nil {
				t.Fatal(err)
			}
			c := f.serve(t)
			d := &driver{client: c, source: s, ledger: newLedger(), watch: newWatch(c)}
			if err := d.pace(200, 64); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := d.run(t.Context(), t.Context(), start, start.Add(100*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			l := d.ledger
			if l.submitted+l.unsent != 20 || l.acknowledged+l.unsent < test.acknowledged || l.refused+l.unsent < test.refused || l.unanswered+l.unsent < test.unanswered {
				t.Errorf("%+v", l)
			}
			if got := f.items(); got != l.acknowledged {
				t.Errorf("the node took %d, %d are acknowledged", got, l.acknowledged)
			}
		})
	}
}

func (f *fakeNode) items() (n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commits {
		n += uint64(len(c.ids))
	}
	return n
}

func TestPace(t *testing.T) {
	for _, rate := range []float64{0.5, 3, 50, 999, 5000, 12345} {
		d := &driver{}
		if err := d.pace(rate, 16); err != nil {
			t.Fatal(err)
		}
		total, batches := 0, uint64(10*time.Second/d.tick)
		for batch := range batches {
			at, n := d.due(time.Time{}, batch)
			total += n
			if at.Sub(time.Time{}) != time.Duration(batch)*d.tick || float64(n) > d.perBatch+1 {
				t.Fatalf("rate %g: batch %d of %d is due at %v", rate, batch, n, at)
			}
		}
		if want := rate * 10; float64(total) < want-1-d.perBatch || float64(total) > want+1 {
			t.Errorf("rate %g: %d in ten seconds", rate, total)
		}
	}
	if err := (&driver{}).pace(100_000, 1000); err == nil {
		t.Error("batches of more than the API takes are made")
	}
}
