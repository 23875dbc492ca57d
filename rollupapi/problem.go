package rollupapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// Reason names why something was refused. The names are stable; programs decide by them.
type Reason string

// The reasons.
const (
	ReasonRequestMalformed     Reason = "REQUEST_MALFORMED"
	ReasonNotFound             Reason = "NOT_FOUND"
	ReasonMethodUnsupported    Reason = "METHOD_UNSUPPORTED"
	ReasonTooManyItems         Reason = "TOO_MANY_ITEMS"
	ReasonTooLarge             Reason = "TOO_LARGE"
	ReasonPayloadEmpty         Reason = "PAYLOAD_EMPTY"
	ReasonNamespaceUnknown     Reason = "NAMESPACE_UNKNOWN"
	ReasonSignatureMissing     Reason = "SIGNATURE_MISSING"
	ReasonSignatureInvalid     Reason = "SIGNATURE_INVALID"
	ReasonSignatureUnwanted    Reason = "SIGNATURE_UNWANTED"
	ReasonTransactionMalformed Reason = "TRANSACTION_MALFORMED"
	ReasonChainIDMismatch      Reason = "CHAIN_ID_MISMATCH"
	ReasonUnprotected          Reason = "UNPROTECTED"
	ReasonBlobUnsupported      Reason = "BLOB_UNSUPPORTED"
	ReasonBundleMalformed      Reason = "BUNDLE_MALFORMED"
	ReasonSealedMalformed      Reason = "SEALED_MALFORMED"
	ReasonSealingNotReady      Reason = "SEALING_NOT_READY"
	ReasonRevealsBehind        Reason = "REVEALS_BEHIND"
	ReasonEpochKeyStale        Reason = "EPOCH_KEY_STALE"
	ReasonCiphertextInvalid    Reason = "CIPHERTEXT_INVALID"
	ReasonDecryptFailed        Reason = "DECRYPT_FAILED"
	ReasonContentInvalid       Reason = "CONTENT_INVALID"
	ReasonExpired              Reason = "EXPIRED"
	ReasonTooFarAhead          Reason = "TOO_FAR_AHEAD"
	ReasonBusy                 Reason = "BUSY"
	ReasonNotProposing         Reason = "NOT_PROPOSING"
	ReasonNotSynced            Reason = "NOT_SYNCED"
	ReasonPruned               Reason = "PRUNED"
	ReasonCursorMalformed      Reason = "CURSOR_MALFORMED"
	ReasonCursorForeign        Reason = "CURSOR_FOREIGN"
	ReasonCursorScope          Reason = "CURSOR_SCOPE"
	ReasonInternal             Reason = "INTERNAL"
)

// class is how a reason shows in each of the protocols.
type class struct {
	code   connect.Code
	status int // HTTP
	rpc    int // JSON-RPC
	title  string
	retry  time.Duration // 0: the same call will be refused again
}

// JSON-RPC codes: those of the standard, and Ethereum's (EIP-1474) for what nodes refuse.
const (
	rpcParse    = -32700
	rpcInvalid  = -32600
	rpcMethod   = -32601
	rpcParams   = -32602
	rpcInternal = -32603
	rpcRejected = -32003
	rpcLimit    = -32005
)

