package devnet

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// Times that the devnet waits for a node's API.
const (
	statusTimeout = 3 * time.Second  // one question about a node's state
	submitTimeout = 40 * time.Second // one batch; a node answers within 30 s
	retryPause    = 250 * time.Millisecond
)

// endpoint is one node's API, spoken directly: the load needs no more than three calls, and its
// cost must not hide what the node does. Safe for concurrent use.
type endpoint struct {
	read    dunlinv1connect.ReadClient
	ingress dunlinv1connect.IngressClient
	status  dunlinv1connect.StatusClient
}

// newEndpoint returns the API at a URL. Answers come uncompressed: on one machine that would only
// burn what is to be measured.
func newEndpoint(url string, connections int) *endpoint {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: 0, DisableCompression: true}
	client := &http.Client{Transport: transport}
	plain := connect.WithAcceptCompression("gzip", nil, nil)
	return &endpoint{
		read:    dunlinv1connect.NewReadClient(client, url, plain),
		ingress: dunlinv1connect.NewIngressClient(client, url, plain),
		status:  dunlinv1connect.NewStatusClient(client, url, plain),
	}
}

// node asks how the node is doing.
func (e *endpoint) node(ctx context.Context) (*dunlinv1.GetNodeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return e.read.GetNode(ctx, &dunlinv1.GetNodeRequest{})
}

// follow reads the order of all namespaces, ids only, from a cursor until visit says stop or the
// stream ends, and returns the cursor to go on from.
func (e *endpoint) follow(ctx context.Context, cursor string, visit func(*dunlinv1.StreamResponse) (stop bool)) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := e.read.Stream(ctx, &dunlinv1.StreamRequest{Cursor: cursor, Content: dunlinv1.Content_CONTENT_IDS})
	if err != nil {
		return cursor, fmt.Errorf("follow: %w", err)
	}
	defer stream.Close()
	for stream.Receive() {
		message := stream.Msg()
		stop := visit(message)
		if message.GetCursor() != "" {
			cursor = message.GetCursor()
		}
		if stop {
			return cursor, nil
		}
	}
	if err := stream.Err(); err != nil {
		return cursor, fmt.Errorf("follow: %w", err)
	}
	return cursor, nil
}

// key is an id in the form in which the devnet counts: among ten million ids, two share a key with
// a chance of three in a million.
type key uint64

func keyOf(id []byte) (key, bool) {
	if len(id) < 8 {
		return 0, false
	}
	return key(binary.BigEndian.Uint64(id)), true
}
