package client

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// State is what has become of a transaction. A committed one stays so for ever; a sealed one goes on to
// Revealed or RevealFailed.
type State string

// The states, as in the API.
const (
	Unknown   State = "UNKNOWN"
	Received  State = "RECEIVED"
	Included  State = "INCLUDED" // in a block that is on its author's disk
	Committed State = "COMMITTED"
	Expired   State = "EXPIRED"
	Duplicate State = "DUPLICATE" // stands in the same call already
	Rejected  State = "REJECTED"

	Revealed     State = "REVEALED"      // sealed, committed and opened
	Certified    State = "CERTIFIED"     // to read at only: opened, and covered by a certificate
	RevealFailed State = "REVEAL_FAILED" // sealed, committed, and counts for nothing
)

var states = map[pb.State]State{
	pb.State_STATE_UNKNOWN: Unknown, pb.State_STATE_RECEIVED: Received, pb.State_STATE_INCLUDED: Included, pb.State_STATE_COMMITTED: Committed,
	pb.State_STATE_EXPIRED: Expired, pb.State_STATE_DUPLICATE: Duplicate, pb.State_STATE_REJECTED: Rejected,
	pb.State_STATE_REVEALED: Revealed, pb.State_STATE_REVEAL_FAILED: RevealFailed,
}

// reaches reports whether a state is as far as a wait asks of what is sealed.
func (s State) reaches(w Wait) bool {
	switch s {
	case Revealed, RevealFailed:
		return true
	case Committed:
		return w != WaitRevealed
	case Included:
		return w == WaitIncluded || w == WaitNone
	}
	return w == WaitNone
}

// Wait says how far transactions must have come before Submit returns.
type Wait int

// The waits. The zero value is WaitIncluded.
const (
	WaitIncluded Wait = iota
	WaitNone
	WaitCommitted
	WaitRevealed  // of what is not sealed: WaitCommitted
	WaitCertified // as WaitRevealed, and a certificate covers the commit
)

var waits = [...]pb.Wait{
	WaitIncluded: pb.Wait_WAIT_INCLUDED, WaitNone: pb.Wait_WAIT_NONE, WaitCommitted: pb.Wait_WAIT_COMMITTED, WaitRevealed: pb.Wait_WAIT_REVEALED, WaitCertified: pb.Wait_WAIT_CERTIFIED,
}

// Submission is transactions of one namespace.
type Submission struct {
	Namespace  dag.Namespace
	Payloads   [][]byte        // each one transaction; up to 4096, 1 MiB in all
	ValidUntil dag.CommitIndex // last commit that may hold them; 0 lets the node choose (unsigned only)
	Sender     []byte          // ed25519 namespaces: 32 bytes
	Signatures [][]byte        // ed25519 namespaces: 64 bytes per payload
	Wait       Wait
	Timeout    time.Duration // of Wait; 0 for the node's default
}

// Result is what became of one transaction, as far as the node knows by now.
type Result struct {
	ID     crypto.Digest // zero if it was refused before it had one
	State  State
	Commit dag.CommitIndex // Committed, Revealed and RevealFailed: where
	Index  uint32
	Err    *Error // Rejected, Expired and RevealFailed: why

	Control string // Status of a control transaction: APPLIED, or why it changed nothing
	Reveal  string // Status of what is sealed and Committed: what its opening waits for, such as "2 of 3 shares, missing v3"
}

// Submit sends transactions and returns one result per payload. It goes on to the next node if one
// does not answer: an id is ordered once, however often it is sent. The error is about the whole call.
func (c *Client) Submit(ctx context.Context, s Submission) ([]Result, error) {
	if s.Wait < 0 || int(s.Wait) >= len(waits) {
		return nil, fmt.Errorf("submit: there is no wait %d", s.Wait)
	}
	request := &pb.SubmitRequest{
		Namespace: uint64(s.Namespace), Payloads: s.Payloads, ValidUntilCommit: uint64(s.ValidUntil), Sender: s.Sender, Signatures: s.Signatures,
		Wait: waits[s.Wait], TimeoutMs: uint32(s.Timeout.Milliseconds()),
	}
	var response *pb.SubmitResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		response, err = e.ingress.Submit(ctx, request)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("submit: %w", err)
	}
	if len(response.GetItems()) != len(s.Payloads) {
		return nil, fmt.Errorf("submit: %d results for %d transactions", len(response.GetItems()), len(s.Payloads))
	}
	return newResults(response.GetItems()), nil
}

