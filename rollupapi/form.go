package rollupapi

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// hexBytes are bytes that stand as 0x-hex in JSON.
type hexBytes []byte

// MarshalText writes 0x and two digits per byte.
func (h hexBytes) MarshalText() ([]byte, error) {
	out := make([]byte, 2+hex.EncodedLen(len(h)))
	copy(out, "0x")
	hex.Encode(out[2:], h)
	return out, nil
}

// UnmarshalText reads what MarshalText writes, digits in either case.
func (h *hexBytes) UnmarshalText(text []byte) error {
	if len(text) < 2 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X') {
		return fmt.Errorf("%q is not hex with 0x before it", clip(string(text)))
	}
	out := make([]byte, hex.DecodedLen(len(text)-2))
	if _, err := hex.Decode(out, text[2:]); err != nil {
		return fmt.Errorf("%q is not hex: %w", clip(string(text)), err)
	}
	*h = out
	return nil
}

// namespaceName is a namespace in JSON: its number, or its number or name as a string.
type namespaceName string

// UnmarshalJSON reads a number or a string.
func (n *namespaceName) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		*n = namespaceName(text)
		return nil
	}
	var number uint64
	if err := json.Unmarshal(raw, &number); err != nil {
		return fmt.Errorf("namespace %s is neither a number nor a name", clip(string(raw)))
	}
	*n = namespaceName(strconv.FormatUint(number, 10))
	return nil
}

// namespace finds a registered namespace by its decimal id or its name.
func (s *Server) namespace(text string) (dag.NamespaceRule, error) {
	if id, err := strconv.ParseUint(text, 10, 64); err == nil {
		return s.admission.rule(dag.Namespace(id))
	}
	rule, ok := s.backend.Registry.Registry().ByName(text)
	if !ok {
		return rule, refuse(ReasonNamespaceUnknown, "namespace %q is not registered in this network", clip(text)).at("namespace")
	}
	return rule, nil
}

// stateName is a state as the JSON forms write it.
func stateName(s pb.State) string { return strings.TrimPrefix(s.String(), "STATE_") }

// parseWait reads the word of a wait; none is INCLUDED.
func parseWait(word string) (pb.Wait, error) {
	switch strings.ToUpper(word) {
	case "NONE":
		return pb.Wait_WAIT_NONE, nil
	case "RECEIVED":
		return pb.Wait_WAIT_RECEIVED, nil
	case "", "INCLUDED":
		return pb.Wait_WAIT_INCLUDED, nil
	case "COMMITTED":
		return pb.Wait_WAIT_COMMITTED, nil
	case "REVEALED":
		return pb.Wait_WAIT_REVEALED, nil
	case "CERTIFIED":
		return pb.Wait_WAIT_CERTIFIED, nil
	}
	return 0, refuse(ReasonRequestMalformed, "wait %q is none of none, received, included, committed, revealed, certified", clip(word)).at("wait")
}

// parseID reads an item's id with or without 0x.
func parseID(text string) (crypto.Digest, error) {
	id, err := crypto.ParseDigest(strings.ToLower(strings.TrimPrefix(text, "0x")))
	if err != nil {
		return id, refuse(ReasonRequestMalformed, "%q is no transaction id: want 64 hex digits", clip(text)).at("id")
	}
	return id, nil
}

// watermarksJSON is Watermarks in the JSON forms.
type watermarksJSON struct {
	Committed uint64 `json:"committed"`
	Revealed  uint64 `json:"revealed"`
	Certified uint64 `json:"certified"`
	Settled   uint64 `json:"settled"`
	Epoch     uint64 `json:"epoch"`
}

func newWatermarksJSON(w *pb.Watermarks) watermarksJSON {
	return watermarksJSON{w.GetCommitted(), w.GetRevealed(), w.GetCertified(), w.GetSettled(), w.GetEpoch()}
}

// errorJSON is ErrorInfo in the JSON forms.
type errorJSON struct {
	Reason       string `json:"reason"`
	Message      string `json:"message"`
	Retryable    bool   `json:"retryable"`
	RetryAfterMS uint32 `json:"retry_after_ms"`
	Limit        uint64 `json:"limit,omitempty"`
	Field        string `json:"field,omitempty"`
	Cursor       string `json:"cursor,omitempty"`
}

func newErrorJSON(e *pb.ErrorInfo) *errorJSON {
	if e == nil {
		return nil
	}
	return &errorJSON{e.GetReason(), e.GetMessage(), e.GetRetryable(), e.GetRetryAfterMs(), e.GetLimit(), e.GetField(), e.GetCursor()}
}

