package rollupapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// socket is a WebSocket of JSON-RPC.
type socket struct {
	t    testing.TB
	conn *websocket.Conn
}

// frame is what comes over it: an answer or a notification.
type frame struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code int `json:"code"`
		Data struct {
			Reason string `json:"reason"`
		} `json:"data"`
	} `json:"error"`
	Method string `json:"method"`
	Params struct {
		Subscription string `json:"subscription"`
		Result       struct {
			Event  string          `json:"event"`
			Cursor string          `json:"cursor"`
			Data   json.RawMessage `json:"data"`
		} `json:"result"`
	} `json:"params"`
}

func dial(t testing.TB, url string, ns dag.Namespace) *socket {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial(strings.Replace(url, "http://", "ws://", 1)+fmt.Sprintf("/rpc/%d", ns), nil)
	if err != nil {
		t.Fatal(err, response)
	}
	t.Cleanup(func() { conn.Close() })
	return &socket{t, conn}
}

func (s *socket) send(method, params string) {
	s.t.Helper()
	if err := s.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":7,"method":%q,"params":%s}`, method, params)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) next() frame {
	s.t.Helper()
	var f frame
	if err := s.conn.ReadJSON(&f); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// event is the next notification that is no sign of life.
func (s *socket) event() frame {
	s.t.Helper()
	for {
		if f := s.next(); f.Method == "dunlin_subscription" && f.Params.Result.Event != "watermark" {
			return f
		}
	}
}

// TestSubscribe: a subscription carries the namespace's order, resumes from a cursor, and ends when asked.
func TestSubscribe(t *testing.T) {
	c := apitest.New(t)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "first"), c.OpenItem(t, apitest.Quiet, "other")})
	url, stop := c.Serve(t)
	s := dial(t, url, apitest.Open)
	s.send("dunlin_subscribe", `[{"cursor":"genesis"}]`)
	answer := s.next()
	for answer.ID != 7 { // the stream may be faster than the answer
		answer = s.next()
	}
	var id string
	if err := json.Unmarshal(answer.Result, &id); err != nil {
		t.Fatal(answer, err)
	}
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "second")})
	var items []frame
	for len(items) < 2 {
		if f := s.event(); f.Params.Result.Event == "item" {
			items = append(items, f)
			if f.Params.Subscription != id {
				t.Errorf("subscription %q, want %q", f.Params.Subscription, id)
			}
		}
	}
	for i, want := range []string{"0x6669727374", "0x7365636f6e64"} {
		if !strings.Contains(string(items[i].Params.Result.Data), want) {
			t.Errorf("item %d is %s", i, items[i].Params.Result.Data)
		}
	}
	again := dial(t, url, apitest.Open)
	again.send("dunlin_subscribe", fmt.Sprintf(`[{"cursor":%q}]`, items[0].Params.Result.Cursor))
	for {
		f := again.event()
		if f.Params.Result.Event != "item" {
			continue
		}
		if string(f.Params.Result.Data) != string(items[1].Params.Result.Data) {
			t.Errorf("resumed with %s", f.Params.Result.Data)
		}
		break
	}
	s.send("dunlin_transactionStatus", `["0x`+strings.Repeat("0", 64)+`"]`)
	for f := s.next(); ; f = s.next() {
		if f.ID == 7 {
			if !strings.Contains(string(f.Result), "UNKNOWN") {
				t.Errorf("a call beside the subscription: %s", f.Result)
			}
			break
		}
	}
	s.send("dunlin_unsubscribe", fmt.Sprintf("[%q]", id))
	for f := s.next(); f.ID != 7; f = s.next() {
	}
	stop() // does not wait for sockets that stay open
	if _, _, err := s.conn.ReadMessage(); err == nil {
		t.Error("the socket outlives the server")
	}
}

// TestSubscribeRefusals: what cannot be carried is refused, and the connection goes on.
func TestSubscribeRefusals(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	s := dial(t, url, apitest.Open)
	for params, want := range map[string]string{
		`[{"cursor":"x"}]`: "CURSOR_MALFORMED", `[{"content":"x"}]`: "REQUEST_MALFORMED", `[{"min_state":"x"}]`: "REQUEST_MALFORMED",
		`[{"x":1}]`: "REQUEST_MALFORMED", `[1,2]`: "REQUEST_MALFORMED",
	} {
		s.send("dunlin_subscribe", params)
		if f := s.next(); f.Error == nil || f.Error.Data.Reason != want || f.Error.Code != -32602 {
			t.Errorf("%s: %+v", params, f)
		}
	}
	s.send("dunlin_unsubscribe", `["0x99"]`)
	if f := s.next(); string(f.Result) != "false" {
		t.Errorf("%+v", f)
	}
	for range rollupapi.MaxSubscriptions {
		s.send("dunlin_subscribe", "[]")
	}
	s.send("dunlin_subscribe", "[]")
	answers := 0
	for answers <= rollupapi.MaxSubscriptions {
		f := s.next()
		if f.ID != 7 {
			continue
		}
		if answers++; (answers > rollupapi.MaxSubscriptions) != (f.Error != nil) {
			t.Errorf("subscription %d: %+v", answers, f)
		}
	}
	if status, body := get(t, url+"/rpc/1003"); status != http.StatusMethodNotAllowed || reasonIn(t, body) != "METHOD_UNSUPPORTED" {
		t.Errorf("without an upgrade: %d %s", status, body)
	}
	if a := rpcCall(t, url, apitest.Open, `{"jsonrpc":"2.0","id":1,"method":"dunlin_subscribe","params":[]}`); a.Error == nil || a.Error.Code != -32601 {
		t.Errorf("by POST: %+v", a)
	}
}

