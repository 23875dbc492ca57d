package execution_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi/execution"
)

func TestAllowed(t *testing.T) {
	for method, want := range map[string]bool{
		"eth_call": true, "eth_blockNumber": true, "net_version": true, "web3_clientVersion": true,
		"eth_sendTransaction": false, "eth_sendRawTransactionConditional": false, "eth_sign": false, "eth_signTypedData_v4": false,
		"eth_resend": false, "eth_fillTransaction": false, "eth_accounts": false, "eth_submitWork": false, "eth_setEtherbase": false,
		"eth_callEverythingAndSign": false, "net_addPeer": false, "net_version ": false, "eth_call\x00": false,
		"eth_subscribe": false, "eth_getUncleCountByBlockNumber": true, "eth_blobBaseFee": true, "web3_sha3": true, "eth_newFilter": true, "admin_peers": false, "debug_traceCall": false, "personal_unlockAccount": false, "engine_newPayloadV3": false,
		"": false, "ETH_call": false, " eth_call": false,
	} {
		if execution.Allowed(method) != want {
			t.Errorf("%q: %t", method, !want)
		}
	}
}

func TestCall(t *testing.T) {
	answer := ""
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), `"params":[]`) && !strings.Contains(string(body), `"params":["0x1"]`) {
			t.Errorf("asked %s", body)
		}
		if answer == "elsewhere" {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer node.Close()
	c, err := execution.New(map[string]string{"1001": node.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to, ok := c.Of("demo-a", "1001")
	if _, other := c.Of("demo-b", "1002"); !ok || other {
		t.Fatal("the namespace's client is not found")
	}
	answer = `{"jsonrpc":"2.0","id":1,"result":"0x5"}`
	if got, err := c.Call(t.Context(), to, "eth_blockNumber", nil); err != nil || string(got) != `"0x5"` {
		t.Errorf("%s, %v", got, err)
	}
	answer = `{"jsonrpc":"2.0","id":1,"result":null}`
	if got, err := c.Call(t.Context(), to, "eth_getBlockByHash", []json.RawMessage{json.RawMessage(`"0x1"`)}); err != nil || string(got) != "null" {
		t.Errorf("%s, %v", got, err)
	}
	answer = `{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted","data":"0x08"}}`
	var theirs *execution.Error
	if _, err := c.Call(t.Context(), to, "eth_call", nil); !errors.As(err, &theirs) || theirs.Code != 3 || string(theirs.Data) != `"0x08"` {
		t.Errorf("%v", err)
	}
	if _, err := c.Call(t.Context(), to, "admin_stopRPC", nil); !errors.Is(err, execution.ErrForbidden) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "<html>", `{"id":1}`, "elsewhere", `{"result":"` + strings.Repeat("x", 9<<20) + `"}`} {
		answer = bad
		if _, err := c.Call(t.Context(), to, "eth_call", nil); !errors.Is(err, execution.ErrUnavailable) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	node.Close()
	if _, err := c.Call(t.Context(), to, "eth_call", nil); !errors.Is(err, execution.ErrUnavailable) || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("%v", err)
	}
	if _, err := execution.New(map[string]string{"a": "ftp://x"}); err == nil {
		t.Error("ftp passes")
	}
	many := map[string]string{}
	for i := range execution.MaxClients + 1 {
		many[fmt.Sprint(i)] = "http://x"
	}
	if _, err := execution.New(many); err == nil {
		t.Error("too many pass")
	}
}

// TestSlowClient: a client that does not answer takes no other's places.
func TestSlowClient(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	defer slow.Close()
	fast := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":"0x5"}`)
	}))
	defer fast.Close()
	c, err := execution.New(map[string]string{"1": slow.URL, "2": fast.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const asking = 100 // more than there are places
	refused := make(chan error, asking)
	for range asking {
		go func() {
			_, err := c.Call(t.Context(), slow.URL, "eth_call", nil)
			refused <- err
		}()
	}
	taken := 0
	for n := 0; n < asking; n++ {
		select {
		case <-asked:
			taken++
		case err := <-refused:
			if !errors.Is(err, execution.ErrUnavailable) {
				t.Errorf("%v", err)
			}
		}
	}
	if got, err := c.Call(t.Context(), fast.URL, "eth_blockNumber", nil); err != nil || string(got) != `"0x5"` {
		t.Errorf("beside %d slow requests: %s, %v", taken, got, err)
	}
	close(release)
	for range taken {
		<-refused
	}
}
