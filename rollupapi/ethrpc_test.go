package rollupapi_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/execution"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
)

type rpcAnswer struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    struct {
			Reason    string `json:"reason"`
			Retryable bool   `json:"retryable"`
		} `json:"data"`
	} `json:"error"`
}

func rpcCall(t testing.TB, url string, ns dag.Namespace, body string) rpcAnswer {
	t.Helper()
	status, raw := do(t, http.MethodPost, fmt.Sprintf("%s/rpc/%d", url, ns), body)
	var answer rpcAnswer
	if err := json.Unmarshal(raw, &answer); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %s: %v", status, raw, err)
	}
	return answer
}

// TestRPC goes through the methods and what is wrong with requests.
func TestRPC(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	send := func(raw []byte) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x%x"]}`, raw)
	}
	call := func(method, params string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	}
	for _, test := range []struct {
		name   string
		ns     dag.Namespace
		body   string
		result string
		code   int
		reason string
	}{
		{"chain id", apitest.Ethereum, call("eth_chainId", "[]"), `"0x3e9"`, 0, ""},
		{"chain id without params", apitest.Ethereum, `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`, `"0x3e9"`, 0, ""},
		{"net version", apitest.Ethereum, call("net_version", "[]"), `"1001"`, 0, ""},
		{"chain id of none", apitest.Open, call("eth_chainId", "[]"), "", -32601, "METHOD_UNSUPPORTED"},
		{"send to none", apitest.Open, send(ethTx(t, 1001, 0)), "", -32601, "METHOD_UNSUPPORTED"},
		{"state of the rollup", apitest.Ethereum, call("eth_getBalance", `["0x00","latest"]`), "", -32601, "METHOD_UNSUPPORTED"},
		{"unknown method", apitest.Ethereum, call("foo", `[]`), "", -32601, "METHOD_UNSUPPORTED"},
		{"other chain", apitest.Ethereum, send(ethTx(t, 5, 0)), "", -32003, "CHAIN_ID_MISMATCH"},
		{"malformed", apitest.Ethereum, send([]byte("x")), "", -32602, "TRANSACTION_MALFORMED"},
		{"too large", apitest.Ethereum, send(make([]byte, dag.MaxTransactionBytes+1)), "", -32005, "TOO_LARGE"},
		{"no params", apitest.Ethereum, call("eth_sendRawTransaction", "[]"), "", -32602, "REQUEST_MALFORMED"},
		{"number", apitest.Ethereum, call("eth_sendRawTransaction", "[5]"), "", -32602, "REQUEST_MALFORMED"},
		{"no hex", apitest.Ethereum, call("eth_sendRawTransaction", `["02"]`), "", -32602, "REQUEST_MALFORMED"},
		{"status of a short id", apitest.Ethereum, call("dunlin_transactionStatus", `["0x02"]`), "", -32602, "REQUEST_MALFORMED"},
		{"version 1", apitest.Ethereum, `{"id":1,"method":"eth_chainId","params":[]}`, "", -32600, ""},
		{"params by name", apitest.Ethereum, call("eth_chainId", "{}"), "", -32600, ""},
		{"no object", apitest.Ethereum, `5`, "", -32600, ""},
		{"no JSON", apitest.Ethereum, `{`, "", -32700, ""},
		{"nothing", apitest.Ethereum, ``, "", -32700, ""},
		{"empty batch", apitest.Ethereum, `[]`, "", -32600, "TOO_MANY_ITEMS"},
		{"batch cut short", apitest.Ethereum, `[{`, "", -32700, ""},
		{"large batch", apitest.Ethereum, "[" + strings.Repeat("0,", rollupapi.MaxRPCBatch) + "0]", "", -32600, "TOO_MANY_ITEMS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := rpcCall(t, url, test.ns, test.body)
			if test.code == 0 {
				if answer.Error != nil || string(answer.Result) != test.result || string(answer.ID) != "1" {
					t.Errorf("%s, %+v, want %s", answer.Result, answer.Error, test.result)
				}
				return
			}
			if answer.Error == nil || answer.Error.Code != test.code || answer.Error.Data.Reason != test.reason || answer.Error.Message == "" {
				t.Errorf("%+v, want code %d, reason %q", answer.Error, test.code, test.reason)
			}
		})
	}
	if status, body := do(t, http.MethodPost, url+"/rpc/77", call("eth_chainId", "[]")); status != http.StatusNotFound || reasonIn(t, body) != "NAMESPACE_UNKNOWN" {
		t.Errorf("unknown namespace: %d, %s", status, body)
	}
}