// transactionJSON is the status of one id in the JSON forms. Commit and index are there once it is
// committed.
type transactionJSON struct {
	TxID       string            `json:"tx_id,omitempty"`
	State      string            `json:"state"`
	Commit     *uint64           `json:"commit,omitempty"`
	Index      *uint32           `json:"index,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Namespace  uint64            `json:"namespace,omitempty"`
	Error      *errorJSON        `json:"error,omitempty"`
	Reveal     *RevealProgress   `json:"reveal,omitempty"`
	Control    string            `json:"control,omitempty"`
	History    []stateChangeJSON `json:"history,omitempty"`
	Watermarks *watermarksJSON   `json:"watermarks,omitempty"`
}

func newTransactionJSON(m *pb.GetResponse) transactionJSON {
	w := newWatermarksJSON(m.GetWatermarks())
	t := transactionJSON{
		TxID: hex.EncodeToString(m.GetId()), State: stateName(m.GetState()), Namespace: m.GetNamespace(), Error: newErrorJSON(m.GetError()),
		Reveal: newRevealForm(m.GetReveal()), Control: m.GetControl(), History: newChangesJSON(m.GetHistory()), Watermarks: &w,
	}
	if m.GetKind() != pb.Kind_KIND_UNSPECIFIED {
		t.Kind = kindName(m.GetKind())
	}
	if placedState(m.GetState()) {
		commit, index := m.GetCommit(), m.GetIndex()
		t.Commit, t.Index = &commit, &index
	}
	return t
}

func newResultJSON(r *result) transactionJSON {
	t := transactionJSON{State: stateName(r.state)}
	if !r.id.IsZero() {
		t.TxID = r.id.String()
	}
	if placedState(r.state) {
		commit, index := uint64(r.at.Commit), r.at.Index
		t.Commit, t.Index = &commit, &index
	}
	if r.refused != nil {
		t.Error = newErrorJSON(r.refused.info())
	}
	return t
}

func kindName(k pb.Kind) string { return strings.TrimPrefix(k.String(), "KIND_") }

// legJSON is a bundle's leg in the JSON forms.
type legJSON struct {
	Namespace uint64   `json:"namespace"`
	Payload   hexBytes `json:"payload"`
}

// itemJSON is one position of the order in the JSON forms.
type itemJSON struct {
	Cursor     string    `json:"cursor"`
	Commit     uint64    `json:"commit"`
	Index      uint32    `json:"index"`
	TxID       string    `json:"tx_id"`
	Namespace  uint64    `json:"namespace"`
	Kind       string    `json:"kind"`
	Payload    hexBytes  `json:"payload,omitempty"`
	Legs       []legJSON `json:"legs,omitempty"`
	ValidUntil uint64    `json:"valid_until_commit"`
	Sender     hexBytes  `json:"sender,omitempty"`
	Signature  hexBytes  `json:"signature,omitempty"`
	Namespaces []uint64  `json:"namespaces,omitempty"`
	Ciphertext hexBytes  `json:"ciphertext,omitempty"`
	Verdict    string    `json:"verdict,omitempty"`
	Opening    hexBytes  `json:"opening,omitempty"`
}

func newItemJSON(m *pb.Item) itemJSON {
	j := itemJSON{
		Cursor: m.GetCursor(), Commit: m.GetCommit(), Index: m.GetIndex(), TxID: hex.EncodeToString(m.GetTxId()), Namespace: m.GetNamespace(),
		Kind: kindName(m.GetKind()), Payload: m.GetPayload(), ValidUntil: m.GetValidUntilCommit(), Sender: m.GetSender(), Signature: m.GetSignature(),
		Namespaces: m.GetNamespaces(), Ciphertext: m.GetCiphertext(), Verdict: verdictName(m.GetVerdict()), Opening: m.GetOpening(),
	}
	for _, l := range m.GetLegs() {
		j.Legs = append(j.Legs, legJSON{l.GetNamespace(), l.GetPayload()})
	}
	return j
}

// commitJSON is a commit's header in the JSON forms. Refs are written like B3#9f2a in full length.
type commitJSON struct {
	Index         uint64   `json:"index"`
	Digest        string   `json:"digest"`
	Previous      string   `json:"previous"`
	Epoch         uint64   `json:"epoch"`
	Round         uint64   `json:"round"`
	Time          uint64   `json:"time_unix_ms"`
	Anchors       []string `json:"anchors"`
	Blocks        []string `json:"blocks,omitempty"`
	DAGRoot       string   `json:"dag_root"`
	OrderRoot     string   `json:"order_root"`
	NamespaceRoot string   `json:"namespace_root"`
	ChainRoot     string   `json:"chain_root"`
	StateDigest   string   `json:"state_digest"`
	Items         uint32   `json:"items"`
	Legs          uint32   `json:"legs"`
	Dropped       uint32   `json:"dropped"`
}

func newCommitJSON(m *pb.CommitHeader) commitJSON {
	return commitJSON{
		Index: m.GetIndex(), Digest: hex.EncodeToString(m.GetDigest()), Previous: hex.EncodeToString(m.GetPrevious()), Epoch: m.GetEpoch(),
		Round: m.GetRound(), Time: m.GetTimeUnixMs(), Anchors: refNames(m.GetAnchors()), Blocks: refNames(m.GetBlocks()),
		DAGRoot: hex.EncodeToString(m.GetDagRoot()), OrderRoot: hex.EncodeToString(m.GetOrderRoot()), NamespaceRoot: hex.EncodeToString(m.GetNamespaceRoot()),
		ChainRoot: hex.EncodeToString(m.GetChainRoot()), StateDigest: hex.EncodeToString(m.GetStateDigest()), Items: m.GetItems(), Legs: m.GetLegs(), Dropped: m.GetDropped(),
	}
}

func refNames(refs []*pb.BlockRef) []string {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = dag.Slot{Round: dag.Round(r.GetRound()), Author: dag.Author(r.GetAuthor())}.String() + "#" + hex.EncodeToString(r.GetDigest())
	}
	return names
}

func writeJSON(w http.ResponseWriter, status int, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n')) // a client that left has no use for the error
	return nil
}

func writeProblem(w http.ResponseWriter, r *Refusal) {
	writeProblemBody(w, r.problem())
}

func writeProblemBody(w http.ResponseWriter, p problem) {
	raw, err := json.Marshal(p)
	if err != nil {
		panic("rollupapi: problem does not encode: " + err.Error())
	}
	if p.Retryable && (p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable) {
		w.Header().Set("Retry-After", strconv.FormatInt((p.RetryAfterMS+999)/1000, 10))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(raw, '\n')) // a client that left has no use for the error
}
