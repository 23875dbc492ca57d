package rollupapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// submitJSON is the body of POST /v1/submit. Either payload or payloads is given, and with it
// either signature or signatures, or none.
type submitJSON struct {
	Namespace  namespaceName `json:"namespace"`
	Payload    hexBytes      `json:"payload"`
	Payloads   []hexBytes    `json:"payloads"`
	ValidUntil uint64        `json:"valid_until_commit"`
	Sender     hexBytes      `json:"sender"`
	Signature  hexBytes      `json:"signature"`
	Signatures []hexBytes    `json:"signatures"`
	Wait       string        `json:"wait"`
	TimeoutMS  uint32        `json:"timeout_ms"`
}

// parseSubmit reads the body of POST /v1/submit. Errors are Refusals.
func (s *Server) parseSubmit(raw []byte) (*Submission, waitFor, error) {
	var body submitJSON
	if err := strictly(raw, &body); err != nil {
		return nil, waitFor{}, err
	}
	if body.Payload != nil && body.Payloads != nil || body.Signature != nil && body.Signatures != nil {
		return nil, waitFor{}, refuse(ReasonRequestMalformed, "give one of payload and payloads, and one of signature and signatures")
	}
	rule, err := s.namespace(string(body.Namespace))
	if err != nil {
		return nil, waitFor{}, err
	}
	state, err := parseWait(body.Wait)
	if err != nil {
		return nil, waitFor{}, err
	}
	w, err := newWait(state, body.TimeoutMS)
	if err != nil {
		return nil, w, err
	}
	sub := &Submission{Namespace: rule.ID, ValidUntil: dag.CommitIndex(body.ValidUntil), Sender: body.Sender}
	if body.Payload != nil {
		body.Payloads = []hexBytes{body.Payload}
	}
	for _, p := range body.Payloads {
		sub.Payloads = append(sub.Payloads, p)
	}
	if body.Signature != nil {
		body.Signatures = []hexBytes{body.Signature}
	}
	for _, sig := range body.Signatures {
		sub.Signatures = append(sub.Signatures, sig)
	}
	return sub, w, nil
}

// strictly reads one JSON object whose fields are all known. Errors are Refusals.
func strictly(raw []byte, into any) error {
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(into); err != nil {
		return refuse(ReasonRequestMalformed, "body: %s", clip(err.Error()))
	}
	if strict.More() {
		return refuse(ReasonRequestMalformed, "body: something follows the JSON object")
	}
	return nil
}

func (s *Server) restSubmit(w http.ResponseWriter, r *http.Request) error {
	raw, err := readBody(r, maxBodyBytes)
	if err != nil {
		return err
	}
	sub, wait, err := s.parseSubmit(raw)
	if err != nil {
		return err
	}
	results, err := s.submitTransactions(r.Context(), sub, maxSubmitItemsJSON, wait)
	if err != nil {
		return err
	}
	return s.writeResults(w, results)
}

// restSubmitRaw takes the body as one transaction; the envelope stands in the query.
func (s *Server) restSubmitRaw(w http.ResponseWriter, r *http.Request) error {
	rule, err := s.namespace(r.PathValue("namespace"))
	if err != nil {
		return err
	}
	payload, err := readBody(r, dag.MaxTransactionBytes)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	sub := &Submission{Namespace: rule.ID, Payloads: [][]byte{payload}}
	wait, err := envelopeOf(q, sub)
	if err != nil {
		return err
	}
	results, err := s.submitTransactions(r.Context(), sub, 1, wait)
	if err != nil {
		return err
	}
	return s.writeResults(w, results)
}

// envelopeOf reads valid_until_commit, sender, signature, wait and timeout_ms.
func envelopeOf(q url.Values, sub *Submission) (waitFor, error) {
	until, err := queryNumber(q, "valid_until_commit", 64)
	if err != nil {
		return waitFor{}, err
	}
	sub.ValidUntil = dag.CommitIndex(until)
	var sender, signature hexBytes
	if text := q.Get("sender"); text != "" {
		if err := sender.UnmarshalText([]byte(text)); err != nil {
			return waitFor{}, refuse(ReasonRequestMalformed, "sender: %s", err).at("sender")
		}
		sub.Sender = sender
	}
	if text := q.Get("signature"); text != "" {
		if err := signature.UnmarshalText([]byte(text)); err != nil {
			return waitFor{}, refuse(ReasonRequestMalformed, "signature: %s", err).at("signature")
		}
		sub.Signatures = [][]byte{signature}
	}
	state, err := parseWait(q.Get("wait"))
	if err != nil {
		return waitFor{}, err
	}
	timeout, err := queryNumber(q, "timeout_ms", 32)
	if err != nil {
		return waitFor{}, err
	}
	return newWait(state, uint32(timeout))
}

