package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/store"
)

const (
	// proofPeers is how many peers are asked for a proof at a time, and in a large committee as many as hold one that is
	// honest; the newest head that is proven counts.
	proofPeers = 4
	// snapshotStrangers is how many peers outside the committee are asked at all.
	snapshotStrangers = 8
	// reachPatience is how long a peer may take to say which commits it has, partPatience how long it may take
	// over one answer about the window before another is asked on.
	reachPatience = 3 * time.Second
	partPatience  = 20 * time.Second // and over the carried states at first
	// snapshotPause is between questions to peers that all had nothing, or were busy; maxFruitless such rounds
	// end an attempt, and attemptPause is between attempts.
	snapshotPause = 300 * time.Millisecond
	maxFruitless  = 20
	// firstFruitless is after how many such rounds the node that gave the head is given up, which alone can be
	// asked for the first commits.
	firstFruitless = 5
	attemptPause   = 2 * time.Second
	// proofAgain is between questions while nobody proves anything, and proofSaid how often the log says so.
	proofAgain = 300 * time.Millisecond
	proofSaid  = 5 * time.Second
)

// mesh is the network as a snapshot is taken from it. *p2p.Network is one.
type mesh interface {
	Peers() []p2p.PeerInfo
	Ask(ctx context.Context, to ordering.Peer, q snapshot.Query, take func(record []byte) error) error
	Blame(peer ordering.Peer, err error)
}

// taker takes a snapshot from peers, none of whom it trusts. What is wrong costs a peer the connection, and
// it is not asked again; what was right stays, and another peer goes on.
type taker struct {
	mesh  mesh
	store *store.Store
	order ordering.Config // an observer's
	log   *slog.Logger
	told  *taking
	// patience is after how long without a proof it is given up; 0 for never. Who has commits does not give up before
	// somebody has proven one of those: without a peer that answers nobody knows whether there is a newer one.
	patience time.Duration

	older   bool // somebody has proven a head that is not newer
	liars   map[ordering.Peer]bool
	useless map[ordering.Peer]bool // gave a head and no window below it
	slow    map[ordering.Peer]bool
}

// errNoProof says that no peer proves a newer commit than this node has.
var errNoProof = errors.New("no connected node proves a newer commit")

// errOwnStore wraps what this node's own disk says, which no other peer can help.
var errOwnStore = errors.New("write snapshot")

// take tries until it has a snapshot with a head beyond a commit, or ctx ends, or this node's disk fails, or its patience
// ends.
func (t *taker) take(ctx context.Context, beyond dag.CommitIndex) (*store.Staging, error) {
	t.liars, t.useless = make(map[ordering.Peer]bool), make(map[ordering.Peer]bool)
	began, said := time.Now(), time.Now()
	for {
		t.slow = make(map[ordering.Peer]bool)
		staging, err := t.attempt(ctx, beyond)
		if err == nil || errors.Is(err, errOwnStore) || ctx.Err() != nil {
			return staging, err
		}
		wait := attemptPause
		if errors.Is(err, errNoProof) {
			if t.patience > 0 && time.Since(began) > t.patience && (beyond == 0 || t.older) {
				return nil, err
			}
			wait = proofAgain
		}
		if wait == attemptPause || time.Since(said) >= proofSaid {
			said = time.Now()
			t.log.Warn("snapshot_not_taken", "err", err, "connected", len(t.connected(nobody)), "next", "nothing: it is tried again")
		}
		if !pause(ctx, wait) {
			return nil, ctx.Err()
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *taker) attempt(ctx context.Context, beyond dag.CommitIndex) (_ *store.Staging, err error) {
	head, from, err := t.proof(ctx, beyond)
	if err != nil {
		return nil, err
	}
	staging, err := t.store.Stage(head)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errOwnStore, err)
	}
	defer func() {
		if err != nil {
			if left := staging.Discard(); left != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", errOwnStore, left))
			}
		}
	}()
	window := snapshot.NewWindow(t.order.Committee.Network(), head)
	t.told.begin(head.Ref(), window.Left())
	if err := t.window(ctx, window, staging, from); err != nil {
		return nil, err
	}
	if err := window.Finish(); err != nil {
		t.liar(from, err) // all that is proven only now came from there
		return nil, err
	}
	states, err := t.states(ctx, head, from)
	if err != nil {
		return nil, err
	}
	if err := t.takeDeals(ctx, head, states, staging, from); err != nil {
		return nil, err
	}
	if err := staging.Finish(ctx, states); err != nil {
		return nil, fmt.Errorf("%w: %w", errOwnStore, err)
	}
	return staging, nil
}