// TestRPCSend: a wallet's transaction is answered with its Ethereum hash, also when it is sent
// again, and can be asked for by hash and by id.
func TestRPCSend(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	raw := ethTx(t, 1001, 7)
	var tx types.Transaction
	if err := tx.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	send := `{"jsonrpc":"2.0","id":"a","method":"eth_sendRawTransaction","params":["0x` + hex.EncodeToString(raw) + `"]}`
	status := func(id string) txAnswer {
		answer := rpcCall(t, url, apitest.Ethereum, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"dunlin_transactionStatus","params":[%q]}`, id))
		return answerIn(t, answer.Result)
	}
	want := fmt.Sprintf("%q", tx.Hash().Hex())
	if got := rpcCall(t, url, apitest.Ethereum, send); string(got.Result) != want || string(got.ID) != `"a"` {
		t.Fatalf("sent: %s %+v", got.Result, got.Error)
	}
	if got := status(tx.Hash().Hex()); got.State != "INCLUDED" {
		t.Errorf("status %+v", got)
	}
	c.CommitPending(t)
	if got := rpcCall(t, url, apitest.Ethereum, send); string(got.Result) != want {
		t.Errorf("sent again: %s %+v", got.Result, got.Error)
	}
	byHash := status(tx.Hash().Hex())
	if byHash.State != "COMMITTED" || byHash.place() != "1/0" {
		t.Errorf("status by hash %+v", byHash)
	}
	if byID := status("0x" + byHash.TxID); byID.State != "COMMITTED" || byID.place() != "1/0" {
		t.Errorf("status by id %+v", byID)
	}
	c.Answer(func(dag.Item) ordering.OutcomeState { return ordering.Busy })
	busy := strings.Replace(send, hex.EncodeToString(raw), hex.EncodeToString(ethTx(t, 1001, 8)), 1)
	if got := rpcCall(t, url, apitest.Ethereum, busy); got.Error == nil || got.Error.Code != -32005 || got.Error.Data.Reason != "BUSY" || !got.Error.Data.Retryable {
		t.Errorf("busy: %s %+v", got.Result, got.Error)
	}
}

// TestRPCBatch: a batch is answered in its order; notifications are not answered; one bad request
// does not spoil the others.
func TestRPCBatch(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	const chainID = `{"jsonrpc":"2.0","id":%d,"method":"eth_chainId"}`
	const notification = `{"jsonrpc":"2.0","method":"eth_chainId"}`
	_, raw := do(t, http.MethodPost, url+"/rpc/1001", "["+fmt.Sprintf(chainID, 1)+","+notification+",5,"+fmt.Sprintf(chainID, 2)+"]")
	var answers []rpcAnswer
	if err := json.Unmarshal(raw, &answers); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	got := ""
	for _, a := range answers {
		code := 0
		if a.Error != nil {
			code = a.Error.Code
		}
		got += fmt.Sprintf("%s:%s:%d ", a.ID, a.Result, code)
	}
	if want := `1:"0x3e9":0 null::-32600 2:"0x3e9":0 `; got != want {
		t.Errorf("answers %s, want %s", got, want)
	}
	if status, body := do(t, http.MethodPost, url+"/rpc/1001", notification); status != http.StatusNoContent || len(body) != 0 {
		t.Errorf("notification: %d, %s", status, body)
	}
}

// TestRPCBatchCounts: what a client may call in a second is not more where it calls in batches.
func TestRPCBatchCounts(t *testing.T) {
	secret := strings.Repeat("s", 32)
	g, err := gate.New(gate.Config{Tokens: []gate.Token{{Name: "a", Secret: secret, Allowance: gate.Allowance{RequestsPerSecond: 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	config := apitest.New(t).Config()
	config.Gate = g
	url, _ := apitest.Start(t, rollupapi.New(config))
	const call = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`
	request, err := http.NewRequestWithContext(t.Context(), "POST", url+"/rpc/1001", strings.NewReader("["+strings.Repeat(call+",", 63)+call+"]"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	response, err := web(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	done, refused := strings.Count(string(body), `"0x3e9"`), strings.Count(string(body), "RATE_LIMITED")
	if done < 3 || refused == 0 {
		t.Errorf("%d of 64 calls are answered, %d refused: %s", done, refused, body)
	}
}

// serveWith serves a new chain that passes a namespace's reads on to an execution client.
func serveWith(t *testing.T, namespace, execute string) (url string) {
	t.Helper()
	clients, err := execution.New(map[string]string{namespace: execute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clients.Close)
	config := apitest.New(t).Config()
	config.Execution = clients
	url, _ = apitest.Start(t, rollupapi.New(config))
	return url
}

// TestRPCBatchHolds: a small batch does not make the node hold as many large answers of an execution client.
func TestRPCBatchHolds(t *testing.T) {
	asked := 0
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%q}`, strings.Repeat("x", 3<<20))
	}))
	defer client.Close()
	url := serveWith(t, "1001", client.URL)
	const call = `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{}]}`
	_, body := do(t, http.MethodPost, url+"/rpc/1001", "["+strings.Repeat(call+",", 9)+call+"]")
	if asked != 3 || len(body) > 10<<20 || strings.Count(string(body), `"TOO_LARGE"`) != 7 {
		t.Errorf("asked %d times, answered %d bytes", asked, len(body))
	}
}
