package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/dag"
)

// handleFetch serves one fetch of a peer within its rates. Beyond a number at a time it is reset, before a byte
// is read.
func (n *Network) handleFetch(s network.Stream) {
	n.serve(s, (*serving).fetch, func(v *serving) error {
		n.count.fetchesRefused.Add(1)
		return ErrBusy
	})
}

// serve answers what a peer asks on a stream of its own, or refuses it if too many such streams are being served.
// The stream is closed in order after nil, and else reset; a fault of the peer's costs it the connection.
func (n *Network) serve(s network.Stream, answer, refuse func(*serving) error) {
	defer func() { _ = s.Reset() }()
	r := n.entered(s)
	if r == nil {
		return
	}
	defer r.done()
	defer context.AfterFunc(r.ctx, func() { _ = s.Reset() })()
	v := &serving{n: n, r: r, s: s, out: bufio.NewWriterSize(s, readBuffer)}
	release, ok := n.admitFetch(r)
	if !ok {
		n.tire(r)
		if refuse(v) == nil {
			_ = s.Close()
		}
		return
	}
	defer release()
	if err := s.SetDeadline(time.Now().Add(n.limits.FetchTimeout)); err != nil {
		return
	}
	switch err := answer(v); {
	case isFault(err):
		n.fault(r, err)
	case err != nil:
		n.log.Debug("serve_ended", "peer", r.name, "protocol", s.Protocol(), "error", err)
	default:
		_ = s.Close() // everything has been written; a reset would cut it off
	}
}

// admitFetch takes a place among the fetches and queries that are served at a time.
func (n *Network) admitFetch(r *remote) (release func(), ok bool) {
	select {
	case r.serving <- struct{}{}:
	default:
		return nil, false
	}
	if r.member {
		return func() { <-r.serving }, true
	}
	if !n.afford(r.ctx, r, workStream) {
		<-r.serving
		return nil, false
	}
	select {
	case n.strangers <- struct{}{}:
		return func() { <-n.strangers; <-r.serving }, true
	default:
		<-r.serving
		return nil, false
	}
}

// serving is one fetch or query that is being served.
type serving struct {
	n     *Network
	r     *remote
	s     network.Stream
	out   *bufio.Writer
	sent  trailer
	bytes int
}

// begin reports whether the peer's rates allow it to be served now, and counts the question.
func (v *serving) begin() bool {
	now := time.Now()
	if !v.r.requests.allow(now) || !v.r.served.allow(now) || !v.r.member && !v.n.outside.allow(now) {
		return false
	}
	v.r.requests.charge(1)
	return true
}

// charge takes what an answer cost, in bytes, off the peer's rates and off those of all strangers.
func (v *serving) charge(cost int) {
	v.r.served.charge(cost)
	if !v.r.member {
		v.n.outside.charge(cost)
		v.n.spend(v.r, workKiB*cost/1024)
	}
}

// fetch reads a fetch and answers it.
func (v *serving) fetch() error {
	f, err := readFrame(bufio.NewReader(v.s))
	if err != nil {
		return err
	}
	v.n.account(v.r, f)
	q, err := decodeRequest(f)
	if err != nil {
		return err
	}
	if !v.begin() {
		v.n.count.fetchesRefused.Add(1)
		v.sent.status = fetchBusy
		return v.finish()
	}
	defer func() { v.charge(v.bytes) }()
	if len(q.refs) > 0 {
		err = v.refs(q.refs)
	} else {
		err = v.rounds(q.from, q.to)
	}
	if errors.Is(err, errSource) {
		v.n.log.Warn("serve_blocks", "peer", v.r.name, "error", err)
		v.sent.status, err = fetchError, nil
	}
	if err != nil {
		return err
	}
	v.n.count.fetchesServed.Add(1)
	return v.finish()
}

// errSource wraps errors of this node's own blocks, which are not the asker's business.
var errSource = errors.New("read blocks")

func (v *serving) refs(refs []dag.Ref) error {
	for _, ref := range refs {
		raw, ok, err := v.n.cfg.Blocks.Block(ref)
		if err != nil {
			return fmt.Errorf("%w: %v: %w", errSource, ref, err)
		}
		if !ok {
			continue
		}
		if fits, err := v.block(raw); err != nil || !fits {
			return err
		}
	}
	return nil
}

func (v *serving) rounds(from, to dag.Round) error {
	raws, next, err := v.n.cfg.Blocks.BlocksInRounds(from, to, maxFetchBytes)
	if err != nil {
		return fmt.Errorf("%w: rounds %d to %d: %w", errSource, from, to, err)
	}
	v.sent.next = next
	if next <= to {
		v.sent.status = fetchCut
	}
	for _, raw := range raws {
		if fits, err := v.block(raw); err != nil || !fits {
			return err
		}
	}
	return nil
}

// block writes one block if it still fits into the answer.
func (v *serving) block(raw []byte) (fits bool, err error) {
	if v.bytes+len(raw) > maxFetchBytes {
		v.sent.status = fetchCut
		return false, nil
	}
	v.bytes += len(raw)
	v.sent.blocks++
	return true, v.write(frame{kindBlock, raw})
}

func (v *serving) write(f frame) error {
	if err := v.s.SetWriteDeadline(time.Now().Add(v.n.limits.FetchTimeout)); err != nil {
		return fmt.Errorf("set answer deadline: %w", err)
	}
	if err := f.writeTo(v.out); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	v.n.count.bytesOut.Add(uint64(f.size()))
	v.r.bytesOut.Add(uint64(f.size()))
	return nil
}

func (v *serving) finish() error {
	if err := v.write(v.sent.encode()); err != nil {
		return err
	}
	if err := v.out.Flush(); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}
