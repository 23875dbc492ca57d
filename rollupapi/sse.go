package rollupapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// restStream serves a stream as server-sent events (item, commit, watermark), whose ids are
// cursors: a browser that reconnects goes on where it was by Last-Event-ID.
func (s *Server) restStream(w http.ResponseWriter, r *http.Request) error {
	ask, err := s.streamAsked(r)
	if err != nil {
		return err
	}
	options, err := s.streamOptions(ask)
	if err != nil {
		return err
	}
	page := &eventPage{server: s, w: w, control: controlOf(r.Context())}
	out := &eventSink{server: s, options: options, out: page}
	err = s.stream(r.Context(), options, out)
	if err != nil && page.begun {
		out.problem(s.refusal(err)) // the status line has gone out
		return nil
	}
	return err
}

// restWatch tells what becomes of the ids that the query names (?id=, repeated), as server-sent events
// (status, watermark).
func (s *Server) restWatch(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if len(q["id"]) > maxWatched {
		return over(ReasonTooManyItems, maxWatched, "%d ids, want 1 to %d", len(q["id"]), maxWatched).at("id")
	}
	var raw [][]byte
	for _, text := range q["id"] {
		id, err := parseID(text)
		if err != nil {
			return err
		}
		if known, ok := s.hashes.find(id); ok {
			id = known
		}
		raw = append(raw, id[:])
	}
	ids, err := watchIDs(raw)
	if err != nil {
		return err
	}
	beat, err := queryNumber(q, "heartbeat_ms", 32)
	if err != nil {
		return err
	}
	page := &eventPage{server: s, w: w, control: controlOf(r.Context())}
	out := &eventSink{server: s, out: page}
	err = s.watch(r.Context(), ids, heartbeat(uint32(beat)), out.status)
	if err != nil && page.begun {
		out.problem(s.refusal(err)) // the status line has gone out
		return nil
	}
	return err
}

// status writes an event of a watch.
func (e *eventSink) status(m *pb.WatchResponse) error {
	if m.GetStatus() == nil {
		e.event("watermark", "", newWatermarksJSON(m.GetWatermarks()))
	} else {
		e.event("status", "", newTransactionJSON(m.GetStatus()))
	}
	return e.flush()
}

// streamAsked reads the query: namespace (repeated, an id, a name or all), cursor, content,
// min_state, with_proofs, heartbeat_ms. A Last-Event-ID goes before the cursor, which is where the first connection began.
func (s *Server) streamAsked(r *http.Request) (*pb.StreamRequest, error) {
	q := r.URL.Query()
	ask := &pb.StreamRequest{Cursor: q.Get("cursor")}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		ask.Cursor = last
	}
	names := q["namespace"]
	if len(names) > maxNamespaces {
		return nil, over(ReasonTooManyItems, maxNamespaces, "%d namespaces, limit %d: ask for all", len(names), maxNamespaces).at("namespace")
	}
	for _, name := range names {
		if name == "all" && len(names) == 1 {
			break
		}
		rule, err := s.namespace(name)
		if err != nil {
			return nil, err
		}
		ask.Namespaces = append(ask.Namespaces, uint64(rule.ID))
	}
	var err error
	if ask.Content, err = parseContent(q.Get("content")); err != nil {
		return nil, err
	}
	if ask.MinState, err = parseMinState(q.Get("min_state")); err != nil {
		return nil, err
	}
	if ask.WithProofs, err = queryWord(q, "with_proofs"); err != nil {
		return nil, err
	}
	beat, err := queryNumber(q, "heartbeat_ms", 32)
	ask.HeartbeatMs = uint32(beat)
	return ask, err
}

// parseContent reads the word of a content; none leaves it open.
func parseContent(word string) (pb.Content, error) {
	if word == "" {
		return pb.Content_CONTENT_UNSPECIFIED, nil
	}
	content, ok := pb.Content_value["CONTENT_"+strings.ToUpper(word)]
	if !ok || content == 0 {
		return 0, refuse(ReasonRequestMalformed, "content %q is none of items, ids, commits", clip(word)).at("content")
	}
	return pb.Content(content), nil
}

// eventSink writes events in the JSON forms.
type eventSink struct {
	server  *Server
	options streamOptions
	out     eventWriter
	last    string // the newest event's cursor
	held    int    // bytes that were put and not sent
}

// eventWriter takes events in JSON, and sends what it has. Cursors are empty where an event has none.
type eventWriter interface {
	put(name, cursor string, body []byte)
	flush() error
}

