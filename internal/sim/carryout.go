package sim

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// crashPoint is where in carrying out one Ready a node crashes.
type crashPoint string

// The crash points. The last three wait for a Ready that writes an own block.
const (
	crashNone       crashPoint = ""
	crashBetween    crashPoint = "between"     // after one Ready and before the next event
	crashBeforeSync crashPoint = "before-sync" // written, not synced, nothing said
	crashAfterSync  crashPoint = "after-sync"  // synced, nothing said
	crashMidSend    crashPoint = "mid-send"    // said to some
)

// carryOut does what a Ready asks for, in the order that the contract demands.
func (n *node) carryOut(r ordering.Ready) {
	w := n.world
	if r.Fault != nil {
		w.check.fail("fault", r.Fault.Error(), n.self)
		return
	}
	n.disk.write(r.Persist)
	writes := len(r.Broadcast) > 0
	if writes && n.crashAt == crashBeforeSync {
		n.crash(n.downFor, n.before)
		return
	}
	if writes || len(r.Sends) > 0 || len(r.Fetches) > 0 || len(r.Commits) > 0 || len(r.Outcomes) > 0 {
		n.disk.sync()
	}
	if writes {
		n.disk.lost = false // the restart rule has been kept; own blocks of others' memory do not show that
	}
	if writes && n.crashAt == crashAfterSync {
		n.crash(n.downFor, n.before)
		return
	}
	w.check.accepted(n, &r)
	for _, c := range r.Commits {
		n.disk.commit(c, w.now)
		w.trace.note('c', w.now, n.self, uint64(c.Index), c.Digest)
		w.trace.say(w.now, n.self, "commits %d: round %d, anchors %v, %d blocks, %d items", c.Index, c.Round, c.Anchors, len(c.Blocks), len(c.Accepted))
		w.check.committed(n.self, c)
	}
	n.revealer.take(&r)
	n.certifier.take(&r)
	for _, ev := range r.Evidence {
		w.check.accused(n.self, ev)
	}
	for i := range r.Outcomes {
		w.check.answered(n.self, &r.Outcomes[i])
	}
	if writes && n.crashAt == crashMidSend {
		n.broadcast(r.Broadcast, n.random.IntN(w.scenario.Validators))
		n.crash(n.downFor, n.before)
		return
	}
	n.broadcast(r.Broadcast, w.scenario.Validators*len(r.Broadcast))
	for _, s := range r.Sends {
		n.sendMessage(s)
	}
	for _, f := range r.Fetches {
		n.fetch(f)
	}
	if r.WakeAt > 0 {
		n.wakeWhen(r)
	}
}

// broadcast sends own blocks to the first so many receivers.
func (n *node) broadcast(blocks []*dag.Verified, most int) {
	w := n.world
	for _, b := range blocks {
		w.trace.note('b', w.now, n.self, uint64(b.Round()), b.Ref().Digest)
		w.trace.say(w.now, n.self, "makes %v of %v", b.Ref(), b.Block().Parents)
		event := ordering.Event(ordering.BlockReceived{From: ordering.Peer(n.self), Block: b})
		for to := range dag.Author(w.scenario.Validators) {
			if to == n.self {
				continue
			}
			if most--; most < 0 {
				return
			}
			w.speak(b)
			w.send(n.self, to, event)
		}
	}
}

func (n *node) wakeWhen(r ordering.Ready) {
	w := n.world
	if at := n.boot + r.WakeAt; at != n.wakeAt || at <= w.now {
		n.wakeAt = max(at, w.now+1)
		w.hand(n.wakeAt-w.now, n.self, wake{})
	}
}

func (n *node) sendMessage(s ordering.Send) {
	w := n.world
	event := received(ordering.Peer(n.self), s.Message)
	if m, ok := s.Message.(ordering.BlockMessage); ok {
		w.speak(m.Block)
	}
	for to := range dag.Author(w.scenario.Validators) {
		if to != n.self && (s.To == ordering.Everyone || s.To == ordering.Peer(to)) {
			w.send(n.self, to, event)
		}
	}
}

// received is a message as it reaches its receiver.
func received(from ordering.Peer, m ordering.Message) ordering.Event {
	switch m := m.(type) {
	case ordering.BlockMessage:
		return ordering.BlockReceived{From: from, Block: m.Block}
	case ordering.FrontierMessage:
		return ordering.FrontierReceived{From: from, Newest: m.Newest}
	case ordering.AskNewest:
		return ordering.NewestAsked{From: from}
	case ordering.AnswerNewest:
		return ordering.NewestAnswered{From: from, Newest: m.Newest, Signed: m.Signed, Lost: m.Lost}
	}
	panic("sim: message of unknown type")
}

// fetch asks another validator; every fetch ends, at the latest by running out of time.
func (n *node) fetch(f ordering.Fetch) {
	w := n.world
	n.fetches[f.ID] = f.To
	w.check.asks(n, &f)
	w.trace.note('f', w.now, n.self, f.ID, crypto.Digest{})
	if len(f.Refs) > 0 {
		w.trace.say(w.now, n.self, "asks %v for %v", dag.Author(f.To), f.Refs)
	} else {
		w.trace.say(w.now, n.self, "asks %v for rounds %d to %d", dag.Author(f.To), f.FromRound, f.ToRound)
	}
	if !w.link(n.self, dag.Author(f.To)).linked {
		w.hand(detectDown, n.self, expired{f})
		return
	}
	w.send(n.self, dag.Author(f.To), ask{n.self, f})
	w.hand(fetchTimeout, n.self, expired{f})
}