var classes = map[Reason]class{
	ReasonRequestMalformed:     {connect.CodeInvalidArgument, http.StatusBadRequest, rpcParams, "The request cannot be read", 0},
	ReasonNotFound:             {connect.CodeNotFound, http.StatusNotFound, rpcParams, "There is no such thing", 0},
	ReasonMethodUnsupported:    {connect.CodeUnimplemented, http.StatusMethodNotAllowed, rpcMethod, "The method is not supported", 0},
	ReasonTooManyItems:         {connect.CodeInvalidArgument, http.StatusRequestEntityTooLarge, rpcLimit, "Too many items", 0},
	ReasonTooLarge:             {connect.CodeInvalidArgument, http.StatusRequestEntityTooLarge, rpcLimit, "Too large", 0},
	ReasonPayloadEmpty:         {connect.CodeInvalidArgument, http.StatusBadRequest, rpcParams, "Empty payload", 0},
	ReasonNamespaceUnknown:     {connect.CodeNotFound, http.StatusNotFound, rpcParams, "Unknown namespace", 0},
	ReasonSignatureMissing:     {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcRejected, "Signature missing", 0},
	ReasonSignatureInvalid:     {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcRejected, "Signature invalid", 0},
	ReasonSignatureUnwanted:    {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcRejected, "Signature not wanted", 0},
	ReasonTransactionMalformed: {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcParams, "Transaction cannot be read", 0},
	ReasonChainIDMismatch:      {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcRejected, "Wrong chain id", 0},
	ReasonUnprotected:          {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcRejected, "Transaction without a chain id", 0},
	ReasonBlobUnsupported:      {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcRejected, "Blob transactions are not ordered", 0},
	ReasonBundleMalformed:      {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcParams, "Bundle cannot be ordered", 0},
	ReasonSealedMalformed:      {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcParams, "Sealed item cannot be ordered", 0},
	ReasonSealingNotReady:      {connect.CodeUnavailable, http.StatusServiceUnavailable, rpcRejected, "There is no key to seal with yet", syncRetry},
	ReasonRevealsBehind:        {connect.CodeUnavailable, http.StatusServiceUnavailable, rpcRejected, "Too much that is sealed waits to be opened", syncRetry},
	ReasonEpochKeyStale:        {connect.CodeFailedPrecondition, http.StatusUnprocessableEntity, rpcRejected, "Sealed with an old key", 0},
	ReasonCiphertextInvalid:    {connect.CodeInvalidArgument, http.StatusUnprocessableEntity, rpcRejected, "Ciphertext invalid", 0},
	ReasonDecryptFailed:        {connect.CodeFailedPrecondition, http.StatusUnprocessableEntity, rpcRejected, "Ciphertext opens to nothing", 0},
	ReasonContentInvalid:       {connect.CodeFailedPrecondition, http.StatusUnprocessableEntity, rpcRejected, "Sealed content does not fit its envelope", 0},
	ReasonExpired:              {connect.CodeFailedPrecondition, http.StatusUnprocessableEntity, rpcRejected, "Expired", 0},
	ReasonTooFarAhead:          {connect.CodeFailedPrecondition, http.StatusUnprocessableEntity, rpcRejected, "Valid for too long", 0},
	ReasonBusy:                 {connect.CodeResourceExhausted, http.StatusTooManyRequests, rpcLimit, "The node is busy", busyRetry},
	ReasonNotProposing:         {connect.CodeUnavailable, http.StatusServiceUnavailable, rpcRejected, "The node makes no blocks now", syncRetry},
	ReasonNotSynced:            {connect.CodeUnavailable, http.StatusServiceUnavailable, rpcRejected, "The node is not that far", syncRetry},
	ReasonPruned:               {connect.CodeOutOfRange, http.StatusGone, rpcRejected, "No longer kept here", 0},
	ReasonCursorMalformed:      {connect.CodeInvalidArgument, http.StatusBadRequest, rpcParams, "Not a cursor", 0},
	ReasonCursorForeign:        {connect.CodeInvalidArgument, http.StatusBadRequest, rpcParams, "Cursor of another network", 0},
	ReasonCursorScope:          {connect.CodeInvalidArgument, http.StatusBadRequest, rpcParams, "Cursor of another stream", 0},
	ReasonInternal:             {connect.CodeInternal, http.StatusInternalServerError, rpcInternal, "The node could not answer", 0},
}

// Refusal is an error that is told to the client as it stands: why, and which limit was passed.
type Refusal struct {
	Reason  Reason
	Message string // lower case, names the limit
	Limit   uint64 // the limit that was passed, in the message's unit; 0 if none was
	Field   string // the field of the request at fault; empty if none is
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

// RetryAfter is when the same call may work, at the earliest; 0 if it never will.
func (r *Refusal) RetryAfter() time.Duration { return classes[r.Reason].retry }

func refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// over refuses what is beyond a limit.
func over(reason Reason, limit int, format string, args ...any) *Refusal {
	r := refuse(reason, format, args...)
	r.Limit = uint64(limit)
	return r
}

// at names the field at fault.
func (r *Refusal) at(field string) *Refusal {
	r.Field = field
	return r
}

// refusalOf is the refusal in err; what is none becomes INTERNAL without its text, which the
// client can do nothing about.
func refusalOf(err error) *Refusal {
	var r *Refusal
	var body *http.MaxBytesError
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &body):
		return over(ReasonTooLarge, int(body.Limit), "request body is larger than %d bytes", body.Limit)
	}
	return refuse(ReasonInternal, "the node could not answer; its log says why")
}

// info is the refusal as it stands in protobuf answers.
func (r *Refusal) info() *pb.ErrorInfo {
	after := r.RetryAfter()
	return &pb.ErrorInfo{
		Reason: string(r.Reason), Message: r.Message, Retryable: after > 0,
		RetryAfterMs: uint32(after.Milliseconds()), Limit: r.Limit, Field: r.Field,
	}
}

// connectError is the refusal as an error of a Connect call, with its info as a detail.
func (r *Refusal) connectError() error {
	e := connect.NewError(classes[r.Reason].code, r)
	if detail, err := connect.NewErrorDetail(r.info()); err == nil {
		e.AddDetail(detail)
	}
	return e
}

// problem is a refusal as application/problem+json (RFC 9457).
type problem struct {
	Type         string `json:"type"`
	Title        string `json:"title"`
	Status       int    `json:"status"`
	Detail       string `json:"detail"`
	Reason       Reason `json:"reason"`
	Retryable    bool   `json:"retryable"`
	RetryAfterMS int64  `json:"retry_after_ms"`
	Limit        uint64 `json:"limit,omitempty"`
	Field        string `json:"field,omitempty"`
	TxID         string `json:"tx_id,omitempty"`
}

func (r *Refusal) problem() problem {
	c := classes[r.Reason]
	return problem{
		Type: "urn:dunlin:problem:" + string(r.Reason), Title: c.title, Status: c.status, Detail: r.Message, Reason: r.Reason,
		Retryable: c.retry > 0, RetryAfterMS: c.retry.Milliseconds(), Limit: r.Limit, Field: r.Field,
	}
}
