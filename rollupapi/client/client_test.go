package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t testing.TB, endpoints ...string) *client.Client {
	t.Helper()
	c, err := client.New(endpoints...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNew(t *testing.T) {
	for _, bad := range [][]string{nil, {""}, {"ftp://x"}, {"http://"}, {"127.0.0.1:1", "::"}} {
		if _, err := client.New(bad...); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if got := newClient(t, "127.0.0.1:8645/").Endpoint(); got != "http://127.0.0.1:8645" {
		t.Errorf("endpoint %s", got)
	}
}

// TestSubmit goes once through all that a client can ask.
func TestSubmit(t *testing.T) {
	chain := apitest.New(t)
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	results, err := c.SubmitBatch(t.Context(), apitest.Open, [][]byte{[]byte("a"), nil, []byte("b")})
	if err != nil || len(results) != 3 {
		t.Fatalf("%v, %v", results, err)
	}
	if results[0].State != client.Included || results[2].State != client.Included || results[1].State != client.Rejected || results[1].Err.Reason != "PAYLOAD_EMPTY" {
		t.Errorf("%+v", results)
	}
	chain.CommitPending(t)
	status, err := c.Status(t.Context(), results[2].ID)
	if err != nil || status.State != client.Committed || status.Commit != 1 || status.Index != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	_, err = c.SubmitBatch(t.Context(), 7, [][]byte{[]byte("a")})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Reason != "NAMESPACE_UNKNOWN" || refused.Retryable {
		t.Errorf("%v", err)
	}
	_, err = c.SendRawTransaction(t.Context(), apitest.Ethereum, []byte("x"))
	if !errors.As(err, &refused) || refused.Reason != "TRANSACTION_MALFORMED" {
		t.Errorf("%v", err)
	}
	node, err := c.NodeStatus(t.Context())
	if err != nil || node.Name != "v0" || node.Commit != 1 || node.NetworkID != chain.Committee.Network() {
		t.Errorf("%+v, %v", node, err)
	}
	network, err := c.Network(t.Context())
	if err != nil || len(network.GetValidators()) != 4 || len(network.GetNamespaces()) != 5 {
		t.Errorf("%v, %v", network, err)
	}
	info, err := c.Info(t.Context())
	if err != nil || info.GetLimits().GetTransactionBytes() != dag.MaxTransactionBytes {
		t.Errorf("%v, %v", info, err)
	}
	commit, err := c.Commit(t.Context(), 1)
	if err != nil || commit.GetItems() != 2 {
		t.Errorf("%v, %v", commit, err)
	}
	page, err := c.Range(t.Context(), "", apitest.Open)
	if err != nil || len(page.GetItems()) != 2 {
		t.Errorf("%v, %v", page, err)
	}
}

// TestSubmitAndWait: what is refused for now is sent again until it is committed; what is refused
// for good is not.
func TestSubmitAndWait(t *testing.T) {
	chain := apitest.New(t)
	tries := 0
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		if tries++; tries < 3 {
			return ordering.Busy
		}
		chain.Commit(t, []dag.Item{item})
		return ordering.Committed
	})
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	result, err := c.SubmitAndWait(t.Context(), client.Submission{Namespace: apitest.Open, Payloads: [][]byte{[]byte("a")}})
	if err != nil || result.State != client.Committed || result.Commit != 1 || tries != 3 {
		t.Errorf("%+v, %v after %d tries", result, err, tries)
	}
	_, err = c.SubmitAndWait(t.Context(), client.Submission{Namespace: apitest.Signed, Payloads: [][]byte{[]byte("a")}})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Reason != "SIGNATURE_MISSING" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	nobody := newClient(t, deadAddress)
	if _, err := nobody.SubmitAndWait(ctx, client.Submission{Namespace: apitest.Open, Payloads: [][]byte{[]byte("b")}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// deadAddress is one on which nobody listens: port 1 belongs to a service that nobody runs. A free port that was just
// let go could be given to another test's server.
const deadAddress = "127.0.0.1:1"

// TestNextNode: a call goes on to the next node where one does not answer, and stays there.
func TestNextNode(t *testing.T) {
	chain := apitest.New(t)
	url, _ := chain.Serve(t)
	c := newClient(t, deadAddress, url)
	for range 2 {
		if _, err := c.SubmitBatch(t.Context(), apitest.Open, [][]byte{[]byte("a")}); err != nil {
			t.Error(err)
		}
	}
	if c.Endpoint() != url {
		t.Errorf("endpoint %s, want %s", c.Endpoint(), url)
	}
}

// flaky passes calls on to a server and cuts each answer after some bytes.
func flaky(t testing.TB, target string, bytes int) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1, Transport: transport}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil { // the proxy panics when its client is cut off
				panic(http.ErrAbortHandler)
			}
		}()
		proxy.ServeHTTP(&cutWriter{ResponseWriter: w, left: bytes}, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done; transport.CloseIdleConnections() })
	return "http://" + l.Addr().String()
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	panic(http.ErrAbortHandler)
}

