package rollupapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// web returns an HTTP client whose connections are closed when the test ends.
func web(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// h2c returns a client that speaks HTTP/2 in clear text.
func h2c(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// event is one server-sent event.
type event struct{ name, id, data string }

// sse opens a stream; the returned function reads the next event, the zero one at the end.
func sse(t testing.TB, url, lastID string) func() event {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := web(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, type %q", response.StatusCode, response.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return func() event {
		var e event
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				return e
			}
		}
		return event{}
	}
}

// growChain fills a chain with commits that hold items of several namespaces, bundles, several
// blocks, nothing of interest, and nothing at all.
func growChain(t testing.TB, c *apitest.Chain) {
	t.Helper()
	open := func(name string) dag.Item { return c.OpenItem(t, apitest.Open, name) }
	quiet := func(name string) dag.Item { return c.OpenItem(t, apitest.Quiet, name) }
	c.Commit(t, []dag.Item{open("a"), quiet("b"), open("c")}, []dag.Item{open("d")})
	c.Commit(t)
	c.Commit(t, []dag.Item{quiet("e")})
	c.Commit(t, []dag.Item{c.BundleItem(t, "f", apitest.Quiet, apitest.Open)}, nil, []dag.Item{open("g"), c.BundleItem(t, "h", apitest.Open, apitest.Ethereum)})
	c.Commit(t)
	c.Commit(t, []dag.Item{open("i")})
	c.Commit(t, []dag.Item{quiet("j")})
}

// scopes are the selections that resumption is tried with, and how many events each has in all.
var scopes = []struct {
	query      string
	namespaces []uint64
	events     int
}{
	{"namespace=all", nil, 10 + 7},
	{"namespace=open", []uint64{1003}, 7 + 3},
	{"namespace=1005", []uint64{1005}, 4 + 4},
	{"namespace=open&namespace=quiet", []uint64{1003, 1005}, 10 + 5},
	{"namespace=1001", []uint64{1001}, 1 + 1},
}

// TestStreamResumes: from the cursor of every event of a stream the rest follows, with neither gap
// nor repetition, whether it is given as cursor or as Last-Event-ID, by SSE or by Connect.
func TestStreamResumes(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, _ := c.Serve(t)
	for _, sc := range scopes {
		t.Run(sc.query, func(t *testing.T) {
			base := url + "/v1/stream?" + sc.query
			take := func(next func() event, n int) []event {
				var out []event
				for len(out) < n {
					e := next()
					if e.name == "" {
						t.Fatalf("stream ended after %d of %d events", len(out), n)
					}
					if e.name != "watermark" {
						out = append(out, e)
					}
				}
				return out
			}
			full := take(sse(t, base+"&cursor=genesis", ""), sc.events)
			for i, e := range full {
				rest := len(full) - i - 1
				if diff := cmp.Diff(full[i+1:], take(sse(t, base+"&cursor="+e.id, ""), rest), cmp.AllowUnexported(event{}), cmpEmpty); diff != "" {
					t.Errorf("resumed behind event %d (%s):\n%s", i, e.name, diff)
				}
				if diff := cmp.Diff(full[i+1:], take(sse(t, base+"&cursor=genesis", e.id), rest), cmp.AllowUnexported(event{}), cmpEmpty); diff != "" {
					t.Errorf("resumed by Last-Event-ID behind event %d (%s):\n%s", i, e.name, diff)
				}
				if diff := cmp.Diff(ids(full[i+1:]), connectIDs(t, url, sc.namespaces, e.id, rest), cmpEmpty); diff != "" {
					t.Errorf("resumed by Connect behind event %d (%s):\n%s", i, e.name, diff)
				}
			}
		})
	}
}

var cmpEmpty = cmp.FilterValues(func(a, b any) bool { return fmt.Sprint(a) == "[]" && fmt.Sprint(b) == "[]" }, cmp.Comparer(func(a, b any) bool { return true }))

func ids(events []event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.id)
	}
	return out
}

// connectIDs reads n items and commits of a Connect stream and gives their cursors.
func connectIDs(t testing.TB, url string, namespaces []uint64, cursor string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := dunlinv1connect.NewReadClient(web(t), url).Stream(ctx, &pb.StreamRequest{Namespaces: namespaces, Cursor: cursor})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var out []string
	for len(out) < n && stream.Receive() {
		m := stream.Msg()
		for _, item := range m.GetItems().GetItems() {
			out = append(out, item.GetCursor())
		}
		if m.GetCommit() != nil {
			out = append(out, m.GetCursor())
		}
		if items := m.GetItems().GetItems(); len(items) > 0 && items[len(items)-1].GetCursor() != m.GetCursor() {
			t.Errorf("the message's cursor %s is not that of its last item", m.GetCursor())
		}
	}
	if len(out) < n {
		t.Fatalf("stream ended after %d of %d events: %v", len(out), n, stream.Err())
	}
	return out
}

