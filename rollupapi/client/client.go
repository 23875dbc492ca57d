// Package client talks to Dunlin nodes: it submits transactions, asks what became of them, and
// follows the order across restarts of nodes without gap or repetition.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

const (
	// maxAnswerBytes bounds one message from a node: a range of 4 MiB with its envelopes.
	maxAnswerBytes = 16 << 20
	// originBytes is how many bytes of deals and blocks a client asks for at a time, where it wants a key proven: each comes
	// with no more than one block beyond it.
	originBytes = 8 << 20
	// idleConnections is how many connections are kept to each node: one per call under way.
	idleConnections = 64
	// bufferBytes sizes each connection's buffers, so that a batch takes few system calls.
	bufferBytes = 64 << 10
	// idleTimeout is how long a connection without a call is kept; nodes keep it longer.
	idleTimeout = 90 * time.Second
)

// Client speaks to one or several nodes of a network. Calls go to one node for as long as it
// answers, then to the next. Safe for concurrent use; Close it in the end.
type Client struct {
	endpoints []*endpoint
	current   atomic.Uint32                 // index of the endpoint that is used now, modulo their number
	key       atomic.Pointer[EncryptionKey] // that serves, as far as is known; nil for not asked yet
	trust     *trust
	web       *http.Client
	transport *http.Transport

	lagPatience time.Duration // certifiedPatience
}

// endpoint is one node's API.
type endpoint struct {
	url     string
	ingress dunlinv1connect.IngressClient
	status  dunlinv1connect.StatusClient
	read    dunlinv1connect.ReadClient
}

// Config is what a client stands on.
type Config struct {
	Endpoints []string // of one node's API at least, such as http://127.0.0.1:8645 or just 127.0.0.1:8645
	// Committee is that of the network's genesis file. With it no key is sealed with before its deals are
	// proven to be signed by these validators, and what is followed is proven by their certificates; without it
	// a node that lies about the key can read along, and one can make up the whole order.
	Committee *dag.Committee
	Logger    *slog.Logger // nil for slog.Default
	Token     string       // sent to every endpoint as a bearer token; empty for none
}

// New is NewFrom with endpoints alone: the client takes nodes at their word.
func New(endpoints ...string) (*Client, error) {
	return NewFrom(Config{Endpoints: endpoints})
}

// NewFrom returns a client as the config says. It does not connect yet.
func NewFrom(config Config) (*Client, error) {
	if len(config.Endpoints) == 0 {
		return nil, errors.New("no endpoint: give the URL of at least one node's API")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTimeout,
		DisableCompression: true, ReadBufferSize: bufferBytes, WriteBufferSize: bufferBytes, ForceAttemptHTTP2: true,
	}
	c := &Client{transport: transport, web: &http.Client{Transport: bearer{transport, config.Token}}, trust: newTrust(&config), lagPatience: certifiedPatience}
	for _, text := range config.Endpoints {
		base, err := baseURL(text)
		if err != nil {
			transport.CloseIdleConnections()
			return nil, err
		}
		options := []connect.ClientOption{connect.WithReadMaxBytes(maxAnswerBytes), connect.WithAcceptCompression("gzip", nil, nil)}
		c.endpoints = append(c.endpoints, &endpoint{
			url: base, ingress: dunlinv1connect.NewIngressClient(c.web, base, options...),
			status: dunlinv1connect.NewStatusClient(c.web, base, options...), read: dunlinv1connect.NewReadClient(c.web, base, options...),
		})
	}
	return c, nil
}

// bearer sends a token along.
type bearer struct {
	next  http.RoundTripper
	token string
}

// RoundTrip sends a request.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

func baseURL(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil {
		return "", fmt.Errorf("endpoint %q: %w", text, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("endpoint %q: want http://HOST:PORT or https://HOST", text)
	}
	return u.String(), nil
}

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Endpoint is the URL of the node that is used now.
func (c *Client) Endpoint() string { return c.now().url }

func (c *Client) now() *endpoint {
	return c.endpoints[int(c.current.Load())%len(c.endpoints)]
}

// leave goes on to the next endpoint, unless somebody has left failed already.
func (c *Client) leave(failed *endpoint) {
	at := c.current.Load()
	if c.endpoints[int(at)%len(c.endpoints)] == failed {
		c.current.CompareAndSwap(at, at+1)
	}
}

// try calls one node after the other until one answers. A refusal is an answer, unless the node
// says that it cannot serve now.
func (c *Client) try(ctx context.Context, call func(*endpoint) error) error {
	var err error
	for range c.endpoints {
		e := c.now()
		if err = call(e); err == nil {
			return nil
		}
		err = asError(err)
		if ctx.Err() != nil || !unavailable(err) {
			return err
		}
		c.leave(e)
	}
	return err
}

// unavailable reports whether another node may answer where this one gave err.
func unavailable(err error) bool {
	var e *Error
	return !errors.As(err, &e) || e.Code == connect.CodeUnavailable
}

// Error is what a node refused, and why.
type Error struct {
	Code       connect.Code
	Reason     string // stable, upper case, such as TOO_LARGE
	Message    string // names the limit
	Retryable  bool
	RetryAfter time.Duration
	Limit      uint64 // in the unit of Message; 0 if no limit was passed
}

// Error is the message with its reason.
func (e *Error) Error() string { return e.Message + " (" + e.Reason + ")" }

// asError finds the node's ErrorInfo in a Connect error. What did not come from a node, such as a
// refused connection, is left as it is.
func asError(err error) error {
	var wire *connect.Error
	if !errors.As(err, &wire) {
		return err
	}
	for _, detail := range wire.Details() {
		value, bad := detail.Value()
		if info, ok := value.(*pb.ErrorInfo); bad == nil && ok {
			e := newError(info)
			e.Code = wire.Code()
			return e
		}
	}
	return err
}

func newError(info *pb.ErrorInfo) *Error {
	return &Error{
		Reason: info.GetReason(), Message: info.GetMessage(), Retryable: info.GetRetryable(),
		RetryAfter: time.Duration(info.GetRetryAfterMs()) * time.Millisecond, Limit: info.GetLimit(),
	}
}
