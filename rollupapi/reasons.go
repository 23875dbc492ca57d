package rollupapi

import (
	"net/http"
	"time"

	"connectrpc.com/connect"
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
	ReasonNamespaceClosed      Reason = "NAMESPACE_CLOSED"
	ReasonControlRefused       Reason = "CONTROL_REFUSED"
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
	ReasonNotCertified         Reason = "NOT_CERTIFIED"
	ReasonRevealsBehind        Reason = "REVEALS_BEHIND"
	ReasonEpochKeyStale        Reason = "EPOCH_KEY_STALE"
	ReasonCiphertextInvalid    Reason = "CIPHERTEXT_INVALID"
	ReasonDecryptFailed        Reason = "DECRYPT_FAILED"
	ReasonContentInvalid       Reason = "CONTENT_INVALID"
	ReasonExpired              Reason = "EXPIRED"
	ReasonTooFarAhead          Reason = "TOO_FAR_AHEAD"
	ReasonBusy                 Reason = "BUSY"
	ReasonQuota                Reason = "QUOTA"
	ReasonNotProposing         Reason = "NOT_PROPOSING"
	ReasonNotSynced            Reason = "NOT_SYNCED"
	ReasonPruned               Reason = "PRUNED"
	ReasonCursorMalformed      Reason = "CURSOR_MALFORMED"
	ReasonCursorForeign        Reason = "CURSOR_FOREIGN"
	ReasonCursorScope          Reason = "CURSOR_SCOPE"
	ReasonIdempotencyConflict  Reason = "IDEMPOTENCY_CONFLICT"
	ReasonCursorDiverged       Reason = "CURSOR_DIVERGED"
	ReasonUnauthenticated      Reason = "UNAUTHENTICATED"
	ReasonOriginForbidden      Reason = "ORIGIN_FORBIDDEN"
	ReasonHostForbidden        Reason = "HOST_FORBIDDEN"
	ReasonRateLimited          Reason = "RATE_LIMITED"
	ReasonPushedBack           Reason = "PUSHED_BACK"
	ReasonExecutionUnavailable Reason = "EXECUTION_UNAVAILABLE"
	ReasonInternal             Reason = "INTERNAL"
)

// class is how a reason shows in each of the protocols, and what to do about it. docs/build/errors.md is
// derived from the classes.
type class struct {
	code   connect.Code
	status int // HTTP
	rpc    int // JSON-RPC
	title  string
	retry  time.Duration // 0: the same call will be refused again
	remedy string
}

// JSON-RPC codes: those of the standard, and Ethereum's (EIP-1474) for what nodes refuse.
const (
	rpcParse       = -32700
	rpcInvalid     = -32600
	rpcMethod      = -32601
	rpcParams      = -32602
	rpcInternal    = -32603
	rpcUnavailable = -32002
	rpcRejected    = -32003
	rpcLimit       = -32005
)

