package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/ordering"
)

// Limits of offering transactions to a validator.
const (
	// MaxOfferItems and MaxOfferBytes are how much one Offer may hold, encoded.
	MaxOfferItems = 256
	MaxOfferBytes = 1 << 20
	// offersPerPeer and offersServed are how many offers of one peer and of all are read at a time.
	offersPerPeer = 4
	offersServed  = 64
	// Items and bytes per second that are taken from one peer; the burst is one second's worth. An item
	// that is refused costs more: it has been checked for nothing.
	offerItemRate = 2000
	offerByteRate = 4 << 20
	refusedCost   = 50
)

// Verdict is what a validator did with an offered item.
type Verdict uint8

// The verdicts.
const (
	Taken   Verdict = iota + 1 // it is in the validator's hands, which may be faulty
	NotNow                     // not wanted now: the validator is busy, or the sender is over its rate
	Refused                    // against the rules as the validator sees them
)

// Offer hands encoded transactions and bundles to a validator and returns what it did with each. It blocks
// until the answer is there, ctx ends or the validator is silent for Limits.FetchTimeout. That an item was
// taken is a hint and no promise: whoever needs it ordered looks at the order. Safe for concurrent use.
func (n *Network) Offer(ctx context.Context, to ordering.Peer, raws [][]byte) ([]Verdict, error) {
	size := 0
	for _, raw := range raws {
		if size += len(raw); len(raw) == 0 || len(raw) > maxGossipItem {
			return nil, fmt.Errorf("offer an item of %d bytes, want 1 to %d", len(raw), maxGossipItem)
		}
	}
	if len(raws) == 0 || len(raws) > MaxOfferItems || size > MaxOfferBytes {
		return nil, fmt.Errorf("offer %d items of %d bytes, want 1 to %d of at most %d", len(raws), size, MaxOfferItems, MaxOfferBytes)
	}
	r := n.table.numbered(to)
	if r == nil || !r.connected() || !r.begin() {
		return nil, fmt.Errorf("offer to peer %d: not connected", to)
	}
	defer r.done()
	verdicts, err := n.offer(ctx, r, raws)
	if isFault(err) {
		n.fault(r, err)
	}
	if err != nil {
		return nil, fmt.Errorf("offer to %s: %w", r.name, err)
	}
	return verdicts, nil
}

func (n *Network) offer(ctx context.Context, r *remote, raws [][]byte) ([]Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, n.limits.FetchTimeout)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	s, err := n.host.NewStream(network.WithNoDial(ctx, "offer"), r.id, n.names.offer)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	w := bufio.NewWriter(s)
	for _, raw := range raws {
		if err := (frame{kindItem, raw}).writeTo(w); err != nil {
			return nil, fmt.Errorf("write item: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("write items: %w", err)
	}
	if err := s.CloseWrite(); err != nil {
		return nil, fmt.Errorf("close offer: %w", err)
	}
	f, err := readFrame(bufio.NewReader(s))
	if err != nil {
		return nil, err
	}
	n.account(r, f)
	n.count.offersSent.Add(1)
	return decodeVerdicts(f, len(raws))
}

// handleOffer takes what another node offers, within its rates.
func (n *Network) handleOffer(s network.Stream) {
	defer func() { _ = s.Reset() }()
	r := n.entered(s)
	if r == nil {
		return
	}
	defer r.done()
	defer context.AfterFunc(r.ctx, func() { _ = s.Reset() })()
	select {
	case r.offering <- struct{}{}:
		defer func() { <-r.offering }()
	default:
		n.tire(r)
		return
	}
	if !n.afford(r.ctx, r, workStream) {
		n.tire(r)
		return
	}
	select {
	case n.offers <- struct{}{}:
		defer func() { <-n.offers }()
	default:
		n.tire(r)
		return
	}
	if err := s.SetDeadline(time.Now().Add(n.limits.FetchTimeout)); err != nil {
		return
	}
	switch err := n.takeOffer(r, s); {
	case isFault(err):
		n.fault(r, err)
	case err != nil:
		n.log.Debug("offer_ended", "peer", r.name, "error", err)
	default:
		_ = s.Close() // the answer has been written; a reset would cut it off
	}
}

// takeOffer reads items until the asker closes its side, and answers with a verdict for each.
func (n *Network) takeOffer(r *remote, s network.Stream) error {
	in := bufio.NewReader(s)
	var verdicts []Verdict
	size := 0
	for {
		f, err := readFrame(in)
		if err == io.EOF { // between two frames; one that is cut short wraps it
			break
		}
		if err != nil {
			return err
		}
		n.account(r, f)
		if f.kind != kindItem {
			return fmt.Errorf("%w: frame of kind %d in an offer", errFault, f.kind)
		}
		if size += len(f.body); len(verdicts) == MaxOfferItems || size > MaxOfferBytes {
			return fmt.Errorf("%w: offer of more than %d items or %d bytes", errFault, MaxOfferItems, MaxOfferBytes)
		}
		n.spend(r, workMessage+workKiB*len(f.body)/1024)
		verdicts = append(verdicts, n.judge(r, f.body))
	}
	if len(verdicts) == 0 {
		return fmt.Errorf("%w: offer of nothing", errFault)
	}
	f := encodeVerdicts(verdicts)
	n.count.bytesOut.Add(uint64(f.size()))
	return f.writeTo(s)
}

// judge checks one offered item and hands it to the node.
func (n *Network) judge(r *remote, raw []byte) Verdict {
	now := time.Now()
	if n.cfg.AdmitTransaction == nil || !r.offeredItems.allow(now) || !r.offeredBytes.allow(now) {
		n.count.offersRefused.Add(1)
		return NotNow
	}
	r.offeredItems.charge(1)
	r.offeredBytes.charge(len(raw))
	switch err := n.cfg.AdmitTransaction(raw); {
	case errors.Is(err, ErrNotNow):
		return NotNow
	case err != nil:
		n.count.offersRefused.Add(1)
		r.offeredItems.charge(refusedCost)
		return Refused
	}
	select {
	case n.transactions <- GossipItem{Raw: raw}:
		n.count.offersTaken.Add(1)
		return Taken
	default:
		n.count.offersRefused.Add(1)
		return NotNow
	}
}

func encodeVerdicts(verdicts []Verdict) frame {
	body := make([]byte, len(verdicts))
	for i, v := range verdicts {
		body[i] = byte(v)
	}
	return frame{kindVerdicts, body}
}

// decodeVerdicts reads the answer to an offer of count items.
func decodeVerdicts(f frame, count int) ([]Verdict, error) {
	if f.kind != kindVerdicts || len(f.body) != count {
		return nil, fmt.Errorf("%w: kind %d with %d bytes answers an offer of %d", errWire, f.kind, len(f.body), count)
	}
	out := make([]Verdict, count)
	for i, b := range f.body {
		if out[i] = Verdict(b); out[i] < Taken || out[i] > Refused {
			return nil, fmt.Errorf("%w: verdict %d", errWire, b)
		}
	}
	return out, nil
}
