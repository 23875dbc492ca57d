package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// Limits of the revealer.
const (
	// revealQueue is how many Readys' worth of work wait for the revealer; what does not fit is read
	// from the store later.
	revealQueue = 256
	// maxUnrevealed is how many commits with sealed items are open at once; later ones wait in the store.
	maxUnrevealed = 512
	// maxOffer is how many bytes of own shares are offered at a time: some blocks full.
	maxOffer = 1 << 20
	// revealAgain is after how long shares of commits that are still unrevealed are looked for in the
	// store, and own ones offered again.
	revealAgain = 2 * time.Second
	// rescanBytes and rescanRounds bound one look into the store.
	rescanBytes  = 4 << 20
	rescanRounds = dag.Round(400)
)

// revealWork is what one Ready holds for the revealer.
type revealWork struct {
	keys    []ordering.KeyReady
	commits []*ordering.Commit
	shares  []ordering.ShareSeen
}

// revealer opens sealed items beside the loop: it makes this validator's shares for commits, gathers
// the others', and stores what commits came to. The order never waits for it. Its goroutine owns the
// tracker under mu; everything else asks through methods that are safe for concurrent use.
type revealer struct {
	node    *node
	inbox   chan revealWork
	mu      sync.Mutex
	tracker *reveal.Tracker
	bell    *bell

	known   sync.Mutex // over what follows: every submission asks for the keys and must not wait for a step
	keys    []keygen.Key
	origins map[uint64][]keygen.Origin

	begun  bool                                 // the loop's: whether it has handed over anything
	ahead  map[dag.CommitIndex]*ordering.Commit // handed in before their turn
	stuck  dag.CommitIndex                      // the oldest unrevealed commit when shares were last looked for
	rescan dag.Round                            // where the next look into the store begins
	blamed dag.AuthorSet                        // whose bad shares were logged
	stored dag.CommitIndex
}

func newRevealer(n *node) *revealer {
	return &revealer{
		node: n, inbox: make(chan revealWork, revealQueue), tracker: reveal.New(n.committee, n.self, n.store.Revealed()),
		origins: make(map[uint64][]keygen.Origin), bell: newBell(), ahead: make(map[dag.CommitIndex]*ordering.Commit),
		stored: n.store.Revealed(),
	}
}

// hand gives the revealer its part of a Ready; the loop calls it before the writer has the Ready. Keys
// and the first Ready can make it wait: without its key a commit would be taken for one that nobody can
// open. The rest is found in the store again.
func (r *revealer) hand(ctx context.Context, ready *ordering.Ready) {
	r.shareEarly(ready)
	w := revealWork{keys: ready.Keys, commits: ready.Commits, shares: ready.Shares}
	switch {
	case len(w.keys) > 0 || !r.begun:
		r.begun = true
		select {
		case r.inbox <- w:
		case <-ctx.Done():
		}
	case len(w.commits)+len(w.shares) > 0:
		select {
		case r.inbox <- w:
		default:
		}
	}
}

// run works until ctx ends. An error is the store's, or a key that the log cannot have made.
func (r *revealer) run(ctx context.Context) error {
	again := time.NewTicker(revealAgain)
	defer again.Stop()
	select { // the keys of a restored engine come with its first Ready
	case w := <-r.inbox:
		if err := r.step(w, false); err != nil {
			return fmt.Errorf("reveal: %w", err)
		}
	case <-ctx.Done():
		return nil
	}
	for {
		var w revealWork
		stale := false
		select {
		case w = <-r.inbox:
		case <-again.C:
			stale = true
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
	stored := r.node.store.Head().Index // before the inbox is emptied: behind it are the keys of all these commits
	for more := true; more; {
		if err := r.take(w); err != nil {
			return err
		}
		select {
		case w = <-r.inbox:
		default:
			more = false
		}
	}
	if err := r.commits(stored); err != nil {
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

// take notes keys, and commits for their turn, and hands on shares. It reads no commit from the store: the
// key that it was sealed with may still be in the inbox.
func (r *revealer) take(w revealWork) error {
	for i := range w.keys {
		k := &w.keys[i]
		if err := r.tracker.AddKey(k.Key, k.Share); err != nil {
			return err
		}
		r.know(k)
		if k.Lost != nil {
			r.node.log.Error("share_of_sealing_key_lost", "key", k.Key.ID, "err", k.Lost, "next", "nothing to do: a complaint against the cheating dealer is on its way, and a new key follows")
		} else {
			r.node.log.Info("sealing_key_ready", "key", k.Key.ID, "from_commit", k.Key.From, "dealers", len(k.Key.Dealers), "threshold", k.Key.Threshold)
		}
	}
	for _, c := range w.commits {
		if c.Index > r.tracker.Head() && len(r.ahead) < maxUnrevealed {
			r.ahead[c.Index] = c
		}
	}
	if err := r.commits(0); err != nil {
		return err
	}
	for _, s := range w.shares {
		if err := r.tracker.Share(s.Author, s.Payload); err != nil {
			r.node.log.Debug("share_not_used", "from", r.node.committee.Validator(s.Author).Name, "err", err)
		}
	}
	return nil
}

// know makes a key known to the API.
func (r *revealer) know(k *ordering.KeyReady) {
	r.known.Lock()
	defer r.known.Unlock()
	if last := len(r.keys) - 1; last >= 0 {
		r.keys[last].Until = k.Key.From - 1
	}
	r.keys = append(r.keys, k.Key)
	r.origins[k.Key.ID] = k.Origins
}

// commits gives the tracker all commits whose turn it is: handed in, or up to stored read from the store.
func (r *revealer) commits(stored dag.CommitIndex) error {
	for r.tracker.Open() < maxUnrevealed {
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
	}
	return nil
}

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

// lookAgain looks for shares of unrevealed commits in the blocks of the store, a piece at a time, and
// has the own ones offered again, where the oldest of them has not moved since the last look.
func (r *revealer) lookAgain() error {
	oldest, round, open := r.tracker.Oldest()
	if !open || oldest != r.stuck {
		r.rescan, r.stuck = 0, oldest
		return nil
	}
	r.tracker.OfferAgain()
	from := max(r.rescan, round+1)
	raws, next, err := r.node.store.BlocksInRounds(from, from+rescanRounds, rescanBytes)
	if err != nil {
		return err
	}
	if r.rescan = next; len(raws) == 0 {
		r.rescan = 0
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

// store keeps what was revealed and tells readers.
func (r *revealer) store() error {
	records, revealed := r.tracker.Take(), r.tracker.Revealed()
	if len(records) == 0 && revealed == r.stored {
		return nil
	}
	if err := r.node.store.PutReveals(records, revealed); err != nil {
		return err
	}
	r.stored = revealed
	r.bell.ring()
	return nil
}