var classes = map[Reason]class{
	ReasonRequestMalformed: {
		code: connect.CodeInvalidArgument, status: http.StatusBadRequest, rpc: rpcParams, title: "The request cannot be read",
		remedy: "Read the message: it names the field. docs/build/api.md shows every call.",
	},
	ReasonNotFound: {
		code: connect.CodeNotFound, status: http.StatusNotFound, rpc: rpcParams, title: "There is no such thing",
		remedy: "Look at the number, id or path that was asked for; GET / lists the paths.",
	},
	ReasonMethodUnsupported: {
		code: connect.CodeUnimplemented, status: http.StatusMethodNotAllowed, rpc: rpcMethod, title: "The method is not supported",
		remedy: "Use one of the methods in docs/build/api.md; ask the rollup's own node for its state.",
	},
	ReasonTooManyItems: {
		code: connect.CodeInvalidArgument, status: http.StatusRequestEntityTooLarge, rpc: rpcLimit, title: "Too many items",
		remedy: "Split the call; GET /v1/info tells the limits.",
	},
	ReasonTooLarge: {
		code: connect.CodeInvalidArgument, status: http.StatusRequestEntityTooLarge, rpc: rpcLimit, title: "Too large",
		remedy: "Send less at a time; GET /v1/info tells the limits.",
	},
	ReasonPayloadEmpty: {
		code: connect.CodeInvalidArgument, status: http.StatusBadRequest, rpc: rpcParams, title: "Empty payload",
		remedy: "Send at least one byte.",
	},
	ReasonNamespaceUnknown: {
		code: connect.CodeNotFound, status: http.StatusNotFound, rpc: rpcParams, title: "Unknown namespace",
		remedy: "GET /v1/network lists the namespaces.",
	},
	ReasonNamespaceClosed: {
		code: connect.CodeFailedPrecondition, status: http.StatusGone, rpc: rpcRejected, title: "The namespace is closed",
		remedy: "Nothing new goes in; what it held can still be read. GET /v1/network lists the namespaces.",
	},
	ReasonControlRefused: {
		code: connect.CodeFailedPrecondition, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "The change of a namespace would come to nothing",
		remedy: "The message says what stands against it; `dunlin namespace list` shows what is there.",
	},
	ReasonSignatureMissing: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Signature missing",
		remedy: "Sign, and send sender, signature and valid_until_commit along.",
	},
	ReasonSignatureInvalid: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Signature invalid",
		remedy: "Sign the digest of exactly this envelope for this network; check the sender.",
	},
	ReasonSignatureUnwanted: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Signature not wanted",
		remedy: "Leave out sender and signature: the transaction carries its own.",
	},
	ReasonTransactionMalformed: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcParams, title: "Transaction cannot be read",
		remedy: "Send the signed transaction in its one encoding (EIP-2718).",
	},
	ReasonChainIDMismatch: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Wrong chain id",
		remedy: "Sign for the chain id of the namespace: GET /v1/network tells it.",
	},
	ReasonUnprotected: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Transaction without a chain id",
		remedy: "Sign with a chain id (EIP-155).",
	},
	ReasonBlobUnsupported: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Blob transactions are not ordered",
		remedy: "Send the data in another type of transaction.",
	},
	ReasonBundleMalformed: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcParams, title: "Bundle cannot be ordered",
		remedy: "Send 1 to 16 legs of at most 8 registered namespaces.",
	},
	ReasonSealedMalformed: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcParams, title: "Sealed item cannot be ordered",
		remedy: "Name 1 to 8 registered namespaces and send one ciphertext.",
	},
	ReasonSealingNotReady: {
		code: connect.CodeUnavailable, status: http.StatusServiceUnavailable, rpc: rpcRejected, title: "There is no key to seal with yet",
		retry:  syncRetry,
		remedy: "Wait: the message says how far the key is. Or submit in the open.",
	},
	ReasonNotCertified: {
		code: connect.CodeUnavailable, status: http.StatusServiceUnavailable, rpc: rpcLimit, title: "The commit has no certificate yet",
		retry: time.Second, remedy: "Wait for `watermarks.certified`, or ask again. A new network first makes the key that certificates are signed with.",
	},
	ReasonRevealsBehind: {
		code: connect.CodeUnavailable, status: http.StatusServiceUnavailable, rpc: rpcRejected, title: "Too much that is sealed waits to be opened",
		retry:  syncRetry,
		remedy: "Wait until validators that are away are back: GET /v1/status says whose shares are missing. Or submit in the open.",
	},
	ReasonEpochKeyStale: {
		code: connect.CodeFailedPrecondition, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Sealed with an old key",
		remedy: "Ask for the encryption key again, seal and submit anew.",
	},
	ReasonCiphertextInvalid: {
		code: connect.CodeInvalidArgument, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Ciphertext invalid",
		remedy: "Seal anew for exactly this envelope and network.",
	},
	ReasonDecryptFailed: {
		code: connect.CodeFailedPrecondition, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Ciphertext opens to nothing",
		remedy: "Nothing: whoever sealed it made it so. Seal anew.",
	},
	ReasonContentInvalid: {
		code: connect.CodeFailedPrecondition, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Sealed content does not fit its envelope",
		remedy: "Seal a list of legs whose namespaces are those of the envelope.",
	},
	ReasonExpired: {
		code: connect.CodeFailedPrecondition, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Expired",
		remedy: "Submit anew with a later valid_until_commit.",
	},
	ReasonTooFarAhead: {
		code: connect.CodeFailedPrecondition, status: http.StatusUnprocessableEntity, rpc: rpcRejected, title: "Valid for too long",
		remedy: "Choose a valid_until_commit within the window of GET /v1/info.",
	},
	ReasonBusy: {
		code: connect.CodeResourceExhausted, status: http.StatusTooManyRequests, rpc: rpcLimit, title: "The node is busy",
		retry:  busyRetry,
		remedy: "Try again after retry_after_ms, or use another node.",
	},
	ReasonQuota: {
		code: connect.CodeResourceExhausted, status: http.StatusTooManyRequests, rpc: rpcLimit, title: "The namespace sends more than its share",
		retry:  quotaRetry,
		remedy: "Wait for retry_after_ms and send again, more slowly: this namespace's own backlog is in the way. Other nodes have room of their own.",
	},
	ReasonNotProposing: {
		code: connect.CodeUnavailable, status: http.StatusServiceUnavailable, rpc: rpcRejected, title: "The node makes no blocks now",
		retry:  syncRetry,
		remedy: "Use another node, or wait: GET /v1/status says why.",
	},
	ReasonNotSynced: {
		code: connect.CodeUnavailable, status: http.StatusServiceUnavailable, rpc: rpcRejected, title: "The node is not that far",
		retry:  syncRetry,
		remedy: "Use another node, or wait: GET /v1/status says how far behind it is.",
	},
	ReasonPruned: {
		code: connect.CodeOutOfRange, status: http.StatusGone, rpc: rpcRejected, title: "No longer kept here",
		remedy: "Read from an archive node, or start from the commit that the message names.",
	},
	ReasonCursorMalformed: {
		code: connect.CodeInvalidArgument, status: http.StatusBadRequest, rpc: rpcParams, title: "Not a cursor",
		remedy: "Use a cursor as it was handed out, or genesis, tip or commit:N.",
	},
	ReasonCursorForeign: {
		code: connect.CodeInvalidArgument, status: http.StatusBadRequest, rpc: rpcParams, title: "Cursor of another network",
		remedy: "Use the cursor with a node of its own network.",
	},
	ReasonCursorScope: {
		code: connect.CodeInvalidArgument, status: http.StatusBadRequest, rpc: rpcParams, title: "Cursor of another stream",
		remedy: "Use the cursor for the namespaces that it was handed out for, or start from commit:N.",
	},
	ReasonIdempotencyConflict: {
		code: connect.CodeAlreadyExists, status: http.StatusConflict, rpc: rpcRejected, title: "The idempotency key stands for another call",
		remedy: "Choose a new key for a new call; repeat a call unchanged.",
	},
	ReasonCursorDiverged: {
		code: connect.CodeFailedPrecondition, status: http.StatusConflict, rpc: rpcRejected, title: "Cursor of another history",
		remedy: "What was read up to the cursor is not what this node has there: compare with other nodes before going on from commit:N.",
	},
	ReasonUnauthenticated: {
		code: connect.CodeUnauthenticated, status: http.StatusUnauthorized, rpc: rpcRejected, title: "This node wants a bearer token",
		remedy: "Ask the node's operator for a token and send it as Authorization: Bearer TOKEN.",
	},
	ReasonOriginForbidden: {
		code: connect.CodePermissionDenied, status: http.StatusForbidden, rpc: rpcRejected, title: "Web pages of this origin may not call",
		remedy: "The node's operator lists origins in api.origins of config.toml.",
	},
	ReasonHostForbidden: {
		code: connect.CodePermissionDenied, status: http.StatusForbidden, rpc: rpcRejected, title: "The node does not go by this name",
		remedy: "Without tokens and TLS a node takes calls to its IP address and to localhost; for another name its operator lists http://NAME in api.origins of config.toml, or sets api.tokens.",
	},
	ReasonRateLimited: {
		code: connect.CodeResourceExhausted, status: http.StatusTooManyRequests, rpc: rpcLimit, title: "Too much in too little time",
		retry:  busyRetry,
		remedy: "Wait for retry_after_ms; send more in one call; ask the node's operator for a token with higher limits.",
	},
	ReasonExecutionUnavailable: {
		code: connect.CodeUnavailable, status: http.StatusServiceUnavailable, rpc: rpcUnavailable, title: "The rollup's execution client does not answer",
		retry:  syncRetry,
		remedy: "Try again, or ask the rollup's own node; the operator sets api.execution in config.toml.",
	},
	ReasonPushedBack: {
		code: connect.CodeAborted, status: http.StatusTooManyRequests, rpc: rpcLimit, title: "The reader is too slow for the stream",
		retry:  busyRetry,
		remedy: "Read faster, or ask for less; go on from the cursor in the error.",
	},
	ReasonInternal: {
		code: connect.CodeInternal, status: http.StatusInternalServerError, rpc: rpcInternal, title: "The node could not answer",
		remedy: "Tell the node's operator: its log says why. Try another node.",
	},
}
