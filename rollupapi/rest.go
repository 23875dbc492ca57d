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
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
	"github.com/dunlin-network/dunlin/rollupapi/receipt"
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
	termsJSON
}

// termsJSON is what all bodies that submit have in common.
type termsJSON struct {
	Wait           string `json:"wait"`
	TimeoutMS      uint32 `json:"timeout_ms"`
	IdempotencyKey string `json:"idempotency_key"`
}

func (j *termsJSON) terms() (terms, error) {
	state, err := parseWait(j.Wait)
	if err != nil {
		return terms{}, err
	}
	w, err := newWait(state, j.TimeoutMS)
	return terms{w, j.IdempotencyKey}, err
}

// parseSubmit reads the body of POST /v1/submit. Errors are Refusals.
func (s *Server) parseSubmit(raw []byte) (*Submission, terms, error) {
	var body submitJSON
	if err := strictly(raw, &body); err != nil {
		return nil, terms{}, err
	}
	if body.Payload != nil && body.Payloads != nil || body.Signature != nil && body.Signatures != nil {
		return nil, terms{}, refuse(ReasonRequestMalformed, "give one of payload and payloads, and one of signature and signatures")
	}
	rule, err := s.namespace(string(body.Namespace))
	if err != nil {
		return nil, terms{}, err
	}
	t, err := body.terms()
	if err != nil {
		return nil, t, err
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
	return sub, t, nil
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
	sub, t, err := s.parseSubmit(raw)
	if err != nil {
		return err
	}
	a, err := s.takeTransactions(r.Context(), sub, maxSubmitItemsJSON, t.under(r))
	if err != nil {
		return err
	}
	return s.writeResults(w, a)
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
	t, err := envelopeOf(q, sub)
	if err != nil {
		return err
	}
	a, err := s.takeTransactions(r.Context(), sub, 1, t.under(r))
	if err != nil {
		return err
	}
	return s.writeResults(w, a)
}

// under takes the idempotency key from the request's header if the body or query has none.
func (t terms) under(r *http.Request) terms {
	if t.key == "" {
		t.key = r.Header.Get("Idempotency-Key")
	}
	return t
}

// envelopeOf reads valid_until_commit, sender, signature, wait, timeout_ms and idempotency_key.
func envelopeOf(q url.Values, sub *Submission) (terms, error) {
	until, err := queryNumber(q, "valid_until_commit", 64)
	if err != nil {
		return terms{}, err
	}
	sub.ValidUntil = dag.CommitIndex(until)
	var sender, signature hexBytes
	if text := q.Get("sender"); text != "" {
		if err := sender.UnmarshalText([]byte(text)); err != nil {
			return terms{}, refuse(ReasonRequestMalformed, "sender: %s", err).at("sender")
		}
		sub.Sender = sender
	}
	if text := q.Get("signature"); text != "" {
		if err := signature.UnmarshalText([]byte(text)); err != nil {
			return terms{}, refuse(ReasonRequestMalformed, "signature: %s", err).at("signature")
		}
		sub.Signatures = [][]byte{signature}
	}
	timeout, err := queryNumber(q, "timeout_ms", 32)
	if err != nil {
		return terms{}, err
	}
	t := termsJSON{Wait: q.Get("wait"), TimeoutMS: uint32(timeout), IdempotencyKey: q.Get("idempotency_key")}
	return t.terms()
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

// queryWord reads true or false of the query; false without it.
func queryWord(q url.Values, name string) (bool, error) {
	switch text := q.Get(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, refuse(ReasonRequestMalformed, "%s=%q is neither true nor false", name, clip(text)).at(name)
	}
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
	Receipt    *receipt.Receipt  `json:"receipt,omitempty"`
	Watermarks watermarksJSON    `json:"watermarks"`
}

// writeResults answers a submission. A single refused transaction is a problem; several answer 200
// with the state of each.
func (s *Server) writeResults(w http.ResponseWriter, a answer) error {
	body := submittedJSON{Receipt: a.receipt, Watermarks: newWatermarksJSON(s.watermarks())}
	if len(a.results) > 1 {
		for i := range a.results {
			body.Items = append(body.Items, newResultJSON(&a.results[i]))
		}
		return writeJSON(w, http.StatusOK, body)
	}
	r := &a.results[0]
	if r.refused != nil {
		p := r.refused.problem()
		if !r.id.IsZero() {
			p.TxID = r.id.String()
		}
		writeProblemBody(w, p)
		return nil
	}
	single := newResultJSON(r)
	body.transactionJSON = &single
	status := http.StatusOK
	if r.state == pb.State_STATE_RECEIVED {
		status = http.StatusAccepted
	}
	return writeJSON(w, status, body)
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
	commit, err := s.commitNamed(r.PathValue("index"))
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

// commitNamed is the commit with a number in text, or the latest.
func (s *Server) commitNamed(text string) (*ordering.Commit, error) {
	if text == "latest" {
		return s.newestCommit()
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return nil, refuse(ReasonRequestMalformed, "%q is neither a commit's number nor latest", clip(text)).at("index")
	}
	return s.commit(dag.CommitIndex(n))
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
	if ask.WithProofs, err = queryWord(q, "with_proofs"); err != nil {
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
		Items      []itemJSON        `json:"items"`
		NextCursor string            `json:"next_cursor"`
		More       bool              `json:"more"`
		Proofs     []*proof.Document `json:"proofs,omitempty"`
		Watermarks watermarksJSON    `json:"watermarks"`
	}{items, answer.GetNextCursor(), answer.GetMore(), s.documents(answer.GetProofs()), newWatermarksJSON(answer.GetWatermarks())})
}