// queryNumber reads a number of the query; 0 without it.
func queryNumber(q url.Values, name string, bits int) (uint64, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return 0, refuse(ReasonRequestMalformed, "%s=%q is not a number of %d bits", name, clip(text), bits).at(name)
	}
	return n, nil
}

// readBody reads a request's body up to a limit.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	var large *http.MaxBytesError
	switch {
	case isRefusal(err):
		return nil, err
	case int64(len(raw)) > limit, errors.As(err, &large):
		return nil, over(ReasonTooLarge, int(limit), "request body is larger than %d bytes", limit)
	case err == nil:
		return raw, nil
	}
	return nil, refuse(ReasonRequestMalformed, "the body did not arrive whole within %s", bodyTimeout)
}

// submittedJSON is the answer to both ways of submitting: the single result's fields, or items.
type submittedJSON struct {
	*transactionJSON
	Items      []transactionJSON `json:"items,omitempty"`
	Watermarks watermarksJSON    `json:"watermarks"`
}

// writeResults answers a submission. A single refused transaction is a problem; several answer 200
// with the state of each.
func (s *Server) writeResults(w http.ResponseWriter, results []result) error {
	answer := submittedJSON{Watermarks: newWatermarksJSON(s.watermarks())}
	if len(results) > 1 {
		for i := range results {
			answer.Items = append(answer.Items, newResultJSON(&results[i]))
		}
		return writeJSON(w, http.StatusOK, answer)
	}
	r := &results[0]
	if r.refused != nil {
		p := r.refused.problem()
		if !r.id.IsZero() {
			p.TxID = r.id.String()
		}
		writeProblemBody(w, p)
		return nil
	}
	single := newResultJSON(r)
	answer.transactionJSON = &single
	status := http.StatusOK
	if r.state == pb.State_STATE_RECEIVED {
		status = http.StatusAccepted
	}
	return writeJSON(w, status, answer)
}

func (s *Server) restTransaction(w http.ResponseWriter, r *http.Request) error {
	id, err := parseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	answer, err := s.transactionByAnyID(id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, newTransactionJSON(answer))
}

// transactionByAnyID takes an item's id, or the hash of an Ethereum transaction that lately came
// through this node's JSON-RPC.
func (s *Server) transactionByAnyID(id crypto.Digest) (*pb.GetResponse, error) {
	if known, ok := s.hashes.find(id); ok {
		id = known
	}
	return s.transaction(id)
}

func (s *Server) restStatus(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, s.nodeStatus())
}

func (s *Server) restCommit(w http.ResponseWriter, r *http.Request) error {
	text := r.PathValue("index")
	index := s.backend.History.Heads().Committed
	if text != "latest" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return refuse(ReasonRequestMalformed, "%q is neither a commit's number nor latest", clip(text)).at("index")
		}
		index = dag.CommitIndex(n)
	}
	commit, err := s.commit(index)
	if err != nil {
		return err
	}
	header := commitHeader(commit)
	header.Blocks = blockRefs(commit.Blocks)
	return writeJSON(w, http.StatusOK, struct {
		commitJSON
		Watermarks watermarksJSON `json:"watermarks"`
	}{newCommitJSON(header), newWatermarksJSON(s.watermarks())})
}

func (s *Server) restRange(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	ask := &pb.RangeRequest{Cursor: q.Get("cursor")}
	if text := r.PathValue("namespace"); text != "all" {
		rule, err := s.namespace(text)
		if err != nil {
			return err
		}
		ask.Namespaces = []uint64{uint64(rule.ID)}
	}
	limit, err := queryNumber(q, "limit", 32)
	if err != nil {
		return err
	}
	ask.MaxItems = uint32(limit)
	if ask.MinState, err = parseMinState(q.Get("min_state")); err != nil {
		return err
	}
	answer, err := s.readRange(ask)
	if err != nil {
		return fmt.Errorf("read range: %w", err)
	}
	items := make([]itemJSON, len(answer.GetItems()))
	for i, item := range answer.GetItems() {
		items[i] = newItemJSON(item)
	}
	return writeJSON(w, http.StatusOK, struct {
		Items      []itemJSON     `json:"items"`
		NextCursor string         `json:"next_cursor"`
		More       bool           `json:"more"`
		Watermarks watermarksJSON `json:"watermarks"`
	}{items, answer.GetNextCursor(), answer.GetMore(), newWatermarksJSON(answer.GetWatermarks())})
}
