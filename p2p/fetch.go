package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// errUnasked ends a fetch whose answer holds a block that was not asked for.
var errUnasked = errors.New("block that was not asked for")

// Fetch asks a peer for blocks. It returns at once; what comes is delivered as BlockReceived, and
// then exactly one FetchEnded, also if the peer is not connected, has 8 fetches outstanding, is
// silent for Limits.FetchTimeout, or sends something else than what was asked.
func (n *Network) Fetch(f ordering.Fetch) {
	n.count.fetchesSent.Add(1)
	started := n.spawn(func() {
		r := n.table.numbered(f.To)
		if r == nil || !r.connected() || !r.begin() {
			n.endFetch(f, 0, fmt.Errorf("peer %d is not connected", f.To))
			return
		}
		defer r.done()
		select {
		case r.fetching <- struct{}{}:
			defer func() { <-r.fetching }()
		default:
			n.endFetch(f, 0, fmt.Errorf("peer %d has %d fetches outstanding", f.To, fetchesPerPeer))
			return
		}
		blocks, err := n.fetch(r, f)
		if isFault(err) {
			n.fault(r, err)
		}
		n.endFetch(f, blocks, err)
	})
	if !started {
		n.count.fetchesFailed.Add(1)
	}
}

func (n *Network) endFetch(f ordering.Fetch, blocks int, err error) {
	if err != nil {
		n.count.fetchesFailed.Add(1)
		n.log.Debug("fetch_ended", "fetch", f.ID, "peer", f.To, "blocks", blocks, "error", err)
	}
	n.deliver(ordering.FetchEnded{Fetch: f, Blocks: blocks})
}

// fetch runs one fetch and says how many blocks it delivered.
func (n *Network) fetch(r *remote, f ordering.Fetch) (int, error) {
	if len(f.Refs) > maxFetchRefs || len(f.Refs) == 0 && f.FromRound > f.ToRound {
		return 0, fmt.Errorf("fetch %d blocks of rounds %d to %d: out of limits", len(f.Refs), f.FromRound, f.ToRound)
	}
	ctx, cancel := context.WithTimeout(r.ctx, maxFetchTime*n.limits.FetchTimeout)
	defer cancel()
	open, stop := context.WithTimeout(network.WithNoDial(ctx, "fetch"), n.limits.FetchTimeout)
	defer stop()
	s, err := n.host.NewStream(open, r.id, n.names.fetch)
	if err != nil {
		return 0, fmt.Errorf("open fetch stream: %w", err)
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	if err := s.SetDeadline(time.Now().Add(n.limits.FetchTimeout)); err != nil {
		return 0, fmt.Errorf("set fetch deadline: %w", err)
	}
	want, refs := askedOf(f)
	w := bufio.NewWriter(s)
	if err := (request{refs: refs, from: f.FromRound, to: f.ToRound}).encode().writeTo(w); err != nil {
		return 0, fmt.Errorf("write request: %w", err)
	}
	if err := w.Flush(); err != nil {
		return 0, fmt.Errorf("write request: %w", err)
	}
	if err := s.CloseWrite(); err != nil {
		return 0, fmt.Errorf("close request: %w", err)
	}
	a := &answer{n: n, r: r, s: s, in: bufio.NewReaderSize(s, readBuffer), asked: want}
	err = a.read()
	return a.blocks, err
}

// asked says which blocks a fetch may bring, each once.
type asked struct {
	refs     map[dag.Ref]struct{} // nil for a fetch of rounds
	from, to dag.Round
}

// askedOf is what a fetch may bring, and its refs without repetition.
func askedOf(f ordering.Fetch) (asked, []dag.Ref) {
	a := asked{from: f.FromRound, to: f.ToRound}
	if len(f.Refs) == 0 {
		return a, nil
	}
	a.refs = make(map[dag.Ref]struct{}, len(f.Refs))
	refs := make([]dag.Ref, 0, len(f.Refs))
	for _, ref := range f.Refs {
		if _, twice := a.refs[ref]; !twice {
			a.refs[ref] = struct{}{}
			refs = append(refs, ref)
		}
	}
	return a, refs
}

func (a *asked) accept(ref dag.Ref) error {
	if a.refs == nil {
		if ref.Round < a.from || ref.Round > a.to {
			return fmt.Errorf("%w: %v", errUnasked, ref)
		}
		return nil
	}
	if _, ok := a.refs[ref]; !ok {
		return fmt.Errorf("%w: %v", errUnasked, ref)
	}
	delete(a.refs, ref)
	return nil
}

// answer reads what comes back on one fetch stream.
type answer struct {
	n      *Network
	r      *remote
	s      network.Stream
	in     *bufio.Reader
	asked  asked
	blocks int // delivered
	bytes  int // read
}

// read delivers blocks until the trailer. Errors that are the peer's fault wrap errWire,
// dag.ErrBlock or errFault.
func (a *answer) read() error {
	for {
		f, err := a.next()
		if err != nil {
			return err
		}
		if f.kind == kindTrailer {
			return a.end(f)
		}
		raws := [][]byte{f.body}
		for len(raws) < maxBatch && blockReady(a.in) {
			if f, err = a.next(); err != nil {
				return err
			}
			raws = append(raws, f.body)
		}
		if err := a.n.takeBlocks(a.r, raws, a.accept); err != nil {
			return err
		}
	}
}

func (a *answer) next() (frame, error) {
	if err := a.s.SetReadDeadline(time.Now().Add(a.n.limits.FetchTimeout)); err != nil {
		return frame{}, fmt.Errorf("set fetch deadline: %w", err)
	}
	f, err := readFrame(a.in)
	if err != nil {
		return frame{}, err
	}
	a.n.account(a.r, f)
	if f.kind != kindBlock && f.kind != kindTrailer {
		return frame{}, fmt.Errorf("%w: frame of kind %d in an answer", errFault, f.kind)
	}
	if f.kind == kindBlock {
		if a.bytes += len(f.body); a.bytes > maxFetchBytes {
			return frame{}, fmt.Errorf("%w: answer of more than %d bytes", errFault, maxFetchBytes)
		}
	}
	return f, nil
}

func (a *answer) accept(ref dag.Ref) error {
	if err := a.asked.accept(ref); err != nil {
		a.n.count.unasked.Add(1)
		return err
	}
	a.blocks++
	a.n.count.fetchedBlocks.Add(1)
	return nil
}

func (a *answer) end(f frame) error {
	t, err := decodeTrailer(f.body)
	switch {
	case err != nil:
		return err
	case t.status == fetchBusy:
		return errors.New("peer is busy")
	case t.status == fetchError:
		return errors.New("peer could not read its blocks")
	}
	return nil
}
