// Package execution asks the execution clients of rollups what wallets want to know beside sending: the
// sequencer has no state of theirs. It lets through what reads, and nothing that administers a client or signs
// with its keys.
package execution

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Limits.
const (
	MaxClients     = 256
	maxAnswerBytes = 8 << 20
	maxAtATime     = 64 // requests to all clients together; more are told that the client is busy
	maxOfOne       = 16 // to one client, so that a slow one does not take the others' places
	timeout        = 10 * time.Second
)

// Clients are the execution clients of namespaces. Safe for concurrent use.
type Clients struct {
	urls  map[string]string // by id or name of the namespace
	web   *http.Client
	slots chan struct{}
	own   map[string]chan struct{} // slots of each client, by its URL
}

// Error is what an execution client answered instead of a result. It is passed on as it is.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// What Call refuses by itself.
var (
	ErrForbidden   = errors.New("the method is not passed on to execution clients")
	ErrUnavailable = errors.New("the execution client does not answer")
)

// New returns the clients at the URLs, which stand under the id or the name of their namespace.
func New(urls map[string]string) (*Clients, error) {
	if len(urls) > MaxClients {
		return nil, fmt.Errorf("%d execution clients, limit %d", len(urls), MaxClients)
	}
	own := make(map[string]chan struct{}, len(urls))
	for name, text := range urls {
		own[text] = make(chan struct{}, maxOfOne)
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("%s: %q: want http://HOST:PORT", name, text)
		}
	}
	web := &http.Client{
		Timeout:       timeout,
		Transport:     &http.Transport{MaxIdleConnsPerHost: maxAtATime, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Clients{urls: urls, web: web, slots: make(chan struct{}, maxAtATime), own: own}, nil
}

// Close drops idle connections.
func (c *Clients) Close() { c.web.CloseIdleConnections() }

// Of is the client's URL of a namespace that has one of these names; false for none.
func (c *Clients) Of(names ...string) (string, bool) {
	for _, name := range names {
		if text, ok := c.urls[name]; ok {
			return text, true
		}
	}
	return "", false
}

// reading are the methods that read. They are named one by one: what a client does under another name cannot be known,
// and some sign with its keys under harmless ones, such as eth_resend.
var reading = []string{
	"eth_blobBaseFee", "eth_blockNumber", "eth_call", "eth_callMany", "eth_chainId", "eth_config", "eth_createAccessList",
	"eth_estimateGas", "eth_feeHistory", "eth_gasPrice", "eth_getAccount", "eth_getBalance", "eth_getBlockAccessList",
	"eth_getBlockByHash", "eth_getBlockByNumber", "eth_getBlockReceipts", "eth_getBlockTransactionCountByHash",
	"eth_getBlockTransactionCountByNumber", "eth_getCode", "eth_getFilterChanges", "eth_getFilterLogs", "eth_getHeaderByHash",
	"eth_getHeaderByNumber", "eth_getLogs", "eth_getProof", "eth_getRawTransactionByBlockHashAndIndex",
	"eth_getRawTransactionByBlockNumberAndIndex", "eth_getRawTransactionByHash", "eth_getStorageAt",
	"eth_getTransactionByBlockHashAndIndex", "eth_getTransactionByBlockNumberAndIndex", "eth_getTransactionByHash",
	"eth_getTransactionBySenderAndNonce", "eth_getTransactionCount", "eth_getTransactionReceipt",
	"eth_getUncleByBlockHashAndIndex", "eth_getUncleByBlockNumberAndIndex", "eth_getUncleCountByBlockHash",
	"eth_getUncleCountByBlockNumber", "eth_maxPriorityFeePerGas", "eth_newBlockFilter", "eth_newFilter",
	"eth_newPendingTransactionFilter", "eth_protocolVersion", "eth_simulateV1", "eth_syncing", "eth_uninstallFilter",
	"net_listening", "net_peerCount", "net_version", "web3_clientVersion", "web3_sha3",
}

// Allowed reports whether a method is passed on: it only reads.
func Allowed(method string) bool {
	_, found := slices.BinarySearch(reading, method)
	return found
}

// Call asks the client at a URL, which Of gave. The error is an *Error that the client answered, ErrForbidden, or wraps
// ErrUnavailable.
func (c *Clients) Call(ctx context.Context, to, method string, params []json.RawMessage) (json.RawMessage, error) {
	if !Allowed(method) {
		return nil, ErrForbidden
	}
	for _, slots := range []chan struct{}{c.own[to], c.slots} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			return nil, fmt.Errorf("%w: %d requests are under way", ErrUnavailable, cap(slots))
		}
	}
	if params == nil {
		params = []json.RawMessage{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	raw, err := c.post(ctx, to, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *Error          `json:"error"`
	}
	switch err := json.Unmarshal(raw, &answer); {
	case err != nil:
		return nil, fmt.Errorf("%w in JSON-RPC", ErrUnavailable)
	case answer.Error != nil:
		return nil, answer.Error
	case answer.Result == nil:
		return nil, fmt.Errorf("%w with a result", ErrUnavailable)
	}
	return answer.Result, nil
}

func (c *Clients) post(ctx context.Context, to string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.web.Do(request)
	if err != nil {
		return nil, errors.New("no connection, or no answer in time") // without its address, which is nobody's business
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, errors.New("the answer broke off")
	case len(raw) > maxAnswerBytes:
		return nil, fmt.Errorf("an answer of more than %d bytes", maxAnswerBytes)
	}
	return raw, nil
}
