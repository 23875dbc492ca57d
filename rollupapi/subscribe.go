package rollupapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// maxSubscriptions is how many streams one WebSocket carries.
const maxSubscriptions = 8

// upgrader turns a request into a WebSocket. Origins were looked at by guard.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: headerTimeout, ReadBufferSize: 4 << 10, WriteBufferSize: 16 << 10, CheckOrigin: func(*http.Request) bool { return true },
}

// session is JSON-RPC over one WebSocket: calls one after the other, and subscriptions beside them.
type session struct {
	server *Server
	rule   dag.NamespaceRule
	client gate.Client
	conn   *websocket.Conn

	writing sync.Mutex

	mu      sync.Mutex
	next    uint64
	streams map[string]context.CancelFunc
	running sync.WaitGroup
}

// rpcSocket serves JSON-RPC for one namespace over a WebSocket, with dunlin_subscribe.
func (s *Server) rpcSocket(w http.ResponseWriter, r *http.Request) error {
	rule, err := s.namespace(r.PathValue("namespace"))
	if err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return refuse(ReasonMethodUnsupported, "send JSON-RPC by POST, or open a WebSocket")
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil // the upgrader has answered
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.WithValue(s.life, clientKey{}, clientOf(r.Context())))
	defer cancel()
	x := &session{server: s, rule: rule, client: clientOf(ctx), conn: conn, streams: map[string]context.CancelFunc{}}
	if !s.join() {
		return nil // the server stops
	}
	defer s.running.Done()
	defer x.running.Wait()
	defer cancel()
	x.running.Go(func() { x.keepAlive(ctx) })
	x.serve(ctx)
	return nil
}

// serve answers calls until the client leaves.
func (x *session) serve(ctx context.Context) {
	x.conn.SetReadLimit(maxBodyBytes)
	alive := func(string) error { return x.conn.SetReadDeadline(time.Now().Add(idleTimeout)) }
	x.conn.SetPongHandler(alive)
	for {
		if alive("") != nil {
			return
		}
		kind, raw, err := x.conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			return
		}
		x.server.gate.Body(x.client, len(raw), time.Now())
		if answer := x.answer(ctx, raw); answer != nil && x.write(answer) != nil {
			return
		}
	}
}

// keepAlive pings the client, and closes the connection when ctx ends.
func (x *session) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(idleTimeout / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if x.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		case <-ctx.Done():
			message := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
			_ = x.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second)) // a courtesy
			_ = x.conn.Close()
			return
		}
	}
}

// answer is what a message of the client is answered; nil for nothing.
func (x *session) answer(ctx context.Context, raw []byte) any {
	requests, batch, refused := parseRPC(raw)
	if refused != nil {
		return rpcResponse{Version: "2.0", ID: nullID, Error: refused}
	}
	answers := x.server.rpcAnswers(ctx, requests, x.call)
	switch {
	case len(answers) == 0:
		return nil
	case batch:
		return answers
	}
	return answers[0]
}

func (x *session) call(ctx context.Context, r *rpcRequest) (any, error) {
	if err := x.server.mayCall(x.client); err != nil {
		return nil, err
	}
	switch r.Method {
	case "dunlin_subscribe":
		return x.subscribe(ctx, r.Params)
	case "dunlin_unsubscribe":
		return x.unsubscribe(r.Params)
	}
	return x.server.rpcCall(ctx, &x.rule, r)
}

// subscribeJSON is the parameter of dunlin_subscribe.
type subscribeJSON struct {
	Cursor      string `json:"cursor"`
	Content     string `json:"content"`
	MinState    string `json:"min_state"`
	HeartbeatMS uint32 `json:"heartbeat_ms"`
}

func (x *session) subscribe(ctx context.Context, params []json.RawMessage) (any, error) {
	var body subscribeJSON
	if len(params) > 1 {
		return nil, refuse(ReasonRequestMalformed, "%d params, want none or one: an object with cursor, content, min_state and heartbeat_ms", len(params))
	}
	if len(params) == 1 {
		if err := strictly(params[0], &body); err != nil {
			return nil, err
		}
	}
	ask := &pb.StreamRequest{Namespaces: []uint64{uint64(x.rule.ID)}, Cursor: body.Cursor, HeartbeatMs: body.HeartbeatMS}
	var err error
	if ask.Content, err = parseContent(body.Content); err != nil {
		return nil, err
	}
	if ask.MinState, err = parseMinState(body.MinState); err != nil {
		return nil, err
	}
	options, err := x.server.streamOptions(ask)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.streams) >= maxSubscriptions {
		return nil, over(ReasonTooManyItems, maxSubscriptions, "%d subscriptions on this connection, which is the limit: open another", maxSubscriptions)
	}
	x.next++
	id := "0x" + strconv.FormatUint(x.next, 16)
	ctx, cancel := context.WithCancel(ctx)
	x.streams[id] = cancel
	x.running.Go(func() { x.stream(ctx, id, options) })
	return id, nil
}

func (x *session) unsubscribe(params []json.RawMessage) (any, error) {
	var id string
	if len(params) != 1 || json.Unmarshal(params[0], &id) != nil {
		return nil, refuse(ReasonRequestMalformed, "want one param: the subscription")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	cancel, ok := x.streams[id]
	if ok {
		cancel()
	}
	return ok, nil
}

// stream carries one subscription to its end, and says why it ended if the client did not end it.
func (x *session) stream(ctx context.Context, id string, options streamOptions) {
	out := &eventSink{server: x.server, options: options, out: &notifier{session: x, id: id}}
	if err := x.server.stream(ctx, options, out); err != nil {
		out.problem(x.server.refusal(err))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.streams[id]()
	delete(x.streams, id)
}

// notifier writes a subscription's events as notifications.
type notifier struct {
	session *session
	id      string
	events  []any
}

func (n *notifier) put(name, cursor string, raw []byte) {
	type result struct {
		Event  string          `json:"event"`
		Cursor string          `json:"cursor,omitempty"`
		Data   json.RawMessage `json:"data"`
	}
	type params struct {
		Subscription string `json:"subscription"`
		Result       result `json:"result"`
	}
	n.events = append(n.events, struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  params `json:"params"`
	}{"2.0", "dunlin_subscription", params{n.id, result{name, cursor, raw}}})
}

func (n *notifier) flush() error {
	events := n.events
	n.events = nil
	return n.session.write(events...)
}

// write sends messages, for all of which together the client has the time that Server.writeInTime gives it for one: a
// batch of events is one there. The connection ends where it does not take them.
func (x *session) write(messages ...any) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	begun := time.Now()
	if err := x.conn.SetWriteDeadline(begun.Add(hardPatience * x.server.patience)); err != nil {
		return fmt.Errorf("bound the reader's time: %w", err)
	}
	for _, message := range messages {
		raw, err := json.Marshal(message)
		if err != nil {
			return fmt.Errorf("encode message: %w", err)
		}
		if err := x.conn.WriteMessage(websocket.TextMessage, raw); err != nil {
			_ = x.conn.Close() // who waits for its next call, too, ends by it
			return err
		}
	}
	if time.Since(begun) > x.server.patience {
		return errReaderSlow
	}
	return nil
}
