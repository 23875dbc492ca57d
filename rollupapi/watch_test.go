package rollupapi_test

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// TestWatch: a watch tells every state of its ids, from before the node knows them to their ends.
func TestWatch(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	kept, late := c.OpenItem(t, apitest.Open, "kept"), c.OpenItem(t, apitest.Open, "late")
	stream, err := dunlinv1connect.NewStatusClient(h2c(t), url).Watch(t.Context(), &pb.WatchRequest{Ids: [][]byte{kept.ID[:], late.ID[:], kept.ID[:]}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	next := func() *pb.WatchResponse {
		t.Helper()
		for stream.Receive() {
			if stream.Msg().GetStatus() != nil {
				return stream.Msg()
			}
		}
		t.Fatal("the watch ended", stream.Err())
		return nil
	}
	for range 2 {
		if m := next(); m.GetStatus().GetState() != pb.State_STATE_UNKNOWN || m.GetOpen() != 2 {
			t.Fatal(m)
		}
	}
	hold := make(chan struct{})
	c.Answer(func(dag.Item) ordering.OutcomeState { <-hold; return ordering.Included })
	do(t, "POST", url+"/v1/namespaces/open/transactions?wait=none", "kept")
	if m := next().GetStatus(); m.GetState() != pb.State_STATE_RECEIVED || string(m.GetId()) != string(kept.ID[:]) {
		t.Fatal(m)
	}
	close(hold)
	if m := next().GetStatus(); m.GetState() != pb.State_STATE_INCLUDED {
		t.Fatal(m)
	}
	c.CommitPending(t)
	m := next()
	var states []string
	for _, change := range m.GetStatus().GetHistory() {
		states = append(states, change.GetState().String()+" "+change.GetBy())
		if change.GetUnixMs() == 0 {
			t.Errorf("%v says not when", change)
		}
	}
	if got := strings.Join(states, ", "); m.GetOpen() != 1 || got != "STATE_RECEIVED v0, STATE_INCLUDED A, STATE_COMMITTED A" {
		t.Fatalf("%d open, history %s", m.GetOpen(), got)
	}
	do(t, "POST", url+"/v1/namespaces/open/transactions?valid_until_commit=3", "late")
	if m := next().GetStatus(); m.GetState() != pb.State_STATE_RECEIVED && m.GetState() != pb.State_STATE_INCLUDED {
		t.Fatal(m)
	}
	for range 3 { // nothing tells of an item that no block held: the number of commits does
		c.Commit(t)
	}
	for {
		m := next()
		if m.GetStatus().GetState() != pb.State_STATE_EXPIRED {
			continue
		}
		history := m.GetStatus().GetHistory()
		if last := history[len(history)-1]; last.GetCommit() != 4 || last.GetReason() != "EXPIRED" || m.GetOpen() != 0 {
			t.Fatal(m)
		}
		break
	}
	if stream.Receive() || stream.Err() != nil {
		t.Fatalf("the watch goes on after all ends: %v, %v", stream.Msg(), stream.Err())
	}
}

// TestWatchSealed: the watch of what is sealed ends with its opening.
func TestWatchSealed(t *testing.T) {
	c := sealedChain(t)
	url, _ := c.Serve(t)
	var id string
	for index := uint64(1); id == ""; index++ {
		commit, ok, err := c.Config().History.Commit(dag.CommitIndex(index))
		if err != nil || !ok {
			t.Fatal("the chain holds nothing that is sealed", err)
		}
		for _, body := range commit.Bodies {
			for _, item := range body.Block().Items {
				if item.Kind == dag.KindSealed {
					id = hex.EncodeToString(item.ID[:])
				}
			}
		}
	}
	event := sse(t, url+"/v1/watch?id=0x"+id, "")()
	var status struct {
		State   string `json:"state"`
		History []struct {
			State string `json:"state"`
		} `json:"history"`
	}
	if err := json.Unmarshal([]byte(event.data), &status); err != nil || event.name != "status" {
		t.Fatal(event, err)
	}
	if n := len(status.History); n == 0 || status.History[n-1].State != status.State || status.State == "UNKNOWN" {
		t.Errorf("%s", event.data)
	}
}

// TestWatchRefusals: ids are checked and counted, and a watch takes a stream.
func TestWatchRefusals(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	one := strings.Repeat("0", 64)
	for query, want := range map[string]string{
		"":       "TOO_MANY_ITEMS",
		"?id=xy": "REQUEST_MALFORMED",
		"?" + strings.Repeat("id="+one+"&", rollupapi.MaxWatched+1): "REQUEST_TOO_LONG",
		"?id=" + one + "&heartbeat_ms=x":                            "REQUEST_MALFORMED",
	} {
		status, body := get(t, url+"/v1/watch"+query)
		if want == "REQUEST_TOO_LONG" { // the header's limit comes first
			if status < 400 || status >= 500 {
				t.Errorf("too many ids: %d %s", status, body)
			}
			continue
		}
		if status != 400 && status != 413 || reasonIn(t, body) != want {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	var many [][]byte
	for i := range rollupapi.MaxWatched + 1 {
		id := c.OpenItem(t, apitest.Open, strings.Repeat("x", i+1)).ID
		many = append(many, id[:])
	}
	stream, err := dunlinv1connect.NewStatusClient(web(t), url).Watch(t.Context(), &pb.WatchRequest{Ids: many})
	if err == nil {
		stream.Receive()
		err = stream.Err()
		stream.Close()
	}
	if infoOf(t, err).GetReason() != "TOO_MANY_ITEMS" {
		t.Errorf("too many ids: %v", err)
	}
}