var errEnough = errors.New("enough")

// TestFollowBroken: through connections that are cut in the middle of messages, to two nodes in
// turn, everything comes once and in order.
func TestFollowBroken(t *testing.T) {
	chain := apitest.New(t)
	var want []string
	for i := range 60 {
		var items []dag.Item
		for j := range i % 4 {
			item := chain.OpenItem(t, apitest.Open, fmt.Sprintf("%d %d", i, j))
			items, want = append(items, item), append(want, item.ID.String())
		}
		chain.Commit(t, items)
	}
	direct, _ := chain.Serve(t)
	c := newClient(t, flaky(t, direct, 2000), flaky(t, direct, 3111))
	for name, ns := range map[string]dag.Namespace{"all": 0, "namespace": apitest.Open} {
		var got []string
		err := c.Follow(t.Context(), ns, "genesis", func(item client.Item) error {
			if got = append(got, item.ID.String()); len(got) == len(want) {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) {
			t.Fatalf("%s: %v", name, err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// TestFollowRestart: a follower outlives the restart of its node.
func TestFollowRestart(t *testing.T) {
	chain := apitest.New(t)
	url, stop := chain.Serve(t)
	second, _ := chain.Serve(t)
	c := newClient(t, url, second)
	seen := make(chan client.Item, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.Follow(ctx, apitest.Open, "genesis", func(item client.Item) error { seen <- item; return nil })
	}()
	for i := range 4 {
		if i == 2 {
			stop()
		}
		chain.Commit(t, []dag.Item{chain.OpenItem(t, apitest.Open, fmt.Sprint(i))})
		if item := <-seen; string(item.Payload) != fmt.Sprint(i) || item.Commit != dag.CommitIndex(i+1) {
			t.Errorf("%+v, want payload %d", item, i)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestFollowRefused: what no node would serve ends at once.
func TestFollowRefused(t *testing.T) {
	chain := apitest.New(t)
	for range 5 {
		chain.Commit(t)
	}
	chain.Prune(4)
	url, _ := chain.Serve(t)
	c := newClient(t, url)
	for cursor, want := range map[string]string{"genesis": "PRUNED", "nonsense": "CURSOR_MALFORMED"} {
		err := c.Follow(t.Context(), 0, cursor, func(client.Item) error { return nil })
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Reason != want {
			t.Errorf("%s: %v, want %s", cursor, err, want)
		}
	}
	// A node that is behind is waited for.
	done := make(chan error, 1)
	go func() {
		done <- c.FollowEvents(t.Context(), client.Selection{Cursor: "commit:6", Content: client.Commits}, func(e client.Event) error {
			if e.Commit.GetIndex() == 7 {
				return errEnough
			}
			return nil
		})
	}()
	chain.Commit(t)
	chain.Commit(t)
	if err := <-done; !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// BenchmarkSubmit measures batches of 512-byte transactions through the whole API, client included,
// before a sequencer that does nothing; ns/op is per transaction.
func BenchmarkSubmit(b *testing.B) {
	chain := apitest.New(b)
	url, _ := chain.Serve(b)
	c := newClient(b, url)
	const batch = 256
	b.ReportAllocs()
	for sent := 0; sent < b.N; sent += batch {
		payloads := make([][]byte, batch)
		for i := range payloads {
			payloads[i] = make([]byte, 512)
			copy(payloads[i], fmt.Sprint(sent, i))
		}
		if _, err := c.SubmitBatch(b.Context(), apitest.Open, payloads); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFollow measures a stream of 512-byte transactions through the whole API, client
// included; ns/op is per transaction.
func BenchmarkFollow(b *testing.B) {
	for name, content := range map[string]client.Content{"items": client.Items, "ids": client.IDs} {
		b.Run(name, func(b *testing.B) {
			chain := apitest.New(b)
			for i := range 200 {
				items := make([]dag.Item, 256)
				for j := range items {
					items[j] = chain.OpenItem(b, apitest.Open, fmt.Sprintf("%0512d", i*256+j))
				}
				chain.Commit(b, items)
			}
			url, _ := chain.Serve(b)
			c := newClient(b, url)
			b.ResetTimer()
			for n := 0; n < b.N; {
				err := c.FollowEvents(b.Context(), client.Selection{Cursor: "genesis", Content: content}, func(e client.Event) error {
					if n += len(e.Items); n >= b.N || e.Commit.GetIndex() == 200 {
						return errEnough
					}
					return nil
				})
				if !errors.Is(err, errEnough) {
					b.Fatal(err)
				}
			}
		})
	}
}
