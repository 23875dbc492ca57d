package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// errFault wraps what a peer did wrong beside malformed frames and blocks.
var errFault = errors.New("against the protocol")

// handlePush reads one peer's pushes. A peer has one such stream; a newer one ends the older.
func (n *Network) handlePush(s network.Stream) {
	defer func() { _ = s.Reset() }()
	r := n.entered(s)
	if r == nil {
		return
	}
	defer r.done()
	if before := r.replaceReader(s); before != nil {
		_ = before.Reset()
	}
	stop := context.AfterFunc(r.ctx, func() { _ = s.Reset() })
	defer stop()
	n.spend(r, workStream)
	if !r.waitUp() {
		return
	}
	if err := n.readPush(r, bufio.NewReaderSize(s, readBuffer)); isFault(err) {
		n.fault(r, err)
	}
}

// entered is the peer behind an inbound stream with work begun on it, or nil if it may not speak.
func (n *Network) entered(s network.Stream) *remote {
	id := s.Conn().RemotePeer()
	r := n.table.find(id)
	if r == nil {
		r = n.meet(id) // the stream came before the notification of its connection
	}
	if r == nil || !r.begin() {
		return nil
	}
	return r
}

func isFault(err error) bool {
	return errors.Is(err, errWire) || errors.Is(err, dag.ErrBlock) || errors.Is(err, errFault) || errors.Is(err, snapshot.ErrSnapshot)
}

// readPush delivers a peer's frames until the stream ends or the peer is at fault.
func (n *Network) readPush(r *remote, br *bufio.Reader) error {
	for {
		f, err := readFrame(br)
		if err != nil {
			return err
		}
		n.account(r, f)
		if !n.pace(r.ctx, r, workMessage) {
			return ErrClosed
		}
		if f.kind != kindBlock {
			if err := n.takeControl(r, f); err != nil {
				return err
			}
			continue
		}
		if !r.member {
			return fmt.Errorf("%w: block pushed by a node outside the committee", errFault)
		}
		raws := [][]byte{f.body}
		for len(raws) < maxBatch && blockReady(br) {
			if f, err = readFrame(br); err != nil {
				return err
			}
			n.account(r, f)
			raws = append(raws, f.body)
		}
		n.count.blocksIn.Add(uint64(len(raws)))
		if err := n.takeBlocks(r, raws, nil); err != nil {
			return err
		}
	}
}

func (n *Network) account(r *remote, f frame) {
	n.count.bytesIn.Add(uint64(f.size()))
	r.bytesIn.Add(uint64(f.size()))
}

// takeBlocks verifies blocks and delivers those before the first that is invalid or that accept
// refuses. A nil accept takes all.
func (n *Network) takeBlocks(r *remote, raws [][]byte, accept func(dag.Ref) error) error {
	blocks, errs := dag.VerifyBatch(n.cfg.Committee, raws)
	for i, v := range blocks {
		if errs[i] != nil {
			return errs[i]
		}
		if accept != nil {
			if err := accept(v.Ref()); err != nil {
				return err
			}
		}
		if !n.deliver(ordering.BlockReceived{From: r.number, Block: v}) {
			return ErrClosed
		}
	}
	return nil
}

// takeControl handles a frame that is no block.
func (n *Network) takeControl(r *remote, f frame) error {
	if !r.control.allow(time.Now()) {
		n.count.controlIgnored.Add(1)
		return nil
	}
	r.control.charge(1)
	switch f.kind {
	case kindPing:
		n.enqueue(r, frame{kindPong, f.body})
		return nil
	case kindPong:
		if sent := int64(binary.BigEndian.Uint64(f.body)); sent == r.pinged.Load() {
			r.rtt.Store(time.Now().UnixNano() - sent)
		}
		return nil
	case kindFrontier:
		refs, err := decodeFrontier(n.cfg.Committee, f.body)
		if err != nil {
			return err
		}
		return n.hand(ordering.FrontierReceived{From: r.number, Newest: refs})
	}
	if !r.member {
		return fmt.Errorf("%w: frame of kind %d from a node outside the committee", errFault, f.kind)
	}
	switch f.kind {
	case kindAskNewest:
		return n.hand(ordering.NewestAsked{From: r.number})
	case kindAnswerNewest:
		a, err := decodeAnswer(n.cfg.Committee, n.own, f.body)
		if err != nil {
			return err
		}
		return n.hand(ordering.NewestAnswered{From: r.number, Newest: a.Newest, Signed: a.Signed, Lost: a.Lost})
	}
	return fmt.Errorf("%w: frame of kind %d on a push stream", errFault, f.kind)
}

func (n *Network) hand(e ordering.Event) error {
	if !n.deliver(e) {
		return ErrClosed
	}
	return nil
}
