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
	return c.serveBut(t, func(web *http.Client, honest string) http.Handler {
		_, lying := dunlinv1connect.NewReadHandler(&streamLiar{truth: dunlinv1connect.NewReadClient(web, honest), lie: lie})
		return lying
	}, dunlinv1connect.ReadStreamProcedure)
}

// forger streams one chain and answers for certificates what lie makes of those of two.
type forger struct {
	streamLiar
	honest dunlinv1connect.ReadClient
	lie    func(honest, forged *pb.GetCertificateResponse) *pb.GetCertificateResponse
}

// GetCertificate is the lie.
func (f *forger) GetCertificate(ctx context.Context, r *pb.GetCertificateRequest) (*pb.GetCertificateResponse, error) {
	honest, err := f.honest.GetCertificate(ctx, r)
	if err != nil {
		return nil, err
	}
	forged, err := f.truth.GetCertificate(ctx, r)
	if err != nil {
		return nil, err
	}
	return f.lie(honest, forged), nil
}

// ServeForging is Serve, but streams are those of a forged chain, whole and in themselves without fault, and every certificate
// is what lie makes of the honest and the forged one of the commit.
func (c *Chain) ServeForging(t testing.TB, forged *Chain, lie func(honest, forged *pb.GetCertificateResponse) *pb.GetCertificateResponse) string {
	t.Helper()
	url, _ := forged.Serve(t)
	reads := func(web *http.Client, honest string) http.Handler {
		truth := streamLiar{truth: dunlinv1connect.NewReadClient(web, url), lie: func(m *pb.StreamResponse) []*pb.StreamResponse { return []*pb.StreamResponse{m} }}
		_, lying := dunlinv1connect.NewReadHandler(&forger{streamLiar: truth, honest: dunlinv1connect.NewReadClient(web, honest), lie: lie})
		return lying
	}
	return c.serveBut(t, reads, dunlinv1connect.ReadStreamProcedure, dunlinv1connect.ReadGetCertificateProcedure)
}
