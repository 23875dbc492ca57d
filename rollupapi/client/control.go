package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// controlPoll is how often a node is asked what a committed control came to, until it knows.
const controlPoll = 100 * time.Millisecond

// SubmitControl sends a signed control until it is committed, and says in Result.Control what it came to. One
// that would come to nothing is refused with an *Error of reason CONTROL_REFUSED; sent again after it was
// applied it answers as before.
func (c *Client) SubmitControl(ctx context.Context, network crypto.Digest, control *dag.Control) (Result, error) {
	payload, err := control.Encode()
	if err != nil {
		return Result{}, fmt.Errorf("submit control: %w", err)
	}
	item, err := (&dag.Transaction{Namespace: dag.ControlNamespace, Payload: payload}).Encode(dag.NewItemHasher(network))
	if err != nil {
		return Result{}, fmt.Errorf("submit control: %w", err)
	}
	_, err = c.SubmitAndWait(ctx, Submission{Namespace: dag.ControlNamespace, Payloads: [][]byte{payload}})
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Reason == "CONTROL_REFUSED" {
		if r, asked := c.Status(ctx, item.ID); asked == nil && r.Control != "" {
			return r, nil
		}
	}
	if err != nil {
		return Result{}, err
	}
	for {
		r, err := c.Status(ctx, item.ID)
		if err != nil || r.Control != "" {
			return r, err
		}
		select {
		case <-time.After(controlPoll):
		case <-ctx.Done():
			return r, fmt.Errorf("submit control: %w", context.Cause(ctx))
		}
	}
}
