package rollupapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// port is the whole port over a short chain, without a network between.
func port(t testing.TB) http.Handler {
	t.Helper()
	c := sealedChain(t)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "x"), c.BundleItem(t, "y", apitest.Open, apitest.Quiet)})
	return rollupapi.Handler(rollupapi.New(c.Config()))
}

// recorder is a response that takes deadlines.
type recorder struct{ *httptest.ResponseRecorder }

// SetReadDeadline does nothing.
func (recorder) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (recorder) SetWriteDeadline(time.Time) error { return nil }

// allowed are the 5xx that errors.md lists.
var allowed = regexp.MustCompile(`"reason":"(NOT_SYNCED|NOT_PROPOSING|SEALING_NOT_READY|REVEALS_BEHIND|EXECUTION_UNAVAILABLE)"`)

// hit sends one request, ends it soon, and fails for a 5xx that is not stated, or an answer that says INTERNAL.
func hit(t *testing.T, h http.Handler, r *http.Request) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	w := recorder{httptest.NewRecorder()}
	h.ServeHTTP(w, r.WithContext(ctx))
	body := w.Body.String()
	if w.Code >= 500 && !allowed.MatchString(body) && !strings.Contains(body, `"code":"unavailable"`) && !strings.Contains(body, `"code":"deadline_exceeded"`) {
		t.Fatalf("%s %s: %d %s", r.Method, r.URL, w.Code, body)
	}
	if strings.Contains(body, `"INTERNAL"`) || strings.Contains(body, `"code":"internal"`) && strings.Contains(body, "panic") {
		t.Fatalf("%s %s: %s", r.Method, r.URL, body)
	}
}

// FuzzREST: no path, query, header or body of REST panics or is answered by a 5xx that is not stated.
func FuzzREST(f *testing.F) {
	h := port(f)
	for _, seed := range []struct{ path, query, body string }{
		{"/v1/submit", "", `{"namespace":"open","payloads":["0x01"],"wait":"none","idempotency_key":"k"}`},
		{"/v1/submit/bundle", "", `{"legs":[{"namespace":1003,"payload":"0x01"}],"wait":"none"}`},
		{"/v1/submit/sealed", "", `{"items":[{"namespaces":[1003],"ciphertext":"0x01","valid_until_commit":7}]}`},
		{"/v1/namespaces/open/transactions", "wait=received&sender=0x&signature=0x&valid_until_commit=5&timeout_ms=1", "x"},
		{"/v1/namespaces/all/transactions", "cursor=genesis&limit=3&min_state=revealed&with_proofs=true", ""},
		{"/v1/stream", "namespace=open&namespace=1005&cursor=commit:1&content=ids&heartbeat_ms=100", ""},
		{"/v1/watch", "id=" + strings.Repeat("ab", 32), ""},
		{"/v1/transactions/0x" + strings.Repeat("ab", 32), "", ""},
		{"/v1/transactions/" + strings.Repeat("ab", 32) + "/proof", "namespace=open", ""},
		{"/v1/namespaces/open/proof", "commit=1&to_commit=2", ""},
		{"/v1/commits/1", "", ""},
		{"/v1/commits/1/dependencies", "namespace=open", ""},
		{"/v1/rounds/1", "", ""},
		{"/v1/blocks/A1/" + strings.Repeat("ab", 32), "", ""},
		{"/v1/encryption-key", "id=1&deals=true", ""},
		{"/v1/info", "", ""},
		{"/v1/network", "", ""},
		{"/v1/status", "", ""},
		{"/openapi.json", "", ""},
		{"/", "", ""},
		{"/rpc/1001", "", "{}"},
	} {
		f.Add(seed.path, seed.query, seed.body != "", seed.body)
	}
	f.Fuzz(func(t *testing.T, path, query string, post bool, body string) {
		method := http.MethodGet
		if post {
			method = http.MethodPost
		}
		u, err := url.ParseRequestURI("/" + strings.TrimPrefix(path, "/"))
		if err != nil || u.Host != "" {
			t.Skip()
		}
		u.RawQuery = query
		r := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
		r.URL, r.RequestURI = u, u.RequestURI()
		hit(t, h, r)
	})
}

// FuzzRPCBody: no body of JSON-RPC panics, and what is answered is JSON-RPC.
func FuzzRPCBody(f *testing.F) {
	h := port(f)
	for _, method := range []string{
		`"eth_chainId","params":[]`, `"eth_sendRawTransaction","params":["0x02c0"]`, `"dunlin_sendBundle","params":[{"legs":[{"payload":"0x01"}]}]`,
		`"dunlin_sendEncryptedTransaction","params":[{"ciphertext":"0x01","valid_until_commit":9}]`, `"dunlin_encryptionKey","params":[]`,
		`"dunlin_transactionStatus","params":["0x` + strings.Repeat("ab", 32) + `"]`, `"dunlin_getProof","params":[{"commit":1,"to_commit":2}]`,
		`"dunlin_getProof","params":[{"id":"0x` + strings.Repeat("ab", 32) + `"}]`, `"dunlin_subscribe","params":[]`, `"eth_call","params":[{}]`,
	} {
		f.Add(true, `{"jsonrpc":"2.0","id":1,"method":`+method+`}`)
		f.Add(false, `[{"jsonrpc":"2.0","id":"a","method":`+method+`}]`)
	}
	f.Fuzz(func(t *testing.T, ethereum bool, body string) {
		path := "/rpc/open"
		if ethereum {
			path = "/rpc/demo-a"
		}
		w := recorder{httptest.NewRecorder()}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body)).WithContext(ctx))
		if w.Code == http.StatusNoContent {
			return
		}
		if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) || strings.Contains(w.Body.String(), `"reason":"INTERNAL"`) {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
