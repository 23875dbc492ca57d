package rollupapi_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

func get(t testing.TB, url string) (int, []byte) { return do(t, http.MethodGet, url, "") }

func do(t testing.TB, method, url, body string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := web(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode >= 400 && kind != "application/problem+json" {
		t.Errorf("%s %s: status %d with type %q", method, url, response.StatusCode, kind)
	}
	return response.StatusCode, raw
}

// txAnswer is what the JSON forms say of a transaction.
type txAnswer struct {
	TxID      string  `json:"tx_id"`
	State     string  `json:"state"`
	Commit    *uint64 `json:"commit"`
	Index     *uint32 `json:"index"`
	Kind      string  `json:"kind"`
	Namespace uint64  `json:"namespace"`
	Reason    string  `json:"reason"`
	Error     *struct {
		Reason string `json:"reason"`
	} `json:"error"`
	Items []txAnswer `json:"items"`
}

func (a txAnswer) place() string {
	if a.Commit == nil || a.Index == nil {
		return "nowhere"
	}
	return fmt.Sprint(*a.Commit, "/", *a.Index)
}

func answerIn(t testing.TB, body []byte) txAnswer {
	t.Helper()
	var a txAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return a
}

// TestLife: a transaction sent with curl's means goes from included to committed, and its bytes
// come back.
func TestLife(t *testing.T) {
	c := apitest.New(t)
	c.Commit(t)
	url, _ := c.Serve(t)
	status, body := do(t, http.MethodPost, url+"/v1/namespaces/open/transactions", "\x00raw bytes\xff")
	sent := answerIn(t, body)
	if status != http.StatusOK || sent.State != "INCLUDED" || len(sent.TxID) != 64 {
		t.Fatalf("status %d, %s", status, body)
	}
	_, body = get(t, url+"/v1/transactions/"+sent.TxID)
	if now := answerIn(t, body); now.State != "INCLUDED" || now.Namespace != 1003 || now.Kind != "TRANSACTION" {
		t.Errorf("before the commit: %s", body)
	}
	c.CommitPending(t)
	_, body = get(t, url+"/v1/transactions/0x"+sent.TxID)
	if now := answerIn(t, body); now.State != "COMMITTED" || now.place() != "2/0" || now.Namespace != 1003 {
		t.Errorf("after the commit: %s", body)
	}
	_, body = do(t, http.MethodPost, url+"/v1/namespaces/1003/transactions", "\x00raw bytes\xff")
	if again := answerIn(t, body); again.State != "COMMITTED" || again.TxID != sent.TxID || again.place() != "2/0" {
		t.Errorf("sent again: %s", body)
	}
	if c.Submits() != 1 {
		t.Errorf("%d calls reached the sequencer, want 1: the second is answered from the history", c.Submits())
	}
	var page struct {
		Items []struct {
			TxID    string `json:"tx_id"`
			Payload string `json:"payload"`
		} `json:"items"`
	}
	_, body = get(t, url+"/v1/namespaces/open/transactions")
	if err := json.Unmarshal(body, &page); err != nil || len(page.Items) != 1 || page.Items[0].TxID != sent.TxID || page.Items[0].Payload != "0x00726177206279746573ff" {
		t.Errorf("%v: %s", err, body)
	}
}

// TestSubmitJSON goes through what POST /v1/submit takes and refuses.
func TestSubmitJSON(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	key, err := crypto.NewIdentityKey(bytes.Repeat([]byte{3}, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	tx := dag.Transaction{Namespace: apitest.Signed, ValidUntil: 9, Payload: []byte("pay")}
	signature := key.Sign(crypto.DomainTxSignature, tx.SigningDigest(c.Committee.Network()))
	envelope := fmt.Sprintf(`"valid_until_commit":9,"sender":"0x%s"`, key.Public())
	many := func(n int) string {
		return `{"namespace":"open","payloads":["0x01"` + strings.Repeat(`,"0x02"`, n-1) + `]}`
	}
	zeros := func(n int) string { return "0x" + strings.Repeat("00", n) }
	for _, test := range []struct {
		name, body string
		status     int
		state      string // or reason
	}{
		{"by number", `{"namespace":1003,"payload":"0xAbcd"}`, 200, "INCLUDED"},
		{"by decimal", `{"namespace":"1003","payload":"0x02"}`, 200, "INCLUDED"},
		{"by name", `{"namespace":"open","payload":"0x03","wait":"included"}`, 200, "INCLUDED"},
		{"no wait", `{"namespace":"open","payload":"0x04","wait":"NONE"}`, 202, "RECEIVED"},
		{"wait in vain", `{"namespace":"open","payload":"0x05","wait":"committed","timeout_ms":1}`, 200, "INCLUDED"},
		{"signed", fmt.Sprintf(`{"namespace":"signed","payload":"0x%x",%s,"signature":"0x%x"}`, tx.Payload, envelope, signature[:]), 200, "INCLUDED"},
		{"forged", fmt.Sprintf(`{"namespace":"signed","payload":"0x00",%s,"signature":"0x%x"}`, envelope, signature[:]), 422, "SIGNATURE_INVALID"},
		{"unsigned", `{"namespace":"signed","payload":"0x01"}`, 422, "SIGNATURE_MISSING"},
		{"unknown namespace", `{"namespace":5,"payload":"0x01"}`, 404, "NAMESPACE_UNKNOWN"},
		{"unknown name", `{"namespace":"nope","payload":"0x01"}`, 404, "NAMESPACE_UNKNOWN"},
		{"no namespace", `{"payload":"0x01"}`, 404, "NAMESPACE_UNKNOWN"},
		{"odd namespace", `{"namespace":[],"payload":"0x01"}`, 400, "REQUEST_MALFORMED"},
		{"no payload", `{"namespace":"open"}`, 400, "PAYLOAD_EMPTY"},
		{"empty payload", `{"namespace":"open","payload":"0x"}`, 400, "PAYLOAD_EMPTY"},
		{"no 0x", `{"namespace":"open","payload":"00"}`, 400, "REQUEST_MALFORMED"},
		{"no hex", `{"namespace":"open","payload":"0xzz"}`, 400, "REQUEST_MALFORMED"},
		{"both", `{"namespace":"open","payload":"0x01","payloads":["0x02"]}`, 400, "REQUEST_MALFORMED"},
		{"misspelt", `{"namespace":"open","payload":"0x01","valid_until":5}`, 400, "REQUEST_MALFORMED"},
		{"unknown wait", `{"namespace":"open","payload":"0x01","wait":"finality"}`, 400, "REQUEST_MALFORMED"},
		{"two objects", `{"namespace":"open","payload":"0x01"}{}`, 400, "REQUEST_MALFORMED"},
		{"no JSON", `payload=1`, 400, "REQUEST_MALFORMED"},
		{"too far ahead", `{"namespace":"open","payload":"0x01","valid_until_commit":5000}`, 422, "TOO_FAR_AHEAD"},
		{"largest", `{"namespace":"open","payload":"` + zeros(dag.MaxTransactionBytes) + `"}`, 200, "INCLUDED"},
		{"one byte more", `{"namespace":"open","payload":"` + zeros(dag.MaxTransactionBytes+1) + `"}`, 413, "TOO_LARGE"},
		{"most items", many(rollupapi.MaxSubmitItemsJSON), 200, ""},
		{"one item more", many(rollupapi.MaxSubmitItemsJSON + 1), 413, "TOO_MANY_ITEMS"},
		{"body too large", `{"namespace":"open","payload":"` + zeros(rollupapi.MaxBodyBytes/2) + `"}`, 413, "TOO_LARGE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := do(t, http.MethodPost, url+"/v1/submit", test.body)
			got := answerIn(t, body)
			if status != test.status || got.State+got.Reason != test.state {
				t.Errorf("status %d, %.300s, want %d %s", status, body, test.status, test.state)
			}
		})
	}
	_, body := do(t, http.MethodPost, url+"/v1/submit", many(3))
	if got := answerIn(t, body); len(got.Items) != 3 || got.Items[0].State != "INCLUDED" || got.Items[1].State != "INCLUDED" || got.Items[2].State != "DUPLICATE" {
		t.Errorf("three, two of them alike: %s", body)
	}
}

// TestOutcomes: what the sequencer answers comes to the client with the right status, and stays
// to be asked for.
func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		outcome ordering.OutcomeState
		status  int
		state   string
		reason  string
		after   string
	}{
		{ordering.Included, 200, "INCLUDED", "", ""},
		{ordering.Busy, 429, "REJECTED", "BUSY", "1"},
		{ordering.OverShare, 429, "REJECTED", "QUOTA", "1"},
		{ordering.NotProposing, 503, "REJECTED", "NOT_PROPOSING", "1"},
		{ordering.Expired, 422, "EXPIRED", "EXPIRED", ""},
		{ordering.TooFarAhead, 422, "REJECTED", "TOO_FAR_AHEAD", ""},
		{99, 500, "REJECTED", "INTERNAL", ""},
	} {
		t.Run(fmt.Sprint(test.outcome), func(t *testing.T) {
			c := apitest.New(t)
			c.Answer(func(dag.Item) ordering.OutcomeState { return test.outcome })
			url, _ := c.Serve(t)
			response, err := web(t).Post(url+"/v1/namespaces/open/transactions", "application/octet-stream", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			sent := answerIn(t, body)
			if response.StatusCode != test.status || sent.Reason != test.reason || response.Header.Get("Retry-After") != test.after {
				t.Errorf("status %d, Retry-After %q, %s", response.StatusCode, response.Header.Get("Retry-After"), body)
			}
			_, body = get(t, url+"/v1/transactions/"+sent.TxID)
			now := answerIn(t, body)
			if now.State != test.state || (now.Error != nil) != (test.reason != "") || now.Error != nil && now.Error.Reason != test.reason {
				t.Errorf("status: %s, want %s %s", body, test.state, test.reason)
			}
		})
	}
}

// TestStatusOfUnknown: an id that nobody sent is UNKNOWN; what is no id is refused.
func TestStatusOfUnknown(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	status, body := get(t, url+"/v1/transactions/"+strings.Repeat("ab", 32))
	if status != http.StatusOK || answerIn(t, body).State != "UNKNOWN" {
		t.Errorf("status %d, %s", status, body)
	}
	status, body = get(t, url+"/v1/transactions/abc")
	if status != http.StatusBadRequest || reasonIn(t, body) != "REQUEST_MALFORMED" {
		t.Errorf("status %d, %s", status, body)
	}
}

// TestExpiry: an item that no commit took up to its valid_until is EXPIRED once a later one exists.
func TestExpiry(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	_, body := do(t, http.MethodPost, url+"/v1/submit", `{"namespace":"open","payload":"0x01","valid_until_commit":2}`)
	id := answerIn(t, body).TxID
	for commit, want := range []string{"INCLUDED", "INCLUDED", "INCLUDED", "EXPIRED"} {
		if commit > 0 {
			c.Commit(t)
		}
		_, body := get(t, url+"/v1/transactions/"+id)
		if got := answerIn(t, body).State; got != want {
			t.Errorf("at commit %d: %s, want %s", commit, got, want)
		}
	}
}

// TestNodePages: what people and scripts look at is there.
func TestNodePages(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, _ := c.Serve(t)
	var status map[string]any
	_, body := get(t, url+"/v1/status")
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"name", "round", "commit", "commit_digest", "peers", "proposing", "reason", "peer_list", "network_id", "role", "latency_p50_ms"} {
		if _, ok := status[name]; !ok {
			t.Errorf("status lacks %s: %s", name, body)
		}
	}
	for path, want := range map[string]string{
		"/":                  "/v1/stream",
		"/v1/network":        `"scheme":"ed25519"`,
		"/v1/info":           `"transaction_bytes":131072`,
		"/v1/commits/latest": `{"index":7,`,
		"/v1/commits/1":      `"items":4`,
	} {
		if code, body := get(t, url+path); code != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d without %s: %s", path, code, want, body)
		}
	}
	for _, path := range []string{"/nope", "/v1/commits/0", "/v1/commits/latest/x", "/v1/namespaces/9/transactions"} {
		if code, body := get(t, url+path); code != http.StatusNotFound {
			t.Errorf("%s: %d, %s", path, code, body)
		}
	}
	for _, path := range []string{
		"/v1/commits/x", "/v1/namespaces/open/transactions?limit=x", "/v1/namespaces/open/transactions?cursor=x",
		"/v1/stream?content=everything", "/v1/stream?heartbeat_ms=-1",
	} {
		if code, body := get(t, url+path); code != http.StatusBadRequest {
			t.Errorf("%s: %d, %s", path, code, body)
		}
	}
	if code, _ := get(t, url+"/v1/stream?"+strings.Repeat("namespace=open&", rollupapi.MaxNamespaces+1)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("too many namespaces: %d", code)
	}
}

