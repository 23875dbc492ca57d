package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// SnapshotSource answers other nodes' queries for snapshots. Snapshot is called from many goroutines at once and may
// block; it calls give with the records of the answer in order, and ends when give returns an error. A query has been
// checked by snapshot.DecodeQuery.
type SnapshotSource interface {
	Snapshot(q snapshot.Query, give func(record []byte) error) error
}

const (
	// partBytes is how much of a record one frame holds.
	partBytes = 256 << 10
	// recordCost is what a record counts for beside its bytes in what a peer is served per second: each is
	// read and decoded.
	recordCost = 1 << 10
	// maxSnapshotTime is how many Limits.FetchTimeout an answer may take in all while it makes progress.
	maxSnapshotTime = 24
	// slowestAnswer is how many bytes of records must come per second that a peer is waited for, and patientAnswers how
	// many Limits.FetchTimeout may pass beside that: else one that gives a byte at a time is waited for as long as one
	// that gives all.
	slowestAnswer  = 16 << 10
	patientAnswers = 2
)

// errSlow ends an answer that comes too slowly.
var errSlow = errors.New("answer comes too slowly")

// ErrBusy says that a peer serves no more at the moment: ask later, or another one.
var ErrBusy = errors.New("peer is busy")

// Ask asks a peer a query and calls take with every record of the answer, in order, as it comes. It blocks until the
// answer is over, ctx ends, or the peer is silent for Limits.FetchTimeout or gives less than 16 KiB/s. An error of take ends it and
// is returned; one that wraps snapshot.ErrSnapshot or dag.ErrBlock costs the peer the connection, and so
// does an answer beyond the limits of the query. A peer that has nothing to say gives no record and no error. Safe for
// concurrent use.
func (n *Network) Ask(ctx context.Context, to ordering.Peer, q snapshot.Query, take func(record []byte) error) error {
	r := n.table.numbered(to)
	if r == nil || !r.connected() || !r.begin() {
		return fmt.Errorf("ask peer %d for a snapshot: not connected", to)
	}
	defer r.done()
	n.count.snapshotQueriesSent.Add(1)
	err := n.ask(ctx, r, q, take)
	if isFault(err) {
		n.fault(r, err)
	}
	if err != nil {
		return fmt.Errorf("ask %s for a snapshot: %w", r.name, err)
	}
	return nil
}

// Blame holds against a peer what was found wrong with its answer after Ask had returned.
func (n *Network) Blame(peer ordering.Peer, err error) {
	if r := n.table.numbered(peer); r != nil {
		n.fault(r, err)
	}
}

