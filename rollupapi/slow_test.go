package rollupapi_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// TestSlowReader: a reader that does not read is let go and holds nothing; one that reads is served on.
func TestSlowReader(t *testing.T) {
	c := apitest.New(t)
	big := strings.Repeat("x", 100_000)
	for i := range 200 { // 20 MB, 40 in hex: more than the sockets' buffers take
		c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, fmt.Sprint(i, big))})
	}
	server := rollupapi.New(c.Config())
	rollupapi.SetPatience(server, 300*time.Millisecond)
	url, _ := apitest.Start(t, server)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/stream?cursor=genesis HTTP/1.1\r\nHost: localhost\r\n\r\n")
	for !rollupapi.Streaming(server, 1) {
		time.Sleep(5 * time.Millisecond)
	}
	for !rollupapi.Streaming(server, 0) { // ends only if the server gives the reader up
		time.Sleep(5 * time.Millisecond)
	}
	total, buffer := 0, make([]byte, 1<<20)
	for {
		n, err := conn.Read(buffer)
		total += n
		if err != nil {
			break
		}
	}
	if total > 35_000_000 {
		t.Errorf("%d bytes came: the reader was not slow", total)
	}
	next := sse(t, url+"/v1/stream?cursor=commit:150", "")
	for i := 150; i < 200; {
		e := next()
		if e.name == "" {
			t.Fatal("the reader was closed")
		}
		if e.name == "item" {
			i++
		}
	}
}

// TestSlowReaderH2 is the same within one HTTP/2 connection, whose other calls go on.
func TestSlowReaderH2(t *testing.T) {
	c := apitest.New(t)
	big := strings.Repeat("x", 100_000)
	for i := range 200 {
		c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, fmt.Sprint(i, big))})
	}
	server := rollupapi.New(c.Config())
	rollupapi.SetPatience(server, 300*time.Millisecond)
	url, _ := apitest.Start(t, server)
	read := dunlinv1connect.NewReadClient(h2c(t), url, connect.WithAcceptCompression("gzip", nil, nil))
	stream, err := read.Stream(t.Context(), &pb.StreamRequest{Cursor: "genesis"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for !rollupapi.Streaming(server, 1) {
		time.Sleep(5 * time.Millisecond)
	}
	for !rollupapi.Streaming(server, 0) {
		time.Sleep(5 * time.Millisecond)
	}
	n := 0
	for stream.Receive() {
		n++
	}
	if n >= 400 || stream.Err() == nil {
		t.Errorf("%d messages came, %v: the reader was not slow", n, stream.Err())
	}
	if _, err := read.GetInfo(t.Context(), &pb.GetInfoRequest{}); err != nil {
		t.Errorf("another call on the connection: %v", err)
	}
}

// TestPushedBack: a reader that takes messages, but late, is sent back with the cursor behind what it has taken.
func TestPushedBack(t *testing.T) {
	c := apitest.New(t)
	big := strings.Repeat("x", 100_000)
	for i := range 200 {
		c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, fmt.Sprint(i, big))})
	}
	server := rollupapi.New(c.Config())
	const patience = 500 * time.Millisecond
	rollupapi.SetPatience(server, patience)
	url, _ := apitest.Start(t, server)
	stream, err := dunlinv1connect.NewReadClient(h2c(t), url, connect.WithAcceptCompression("gzip", nil, nil)).Stream(t.Context(), &pb.StreamRequest{Cursor: "genesis"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	items, last := 0, ""
	for n := 0; stream.Receive(); n++ {
		items += len(stream.Msg().GetItems().GetItems())
		last = stream.Msg().GetCursor()
		if n == 3 { // until the buffers are full, and the next message waits for longer than it should
			time.Sleep(2 * patience)
		}
	}
	info := infoOf(t, stream.Err())
	if info.GetReason() != "PUSHED_BACK" || info.GetCursor() != last || !info.GetRetryable() || items >= 200 {
		t.Fatalf("%d items came, the last at %s, then %v", items, last, info)
	}
	next := sse(t, url+"/v1/stream?cursor="+info.GetCursor(), "")
	for items < 200 {
		e := next()
		if e.name == "" {
			t.Fatalf("the stream from the cursor ends after %d items", items)
		}
		if e.name == "item" {
			items++
		}
	}
}

// TestQuietStream: a stream on which nothing happens for longer than a reader may take for a
// message goes on.
func TestQuietStream(t *testing.T) {
	c := apitest.New(t)
	server := rollupapi.New(c.Config())
	const patience = 50 * time.Millisecond
	rollupapi.SetPatience(server, patience)
	url, _ := apitest.Start(t, server)
	for name, client := range map[string]*http.Client{"HTTP/1": web(t), "HTTP/2": h2c(t)} {
		stream, err := dunlinv1connect.NewReadClient(client, url).Stream(t.Context(), &pb.StreamRequest{HeartbeatMs: 60_000})
		if err != nil || !stream.Receive() {
			t.Fatal(name, err)
		}
		time.Sleep(4 * patience)
		c.Commit(t)
		if !stream.Receive() || stream.Msg().GetCommit() == nil {
			t.Errorf("%s: %v, %v", name, stream.Msg(), stream.Err())
		}
		stream.Close()
	}
}

// TestStreamLimit: beyond the limit a stream is refused with a time to retry.
func TestStreamLimit(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	client := h2c(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read := dunlinv1connect.NewReadClient(client, url)
	for range rollupapi.MaxStreams {
		stream, err := read.Stream(ctx, &pb.StreamRequest{})
		if err != nil || !stream.Receive() {
			t.Fatal(err, stream.Err())
		}
	}
	response, err := web(t).Get(url + "/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
	}
}
