package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// Limits of the revealer.
const (
	// revealQueue is how many Readys' worth of work wait for the revealer, and revealQueueBytes how many
	// bytes of blocks they keep in memory; what does not fit is read from the store later.
	revealQueue      = 256
	revealQueueBytes = 32 << 20
	// maxUnrevealed is how many commits with sealed items are open at once, and maxUnrevealedBytes how much
	// memory they take; later ones wait in the store.
	maxUnrevealed      = 512
	maxUnrevealedBytes = 128 << 20
	// maxAhead is how many commits are kept that were handed in before their turn.
	maxAhead = 32
	// stepBytes is how much memory's worth of commits is taken in one step, some 2,000 sealed items of four
	// validators: what was taken is shared for and opened before more is.
	stepBytes = 8 << 20
	// maxOffer is how many bytes of own shares are offered at a time: some blocks full.
	maxOffer = 1 << 20
	// revealAgain is after how long shares of commits that are still unrevealed are looked for in the
	// store, and own ones offered again, then after twice as long, up to maxRevealPause times.
	revealAgain    = 2 * time.Second
	maxRevealPause = 16
	// rescanBytes and rescanRounds bound one look into the store.
	rescanBytes  = 4 << 20
	rescanRounds = dag.Round(400)
)

// revealWork is what one Ready holds for the revealer.
type revealWork struct {
	commits []*ordering.Commit
	shares  []ordering.ShareSeen
	bytes   int
}

// revealer opens sealed items beside the loop: it makes this validator's shares for commits, gathers
// the others', and stores what commits came to. The order never waits for it. Its goroutine owns the
// tracker under mu; everything else asks through methods that are safe for concurrent use.
type revealer struct {
	node    *node
	begun   chan struct{} // closed when the loop has handed over its first Ready
	once    sync.Once
	inbox   chan revealWork
	queued  atomic.Int64 // bytes in inbox
	mu      sync.Mutex
	tracker *reveal.Tracker
	bell    *bell
	keys    *keyring

	ahead   map[dag.CommitIndex]*ordering.Commit // handed in before their turn
	more    bool                                 // the last step left work that can be done at once
	settled dag.CommitIndex                      // how far all was settled when shares were last looked for
	pause   int                                  // ticks between looks while nothing moves
	ticks   int                                  // since the last look
	rescan  dag.Round                            // where the next look into the store begins
	blamed  dag.AuthorSet                        // whose bad shares were logged
	stored  dag.CommitIndex                      // revealed, as the store knows it
	kept    dag.CommitIndex                      // settled, as the store knows it
}

func newRevealer(n *node) *revealer {
	return &revealer{
		node: n, begun: make(chan struct{}), inbox: make(chan revealWork, revealQueue),
		tracker: reveal.New(n.committee, n.self, n.store.Settled()),
		keys:    newKeyring(), bell: newBell(), ahead: make(map[dag.CommitIndex]*ordering.Commit),
		stored: n.store.Revealed(), kept: n.store.Settled(),
	}
}

// hand gives the revealer its part of a Ready, without waiting; the loop calls it before the writer has the
// Ready. Keys are never left out: without its key a commit would be taken for one that nobody can open. What
// else does not fit is found in the store again.
func (r *revealer) hand(ready *ordering.Ready) {
	r.shareEarly(ready)
	r.keys.add(ready.Keys)
	r.once.Do(func() { close(r.begun) })
	w := revealWork{commits: ready.Commits, shares: ready.Shares}
	for _, c := range w.commits {
		for _, b := range c.Bodies {
			w.bytes += len(b.Bytes())
		}
	}
	for _, s := range w.shares {
		w.bytes += len(s.Payload)
	}
	if len(w.commits)+len(w.shares) == 0 || r.queued.Load()+int64(w.bytes) > revealQueueBytes {
		return
	}
	select {
	case r.inbox <- w:
		r.queued.Add(int64(w.bytes))
	default:
	}
}

// run works until ctx ends. An error is the store's, or a key that the log cannot have made.
func (r *revealer) run(ctx context.Context) error {
	again := time.NewTicker(revealAgain)
	defer again.Stop()
	select {
	case <-r.begun: // the keys of a restored engine came with it
	case <-ctx.Done():
		return nil
	}
	atOnce := make(chan struct{})
	close(atOnce)
	for {
		var more <-chan struct{}
		if r.more {
			more = atOnce
		}
		var w revealWork
		stale := false
		select {
		case w = <-r.inbox:
		case <-again.C:
			stale = true
		case <-more:
		case <-ctx.Done():
			return nil
		}
		if err := r.step(w, stale); err != nil {
			return fmt.Errorf("reveal: %w", err)
		}
	}
}

// step takes in what is there and lets out what follows.
func (r *revealer) step(w revealWork, stale bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more = false
	stored := r.node.store.Head().Index // before the inbox is emptied: behind it are the keys of all these commits
	room := stepBytes
	for again := true; again; {
		r.queued.Add(-int64(w.bytes))
		if err := r.take(w, &room); err != nil {
			return err
		}
		select {
		case w = <-r.inbox:
		default:
			again = false
		}
	}
	if err := r.commits(stored, &room); err != nil {
		return err
	}
	if stale {
		if err := r.lookAgain(); err != nil {
			return err
		}
	}
	r.offer()
	r.tracker.Work()
	r.blame()
	return r.store()
}