// TestTrouble: the node's own trouble is a 500 that does not tell what it is.
func TestTrouble(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, stop := c.Serve(t)
	c.Break(errors.New("secret path /var/x"))
	for _, path := range []string{"/v1/commits/1", "/v1/namespaces/open/transactions", "/v1/transactions/" + strings.Repeat("ab", 32)} {
		code, body := get(t, url+path)
		if code != http.StatusInternalServerError || reasonIn(t, body) != "INTERNAL" || strings.Contains(string(body), "secret") {
			t.Errorf("%s: %d, %s", path, code, body)
		}
	}
	code, body := do(t, http.MethodPost, url+"/v1/namespaces/open/transactions", "x")
	if code != http.StatusInternalServerError {
		t.Errorf("submit: %d, %s", code, body)
	}
	stop()
}

// TestRealTransactionsByRPC: the 52 real transactions go through eth_sendRawTransaction into
// namespaces of their chains and come back byte for byte; what must be refused says why.
func TestRealTransactionsByRPC(t *testing.T) {
	txs := realTransactions(t)
	c := apitest.New(t)
	c.Registry = chainRegistry(t, txs)
	url, _ := c.Serve(t)
	sent := map[dag.Namespace][]string{}
	refused := map[string]int{}
	for i, tx := range txs {
		for _, ns := range []dag.Namespace{dag.Namespace(2 * tx.ChainID), dag.Namespace(2*tx.ChainID + 1)} {
			answer := rpcCall(t, url, ns, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_sendRawTransaction","params":["0x%s"]}`, i, hex.EncodeToString(tx.bytes)))
			if answer.Error != nil {
				refused[answer.Error.Data.Reason]++
				continue
			}
			sent[ns] = append(sent[ns], "0x"+hex.EncodeToString(tx.bytes))
		}
	}
	if refused["UNPROTECTED"] != 18 || refused["BLOB_UNSUPPORTED"] != 2 || len(refused) != 2 {
		t.Errorf("refused %v", refused)
	}
	c.CommitPending(t)
	for ns, want := range sent {
		_, body := get(t, fmt.Sprintf("%s/v1/namespaces/%d/transactions", url, ns))
		var page struct {
			Items []struct {
				Payload string `json:"payload"`
			} `json:"items"`
		}
		if err := json.Unmarshal(body, &page); err != nil || len(page.Items) != len(want) {
			t.Fatalf("namespace %d: %d items, want %d: %v", ns, len(page.Items), len(want), err)
		}
		for i, item := range page.Items {
			if item.Payload != want[i] {
				t.Errorf("namespace %d, item %d: %.40s..., want %.40s...", ns, i, item.Payload, want[i])
			}
		}
	}
}
