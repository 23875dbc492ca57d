package p2p

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// remote is one peer: a member of the committee or a configured peer for as long as the Network
// lives, any other for as long as it is connected.
type remote struct {
	id       peer.ID
	number   ordering.Peer
	name     string
	member   bool // of the committee
	standing bool // member or configured: never removed

	queue    *queue
	wake     chan struct{} // holds a token when a connection came or went
	control  *bucket       // messages beside blocks that it pushes
	requests *bucket       // fetches that it asks
	served   *bucket       // bytes that it is served
	serving  chan struct{} // a token per fetch that is being served to it
	fetching chan struct{} // a token per fetch that it is asked
	echoing  chan struct{} // a token per sign of life that it is being given
	offering chan struct{} // a token per offer of its that is being read
	lookups  *bucket       // requests of the DHT that it sends

	lookingUp chan struct{}                  // a token per stream of them
	hints     atomic.Pointer[[]ma.Multiaddr] // where the DHT says that it listens
	seekAt    time.Time                      // when it may be looked for again; only attend uses it
	seekPause time.Duration                  // and how long it was left alone before

	offeredItems, offeredBytes *bucket // what it offers

	allowance *bucket      // work of its that need not wait for that of other strangers
	gossiped  atomic.Int64 // work that its gossip made, and that is not charged yet
	rejected  atomic.Int64 // gossiped messages of its that were invalid, since the last fault

	ctx    context.Context // ends when the peer is removed
	cancel context.CancelFunc

	mu     sync.Mutex
	gone   bool           // no more work for this peer may begin
	work   sync.WaitGroup // readers, served fetches and fetches
	up     chan struct{}  // closed while the outbound stream is open
	reader network.Stream // the inbound push stream

	since             atomic.Pointer[time.Time] // when it connected; nil if it is not
	rtt               atomic.Int64              // nanoseconds
	pinged            atomic.Int64              // when the newest ping left, Unix nanoseconds
	bytesIn, bytesOut atomic.Uint64
}

// begin registers work on the peer and says whether it may start; done ends it.
func (r *remote) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return false
	}
	r.work.Add(1)
	return true
}

func (r *remote) done() { r.work.Done() }

// end stops all work on the peer and waits for it.
func (r *remote) end() {
	r.mu.Lock()
	r.gone = true
	r.mu.Unlock()
	r.cancel()
	r.work.Wait()
}

// setUp lets the readers of the peer's messages go on: the engine knows of the peer now.
func (r *remote) setUp() {
	now := time.Now()
	r.since.Store(&now)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.up)
}

func (r *remote) setDown() {
	r.since.Store(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up = make(chan struct{})
}

func (r *remote) connected() bool { return r.since.Load() != nil }

// waitUp blocks until the peer is connected or removed.
func (r *remote) waitUp() bool {
	r.mu.Lock()
	up := r.up
	r.mu.Unlock()
	select {
	case <-up:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// replaceReader makes s the peer's one inbound push stream and returns the one before.
func (r *remote) replaceReader(s network.Stream) network.Stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.reader
	r.reader = s
	return before
}

func (r *remote) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// table knows the peers and gives out their numbers. Safe for concurrent use.
type table struct {
	committee *dag.Committee
	limits    Limits
	ctx       context.Context

	mu       sync.Mutex
	byID     map[peer.ID]*remote
	byNumber map[ordering.Peer]*remote
	taken    []bool // numbers of strangers, from FirstStranger on
}

func newTable(ctx context.Context, committee *dag.Committee, limits Limits) *table {
	return &table{
		committee: committee, limits: limits, ctx: ctx,
		byID: make(map[peer.ID]*remote), byNumber: make(map[ordering.Peer]*remote), taken: make([]bool, limits.Strangers),
	}
}

// add enters a peer. It returns nil if there is no room for another stranger, and fresh for a
// peer that was not in the table.
func (t *table) add(id peer.ID) (r *remote, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.byID[id]; r != nil {
		return r, false
	}
	key, err := IdentityOf(id)
	if err != nil {
		return nil, false
	}
	r = &remote{
		id: id, queue: newQueue(t.limits.QueueBytes, t.limits.QueueFrames), wake: make(chan struct{}, 1),
		control: newBucket(controlRate, controlRate), fetching: make(chan struct{}, fetchesPerPeer), up: make(chan struct{}),
	}
	if author, member := t.committee.AuthorOf(key); member {
		r.number, r.name, r.member, r.standing = ordering.Peer(author), t.committee.Validator(author).Name, true, true
		r.requests, r.served = newBucket(validatorRequestRate, validatorRequestRate), newBucket(validatorByteRate, validatorByteRate)
	} else {
		free := slices.Index(t.taken, false)
		if free < 0 {
			return nil, false
		}
		t.taken[free] = true
		r.number, r.name = ordering.FirstStranger+ordering.Peer(free), key.Short()
		r.requests, r.served = newBucket(strangerRequestRate, strangerRequestRate), newBucket(strangerByteRate, strangerByteRate)
	}
	r.serving = make(chan struct{}, servedPerPeer)
	r.echoing = make(chan struct{}, echoesPerPeer)
	r.offering = make(chan struct{}, offersPerPeer)
	r.lookingUp, r.lookups = make(chan struct{}, lookupsPerPeer), newBucket(lookupRate, lookupBurst)
	r.offeredItems, r.offeredBytes = newBucket(offerItemRate, offerItemRate), newBucket(offerByteRate, offerByteRate)
	r.allowance = newBucket(strangerWork, strangerSaved)
	r.ctx, r.cancel = context.WithCancel(t.ctx)
	t.byID[id], t.byNumber[r.number] = r, r
	return r, true
}

// remove takes a stranger out and its number back. Its work must have ended and its disconnection
// must have been delivered.
func (t *table) remove(r *remote) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, r.id)
	delete(t.byNumber, r.number)
	t.taken[r.number-ordering.FirstStranger] = false
}

func (t *table) find(id peer.ID) *remote {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

func (t *table) numbered(p ordering.Peer) *remote {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byNumber[p]
}

// all is every peer, ordered by number.
func (t *table) all() []*remote {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*remote, 0, len(t.byID))
	for _, r := range t.byID {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *remote) int { return cmp.Compare(a.number, b.number) })
	return out
}
