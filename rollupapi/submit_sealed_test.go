package rollupapi_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

func sealedMessage(s dag.Sealed) *pb.SealedItem {
	m := &pb.SealedItem{Ciphertext: s.Ciphertext, ValidUntilCommit: uint64(s.ValidUntil), Sender: s.Sender, Signature: s.Signature}
	for _, ns := range s.Namespaces {
		m.Namespaces = append(m.Namespaces, uint64(ns))
	}
	return m
}

// TestSealedLife follows sealed items from the submission to the reveal, by every way of asking.
func TestSealedLife(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	good, lying := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("secret")}), dag.Sealed{ValidUntil: 50, Namespaces: []dag.Namespace{apitest.Open}}
	bad := c.Seal(t, lying, []byte("no legs"))
	request := &pb.SubmitSealedRequest{Items: []*pb.SealedItem{
		sealedMessage(good.Sealed()), sealedMessage(bad.Sealed()), sealedMessage(good.Sealed()), {Namespaces: []uint64{1003}, ValidUntilCommit: 9},
	}}
	submit := func(want string) {
		t.Helper()
		answer, err := ingress.SubmitSealed(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range answer.GetItems() {
			got = append(got, fmt.Sprintf("%s %s %d/%d", strings.TrimPrefix(r.GetState().String(), "STATE_"), r.GetError().GetReason(), r.GetCommit(), r.GetIndex()))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	}
	status := func(id crypto.Digest, want string) {
		t.Helper()
		_, body := get(t, url+"/v1/transactions/"+id.String())
		_, rest, _ := strings.Cut(string(body), `"state":`)
		rest, history, _ := strings.Cut(rest, `,"history":[`)
		if rest != want {
			t.Errorf("got  %s\nwant %s", rest, want)
		}
		if state, _, _ := strings.Cut(want, ","); !strings.Contains(history, `{"state":`+state) {
			t.Errorf("the history %s lacks %s", history, state)
		}
		answer := rpcCall(t, url, apitest.Open, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"dunlin_transactionStatus","params":["0x%s"]}`, id))
		if !strings.Contains(string(answer.Result), `"state":`+want) {
			t.Errorf("JSON-RPC says %s", answer.Result)
		}
	}
	submit("INCLUDED  0/0, INCLUDED  0/0, DUPLICATE  0/0, REJECTED CIPHERTEXT_INVALID 0/0")
	status(good.ID, `"INCLUDED","kind":"SEALED","namespace":1003`)
	c.CommitPending(t)
	c.Shares(2)
	status(good.ID, `"COMMITTED","commit":2,"index":0,"kind":"SEALED","namespace":1003,"reveal":{"text":"2 of 3 shares, missing v2 v3","shares":2,"needed":3,"missing":["v2","v3"]}`)
	submit("COMMITTED  2/0, COMMITTED  2/1, DUPLICATE  0/0, REJECTED CIPHERTEXT_INVALID 0/0")
	c.RevealNext(t)
	status(good.ID, `"REVEALED","commit":2,"index":0,"kind":"SEALED","namespace":1003`)
	status(bad.ID, `"REVEAL_FAILED","commit":2,"index":1,"kind":"SEALED","namespace":1003,"error":{"reason":"CONTENT_INVALID","message":"the content is no list of legs, or has legs of other namespaces than the envelope names","retryable":false,"retry_after_ms":0}`)
	submit("REVEALED  2/0, REVEAL_FAILED CONTENT_INVALID 2/1, DUPLICATE  0/0, REJECTED CIPHERTEXT_INVALID 0/0")
	c.Prune(4)
	status(good.ID, `"COMMITTED","commit":2,"index":0,"kind":"SEALED","namespace":1003`)
}

// TestWaitCertified: a call that waits for the certificate does not end with the commit.
func TestWaitCertified(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	url, _ := chain.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(http.DefaultClient, url)
	ask := &pb.SubmitRequest{Namespace: uint64(apitest.Open), Payloads: [][]byte{[]byte("plain")}, Wait: pb.Wait_WAIT_CERTIFIED, TimeoutMs: 60_000}
	type answered struct {
		answer *pb.SubmitResponse
		err    error
	}
	done := make(chan answered, 1)
	go func() {
		answer, err := ingress.Submit(t.Context(), ask)
		done <- answered{answer, err}
	}()
	for chain.Submits() == 0 {
		time.Sleep(time.Millisecond)
	}
	before := chain.Waits()
	chain.CommitPending(t)
	for chain.Waits() == before {
		time.Sleep(time.Millisecond)
	}
	select {
	case a := <-done:
		t.Fatalf("answered before the certificate: %v, %v", a.answer, a.err)
	default:
	}
	chain.Certify(t, chain.Heads().Committed)
	a := <-done
	if a.err != nil || a.answer.Items[0].State != pb.State_STATE_COMMITTED || a.answer.Watermarks.Certified < a.answer.Items[0].Commit {
		t.Errorf("%v, %v", a.answer, a.err)
	}
	ask.TimeoutMs, ask.Payloads = 1, [][]byte{[]byte("another")}
	if answer, err := ingress.Submit(t.Context(), ask); err != nil || len(answer.Items) != 1 {
		t.Errorf("out of time: %v, %v", answer, err)
	}
}

// TestWaitRevealed: a call that waits for the reveal does not end with the commit; nor does it wait for
// others' items, or for what has nothing to reveal.
func TestWaitRevealed(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	type answered struct {
		state pb.State
		err   error
	}
	done := make(chan answered, 1)
	item := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("x")})
	go func() {
		answer, err := ingress.SubmitSealed(t.Context(), &pb.SubmitSealedRequest{
			Items: []*pb.SealedItem{sealedMessage(item.Sealed())}, Wait: pb.Wait_WAIT_REVEALED, TimeoutMs: 60_000,
		})
		if err != nil {
			done <- answered{err: err}
			return
		}
		done <- answered{state: answer.GetItems()[0].GetState()}
	}()
	state := func() string {
		_, body := get(t, url+"/v1/transactions/"+item.ID.String())
		return answerIn(t, body).State
	}
	for state() != "INCLUDED" {
	}
	c.CommitPending(t)
	c.Commit(t, []dag.Item{c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("another, later")})})
	for range 20 { // questions that the server answers while it would answer the call
		if state() != "COMMITTED" {
			t.Fatal("it is not committed")
		}
	}
	select {
	case early := <-done:
		t.Fatalf("answered before the reveal: %+v", early)
	default:
	}
	c.RevealNext(t)
	if got := <-done; got.err != nil || got.state != pb.State_STATE_REVEALED {
		t.Errorf("%+v", got)
	}
	c.Answer(func(item dag.Item) ordering.OutcomeState {
		c.Commit(t, []dag.Item{item})
		return ordering.Committed
	})
	plain, err := ingress.Submit(t.Context(), &pb.SubmitRequest{Namespace: 1003, Payloads: [][]byte{[]byte("plain")}, Wait: pb.Wait_WAIT_REVEALED, TimeoutMs: 60_000})
	if err != nil || plain.GetItems()[0].GetState() != pb.State_STATE_COMMITTED {
		t.Errorf("%v, %v", plain, err)
	}
}

// TestSubmitSealedRefused: what is wrong with a whole call.
func TestSubmitSealedRefused(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	call := func(r *pb.SubmitSealedRequest, reason string, code connect.Code) *pb.ErrorInfo {
		t.Helper()
		_, err := ingress.SubmitSealed(t.Context(), r)
		info := infoOf(t, err)
		if info.GetReason() != reason || connect.CodeOf(err) != code {
			t.Errorf("%v, want %s", err, reason)
		}
		return info
	}
	one := []*pb.SealedItem{{Namespaces: []uint64{1003}}}
	c.GenerateKey(keygen.Status{Phase: keygen.Acknowledging, Key: 1, Deals: 3, Acks: 2, Deadline: 2007})
	info := call(&pb.SubmitSealedRequest{Items: one}, "SEALING_NOT_READY", connect.CodeUnavailable)
	if !info.GetRetryable() || info.GetRetryAfterMs() == 0 || !strings.Contains(info.GetMessage(), "3 deals, acknowledged by 2 validators; at commit 2007") {
		t.Errorf("%v", info)
	}
	c.OpenSealing(t)
	large := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: make([]byte, 128<<10-13)})
	eight := make([]*pb.SealedItem, 8)
	for i := range eight {
		eight[i] = sealedMessage(large.Sealed())
	}
	call(&pb.SubmitSealedRequest{}, "PAYLOAD_EMPTY", connect.CodeInvalidArgument)
	call(&pb.SubmitSealedRequest{Items: one, Wait: 7}, "REQUEST_MALFORMED", connect.CodeInvalidArgument)
	call(&pb.SubmitSealedRequest{Items: make([]*pb.SealedItem, rollupapi.MaxSubmitSealed+1)}, "TOO_MANY_ITEMS", connect.CodeInvalidArgument)
	call(&pb.SubmitSealedRequest{Items: eight}, "TOO_LARGE", connect.CodeInvalidArgument)
	answer, err := ingress.SubmitSealed(t.Context(), &pb.SubmitSealedRequest{Items: eight[:1]})
	if err != nil || answer.GetItems()[0].GetState() != pb.State_STATE_INCLUDED {
		t.Errorf("the largest: %v, %v", answer, err)
	}
}

// TestSealedByREST: the JSON forms of the submission.
func TestSealedByREST(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	url, _ := c.Serve(t)
	item := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("a")}, dag.Leg{Namespace: apitest.Quiet, Payload: []byte("b")})
	s := item.Sealed()
	fields := fmt.Sprintf(`"ciphertext":"0x%x","valid_until_commit":%d`, s.Ciphertext, s.ValidUntil)
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"by name and number", `{"items":[{"namespaces":["open",1005],` + fields + `}],"wait":"included"}`, 200, `"state":"INCLUDED"`},
		{"other order", `{"items":[{"namespaces":["quiet","open"],` + fields + `}]}`, 422, `"reason":"CIPHERTEXT_INVALID"`},
		{"several", `{"items":[{"namespaces":["open","quiet"],` + fields + `},{"namespaces":["open"],` + fields + `}]}`, 200, `"reason":"CIPHERTEXT_INVALID"`},
		{"unknown namespace", `{"items":[{"namespaces":["nobody"],` + fields + `}]}`, 404, `"reason":"NAMESPACE_UNKNOWN"`},
		{"nine namespaces", `{"items":[{"namespaces":[1,2,3,4,5,6,7,8,9]}]}`, 422, `"reason":"SEALED_MALFORMED"`},
		{"none", `{}`, 400, `"reason":"PAYLOAD_EMPTY"`},
		{"unknown field", `{"items":[],"payload":"0x"}`, 400, `"reason":"REQUEST_MALFORMED"`},
		{"unknown wait", `{"items":[],"wait":"opened"}`, 400, `committed, revealed`},
		{"no JSON", `sealed`, 400, `"reason":"REQUEST_MALFORMED"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := do(t, http.MethodPost, url+"/v1/submit/sealed", test.body)
			if status != test.status || !strings.Contains(string(body), test.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

// TestSealedByRPC: a wallet seals for the namespace of its URL.
func TestSealedByRPC(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	call := func(ns dag.Namespace, method, params string) rpcAnswer {
		t.Helper()
		return rpcCall(t, url, ns, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params))
	}
	if got := call(apitest.Open, "dunlin_encryptionKey", "[]"); got.Error == nil || got.Error.Code != -32003 || got.Error.Data.Reason != "SEALING_NOT_READY" {
		t.Errorf("%+v", got)
	}
	c.OpenSealing(t)
	var key struct{ Key string }
	if got := call(apitest.Open, "dunlin_encryptionKey", "[]"); json.Unmarshal(got.Result, &key) != nil || key.Key != "0x"+hex.EncodeToString(c.Key().Bytes()) {
		t.Errorf("%s", got.Result)
	}
	item := c.SealedItem(t, dag.Leg{Namespace: apitest.Ethereum, Payload: []byte("raw")})
	s := item.Sealed()
	param := fmt.Sprintf(`{"ciphertext":"0x%x","valid_until_commit":%d}`, s.Ciphertext, s.ValidUntil)
	for range 2 {
		if got := call(apitest.Ethereum, "dunlin_sendEncryptedTransaction", "["+param+"]"); string(got.Result) != `"0x`+item.ID.String()+`"` {
			t.Errorf("%s %+v", got.Result, got.Error)
		}
		c.CommitPending(t)
		c.RevealAll(t)
	}
	for _, test := range []struct {
		ns             dag.Namespace
		params, reason string
	}{
		{apitest.Open, "[" + param + "]", "CIPHERTEXT_INVALID"},
		{apitest.Open, "[]", "REQUEST_MALFORMED"},
		{apitest.Open, `["0x00"]`, "REQUEST_MALFORMED"},
		{apitest.Open, `[{"ciphertext":"0x","namespaces":[1003]}]`, "REQUEST_MALFORMED"},
		{apitest.Signed, "[" + param + "]", "SIGNATURE_MISSING"},
	} {
		if got := call(test.ns, "dunlin_sendEncryptedTransaction", test.params); got.Error == nil || got.Error.Data.Reason != test.reason {
			t.Errorf("%d %s: %s %+v", test.ns, test.params, got.Result, got.Error)
		}
	}
	if got := call(apitest.Open, "dunlin_encryptionKey", "[1]"); got.Error == nil || got.Error.Data.Reason != "REQUEST_MALFORMED" {
		t.Errorf("%+v", got)
	}
}
