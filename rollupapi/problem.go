package rollupapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"connectrpc.com/connect"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// Refusal is an error that is told to the client as it stands: why, and which limit was passed.
type Refusal struct {
	Reason  Reason
	Message string        // lower case, names the limit
	Limit   uint64        // the limit that was passed, in the message's unit; 0 if none was
	Field   string        // the field of the request at fault; empty if none is
	Cursor  string        // PUSHED_BACK: where to go on
	Again   time.Duration // when the same call may work, where the reason alone does not say
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

// RetryAfter is when the same call may work, at the earliest; 0 if it never will.
func (r *Refusal) RetryAfter() time.Duration {
	if r.Again > 0 {
		return r.Again
	}
	return classes[r.Reason].retry
}

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
		RetryAfterMs: uint32(min(after.Milliseconds(), math.MaxUint32)), Limit: r.Limit, Field: r.Field, Cursor: r.Cursor,
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
	Cursor       string `json:"cursor,omitempty"`
}

func (r *Refusal) problem() problem {
	c, after := classes[r.Reason], r.RetryAfter()
	return problem{
		Type: "urn:dunlin:problem:" + string(r.Reason), Title: c.title, Status: c.status, Detail: r.Message, Reason: r.Reason,
		Retryable: after > 0, RetryAfterMS: after.Milliseconds(), Limit: r.Limit, Field: r.Field, Cursor: r.Cursor,
	}
}
