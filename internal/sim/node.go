package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// What reaches a participant beside an ordering.Event.
type (
	wake   struct{} // a time has come
	resume struct{} // a busy node is free again
	ask    struct { // a fetch, as it reaches whoever serves it
		from  dag.Author
		fetch ordering.Fetch
	}
	answer struct { // the blocks of a fetch, as they come back
		fetch  ordering.Fetch
		from   dag.Author
		blocks []*dag.Verified
	}
	expired struct{ fetch ordering.Fetch } // a fetch took too long
)

// node is an honest validator: a real engine with its disk and clock.
type node struct {
	world  *world
	self   dag.Author
	engine *ordering.Engine
	disk   *disk

	revealer  *revealer  // nil in a network without sealing
	certifier *certifier // nil in a network without certificates

	random *rand.Rand // where crashes tear, how long restarts take

	boot      time.Duration
	skew      int64 // milliseconds by which its wall clock is wrong
	wakeAt    time.Duration
	fetches   map[uint64]ordering.Peer // under way, by whom is asked
	inbox     []any                    // what came while busy
	busyUntil time.Duration
	resuming  bool
	slowness  time.Duration // added to every event
	paused    int           // stalls in force
	crashAt   crashPoint    // armed: crash in the next Ready that writes
	downFor   time.Duration // after that crash
	before    func()        // what happens to the disk while it is down
	faultless bool          // it has never lost its log

	held    map[dag.Slot]dag.Ref // what it has accepted, the first of each slot
	accused map[dag.Slot]bool    // of what it has reported evidence
	spoke   dag.Round            // newest own block that has left it
}

func newNode(w *world, self dag.Author) *node {
	return &node{world: w, self: self, disk: newDisk(), random: newStream(w.scenario.Seed, numbered("node", int(self))), faultless: true, accused: make(map[dag.Slot]bool)}
}

// start runs the node on what its disk holds.
func (n *node) start() {
	w := n.world
	restored, err := n.disk.restored(n.self)
	if err != nil {
		w.check.fail("store", err.Error(), n.self)
		return
	}
	cfg := ordering.Config{Committee: w.committee, Registry: w.registry, Self: n.self, Signer: w.signers[n.self]}
	if w.scenario.SealedEvery > 0 {
		cfg.Sealing, cfg.KEM = ordering.WithSealing, w.kem[n.self]
	}
	if w.scenario.Certified {
		cfg.Certification = ordering.WithCertificates
	}
	n.engine, err = ordering.NewEngine(cfg, restored)
	if err != nil {
		w.check.fail("restart", "the engine refuses what the disk holds: "+err.Error(), n.self)
		return
	}
	w.lives[n.self]++
	n.boot, n.wakeAt, n.busyUntil, n.resuming, n.inbox = w.now-1, 0, 0, false, nil
	n.fetches = make(map[uint64]ordering.Peer)
	n.revealer, n.certifier = newRevealer(n), newCertifier(n)
	w.check.started(n.self, restored.Head)
	w.check.resumed(n, restored.Blocks)
	w.trace.say(w.now, n.self, "starts at commit %v with %d blocks", n.engine.Head(), len(restored.Blocks))
	w.connectAll(n.self)
	w.hand(0, n.self, wake{})
}

// stop ends the node as a power cut does.
func (n *node) stop() {
	w := n.world
	w.lives[n.self]++
	n.crashAt, n.inbox = crashNone, nil
	n.disk.crash(w.now, n.random)
	w.check.stopped(n.self)
	w.trace.say(w.now, n.self, "crashes")
	for b := range dag.Author(w.scenario.Validators) {
		if b != n.self {
			w.disconnect(n.self, b)
		}
	}
}

// crash stops the node and starts it again after a while; change, if not nil, happens to its disk
// while it is down.
func (n *node) crash(d time.Duration, change func()) {
	if !n.world.up(n.self) {
		return
	}
	n.stop()
	if change != nil {
		change()
		n.faultless = false
		n.world.check.forgets(n.self)
	}
	n.world.after(d, n.start)
}

// receive takes what reaches the node, now or when it is free.
func (n *node) receive(what any) {
	w := n.world
	if _, free := what.(resume); free {
		n.resuming = false
	} else {
		if _, tick := what.(wake); tick && n.wakeAt != w.now && n.wakeAt != 0 {
			return // a newer wish has replaced it
		}
		n.inbox = append(n.inbox, what)
	}
	switch {
	case n.paused > 0:
	case w.now < n.busyUntil:
		if !n.resuming {
			n.resuming = true
			w.hand(n.busyUntil-w.now, n.self, resume{})
		}
	default:
		n.work()
	}
}

// work processes all that has come as one batch, and carries out what follows.
func (n *node) work() {
	w := n.world
	if len(n.inbox) == 0 {
		return
	}
	batch := n.inbox
	n.inbox = nil
	n.engine.Step(ordering.Tick{Now: w.now - n.boot, Wall: n.wall()})
	blocks := 0
	for _, what := range batch {
		if _, block := what.(ordering.BlockReceived); block {
			blocks++
		}
		n.take(what)
	}
	n.busyUntil = w.now + time.Duration(blocks)*w.scenario.Topology.processing() + time.Duration(len(batch))*n.slowness
	if n.inbox = batch[:0]; cap(batch) > 1024 {
		n.inbox = nil
	}
	n.carryOut(n.engine.Ready())
}

func (n *node) wall() uint64 {
	return uint64(wallStart + n.world.now.Milliseconds() + n.skew)
}

func (n *node) take(what any) {
	w := n.world
	switch x := what.(type) {
	case wake:
	case ask:
		n.serve(x)
	case answer:
		if _, open := n.fetches[x.fetch.ID]; open {
			delete(n.fetches, x.fetch.ID)
			w.trace.say(w.now, n.self, "gets %d blocks from %v", len(x.blocks), x.from)
			for _, b := range x.blocks {
				n.engine.Step(ordering.BlockReceived{From: ordering.Peer(x.from), Block: b})
			}
			n.engine.Step(ordering.FetchEnded{Fetch: x.fetch, Blocks: len(x.blocks)})
		}
	case expired:
		if _, open := n.fetches[x.fetch.ID]; open {
			delete(n.fetches, x.fetch.ID)
			n.engine.Step(ordering.FetchEnded{Fetch: x.fetch})
		}
	case ordering.Event:
		n.engine.Step(x)
	default:
		panic(fmt.Sprintf("sim: %T reached a node", what))
	}
}

// serve answers a fetch from the disk.
func (n *node) serve(a ask) {
	found := n.disk.find(&a.fetch)
	n.world.send(n.self, a.from, answer{fetch: a.fetch, from: n.self, blocks: found})
}