// liar notes what a peer did and asks it no more.
func (t *taker) liar(p ordering.Peer, err error) {
	t.liars[p] = true
	t.mesh.Blame(p, err)
}

// wrong reports whether an error is the peer's fault.
func wrong(err error) bool {
	return errors.Is(err, snapshot.ErrSnapshot) || errors.Is(err, dag.ErrBlock)
}

// connected is whom to ask: first, if it is there, then members, then some others, and none that lied.
func (t *taker) connected(first ordering.Peer) []ordering.Peer {
	var out []ordering.Peer
	strangers := 0
	for _, p := range t.mesh.Peers() {
		switch {
		case !p.Connected || t.liars[p.Peer]:
		case p.Peer == first:
			out = slices.Insert(out, 0, p.Peer)
		case p.Member:
			out = append(out, p.Peer)
		case strangers < snapshotStrangers:
			strangers++
			out = append(out, p.Peer)
		}
	}
	return out
}

// nobody as a Peer is none.
const nobody = ordering.Everyone

// proof asks peers for proofs, some at a time, and gives the newest head that holds, with whom it is from. It asks on
// while nothing came.
func (t *taker) proof(ctx context.Context, beyond dag.CommitIndex) (*ordering.Commit, ordering.Peer, error) {
	peers := slices.DeleteFunc(t.connected(nobody), func(p ordering.Peer) bool { return t.useless[p] })
	if len(peers) == 0 { // all had their turn: what was busy then may answer now
		clear(t.useless)
		peers = t.connected(nobody)
	}
	for len(peers) > 0 {
		some := peers[:min(max(proofPeers, t.order.Committee.Validity()), len(peers))]
		peers = peers[len(some):]
		var mu sync.Mutex
		var newest *ordering.Commit
		from := nobody
		asked, stop := context.WithCancel(ctx)
		var asking sync.WaitGroup
		for _, p := range some {
			asking.Go(func() {
				proof := snapshot.NewProof(t.order.Committee)
				err := t.mesh.Ask(asked, p, snapshot.Query{Kind: snapshot.AskProof}, proof.Take)
				head, unproven := proof.Head()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case wrong(err):
					t.liars[p] = true
				case err == nil && unproven == nil && head.Index <= beyond:
					t.older = true
				case err == nil && unproven == nil && (newest == nil || head.Index > newest.Index):
					newest, from = head, p
					time.AfterFunc(reachPatience, stop) // who dribbles does not hold up those that answer
				case err == nil && unproven != nil && proof.Begun():
					t.liar(p, unproven)
				}
			})
		}
		asking.Wait()
		stop()
		if newest != nil {
			return newest, from, nil
		}
	}
	return nil, nobody, fmt.Errorf("%w than %d", errNoProof, beyond)
}