func newResults(items []*pb.SubmitResult) []Result {
	results := make([]Result, len(items))
	for i, m := range items {
		results[i] = Result{State: states[m.GetState()], Commit: dag.CommitIndex(m.GetCommit()), Index: m.GetIndex()}
		copy(results[i].ID[:], m.GetTxId())
		if info := m.GetError(); info != nil {
			results[i].Err = newError(info)
		}
	}
	return results
}

// SubmitBatch sends unsigned transactions and returns when each is in a block on disk or refused.
func (c *Client) SubmitBatch(ctx context.Context, ns dag.Namespace, payloads [][]byte) ([]Result, error) {
	return c.Submit(ctx, Submission{Namespace: ns, Payloads: payloads})
}

// SubmitAndWait sends one submission of one transaction until it is committed or refused for good;
// what is refused for now it sends again. The error is the refusal, or ctx's.
func (c *Client) SubmitAndWait(ctx context.Context, s Submission) (Result, error) {
	s.Wait = WaitCommitted
	for {
		pause := retryPause
		results, err := c.Submit(ctx, s)
		var refused *Error
		switch {
		case err == nil && len(results) != 1:
			return Result{}, fmt.Errorf("submit and wait: %d transactions, want one", len(results))
		case err == nil && results[0].State == Committed:
			return results[0], nil
		case err == nil && results[0].Err != nil:
			refused = results[0].Err
		case err == nil: // not committed in the time that the node waits
		case !errors.As(err, &refused) && ctx.Err() == nil: // no node answers
		}
		if refused != nil {
			if !refused.Retryable {
				return Result{}, fmt.Errorf("submit and wait: %w", refused)
			}
			pause = max(pause, refused.RetryAfter)
		}
		if err := sleep(ctx, pause); err != nil {
			return Result{}, fmt.Errorf("submit and wait: %w", err)
		}
	}
}

// retryPause is between two attempts of SubmitAndWait.
const retryPause = 50 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Status says what a node knows of an id. An id that it never saw is Unknown, not an error.
func (c *Client) Status(ctx context.Context, id crypto.Digest) (Result, error) {
	var m *pb.GetResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		m, err = e.status.Get(ctx, &pb.GetRequest{Id: id[:]})
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("ask for status: %w", err)
	}
	r := Result{ID: id, State: states[m.GetState()], Commit: dag.CommitIndex(m.GetCommit()), Index: m.GetIndex(), Control: m.GetControl(), Reveal: m.GetReveal().GetText()}
	if info := m.GetError(); info != nil {
		r.Err = newError(info)
	}
	return r, nil
}

// SendRawTransaction sends a signed Ethereum transaction the way wallets do, by JSON-RPC, and
// returns its Ethereum hash. A refusal is an *Error without a Code.
func (c *Client) SendRawTransaction(ctx context.Context, ns dag.Namespace, raw []byte) (string, error) {
	body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x%s"]}`, hex.EncodeToString(raw))
	var answer struct {
		Result string `json:"result"`
		Error  *struct {
			Message string `json:"message"`
			Data    struct {
				Reason       string `json:"reason"`
				Retryable    bool   `json:"retryable"`
				RetryAfterMS int64  `json:"retry_after_ms"`
				Limit        uint64 `json:"limit"`
			} `json:"data"`
		} `json:"error"`
	}
	err := c.try(ctx, func(e *endpoint) error {
		return c.exchange(ctx, http.MethodPost, e.url+"/rpc/"+strconv.FormatUint(uint64(ns), 10), body, &answer)
	})
	if err != nil {
		return "", fmt.Errorf("send raw transaction: %w", err)
	}
	if e := answer.Error; e != nil {
		return "", fmt.Errorf("send raw transaction: %w", &Error{
			Reason: e.Data.Reason, Message: e.Message, Retryable: e.Data.Retryable,
			RetryAfter: time.Duration(e.Data.RetryAfterMS) * time.Millisecond, Limit: e.Data.Limit,
		})
	}
	return answer.Result, nil
}

// exchange does one call with JSON answers. An answer that is no success is an error with its text.
func (c *Client) exchange(ctx context.Context, method, url string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.web.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return problemError(response.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
