package apitest

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// streamLiar streams what lie makes of each message of the truth.
type streamLiar struct {
	dunlinv1connect.UnimplementedReadHandler
	truth dunlinv1connect.ReadClient
	lie   func(*pb.StreamResponse) []*pb.StreamResponse
}

// Stream is the truth with the lie in it.
func (l *streamLiar) Stream(ctx context.Context, r *pb.StreamRequest, out *connect.ServerStream[pb.StreamResponse]) error {
	in, err := l.truth.Stream(ctx, r)
	if err != nil {
		return err
	}
	defer in.Close()
	for in.Receive() {
		for _, m := range l.lie(in.Msg()) {
			if err := out.Send(m); err != nil {
				return err
			}
		}
	}
	return in.Err()
}

// ServeLyingStream is Serve, but every message of a stream becomes those that lie makes of it, which may be none. Lie is called by
// one goroutine for each stream.
func (c *Chain) ServeLyingStream(t testing.TB, lie func(*pb.StreamResponse) []*pb.StreamResponse) string {
	t.Helper()
	return c.serveBut(t, dunlinv1connect.ReadStreamProcedure, func(web *http.Client, honest string) http.Handler {
		_, lying := dunlinv1connect.NewReadHandler(&streamLiar{truth: dunlinv1connect.NewReadClient(web, honest), lie: lie})
		return lying
	})
}
