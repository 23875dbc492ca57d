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

// handleFetch serves one fetch of a peer within its rates.
func (n *Network) handleFetch(s network.Stream) {
	defer func() { _ = s.Reset() }()
	r := n.entered(s)
	if r == nil {
		return
	}
	defer r.done()
	defer context.AfterFunc(r.ctx, func() { _ = s.Reset() })()
	release, ok := n.admitFetch(r)
	if !ok {
		n.count.fetchesRefused.Add(1)
		n.tire(r)
		return // too many at a time: reset, before a byte is read
	}
	defer release()
	if err := s.SetDeadline(time.Now().Add(n.limits.FetchTimeout)); err != nil {
		return
	}
	v := &serving{n: n, r: r, s: s, out: bufio.NewWriterSize(s, readBuffer)}
	err := v.serve()
	switch {
	case isFault(err):
		n.fault(r, err)
	case err != nil:
		n.log.Debug("serve_ended", "peer", r.name, "error", err)
	default:
		_ = s.Close() // everything has been written; a reset would cut it off
	}
}

// admitFetch takes a place among the fetches that are served at a time.
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

// serving is one fetch that is being served.
type serving struct {
	n     *Network
	r     *remote
	s     network.Stream
	out   *bufio.Writer
	sent  trailer
	bytes int
}

func (v *serving) serve() error {
	f, err := readFrame(bufio.NewReader(v.s))
	if err != nil {
		return err
	}
	v.n.account(v.r, f)
	q, err := decodeRequest(f)
	if err != nil {
		return err
	}
	now := time.Now()
	if !v.r.requests.allow(now) || !v.r.served.allow(now) || !v.r.member && !v.n.outside.allow(now) {
		v.n.count.fetchesRefused.Add(1)
		v.sent.status = fetchBusy
		return v.finish()
	}
	v.r.requests.charge(1)
	defer func() {
		v.r.served.charge(v.bytes)
		if !v.r.member {
			v.n.outside.charge(v.bytes)
			v.n.spend(v.r, workKiB*v.bytes/1024)
		}
	}()
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