func (e *eventSink) items(c *ordering.Commit, items []placed) error {
	for i := range items {
		p := &items[i]
		at := p.behind(c.Index)
		e.put("item", encodeCursor(e.server.network, e.options.scope, at), e.shared(at, func() []byte {
			if e.options.content == pb.Content_CONTENT_IDS {
				return encodeJSON(idJSON{uint64(c.Index), p.index, p.item.ID.String(), uint64(p.item.Namespace), kindName(pb.Kind(p.item.Kind)), verdictName(p.verdict())})
			}
			return encodeJSON(newItemJSON(e.server.item(c, *p, e.options.scope)))
		}))
	}
	return e.flushFull()
}

// shared is an event in JSON, which is made once for all readers of the same stream.
func (e *eventSink) shared(at position, encode func() []byte) []byte {
	key := encodedKey{at: at, options: uint8(e.options.content)<<4 | uint8(e.options.state)}
	if len(e.options.scope) == 1 {
		key.one, key.namespace = true, e.options.scope[0]
	}
	return e.server.encoded.get(key, encode)
}

// idJSON is an item without its content.
type idJSON struct {
	Commit    uint64 `json:"commit"`
	Index     uint32 `json:"index"`
	TxID      string `json:"tx_id"`
	Namespace uint64 `json:"namespace"`
	Kind      string `json:"kind"`
	Verdict   string `json:"verdict,omitempty"`
}

func (e *eventSink) commit(c *ordering.Commit, at position, shown *pb.Proof) error {
	cursor := encodeCursor(e.server.network, e.options.scope, at)
	if shown == nil {
		e.put("commit", cursor, e.shared(at, func() []byte { return encodeJSON(newCommitJSON(commitHeader(c))) }))
		return e.flushFull()
	}
	e.event("commit", cursor, struct {
		commitJSON
		Proof *proof.Document `json:"proof,omitempty"`
	}{newCommitJSON(commitHeader(c)), e.server.document(shown)})
	return e.flushFull()
}

func (e *eventSink) watermark(at position, shown *pb.Proof) error {
	cursor := encodeCursor(e.server.network, e.options.scope, at)
	e.event("watermark", cursor, struct {
		Cursor string `json:"cursor"`
		watermarksJSON
		Proof *proof.Document `json:"proof,omitempty"`
	}{cursor, newWatermarksJSON(e.server.watermarks()), e.server.documentOr(shown)})
	return e.flush()
}

// problem ends the stream with the reason.
func (e *eventSink) problem(r *Refusal) {
	e.event("problem", "", r.problem())
	_ = e.flush() // the stream ends here in any case
}

func (e *eventSink) event(name, id string, body any) { e.put(name, id, encodeJSON(body)) }

func (e *eventSink) put(name, id string, raw []byte) {
	if id != "" {
		e.last = id
	}
	e.held += len(raw)
	e.out.put(name, id, raw)
}

// flushFull sends what is held once it is a full batch; what is less goes out when the reader is at the head.
func (e *eventSink) flushFull() error {
	if e.held < maxBatchBytes {
		return nil
	}
	return e.flush()
}

func (e *eventSink) flush() error {
	e.held = 0
	return pushedBack(e.out.flush(), e.last)
}

// encodeJSON encodes what can always be.
func encodeJSON(body any) []byte {
	raw, err := json.Marshal(body)
	if err != nil {
		panic("rollupapi: event does not encode: " + err.Error())
	}
	return raw
}

// eventPage writes server-sent events.
type eventPage struct {
	server  *Server
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	buffer  bytes.Buffer
}

func (e *eventPage) put(name, id string, raw []byte) {
	e.buffer.WriteString("event: " + name + "\n")
	if id != "" {
		e.buffer.WriteString("id: " + id + "\n")
	}
	e.buffer.WriteString("data: ")
	e.buffer.Write(raw)
	e.buffer.WriteString("\n\n")
}

// keptBuffer is how large a reader's buffer may be while it waits; one that caught up has had a whole batch in it.
const keptBuffer = 16 << 10

// empty makes room for the next events.
func (e *eventPage) empty() {
	e.buffer.Reset()
	if e.buffer.Cap() > keptBuffer {
		e.buffer = bytes.Buffer{}
	}
}

func (e *eventPage) flush() error {
	if !e.begun {
		e.begun = true
		header := e.w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Accel-Buffering", "no") // proxies must not hold events back
	}
	defer e.empty()
	return e.server.writeInTime(e.control, func() error {
		if _, err := e.w.Write(e.buffer.Bytes()); err != nil {
			return err
		}
		return e.control.Flush()
	})
}