// take adds keys, notes commits for their turn, and hands on shares. It reads no commit from the store: the
// loop may just be handing over the key that it was sealed with.
func (r *revealer) take(w revealWork, room *int) error {
	if err := r.addKeys(); err != nil {
		return err
	}
	for _, c := range w.commits {
		if c.Index > r.tracker.Head() && len(r.ahead) < maxAhead {
			r.ahead[c.Index] = c
		}
	}
	if err := r.commits(0, room); err != nil {
		return err
	}
	for _, s := range w.shares {
		if err := r.tracker.Share(s.Author, s.Payload); err != nil {
			r.node.log.Debug("share_not_used", "from", r.node.committee.Validator(s.Author).Name, "err", err)
		}
	}
	return nil
}

// addKeys gives the tracker the keys that are new.
func (r *revealer) addKeys() error {
	fresh := r.keys.take()
	for i := range fresh {
		k := &fresh[i]
		if err := r.tracker.AddKey(k.Key, k.Share); err != nil {
			return err
		}
		if k.Lost != nil {
			r.node.log.Error("share_of_sealing_key_lost", "key", k.Key.ID, "err", k.Lost, "next", "nothing to do: a complaint against the cheating dealer is on its way, and a new key follows")
		} else {
			r.node.log.Info("sealing_key_ready", "key", k.Key.ID, "from_commit", k.Key.From, "dealers", len(k.Key.Dealers), "threshold", k.Key.Threshold)
		}
	}
	return nil
}

// commits gives the tracker the commits whose turn it is, handed in or up to stored read from the store, as
// far as room and memory go.
func (r *revealer) commits(stored dag.CommitIndex, room *int) error {
	for r.tracker.Open() < maxUnrevealed {
		before := r.tracker.Bytes()
		if *room <= 0 || before > maxUnrevealedBytes {
			r.more = *room <= 0
			return nil
		}
		next := r.tracker.Head() + 1
		c := r.ahead[next]
		delete(r.ahead, next)
		if c == nil {
			if next > stored {
				return nil
			}
			var found bool
			var err error
			if c, found, err = r.node.store.Commit(next); err != nil {
				return err
			}
			if !found { // pruned: it was revealed long ago by everybody else
				r.tracker.Skip(max(r.node.store.Earliest(), next+1) - 1)
				continue
			}
		}
		r.tracker.Commit(c)
		*room -= r.tracker.Bytes() - before + commitCost
	}
	return nil
}

// commitCost is what a commit without sealed items counts for in a step, in bytes.
const commitCost = 4 << 10

// offer puts own shares before the engine, as far as its queue takes them without waiting: the loop
// may be waiting for this goroutine.
func (r *revealer) offer() {
	shares := r.tracker.Offers(maxOffer)
	if len(shares) == 0 {
		return
	}
	select {
	case r.node.loop.inbox <- ordering.SharesMade{Shares: shares}:
	default:
		r.tracker.OfferAgain()
	}
}

// lookAgain looks for shares of unrevealed commits in the blocks of the store, a piece at a time, and has the
// own ones offered again that stand in no ordered block, where nothing has been settled since the last look.
func (r *revealer) lookAgain() error {
	if settled := r.tracker.Settled(); settled != r.settled || settled == r.tracker.Head() {
		r.settled, r.pause, r.ticks, r.rescan = settled, 1, 0, 0
		return r.recall()
	}
	if r.ticks++; r.ticks < r.pause {
		return nil
	}
	r.ticks, r.pause = 0, min(2*r.pause, maxRevealPause)
	r.tracker.OfferAgain()
	_, round, open := r.tracker.Oldest()
	if !open {
		return nil
	}
	from := max(r.rescan, round+1)
	raws, next, err := r.node.store.BlocksInRounds(from, from+rescanRounds, rescanBytes)
	if err != nil {
		return err
	}
	if r.rescan = next; len(raws) == 0 {
		r.rescan = 0
	} else {
		r.pause = 1 // there is more to look through
	}
	blocks, _ := dag.VerifyBatch(r.node.committee, raws)
	for _, b := range blocks {
		if b == nil {
			continue
		}
		for _, m := range b.Block().System {
			if m.Kind == ordering.KindShare {
				_ = r.tracker.Share(b.Author(), m.Payload) // said when it came first
			}
		}
	}
	return nil
}

// recall gives the tracker back commits that it had no room for while no own block was ordered.
func (r *revealer) recall() error {
	for {
		i, ok := r.tracker.Recall()
		if !ok {
			return nil
		}
		c, _, err := r.node.store.Commit(i)
		if err != nil {
			return err
		}
		r.tracker.Owe(c)
	}
}

// blame logs who has sent a wrong share, once each.
func (r *revealer) blame() {
	bad := r.tracker.Bad()
	for a := range dag.Author(r.node.committee.Size()) {
		if bad.Has(a) && !r.blamed.Has(a) {
			r.blamed.Add(a)
			r.node.log.Error("wrong_share", "validator", r.node.committee.Validator(a).Name, "next", "tell its operator: its decryption shares do not verify")
		}
	}
}

// store keeps what was revealed and tells readers. What lies between settled and revealed is revealed again
// after a restart, with the same outcome.
func (r *revealer) store() error {
	records, revealed, settled := r.tracker.Take(), max(r.tracker.Revealed(), r.stored), r.tracker.Settled()
	for len(records) > 0 && records[0].Commit.Index <= r.stored {
		records = records[1:]
	}
	if len(records) == 0 && revealed == r.stored && settled < r.kept+settleEvery {
		return nil
	}
	if err := r.node.store.PutReveals(records, revealed, settled); err != nil {
		return err
	}
	r.kept = settled
	if revealed > r.stored {
		r.stored = revealed
		r.bell.ring()
	}
	return nil
}

// settleEvery is how many commits may be settled before that is written down without anything revealed.
const settleEvery = 64
