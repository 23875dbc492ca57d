package client

import (
	"context"
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// Bundle is several payloads, possibly of several namespaces, that stand at one position of the order or nowhere.
type Bundle struct {
	Legs       []dag.Leg       // 1 to 16, of 8 namespaces at most
	ValidUntil dag.CommitIndex // last commit that may hold it; 0 lets the node choose (unsigned only)
	Sender     []byte          // with Signature, if a leg is of an ed25519 namespace: 32 bytes
	Signature  []byte          // 64 bytes
	Wait       Wait
	Timeout    time.Duration // of Wait; 0 for the node's default
}

// SubmitBundle sends a bundle. It goes on to the next node if one does not answer, as Submit does; to send a bundle
// that nobody can read before its place is fixed, see SealAndSubmit. What the node refuses is an *Error.
func (c *Client) SubmitBundle(ctx context.Context, b Bundle) (Result, error) {
	if b.Wait < 0 || int(b.Wait) >= len(waits) {
		return Result{}, fmt.Errorf("submit bundle: there is no wait %d", b.Wait)
	}
	request := &pb.SubmitBundleRequest{
		Mode: pb.BundleMode_BUNDLE_MODE_INCLUSION, ValidUntilCommit: uint64(b.ValidUntil), Sender: b.Sender, Signature: b.Signature,
		Wait: waits[b.Wait], TimeoutMs: uint32(b.Timeout.Milliseconds()),
	}
	for i := range b.Legs {
		request.Legs = append(request.Legs, &pb.Leg{Namespace: uint64(b.Legs[i].Namespace), Payload: b.Legs[i].Payload})
	}
	var response *pb.SubmitBundleResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		response, err = e.ingress.SubmitBundle(ctx, request)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("submit bundle: %w", err)
	}
	result := newResults([]*pb.SubmitResult{response.GetResult()})[0]
	if result.Err != nil {
		return result, fmt.Errorf("submit bundle: %w", result.Err)
	}
	return result, nil
}
