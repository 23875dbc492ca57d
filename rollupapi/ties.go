package rollupapi

import (
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// tieSink writes the ties among a stream's items, those of a commit in one message. Commits without any are passed
// over, but for a watermark when nothing was sent for a heartbeat.
type tieSink struct {
	server  *Server
	scope   scope
	beat    time.Duration
	out     *connect.ServerStream[pb.StreamDependenciesResponse]
	control *http.ResponseController
	ties    []*pb.Dependency // of the commit that is being read
	sent    time.Time
}

func (t *tieSink) items(c *ordering.Commit, items []placed) error {
	for _, p := range items {
		if d := dependency(c.Index, p.index, p.item); d != nil {
			t.ties = append(t.ties, d)
		}
	}
	return nil
}

func (t *tieSink) commit(_ *ordering.Commit, at position, _ *pb.Proof) error {
	if len(t.ties) == 0 && time.Since(t.sent) < t.beat {
		return nil
	}
	return t.watermark(at, nil)
}

func (t *tieSink) watermark(at position, _ *pb.Proof) error {
	m := &pb.StreamDependenciesResponse{Cursor: encodeCursor(t.server.network, t.scope, at), Watermarks: t.server.watermarks(), Dependencies: t.ties}
	t.ties, t.sent = nil, time.Now()
	return t.server.writeInTime(t.control, func() error { return t.out.Send(m) })
}

// flush has nothing to do: every message goes out at once.
func (t *tieSink) flush() error { return nil }
