package rollupapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
	"github.com/dunlin-network/dunlin/rollupapi/receipt"
)

// TestIdempotencyKey: the same call under the same key is carried out once and answered alike, whichever
// protocol it comes by; another call under the key is refused.
func TestIdempotencyKey(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	ask := &pb.SubmitRequest{Namespace: uint64(apitest.Open), Payloads: payloads(2, "x"), IdempotencyKey: "order 66"}
	first, err := ingress.Submit(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	c.CommitPending(t)
	again, err := ingress.Submit(t.Context(), ask)
	if err != nil || len(again.GetItems()) != 2 {
		t.Fatal(again, err)
	}
	for i := range again.GetItems() {
		if !proto.Equal(again.GetItems()[i], first.GetItems()[i]) {
			t.Errorf("item %d is answered %v, at first %v", i, again.GetItems()[i], first.GetItems()[i])
		}
	}
	if !proto.Equal(again.GetReceipt(), first.GetReceipt()) || c.Submits() != 1 {
		t.Errorf("receipt %v, at first %v; %d calls came through", again.GetReceipt(), first.GetReceipt(), c.Submits())
	}
	body := fmt.Sprintf(`{"namespace":"open","payloads":["0x%x","0x%x"],"idempotency_key":"order 66"}`, ask.GetPayloads()[0], ask.GetPayloads()[1])
	if status, answer := do(t, http.MethodPost, url+"/v1/submit", body); status != http.StatusOK || strings.Contains(string(answer), `"COMMITTED"`) {
		t.Errorf("the same by REST: %d %s, want the first answer", status, answer)
	}
	for name, change := range map[string]func(*pb.SubmitRequest){
		"payload":   func(r *pb.SubmitRequest) { r.Payloads[1] = []byte("other") },
		"number":    func(r *pb.SubmitRequest) { r.Payloads = r.Payloads[:1] },
		"namespace": func(r *pb.SubmitRequest) { r.Namespace = uint64(apitest.Quiet) },
		"validity":  func(r *pb.SubmitRequest) { r.ValidUntilCommit = 9 },
	} {
		other := proto.CloneOf(ask)
		change(other)
		if _, err := ingress.Submit(t.Context(), other); infoOf(t, err).GetReason() != "IDEMPOTENCY_CONFLICT" {
			t.Errorf("another %s: %v", name, err)
		}
	}
	bundle := &pb.SubmitBundleRequest{Legs: []*pb.Leg{{Namespace: uint64(apitest.Open), Payload: []byte("x")}}, IdempotencyKey: "order 66"}
	if _, err := ingress.SubmitBundle(t.Context(), bundle); infoOf(t, err).GetReason() != "IDEMPOTENCY_CONFLICT" {
		t.Errorf("a bundle: %v", err)
	}
	ask.IdempotencyKey = strings.Repeat("k", 65)
	if _, err := ingress.Submit(t.Context(), ask); infoOf(t, err).GetLimit() != 64 {
		t.Errorf("a key of 65 bytes: %v", err)
	}
}

// TestIdempotencyRetry: what was refused for now is not remembered, and calls at a time are one call.
func TestIdempotencyRetry(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	busy := true
	c.Answer(func(dag.Item) ordering.OutcomeState {
		if busy {
			return ordering.Busy
		}
		return ordering.Included
	})
	if status, answer := do(t, http.MethodPost, url+"/v1/namespaces/open/transactions?idempotency_key=k", "x"); status != http.StatusTooManyRequests {
		t.Fatalf("%d %s", status, answer)
	}
	busy = false
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			request, _ := http.NewRequest(http.MethodPost, url+"/v1/namespaces/open/transactions", strings.NewReader("x"))
			request.Header.Set("Idempotency-Key", "k")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("status %d", response.StatusCode)
			}
		})
	}
	calls.Wait()
	http.DefaultClient.CloseIdleConnections()
	if c.Submits() != 2 {
		t.Errorf("%d calls came through, want one refused and one taken", c.Submits())
	}
}

// TestReceipt: what a node has taken it signs for, and everybody can check it.
func TestReceipt(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	for _, wait := range []string{"received", "included"} {
		_, body := do(t, http.MethodPost, url+"/v1/submit", fmt.Sprintf(`{"namespace":"open","payloads":["0x01%x","0x","0x02%x"],"wait":%q}`, wait, wait, wait))
		var answer struct {
			Items []struct {
				TxID  crypto.Digest `json:"tx_id"`
				State string        `json:"state"`
			} `json:"items"`
			Receipt receipt.Receipt `json:"receipt"`
		}
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(body), `"state":"REJECTED"`, `"tx_id":"`+strings.Repeat("0", 64)+`","state":"REJECTED"`)), &answer); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		var ids []crypto.Digest
		for _, item := range answer.Items {
			if item.State != "REJECTED" {
				ids = append(ids, item.TxID)
			}
		}
		if err := answer.Receipt.Verify(c.Committee.Network(), ids); err != nil || len(ids) != 2 || answer.Receipt.Node != c.Committee.Validator(0).Identity {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, body := do(t, http.MethodPost, url+"/v1/submit", `{"namespace":"open","payload":"0x05","wait":"none"}`); strings.Contains(string(body), "receipt") {
		t.Errorf("nobody asked for a receipt: %s", body)
	}
}

// TestNotSynced: a node that is far behind refuses what it could only answer wrong, and answers the rest.
func TestNotSynced(t *testing.T) {
	c := apitest.New(t)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "old")})
	url, _ := c.Serve(t)
	c.FallBehind(rollupapi.MaxBehind)
	unknown := "/v1/transactions/" + strings.Repeat("0", 64)
	for _, refused := range []string{"/v1/commits/latest", "/v1/stream?cursor=tip", "/v1/namespaces/all/transactions?cursor=tip", unknown} {
		if status, body := get(t, url+refused); status != http.StatusServiceUnavailable || reasonIn(t, body) != "NOT_SYNCED" {
			t.Errorf("%s: %d %s", refused, status, body)
		}
	}
	if status, body := do(t, http.MethodPost, url+"/v1/namespaces/open/transactions", "x"); status != http.StatusServiceUnavailable || reasonIn(t, body) != "NOT_SYNCED" {
		t.Errorf("submit: %d %s", status, body)
	}
	if a := rpcCall(t, url, apitest.Ethereum, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x%x"]}`, ethTx(t, 1001, 0))); a.Error == nil || a.Error.Data.Reason != "NOT_SYNCED" {
		t.Errorf("by JSON-RPC: %+v", a)
	}
	for _, answered := range []string{"/v1/commits/1", "/v1/status", "/v1/info", "/v1/namespaces/all/transactions", "/v1/transactions/" + c.OpenItem(t, apitest.Open, "old").ID.String()} {
		if status, body := get(t, url+answered); status != http.StatusOK {
			t.Errorf("%s: %d %s", answered, status, body)
		}
	}
	c.FallBehind(rollupapi.MaxBehind - 1)
	if status, body := get(t, url+unknown); status != http.StatusOK || !strings.Contains(string(body), `"UNKNOWN"`) {
		t.Errorf("hardly behind: %d %s", status, body)
	}
}
