package rollupapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// longOrder is n commits with an item of 100,000 bytes each, 200,000 in hex, and a server with little patience for readers.
func longOrder(t *testing.T, n int, patience time.Duration) (c *apitest.Chain, server *rollupapi.Server, url string) {
	t.Helper()
	c = apitest.New(t)
	big := strings.Repeat("x", 100_000)
	for i := range n {
		c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, fmt.Sprint(i, big))})
	}
	server = rollupapi.New(c.Config())
	rollupapi.SetPatience(server, patience)
	url, _ = apitest.Start(t, server)
	return c, server, url
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// itemsOf counts what comes of an order over a socket until it ends, and gives the last event of a subscription. It fails if
// an item is missing or comes twice.
func itemsOf(t *testing.T, s *socket, subscription string, from, to int) (next int, last frame) {
	t.Helper()
	for next = from; next < to; {
		var f frame
		if err := s.conn.ReadJSON(&f); err != nil {
			return next, last
		}
		if f.Method != "dunlin_subscription" || f.Params.Subscription != subscription {
			continue
		}
		last = f
		switch f.Params.Result.Event {
		case "item":
			var item struct {
				Commit int `json:"commit"`
			}
			if err := json.Unmarshal(f.Params.Result.Data, &item); err != nil || item.Commit != next+1 {
				t.Fatalf("item of commit %d, want %d: %v", item.Commit, next+1, err)
			}
			next++
		case "problem":
			return next, last
		}
	}
	return next, last
}

// TestSubscriberThatDoesNotRead: its connection is ended, however many subscriptions it has, and nothing is held for it but a
// batch each meanwhile. With its last cursor it misses nothing.
func TestSubscriberThatDoesNotRead(t *testing.T) {
	const commits, most = 300, 24 << 20 // 60 MB in hex; two generations of encoded events take 16
	c, server, url := longOrder(t, commits, 300*time.Millisecond)
	s := dial(t, url, apitest.Open)
	before, peak := heap(), uint64(0)
	for range rollupapi.MaxSubscriptions {
		s.send("dunlin_subscribe", `[{"cursor":"genesis"}]`)
	}
	for !rollupapi.Streaming(server, rollupapi.MaxSubscriptions) {
		time.Sleep(time.Millisecond)
	}
	for !rollupapi.Streaming(server, 0) { // ends only if the server gives the reader up
		peak = max(peak, heap())
		time.Sleep(50 * time.Millisecond)
	}
	if peak > before+most {
		t.Errorf("%d MB are held for a reader that does not read, want %d at most", (peak-before)>>20, most>>20)
	}
	got, last := itemsOf(t, s, "0x1", 0, commits)
	if got == commits || last.Params.Result.Cursor == "" {
		t.Fatalf("%d items came, the last %+v: the reader was not slow", got, last)
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.conn.ReadMessage(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection goes on: %v", err)
	}
	patient, _ := c.Serve(t)
	again := dial(t, patient, apitest.Open)
	again.send("dunlin_subscribe", fmt.Sprintf(`[{"cursor":%q}]`, last.Params.Result.Cursor))
	more := min(got+20, commits)
	if got, _ = itemsOf(t, again, "0x1", got, more); got != more {
		t.Errorf("from the cursor on up to item %d, want %d", got, more)
	}
}

// TestSubscriberPushedBack: one that takes what comes, but late, is told so with the cursor behind it; the connection
// carries its next subscription.
func TestSubscriberPushedBack(t *testing.T) {
	const commits, patience = 150, time.Second
	_, _, url := longOrder(t, commits, patience)
	s := dial(t, url, apitest.Open)
	s.send("dunlin_subscribe", `[{"cursor":"genesis"}]`)
	got, last := 0, frame{}
	for last.Params.Result.Event != "problem" {
		before := got
		if got, last = itemsOf(t, s, "0x1", got, min(got+60, commits)); got == before && last.Method == "" || got == commits {
			t.Fatalf("%d items came and no problem, the last event is %+v", got, last)
		}
		time.Sleep(patience + patience/2) // the buffers are full, and the batch in them is late
	}
	var problem struct {
		Reason    string `json:"reason"`
		Cursor    string `json:"cursor"`
		Retryable bool   `json:"retryable"`
	}
	if err := json.Unmarshal(last.Params.Result.Data, &problem); err != nil || problem.Reason != "PUSHED_BACK" || problem.Cursor == "" || !problem.Retryable {
		t.Fatalf("%s, %v", last.Params.Result.Data, err)
	}
	s.send("dunlin_subscribe", fmt.Sprintf(`[{"cursor":%q}]`, problem.Cursor))
	more := min(got+20, commits) // which the client takes at once
	if got, last = itemsOf(t, s, "0x2", got, more); got != more {
		t.Errorf("from the cursor on up to item %d, want %d, then %+v", got, more, last)
	}
}