// TestStreamLive: what is committed while a reader waits comes to it, and the cursor of a quiet
// namespace moves on with the others' commits.
func TestStreamLive(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, _ := c.Serve(t)
	next := sse(t, url+"/v1/stream?namespace=1001&heartbeat_ms=100", "")
	first := next()
	if first.name != "watermark" {
		t.Fatalf("first event %v", first)
	}
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "not for this reader")})
	for e := next(); ; e = next() {
		if e.name != "watermark" {
			t.Fatalf("%v is not for this reader", e)
		}
		if e.id != first.id {
			break // the heartbeat moved the cursor
		}
	}
	bundle := c.BundleItem(t, "live", apitest.Open, apitest.Ethereum)
	c.Commit(t, []dag.Item{bundle})
	e := next()
	for e.name == "watermark" {
		e = next()
	}
	if e.name != "item" || !strings.Contains(e.data, bundle.ID.String()) {
		t.Errorf("event %v, want the bundle %v", e, bundle.ID)
	}
}

// TestStreamContents: ids and commits come without what was not asked for.
func TestStreamContents(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, _ := c.Serve(t)
	next := sse(t, url+"/v1/stream?cursor=genesis&content=commits", "")
	for i := 1; i <= 7; {
		e := next()
		switch e.name {
		case "watermark":
		case "commit":
			if !strings.HasPrefix(e.data, fmt.Sprintf(`{"index":%d,`, i)) {
				t.Errorf("commit %s, want %d", e.data, i)
			}
			i++
		default:
			t.Fatalf("event %v among commits", e)
		}
	}
	stream, err := dunlinv1connect.NewReadClient(h2c(t), url).Stream(t.Context(), &pb.StreamRequest{Cursor: "genesis", Content: pb.Content_CONTENT_IDS})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	items := 0
	for items < 10 && stream.Receive() {
		for _, item := range stream.Msg().GetItems().GetItems() {
			if len(item.GetTxId()) != 32 || item.GetNamespace() == 0 || len(item.GetPayload()) > 0 || len(item.GetLegs()) > 0 {
				t.Errorf("item %v", item)
			}
			items++
		}
	}
	if items != 10 {
		t.Errorf("%d items, %v", items, stream.Err())
	}
}

// TestGRPC: the port speaks gRPC in clear text.
func TestGRPC(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, _ := c.Serve(t)
	read := dunlinv1connect.NewReadClient(h2c(t), url, connect.WithGRPC())
	answer, err := read.GetCommit(t.Context(), &pb.GetCommitRequest{Index: 1})
	if err != nil || answer.GetCommit().GetItems() != 4 || len(answer.GetCommit().GetBlocks()) != 2 {
		t.Errorf("%v, %v", answer, err)
	}
	node, err := read.GetNode(t.Context(), &pb.GetNodeRequest{})
	if n := node.GetNode(); err != nil || n.GetName() != "v0" || n.GetCommit() != 7 || n.GetPeers() != 3 || !n.GetProposing() || len(n.GetPeerList()) != 1 {
		t.Errorf("%v, %v", node, err)
	}
	_, err = read.GetCommit(t.Context(), &pb.GetCommitRequest{Index: 100})
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("%v, want not found", err)
	}
}

// TestPrunedAndAhead: a cursor that this node cannot go on from is refused with the reason.
func TestPrunedAndAhead(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	c.Prune(4)
	url, _ := c.Serve(t)
	for _, test := range []struct {
		path   string
		status int
		reason string
	}{
		{"/v1/stream?cursor=genesis", http.StatusGone, "PRUNED"},
		{"/v1/stream?cursor=commit:2", http.StatusGone, "PRUNED"},
		{"/v1/namespaces/open/transactions?cursor=commit:2", http.StatusGone, "PRUNED"},
		{"/v1/namespaces/open/transactions?cursor=commit:3", http.StatusOK, ""},
		{"/v1/namespaces/all/transactions?cursor=commit:3&limit=3", http.StatusOK, ""},
		{"/v1/commits/3", http.StatusGone, "PRUNED"},
		{"/v1/commits/4", http.StatusOK, ""},
		{"/v1/commits/8", http.StatusNotFound, "NOT_FOUND"},
		{"/v1/stream?cursor=commit:8", http.StatusServiceUnavailable, "NOT_SYNCED"},
	} {
		status, body := get(t, url+test.path)
		if status != test.status || reasonIn(t, body) != test.reason {
			t.Errorf("%s: status %d, %s, want %d %s", test.path, status, body, test.status, test.reason)
		}
	}
}

func reasonIn(t testing.TB, body []byte) string {
	t.Helper()
	var p struct {
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return p.Reason
}
