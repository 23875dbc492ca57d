package sim

import (
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// maxOffer is how many bytes of own shares a node makes at a time.
const maxOffer = 1 << 20

// revealer is what a node does beside its engine to open sealed items.
type revealer struct {
	node    *node
	tracker *reveal.Tracker
	begun   bool // the first Ready, with the keys of the disk, has been seen
}

// newRevealer goes on behind what the disk says is settled; nil in a network without sealing.
func newRevealer(n *node) *revealer {
	if n.world.scenario.SealedEvery == 0 {
		return nil
	}
	r := &revealer{node: n, tracker: reveal.New(n.world.committee, n.self, n.disk.settled)}
	n.world.check.reveals.resumed(n.self, n.disk.settled)
	life := n.world.lives[n.self]
	var again func()
	again = func() {
		if n.world.lives[n.self] == life {
			r.again()
			n.world.after(revealAgain, again)
		}
	}
	n.world.after(revealAgain, again)
	return r
}

// take takes what a Ready has for it, and lets out what follows.
func (r *revealer) take(ready *ordering.Ready) {
	if r == nil {
		return
	}
	check := r.node.world.check
	for i := range ready.Keys {
		k := &ready.Keys[i]
		check.reveals.keyReady(r.node.self, k)
		if err := r.tracker.AddKey(k.Key, k.Share); err != nil {
			check.fail("key", err.Error(), r.node.self)
			return
		}
	}
	if !r.begun {
		r.begun = true
		for _, c := range r.node.disk.commits {
			if c.Index > r.tracker.Head() && (len(ready.Commits) == 0 || c.Index < ready.Commits[0].Index) {
				r.tracker.Commit(c)
			}
		}
		r.gather()
	}
	for _, c := range ready.Commits {
		r.tracker.Commit(c)
	}
	for _, s := range ready.Shares {
		_ = r.tracker.Share(s.Author, s.Payload) // an adversary's
	}
	for _, b := range ready.Persist {
		r.say(early(r.tracker, b))
	}
	r.work()
}

// work offers own shares and opens what the shares so far allow.
func (r *revealer) work() {
	n := r.node
	r.say(r.tracker.Offers(maxOffer))
	r.tracker.Work()
	for _, record := range r.tracker.Take() {
		n.world.check.reveals.revealed(n.self, record)
	}
	n.disk.settled = r.tracker.Settled()
}

func (r *revealer) say(shares []ordering.OwnShare) {
	if len(shares) > 0 {
		r.node.world.hand(shareTime, r.node.self, ordering.SharesMade{Shares: shares})
	}
}

// gather takes the shares that stand in blocks on disk.
func (r *revealer) gather() {
	_, round, open := r.tracker.Oldest()
	if !open {
		return
	}
	for _, b := range r.node.disk.log {
		if b.Round() <= round {
			continue
		}
		for _, m := range b.Block().System {
			if m.Kind == ordering.KindShare {
				_ = r.tracker.Share(b.Author(), m.Payload) // said when it came first
			}
		}
	}
}

// again looks for what is missing, and offers own shares once more.
func (r *revealer) again() {
	if r.node.paused > 0 {
		return
	}
	r.tracker.OfferAgain()
	r.gather()
	r.work()
}