func (n *Network) ask(ctx context.Context, r *remote, q snapshot.Query, take func([]byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, maxSnapshotTime*n.limits.FetchTimeout)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	open, stop := context.WithTimeout(network.WithNoDial(ctx, "snapshot"), n.limits.FetchTimeout)
	defer stop()
	s, err := n.host.NewStream(open, r.id, n.names.snapshot)
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	if err := s.SetDeadline(time.Now().Add(n.limits.FetchTimeout)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if err := (frame{kindQuery, q.Encode()}).writeTo(s); err != nil {
		return fmt.Errorf("write query: %w", err)
	}
	if err := s.CloseWrite(); err != nil {
		return fmt.Errorf("close query: %w", err)
	}
	a := &recordReader{n: n, r: r, s: s, in: bufio.NewReaderSize(s, readBuffer), left: q.MaxAnswer(n.cfg.Committee.Size())}
	if err := a.read(take); err != nil {
		if ctx.Err() != nil && !isFault(err) {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// recordReader reads the answer to a query.
type recordReader struct {
	n      *Network
	r      *remote
	s      network.Stream
	in     *bufio.Reader
	left   int           // bytes of records that may still come
	got    int           // bytes of records so far
	waited time.Duration // for them; what the taker does with them does not count
	record []byte        // the parts so far
}

func (a *recordReader) read(take func([]byte) error) error {
	for {
		f, err := a.next()
		if err != nil {
			return err
		}
		switch f.kind {
		case kindTrailer:
			return a.end(f)
		case kindPart:
		default:
			return fmt.Errorf("%w: frame of kind %d in an answer about a snapshot", errFault, f.kind)
		}
		more, part := f.body[0], f.body[1:]
		a.got += len(part)
		if a.left -= len(part); a.left < 0 || len(a.record)+len(part) > snapshot.MaxRecordBytes || more > 1 {
			return fmt.Errorf("%w: an answer about a snapshot beyond its limits", errFault)
		}
		if a.record = append(a.record, part...); more == 1 {
			continue
		}
		if err := take(a.record); err != nil {
			return err
		}
		a.n.count.snapshotRecords.Add(1)
		a.record = a.record[:0]
	}
}

// next waits for a frame, for no longer than a peer may be silent and than what has come so far is worth.
func (a *recordReader) next() (frame, error) {
	began := time.Now()
	patience := patientAnswers*a.n.limits.FetchTimeout + time.Duration(a.got)*time.Second/slowestAnswer - a.waited
	if err := a.s.SetReadDeadline(began.Add(min(patience, a.n.limits.FetchTimeout))); err != nil {
		return frame{}, fmt.Errorf("set deadline: %w", err)
	}
	f, err := readFrame(a.in)
	took := time.Since(began)
	a.waited += took
	if err != nil {
		if took >= patience {
			return frame{}, fmt.Errorf("%w: %d bytes in %v", errSlow, a.got, a.waited.Round(time.Millisecond))
		}
		return frame{}, err
	}
	a.n.account(a.r, f)
	return f, nil
}

func (a *recordReader) end(f frame) error {
	t, err := decodeTrailer(f.body)
	switch {
	case err != nil:
		return err
	case t.status == fetchBusy:
		return ErrBusy
	case t.status == fetchError:
		return errors.New("peer could not read its store")
	case len(a.record) > 0:
		return fmt.Errorf("%w: an answer that ends within a record", errFault)
	}
	return nil
}

// handleSnapshot answers one query of a peer within the rates at which it is served blocks.
func (n *Network) handleSnapshot(s network.Stream) {
	n.serve(s, (*serving).query, (*serving).refuseQuery)
}

// refuseQuery tells the peer to ask later or elsewhere.
func (v *serving) refuseQuery() error {
	v.n.count.snapshotQueriesRefused.Add(1)
	v.sent.status = fetchBusy
	return v.finish()
}

// errFull ends an answer that has reached its size.
var errFull = errors.New("answer is full")

// query reads a query and answers it.
func (v *serving) query() error {
	f, err := readFrame(bufio.NewReader(v.s))
	if err != nil {
		return err
	}
	v.n.account(v.r, f)
	if f.kind != kindQuery {
		return fmt.Errorf("%w: frame of kind %d in place of a query", errFault, f.kind)
	}
	q, err := snapshot.DecodeQuery(f.body)
	if err != nil {
		return err
	}
	if !v.begin() {
		return v.refuseQuery()
	}
	defer func() { v.charge(v.bytes + int(v.sent.blocks)*recordCost) }()
	var sending error
	err = v.n.cfg.Snapshots.Snapshot(q, func(record []byte) error {
		if sending = v.give(q, record); sending != nil {
			return sending
		}
		return nil
	})
	switch {
	case sending != nil && !errors.Is(sending, errFull):
		return sending
	case sending == nil && err != nil:
		v.n.log.Warn("serve_snapshot", "peer", v.r.name, "error", err)
		v.sent.status = fetchError
	}
	v.n.count.snapshotQueriesServed.Add(1)
	return v.finish()
}

// give writes one record in parts.
func (v *serving) give(q snapshot.Query, record []byte) error {
	if len(record) > snapshot.MaxRecordBytes || v.bytes+len(record) > q.MaxAnswer(v.n.cfg.Committee.Size()) {
		return fmt.Errorf("record of %d bytes is beyond the limits of an answer", len(record))
	}
	v.bytes += len(record)
	v.sent.blocks++
	for more := byte(1); more == 1; {
		part := record[:min(len(record), partBytes)]
		if record = record[len(part):]; len(record) == 0 {
			more = 0
		}
		if err := v.write(frame{kindPart, append([]byte{more}, part...)}); err != nil {
			return err
		}
	}
	if q.Full(v.bytes) {
		v.sent.status = fetchCut
		return errFull
	}
	return nil
}
