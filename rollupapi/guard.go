package rollupapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/rollupapi/gate"
)

// guard lets those in who may call, and bounds what a request may take.
func (s *Server) guard(next http.Handler) http.Handler {
	held := new(atomic.Int64)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		pass, read := s.gate.Origin(r)
		if read {
			allowOrigin(w.Header(), r.Header.Get("Origin"))
		}
		if pass && r.Method == http.MethodOptions && s.gate.Host(r) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		client, err := s.enter(r, pass)
		if err != nil {
			s.turnAway(w, r, s.refusal(err))
			return
		}
		control := http.NewResponseController(w)
		if r.ContentLength != 0 {
			body := &timedBody{control: control, held: held, ReadCloser: http.MaxBytesReader(w, r.Body, maxBodyBytes)}
			body.count = func(n int) { s.gate.Body(client, n, time.Now()) }
			defer body.release()
			r.Body = body
		}
		ctx := context.WithValue(context.WithValue(r.Context(), controlKey{}, control), clientKey{}, client)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// allowOrigin lets a page read the answer.
func allowOrigin(header http.Header, origin string) {
	header.Set("Access-Control-Allow-Origin", origin)
	header.Add("Vary", "Origin")
	header.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Connect-Protocol-Version, Connect-Timeout-Ms, Connect-Accept-Encoding, Connect-Content-Encoding, Grpc-Timeout, X-Grpc-Web, X-User-Agent")
	header.Set("Access-Control-Expose-Headers", "Retry-After, Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin")
	header.Set("Access-Control-Max-Age", "600")
}

// enter says who calls, unless the call may not go on. Errors are Refusals.
func (s *Server) enter(r *http.Request, origin bool) (gate.Client, error) {
	if !s.gate.Host(r) {
		return gate.Client{}, refuse(ReasonHostForbidden, "this node does not go by the name %q: call it by its IP address or as localhost", clip(r.Host))
	}
	if !origin {
		return gate.Client{}, refuse(ReasonOriginForbidden, "web pages of %q may not call this node", clip(r.Header.Get("Origin")))
	}
	client, err := s.gate.Identify(r)
	if err != nil {
		return client, refuse(ReasonUnauthenticated, "%s: send Authorization: Bearer and one", err)
	}
	return client, s.mayCall(client)
}

// mayCall counts one request of a client.
func (s *Server) mayCall(client gate.Client) error {
	wait, limit := s.gate.Request(client, time.Now())
	if wait <= 0 {
		return nil
	}
	r := over(ReasonRateLimited, limit, "%s has used up what it may do, come again in %v", client.Name, wait.Round(time.Millisecond))
	r.Again = max(wait, time.Millisecond)
	return r
}

// turnAway refuses a request that reaches no handler, in the words of the protocol that it came by.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, refused *Refusal) {
	if refused.Reason == ReasonUnauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="dunlin"`)
	}
	service, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if strings.Contains(service, ".") && s.errors.IsSupported(r) {
		_ = s.errors.Write(w, r, refused.connectError()) // a client that left has no use for the error
		return
	}
	writeProblem(w, refused)
}

// newErrorWriter writes errors as Connect, gRPC and gRPC-web have them.
func newErrorWriter() *connect.ErrorWriter { return connect.NewErrorWriter() }

// timedBody bounds the time that a body may take, from its first read to its end. The deadline is
// lifted then: it would otherwise end a call that waits, or a stream. What was read counts among the
// held bytes of all bodies until release.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
	started bool
	held    *atomic.Int64
	read    int64
	count   func(n int) // told of what was read; nil for nobody
}

func (b *timedBody) release() { b.held.Add(-b.read) }

// Read reads on, within the time left.
func (b *timedBody) Read(p []byte) (int, error) {
	if !b.started {
		b.started = true
		if err := b.control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
			return 0, fmt.Errorf("bound the body's time: %w", err)
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if b.count != nil {
		b.count(n)
	}
	if b.held.Add(int64(n)) > maxHeldBytes && n > 0 {
		err = over(ReasonBusy, maxHeldBytes, "requests of more than %d bytes are being answered", maxHeldBytes).connectError()
	}
	if err != nil {
		if lift := b.control.SetReadDeadline(time.Time{}); lift != nil {
			return n, fmt.Errorf("lift the body's bound: %w", lift)
		}
	}
	return n, err
}

// clientKey is where guard leaves who calls.
type clientKey struct{}

// clientOf is who calls, as guard left it in the request's context.
func clientOf(ctx context.Context) gate.Client {
	client, _ := ctx.Value(clientKey{}).(gate.Client)
	return client
}

// controlKey is where guard leaves the response's controller for streams.
type controlKey struct{}

// controlOf is the response's controller that guard left in the request's context.
func controlOf(ctx context.Context) *http.ResponseController {
	control, ok := ctx.Value(controlKey{}).(*http.ResponseController)
	if !ok {
		panic("rollupapi: request did not pass guard")
	}
	return control
}

// errReaderSlow is what a write ends with that its reader has taken, but late.
var errReaderSlow = errors.New("the reader is slow")

// hardPatience is how many times longer than a slow reader may take for a message it has until it is given up.
const hardPatience = 3

// writeInTime runs a write to a stream's reader. It fails with errReaderSlow if the reader took it later than it
// should, and otherwise if it does not take it at all. The deadline is lifted afterwards: HTTP/2 would end a
// quiet stream by it.
func (s *Server) writeInTime(control *http.ResponseController, write func() error) error {
	begun := time.Now()
	if err := control.SetWriteDeadline(begun.Add(hardPatience * s.patience)); err != nil {
		return fmt.Errorf("bound the reader's time: %w", err)
	}
	if err := write(); err != nil {
		return err
	}
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift the reader's bound: %w", err)
	}
	if time.Since(begun) > s.patience {
		return errReaderSlow
	}
	return nil
}

// pushedBack is err, or the refusal that sends a slow reader back with its cursor, behind what it has taken.
func pushedBack(err error, cursor string) error {
	if !errors.Is(err, errReaderSlow) {
		return err
	}
	r := refuse(ReasonPushedBack, "the reader takes too long for a message: read on from the cursor when there is time")
	r.Cursor = cursor
	return r
}
