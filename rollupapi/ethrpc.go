package rollupapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/execution"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// rpcRequest is one JSON-RPC 2.0 request. Without an id it is a notification, which is not answered.
type rpcRequest struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

type rpcResponse struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"` // *errorJSON, or what an execution client says
}

var nullID = json.RawMessage("null")

// rpc serves JSON-RPC for one namespace, so that wallets can send. Answers have status 200, as
// JSON-RPC over HTTP has them, whatever they say.
func (s *Server) rpc(w http.ResponseWriter, r *http.Request) error {
	rule, err := s.namespace(r.PathValue("namespace"))
	if err != nil {
		return err
	}
	raw, err := readBody(r, maxBodyBytes)
	if err != nil {
		return err
	}
	requests, batch, refused := parseRPC(raw)
	if refused != nil {
		return writeJSON(w, http.StatusOK, rpcResponse{Version: "2.0", ID: nullID, Error: refused})
	}
	counted := true // the first by guard
	answers := s.rpcAnswers(r.Context(), requests, func(ctx context.Context, q *rpcRequest) (any, error) {
		if !counted {
			if err := s.mayCall(clientOf(ctx)); err != nil {
				return nil, err
			}
		}
		counted = false
		return s.rpcCall(ctx, &rule, q)
	})
	switch {
	case len(answers) == 0:
		w.WriteHeader(http.StatusNoContent)
		return nil
	case batch:
		return writeJSON(w, http.StatusOK, answers)
	}
	return writeJSON(w, http.StatusOK, answers[0])
}

// parseRPC reads one request or a batch of them, and says which it was.
func parseRPC(raw []byte) (requests []rpcRequest, batch bool, refused *rpcError) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '[' {
		var one rpcRequest
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, false, unreadable(raw)
		}
		return []rpcRequest{one}, false, nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, true, unreadable(raw)
	}
	if len(parts) == 0 || len(parts) > maxRPCBatch {
		r := over(ReasonTooManyItems, maxRPCBatch, "batch of %d requests, want 1 to %d", len(parts), maxRPCBatch)
		return nil, true, &rpcError{Code: rpcInvalid, Message: r.Message, Data: newErrorJSON(r.info())}
	}
	requests = make([]rpcRequest, len(parts))
	for i, part := range parts {
		if err := json.Unmarshal(part, &requests[i]); err != nil {
			requests[i] = rpcRequest{ID: nullID} // answered as an invalid request
		}
	}
	return requests, true, nil
}

func unreadable(raw []byte) *rpcError {
	if json.Valid(raw) {
		return &rpcError{Code: rpcInvalid, Message: `want {"jsonrpc":"2.0","id":1,"method":"...","params":[...]} or a batch of such`}
	}
	return &rpcError{Code: rpcParse, Message: "the body is not JSON"}
}

// rpcAnswers answers requests by calls, one after the other, and leaves out notifications. What execution clients say is
// held until the last has been answered: beyond a bound no more are asked.
func (s *Server) rpcAnswers(ctx context.Context, requests []rpcRequest, call func(context.Context, *rpcRequest) (any, error)) []rpcResponse {
	answers, held := make([]rpcResponse, 0, len(requests)), 0
	bounded := func(ctx context.Context, q *rpcRequest) (any, error) {
		if held > maxRPCAnswerBytes {
			return nil, over(ReasonTooLarge, maxRPCAnswerBytes, "the batch's answers take more than %d bytes: ask for the rest in another", maxRPCAnswerBytes)
		}
		return call(ctx, q)
	}
	for i := range requests {
		answer := s.rpcAnswerWith(ctx, &requests[i], bounded)
		if requests[i].ID == nil {
			continue
		}
		if theirs, ok := answer.Result.(json.RawMessage); ok {
			held += len(theirs)
		}
		answers = append(answers, answer)
	}
	return answers
}

// rpcAnswerWith answers one request by a call.
func (s *Server) rpcAnswerWith(ctx context.Context, r *rpcRequest, call func(context.Context, *rpcRequest) (any, error)) rpcResponse {
	answer := rpcResponse{Version: "2.0", ID: r.ID}
	if r.Version != "2.0" || r.Method == "" {
		answer.Error = &rpcError{Code: rpcInvalid, Message: `want "jsonrpc":"2.0" and a method`}
		return answer
	}
	result, err := call(ctx, r)
	var theirs *execution.Error
	switch {
	case errors.As(err, &theirs):
		answer.Error = &rpcError{Code: theirs.Code, Message: theirs.Message}
		if theirs.Data != nil {
			answer.Error.Data = theirs.Data
		}
	case err != nil:
		refused := s.refusal(err)
		answer.Error = &rpcError{Code: classes[refused.Reason].rpc, Message: refused.Message, Data: newErrorJSON(refused.info())}
	default:
		answer.Result = result
	}
	return answer
}

// rpcMethods are the methods that the node answers itself, for all namespaces.
const rpcMethods = "eth_chainId, net_version, eth_sendRawTransaction, dunlin_sendBundle, dunlin_sendEncryptedTransaction, dunlin_encryptionKey, dunlin_transactionStatus, dunlin_getProof, and over a WebSocket dunlin_subscribe and dunlin_unsubscribe"