// window asks peers in turn for what is missing of the window, and writes it.
func (t *taker) window(ctx context.Context, w *snapshot.Window, staging *store.Staging, first ordering.Peer) error {
	at := first
	for fruitless := 0; fruitless < maxFruitless; {
		if w.Unproven() && (fruitless == firstFruitless || t.liars[first] || t.slow[first]) {
			t.useless[first] = true
			return errors.New("the node that proved the newest commit does not give those before it")
		}
		q, more := w.Next()
		if !more {
			return nil
		}
		peers := t.connected(at)
		if quick := slices.DeleteFunc(slices.Clone(peers), func(p ordering.Peer) bool { return t.slow[p] }); len(quick) > 0 {
			peers = quick
		}
		if w.Unproven() {
			peers = []ordering.Peer{first}
		}
		before := w.Left()
		for _, p := range peers {
			if err := t.part(ctx, p, q, w, staging); err != nil {
				return err
			}
			if w.Left() < before {
				at = p
				break
			}
		}
		if w.Left() < before {
			fruitless = 0
			continue
		}
		fruitless++
		if !pause(ctx, snapshotPause) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%d commits of the window are not to be had from any connected node", w.Left())
}

// part asks one peer for the next part of the window. An error is this node's.
func (t *taker) part(ctx context.Context, p ordering.Peer, q snapshot.Query, w *snapshot.Window, staging *store.Staging) error {
	asking, stop := context.WithTimeout(ctx, partPatience)
	defer stop()
	var own error
	before, size := w.Left(), 0
	err := t.mesh.Ask(asking, p, q, func(record []byte) error {
		size += len(record)
		c, err := w.Take(record)
		if err != nil {
			return err
		}
		t.told.note(w.Left(), len(record))
		own = staging.Commit(ctx, c)
		return own
	})
	switch {
	case own != nil:
		return fmt.Errorf("%w: %w", errOwnStore, own)
	case ctx.Err() != nil:
		return ctx.Err()
	case wrong(err):
		t.liars[p] = true
	case asking.Err() != nil, err == nil && w.Left() > 0 && w.Left() < before && !q.Full(size):
		t.slow[p] = true // also who ends an answer early: a commit at a time would take hours
	}
	return nil
}

// states asks peers in turn for the states that a proven head carries.
func (t *taker) states(ctx context.Context, head *ordering.Commit, first ordering.Peer) ([]ordering.State, error) {
	patience := partPatience // for one peer; they may be large, and all the same one must not hold up the others for long
	for range maxFruitless {
		for _, p := range t.connected(first) {
			states := snapshot.NewStates(head)
			q, any := states.Query()
			if !any {
				return states.Finish(t.order)
			}
			asking, stop := context.WithTimeout(ctx, patience)
			err := t.mesh.Ask(asking, p, q, states.Take)
			stop()
			if wrong(err) {
				t.liars[p] = true
			}
			if err != nil || states.Empty() {
				continue
			}
			found, err := states.Finish(t.order)
			if err == nil {
				return found, nil
			}
			t.liar(p, err)
		}
		patience *= 2
		if !pause(ctx, snapshotPause) {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("the states that commit %d carries are not to be had from any connected node", head.Index)
}

// reach is which commits a peer says it has.
type reach struct {
	snapshot.Reach
	peer   ordering.Peer
	member bool
}

// reaches asks the connected peers which commits they have, and gives the answers that came in time.
func reaches(ctx context.Context, m mesh) []reach {
	ctx, stop := context.WithTimeout(ctx, reachPatience)
	defer stop()
	var mu sync.Mutex
	var out []reach
	var asking sync.WaitGroup
	strangers := 0
	for _, p := range m.Peers() {
		if !p.Connected {
			continue
		}
		if !p.Member {
			if strangers++; strangers > snapshotStrangers {
				continue
			}
		}
		asking.Go(func() {
			_ = m.Ask(ctx, p.Peer, snapshot.Query{Kind: snapshot.AskReach}, func(record []byte) error {
				r, err := snapshot.DecodeReach(record)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				out = append(out, reach{r, p.Peer, p.Member})
				return nil
			})
		})
	}
	asking.Wait()
	slices.SortFunc(out, func(a, b reach) int { return int(a.peer) - int(b.peer) })
	return slices.CompactFunc(out, func(a, b reach) bool { return a.peer == b.peer })
}
