package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// NodeStatus is what a node says of itself.
type NodeStatus = rollupapi.NodeStatus

// NodeStatus asks the node that is used now how it is doing; it does not go on to another one.
func (c *Client) NodeStatus(ctx context.Context) (NodeStatus, error) {
	var status NodeStatus
	if err := c.exchange(ctx, http.MethodGet, c.now().url+"/v1/status", nil, &status); err != nil {
		return status, fmt.Errorf("ask for node status: %w", err)
	}
	return status, nil
}

// problemError is the Error in a problem document, or the text if it is none.
func problemError(status int, raw []byte) error {
	var p struct {
		Detail       string `json:"detail"`
		Reason       string `json:"reason"`
		Retryable    bool   `json:"retryable"`
		RetryAfterMS int64  `json:"retry_after_ms"`
		Limit        uint64 `json:"limit"`
	}
	if err := json.Unmarshal(raw, &p); err != nil || p.Reason == "" {
		const longest = 200
		return fmt.Errorf("status %d: %q", status, raw[:min(len(raw), longest)])
	}
	e := &Error{Reason: p.Reason, Message: p.Detail, Retryable: p.Retryable, RetryAfter: time.Duration(p.RetryAfterMS) * time.Millisecond, Limit: p.Limit}
	if status == http.StatusServiceUnavailable {
		e.Code = connect.CodeUnavailable
	}
	return e
}

// Network asks who orders and which namespaces exist.
func (c *Client) Network(ctx context.Context) (*pb.GetNetworkResponse, error) {
	var m *pb.GetNetworkResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		m, err = e.read.GetNetwork(ctx, &pb.GetNetworkRequest{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask for network: %w", err)
	}
	return m, nil
}

// Info asks for versions, heads and limits.
func (c *Client) Info(ctx context.Context) (*pb.GetInfoResponse, error) {
	var m *pb.GetInfoResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		m, err = e.read.GetInfo(ctx, &pb.GetInfoRequest{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask for info: %w", err)
	}
	return m, nil
}

// Commit reads the header of one commit; 0 for the newest.
func (c *Client) Commit(ctx context.Context, index dag.CommitIndex) (*pb.CommitHeader, error) {
	var m *pb.GetCommitResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		m, err = e.read.GetCommit(ctx, &pb.GetCommitRequest{Index: uint64(index)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read commit: %w", err)
	}
	return m.GetCommit(), nil
}

// Range reads a piece of the order from a cursor on, which an empty text sets to genesis.
func (c *Client) Range(ctx context.Context, cursor string, namespaces ...dag.Namespace) (*pb.RangeResponse, error) {
	var m *pb.RangeResponse
	err := c.try(ctx, func(e *endpoint) (err error) {
		m, err = e.read.Range(ctx, &pb.RangeRequest{Namespaces: numbers(namespaces), Cursor: cursor})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read range: %w", err)
	}
	return m, nil
}

func numbers(namespaces []dag.Namespace) []uint64 {
	out := make([]uint64, len(namespaces))
	for i, ns := range namespaces {
		out[i] = uint64(ns)
	}
	return out
}
