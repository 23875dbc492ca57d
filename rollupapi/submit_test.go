package rollupapi_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

func payloads(n int, name string) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, "%s %d", name, i)
	}
	return out
}

// infoOf is the ErrorInfo that a Connect error carries.
func infoOf(t testing.TB, err error) *pb.ErrorInfo {
	t.Helper()
	var wire *connect.Error
	if !errors.As(err, &wire) || len(wire.Details()) != 1 {
		t.Fatalf("error %v without its info", err)
	}
	value, err := wire.Details()[0].Value()
	if err != nil {
		t.Fatal(err)
	}
	return value.(*pb.ErrorInfo)
}

// TestSubmitPerItem: in one call each transaction is answered for itself.
func TestSubmitPerItem(t *testing.T) {
	c := apitest.New(t)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "old")})
	c.Answer(func(item dag.Item) ordering.OutcomeState {
		switch string(item.Transaction().Payload) {
		case "busy":
			return ordering.Busy
		case "committed meanwhile":
			c.Commit(t, []dag.Item{item})
			return ordering.Committed
		case "committed, not to be found yet":
			return ordering.Committed
		}
		return ordering.Included
	})
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	answer, err := ingress.Submit(t.Context(), &pb.SubmitRequest{Namespace: 1003, Payloads: [][]byte{
		[]byte("new"), []byte("old"), nil, []byte("busy"), []byte("new"), make([]byte, dag.MaxTransactionBytes+1), []byte("committed meanwhile"), []byte("committed, not to be found yet"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range answer.GetItems() {
		got = append(got, fmt.Sprintf("%v %s %d/%d %d", r.GetState(), r.GetError().GetReason(), r.GetCommit(), r.GetIndex(), len(r.GetTxId())))
	}
	want := []string{
		"STATE_INCLUDED  0/0 32", "STATE_COMMITTED  1/0 32", "STATE_REJECTED PAYLOAD_EMPTY 0/0 0", "STATE_REJECTED BUSY 0/0 32",
		"STATE_DUPLICATE  0/0 32", "STATE_REJECTED TOO_LARGE 0/0 0", "STATE_COMMITTED  2/0 32", "STATE_INCLUDED  0/0 32",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if limit := answer.GetItems()[5].GetError().GetLimit(); limit != dag.MaxTransactionBytes {
		t.Errorf("limit %d is told, want %d", limit, dag.MaxTransactionBytes)
	}
	if answer.GetWatermarks().GetCommitted() != 2 {
		t.Errorf("watermarks %v", answer.GetWatermarks())
	}
}

// TestSubmitLimits: at the limits a call is taken, beyond them it is refused as a whole.
func TestSubmitLimits(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	binary := dunlinv1connect.NewIngressClient(web(t), url)
	asJSON := dunlinv1connect.NewIngressClient(web(t), url, connect.WithProtoJSON())
	large := func(extra int) [][]byte {
		out := make([][]byte, rollupapi.MaxSubmitBytes/dag.MaxTransactionBytes)
		for i := range out {
			out[i] = make([]byte, dag.MaxTransactionBytes)
			out[i][0] = byte(i)
		}
		return append(out, make([]byte, extra))
	}
	for _, test := range []struct {
		name     string
		client   dunlinv1connect.IngressClient
		payloads [][]byte
		want     string
	}{
		{"most items", binary, payloads(rollupapi.MaxSubmitItems, "a"), ""},
		{"one more", binary, payloads(rollupapi.MaxSubmitItems+1, "b"), "TOO_MANY_ITEMS"},
		{"most items in JSON", asJSON, payloads(rollupapi.MaxSubmitItemsJSON, "c"), ""},
		{"one more in JSON", asJSON, payloads(rollupapi.MaxSubmitItemsJSON+1, "d"), "TOO_MANY_ITEMS"},
		{"most bytes", binary, large(0), ""},
		{"one more byte", binary, large(1), "TOO_LARGE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.client.Submit(t.Context(), &pb.SubmitRequest{Namespace: 1003, Payloads: test.payloads})
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if got := infoOf(t, err); got.GetReason() != test.want || got.GetLimit() == 0 || got.GetField() != "payloads" {
				t.Errorf("%v, want %s", got, test.want)
			}
		})
	}
	_, err := binary.Submit(t.Context(), &pb.SubmitRequest{Namespace: 1003, Payloads: payloads(1, "e"), Wait: 9})
	if got := infoOf(t, err); got.GetReason() != "REQUEST_MALFORMED" {
		t.Errorf("unknown wait: %v", got)
	}
}

// TestWaitCommitted: the call answers when all that can be committed is.
func TestWaitCommitted(t *testing.T) {
	c := apitest.New(t)
	c.Answer(func(item dag.Item) ordering.OutcomeState {
		if string(item.Transaction().Payload) == "x 1" {
			return ordering.Busy
		}
		return ordering.Included
	})
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	var calls sync.WaitGroup
	calls.Go(func() {
		answer, err := ingress.Submit(t.Context(), &pb.SubmitRequest{Namespace: 1003, Payloads: payloads(3, "x"), Wait: pb.Wait_WAIT_COMMITTED, TimeoutMs: 60_000})
		if err != nil {
			t.Error(err)
			return
		}
		for i, want := range []pb.State{pb.State_STATE_COMMITTED, pb.State_STATE_REJECTED, pb.State_STATE_COMMITTED} {
			if got := answer.GetItems()[i]; got.GetState() != want || want == pb.State_STATE_COMMITTED && got.GetCommit() == 0 {
				t.Errorf("transaction %d: %v, want %v", i, got, want)
			}
		}
	})
	for c.Submits() == 0 {
		time.Sleep(time.Millisecond)
	}
	done := make(chan struct{})
	go func() { calls.Wait(); close(done) }()
	for waiting := true; waiting; { // the call may have come between two commits
		c.CommitPending(t)
		select {
		case <-done:
			waiting = false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestWaitEndsOnExpiry: a waiting call learns that its transaction was dropped as expired.
func TestWaitEndsOnExpiry(t *testing.T) {
	c := apitest.New(t)
	var items []dag.Item
	submitted := make(chan struct{})
	c.Answer(func(item dag.Item) ordering.OutcomeState {
		items = append(items, item)
		close(submitted)
		return ordering.Included
	})
	url, _ := c.Serve(t)
	done := make(chan *pb.SubmitResponse, 1)
	go func() {
		answer, err := dunlinv1connect.NewIngressClient(web(t), url).Submit(context.Background(), &pb.SubmitRequest{
			Namespace: 1003, Payloads: payloads(1, "x"), Wait: pb.Wait_WAIT_COMMITTED, TimeoutMs: 60_000, ValidUntilCommit: 3,
		})
		if err != nil {
			t.Error(err)
		}
		done <- answer
	}()
	<-submitted
	for {
		c.Drop(t, ordering.DropExpired, items...)
		select {
		case answer := <-done:
			if got := answer.GetItems()[0]; got.GetState() != pb.State_STATE_EXPIRED || got.GetError().GetReason() != "EXPIRED" {
				t.Errorf("%v", got)
			}
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestNoAnswer: a sequencer that does not answer in time leaves the transaction RECEIVED, and what
// it answers later can be asked for.
func TestNoAnswer(t *testing.T) {
	c := apitest.New(t)
	release := make(chan struct{})
	c.Answer(func(dag.Item) ordering.OutcomeState { <-release; return ordering.Included })
	url, _ := c.Serve(t)
	answer, err := dunlinv1connect.NewIngressClient(web(t), url).Submit(t.Context(), &pb.SubmitRequest{Namespace: 1003, Payloads: payloads(1, "x"), TimeoutMs: 10})
	if err != nil || answer.GetItems()[0].GetState() != pb.State_STATE_RECEIVED {
		t.Fatalf("%v, %v", answer, err)
	}
	close(release)
	for {
		now, err := dunlinv1connect.NewStatusClient(web(t), url).Get(t.Context(), &pb.GetRequest{Id: answer.GetItems()[0].GetTxId()})
		if err != nil {
			t.Fatal(err)
		}
		if now.GetState() == pb.State_STATE_INCLUDED {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestCallLimit: when too many calls are under way, more are BUSY at once, and when those end the
// next is taken.
func TestCallLimit(t *testing.T) {
	c := apitest.New(t)
	release := make(chan struct{})
	c.Answer(func(dag.Item) ordering.OutcomeState { <-release; return ordering.Included })
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	submit := func(i int) (*pb.SubmitResponse, error) {
		return ingress.Submit(t.Context(), &pb.SubmitRequest{Namespace: 1003, Payloads: payloads(1, fmt.Sprint(i)), Wait: pb.Wait_WAIT_NONE})
	}
	for i := range rollupapi.MaxCalls {
		if _, err := submit(i); err != nil {
			t.Fatal(err)
		}
	}
	_, err := submit(rollupapi.MaxCalls)
	if got := infoOf(t, err); connect.CodeOf(err) != connect.CodeResourceExhausted || got.GetReason() != "BUSY" || !got.GetRetryable() || got.GetRetryAfterMs() == 0 {
		t.Errorf("%v, %v", err, got)
	}
	close(release)
	for {
		if _, err := submit(rollupapi.MaxCalls); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestSubmitBundle: a bundle stands at one position and comes to the readers of each namespace.
func TestSubmitBundle(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	legs := []*pb.Leg{{Namespace: 1003, Payload: []byte("a")}, {Namespace: 1005, Payload: []byte("b")}}
	answer, err := ingress.SubmitBundle(t.Context(), &pb.SubmitBundleRequest{Legs: legs})
	if err != nil || answer.GetResult().GetState() != pb.State_STATE_INCLUDED {
		t.Fatalf("%v, %v", answer, err)
	}
	c.CommitPending(t)
	for _, ns := range []uint64{1003, 1005} {
		page, err := dunlinv1connect.NewReadClient(web(t), url).Range(t.Context(), &pb.RangeRequest{Namespaces: []uint64{ns}})
		if err != nil || len(page.GetItems()) != 1 || len(page.GetItems()[0].GetLegs()) != 2 || page.GetItems()[0].GetKind() != pb.Kind_KIND_BUNDLE {
			t.Errorf("namespace %d: %v, %v", ns, page, err)
		}
	}
	status, err := dunlinv1connect.NewStatusClient(web(t), url).Get(t.Context(), &pb.GetRequest{Id: answer.GetResult().GetTxId()})
	if err != nil || status.GetState() != pb.State_STATE_COMMITTED || status.GetKind() != pb.Kind_KIND_BUNDLE {
		t.Errorf("%v, %v", status, err)
	}
	for _, bad := range []struct {
		request *pb.SubmitBundleRequest
		want    string
	}{
		{&pb.SubmitBundleRequest{}, "BUNDLE_MALFORMED"},
		{&pb.SubmitBundleRequest{Legs: legs, Mode: 7}, "BUNDLE_MALFORMED"},
		{&pb.SubmitBundleRequest{Legs: legs, Wait: -1}, "REQUEST_MALFORMED"},
		{&pb.SubmitBundleRequest{Legs: legs, ValidUntilCommit: 9999}, "TOO_FAR_AHEAD"},
	} {
		_, err := ingress.SubmitBundle(t.Context(), bad.request)
		if got := infoOf(t, err); got.GetReason() != bad.want {
			t.Errorf("%v: %v, want %s", bad.request, got, bad.want)
		}
	}
}

// TestStopUnderLoad: stopping while calls wait, streams run and the sequencer hangs ends all.
func TestStopUnderLoad(t *testing.T) {
	c := apitest.New(t)
	hang := make(chan struct{})
	var answered atomic.Int32
	c.Answer(func(dag.Item) ordering.OutcomeState {
		<-hang
		time.Sleep(50 * time.Millisecond)
		answered.Add(1)
		return ordering.Included
	})
	url, stop := c.Serve(t)
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			_, _ = dunlinv1connect.NewIngressClient(web(t), url).Submit(context.Background(), &pb.SubmitRequest{Namespace: 1003, Payloads: payloads(1, fmt.Sprint(i))})
		})
	}
	next := sse(t, url+"/v1/stream", "")
	if e := next(); e.name != "watermark" {
		t.Fatalf("%v", e)
	}
	for c.Submits() < 8 {
		time.Sleep(time.Millisecond)
	}
	close(hang) // the fake does not look at its context
	stop()
	if n := answered.Load(); n != 8 {
		t.Errorf("the server ended with %d of 8 calls still in the sequencer", 8-n)
	}
	calls.Wait()
	if e := next(); e.name != "" {
		t.Errorf("the stream went on: %v", e)
	}
}