func (s *Server) rpcCall(ctx context.Context, rule *dag.NamespaceRule, r *rpcRequest) (any, error) {
	switch r.Method {
	case "eth_chainId":
		return "0x" + strconv.FormatUint(rule.ChainID, 16), notEthereum(rule)
	case "net_version":
		return strconv.FormatUint(rule.ChainID, 10), notEthereum(rule)
	case "eth_sendRawTransaction":
		return s.sendRawTransaction(ctx, rule, r.Params)
	case "dunlin_sendBundle":
		return s.rpcSendBundle(ctx, rule, r.Params)
	case "dunlin_sendEncryptedTransaction":
		return s.rpcSendEncrypted(ctx, rule, r.Params)
	case "dunlin_encryptionKey":
		return s.rpcEncryptionKey(r.Params)
	case "dunlin_transactionStatus":
		return s.rpcStatus(r.Params)
	case "dunlin_getProof":
		return s.rpcGetProof(rule, r.Params)
	case "dunlin_subscribe", "dunlin_unsubscribe":
		return nil, refuse(ReasonMethodUnsupported, "%s needs a WebSocket at this address; GET /v1/stream does the same over HTTP", r.Method)
	}
	return s.rpcPassOn(ctx, rule, r)
}

// rpcPassOn asks the namespace's execution client, if the node knows one.
func (s *Server) rpcPassOn(ctx context.Context, rule *dag.NamespaceRule, r *rpcRequest) (any, error) {
	if !execution.Allowed(r.Method) {
		return nil, refuse(ReasonMethodUnsupported, "there is no method %q: here are %s", clip(r.Method), rpcMethods)
	}
	to, ok := "", false
	if s.backend.Execution != nil {
		to, ok = s.backend.Execution.Of(strconv.FormatUint(uint64(rule.ID), 10), rule.Name)
	}
	if !ok {
		return nil, refuse(ReasonMethodUnsupported, "%s asks for a rollup's state, which its sequencer does not have, and this node knows no execution client of namespace %d: ask the rollup's own node; here are %s", clip(r.Method), rule.ID, rpcMethods)
	}
	result, err := s.backend.Execution.Call(ctx, to, r.Method, r.Params)
	if errors.Is(err, execution.ErrUnavailable) {
		return nil, refuse(ReasonExecutionUnavailable, "%s", err)
	}
	return result, err
}

// notEthereum refuses what needs a chain id.
func notEthereum(rule *dag.NamespaceRule) error {
	if rule.Scheme == dag.SchemeEthereum {
		return nil
	}
	return refuse(ReasonMethodUnsupported, "namespace %d is of scheme %s and knows no Ethereum transactions", rule.ID, rule.Scheme)
}

// sendRawTransaction submits a transaction and answers its Ethereum hash once it is in a block on
// disk; sent again, it answers the same.
func (s *Server) sendRawTransaction(ctx context.Context, rule *dag.NamespaceRule, params []json.RawMessage) (any, error) {
	if err := notEthereum(rule); err != nil {
		return nil, err
	}
	payload, err := onlyParam(params)
	if err != nil {
		return nil, err
	}
	w, err := newWait(pb.Wait_WAIT_INCLUDED, 0)
	if err != nil {
		return nil, err
	}
	a, err := s.takeTransactions(ctx, &Submission{Namespace: rule.ID, Payloads: [][]byte{payload}}, 1, terms{wait: w})
	if err != nil {
		return nil, err
	}
	switch r := &a.results[0]; {
	case r.refused != nil:
		return nil, r.refused
	case r.state == pb.State_STATE_RECEIVED:
		return nil, refuse(ReasonBusy, "the transaction was taken but is in no block yet: send it again or ask for its status, %s", r.id)
	}
	tx, err := decodeEthereum(payload)
	if err != nil {
		return nil, fmt.Errorf("decode admitted transaction: %w", err)
	}
	s.hashes.add(crypto.Digest(tx.Hash()), a.results[0].id)
	return tx.Hash().Hex(), nil
}

// rpcStatus answers what became of a transaction, named by its id or Ethereum hash.
func (s *Server) rpcStatus(params []json.RawMessage) (any, error) {
	raw, err := onlyParam(params)
	if err != nil {
		return nil, err
	}
	if len(raw) != crypto.DigestSize {
		return nil, refuse(ReasonRequestMalformed, "id of %d bytes, want %d", len(raw), crypto.DigestSize)
	}
	answer, err := s.transactionByAnyID(crypto.Digest(raw))
	if err != nil {
		return nil, err
	}
	return newTransactionJSON(answer), nil
}

// onlyParam is the bytes of the one parameter.
func onlyParam(params []json.RawMessage) ([]byte, error) {
	if len(params) != 1 {
		return nil, refuse(ReasonRequestMalformed, "%d params, want one: 0x-hex", len(params))
	}
	var text string
	var raw hexBytes
	if err := errors.Join(json.Unmarshal(params[0], &text), raw.UnmarshalText([]byte(text))); err != nil {
		return nil, refuse(ReasonRequestMalformed, "want 0x-hex: %s", clip(err.Error()))
	}
	return raw, nil
}