// TestRPCBundle: a bundle comes in by JSON-RPC and REST, and is the same one.
func TestRPCBundle(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	const legs = `{"legs":[{"payload":"0x01"},{"namespace":"quiet","payload":"0x02"}],"valid_until_commit":9}`
	sent := rpcCall(t, url, apitest.Open, `{"jsonrpc":"2.0","id":1,"method":"dunlin_sendBundle","params":[`+legs+`]}`)
	var id string
	if err := json.Unmarshal(sent.Result, &id); err != nil || len(id) != 66 {
		t.Fatalf("%+v", sent)
	}
	status, body := do(t, http.MethodPost, url+"/v1/submit/bundle", strings.Replace(legs, `{"payload":"0x01"`, `{"namespace":1003,"payload":"0x01"`, 1))
	if status != http.StatusOK || !strings.Contains(string(body), id[2:]) {
		t.Errorf("by REST: %d %s, want %s", status, body, id)
	}
	for params, reason := range map[string]string{
		`[{"legs":[]}]`: "BUNDLE_MALFORMED", `[]`: "REQUEST_MALFORMED", `[{"legs":[{"namespace":7,"payload":"0x"}]}]`: "NAMESPACE_UNKNOWN",
		`[{"legs":[{"payload":"0x"}]}]`: "PAYLOAD_EMPTY", `[{"legs":[{"payload":"0x01"}],"wait":"x"}]`: "REQUEST_MALFORMED",
	} {
		if a := rpcCall(t, url, apitest.Open, `{"jsonrpc":"2.0","id":1,"method":"dunlin_sendBundle","params":`+params+`}`); a.Error == nil || a.Error.Data.Reason != reason {
			t.Errorf("%s: %+v", params, a.Error)
		}
	}
}

// TestExecutionClient: what reads a rollup's state is passed on to its execution client, nothing else is.
func TestExecutionClient(t *testing.T) {
	asked := make(chan string, 8)
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- string(body)
		if strings.Contains(string(body), "eth_call") {
			_, _ = io.WriteString(w, `{"error":{"code":3,"message":"execution reverted","data":"0x08"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"result":"0x2a"}`)
	}))
	defer client.Close()
	url := serveWith(t, "demo-a", client.URL)
	call := func(ns dag.Namespace, method string) string {
		t.Helper()
		status, body := do(t, http.MethodPost, url+fmt.Sprintf("/rpc/%d", ns), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[]}`, method))
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", method, status, body)
		}
		return string(body)
	}
	if got := call(apitest.Ethereum, "eth_blockNumber"); !strings.Contains(got, `"result":"0x2a"`) {
		t.Errorf("eth_blockNumber: %s", got)
	}
	if got := call(apitest.Ethereum, "eth_call"); !strings.Contains(got, `"code":3`) || !strings.Contains(got, `"data":"0x08"`) {
		t.Errorf("eth_call: %s", got)
	}
	for range 2 {
		<-asked
	}
	for _, method := range []string{"eth_sendTransaction", "admin_peers", "debug_traceCall", "engine_exchangeCapabilities", "eth_chainId"} {
		got := call(apitest.Ethereum, method)
		if method != "eth_chainId" && !strings.Contains(got, "-32601") {
			t.Errorf("%s: %s", method, got)
		}
	}
	if got := call(apitest.Unprotected, "eth_blockNumber"); !strings.Contains(got, "METHOD_UNSUPPORTED") {
		t.Errorf("a namespace without a client: %s", got)
	}
	if len(asked) > 0 {
		t.Errorf("passed on: %s", <-asked)
	}
	client.Close()
	if got := call(apitest.Ethereum, "eth_blockNumber"); !strings.Contains(got, "EXECUTION_UNAVAILABLE") || !strings.Contains(got, "-32002") {
		t.Errorf("with the client gone: %s", got)
	}
}
