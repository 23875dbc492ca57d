package sim

import (
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// Fault is one entry of a scenario's list: what goes wrong, when, for how long, and for whom.
type Fault struct {
	Do     string       `json:"do"`
	At     Duration     `json:"at"`
	For    Duration     `json:"for"`
	Nodes  []dag.Author `json:"nodes"`
	Amount int          `json:"amount,omitempty"` // what it means depends on Do
	Point  crashPoint   `json:"point,omitempty"`  // of a crash
	Number int          `json:"number"`           // names its random stream, also after others were dropped
}

// loses reports whether a node loses its log.
func (f *Fault) loses() bool {
	return f.Do == "vanish" || f.Do == "rollback" || f.Do == "forget" || (f.Do == "power" && len(f.Nodes) > 0)
}

// starter makes a fault begin; what it returns ends it (nil where it ends by itself).
type starter func(w *world, f *Fault, random *rand.Rand) (end func())

// faultKinds is every fault by name.
var faultKinds = map[string]starter{
	"crash":     startCrash,     // Nodes crash at Point and come back For later
	"power":     startPower,     // all honest nodes crash at once; Nodes, if any, come back without a disk
	"vanish":    startVanish,    // Nodes crash and come back without a disk
	"rollback":  startRollback,  // Nodes crash and come back with Amount permille of their log
	"partition": startPartition, // Nodes on one side, all others on the other; connections look alive
	"isolate":   startIsolate,   // the same, and connections are seen to break
	"oneway":    startOneway,    // nothing that Nodes say arrives, but they hear everybody
	"loss":      startLoss,      // Amount of 1000 messages from and to Nodes are lost
	"slow":      startSlow,      // Nodes' messages take Amount milliseconds more each way
	"busy":      startBusy,      // Nodes need Amount microseconds more for every event
	"stall":     startStall,     // Nodes do nothing, then all at once
	"clock":     startClock,     // Nodes' wall clocks jump by Amount milliseconds, for good
	"forget":    startForget,    // nothing that Nodes say arrives, then they come back without a disk
}

// arrange schedules a fault.
func (w *world) arrange(_ int, f *Fault) {
	random := newStream(w.scenario.Seed, numbered("fault", f.Number))
	w.at(time.Duration(f.At), func() {
		w.trace.say(w.now, 0, "-- fault %d: %s of %v for %v, amount %d %s", f.Number, f.Do, f.Nodes, time.Duration(f.For), f.Amount, f.Point)
		if end := faultKinds[f.Do](w, f, random); end != nil {
			w.at(time.Duration(f.At+f.For), end)
		}
	})
}

// honest is the honest nodes that f names.
func (w *world) honest(f *Fault) []*node {
	var out []*node
	for _, a := range f.Nodes {
		if n := w.nodes[a]; n != nil {
			out = append(out, n)
		}
	}
	return out
}

// crashDeadline is how long an armed crash waits for a Ready that writes.
const crashDeadline = 300 * time.Millisecond

func startCrash(w *world, f *Fault, _ *rand.Rand) func() {
	for _, n := range w.honest(f) {
		n.arm(f.Point, time.Duration(f.For), nil)
	}
	return nil
}

// arm makes the node crash at a point; if that does not come up in time, it crashes anyway.
func (n *node) arm(point crashPoint, down time.Duration, change func()) {
	if !n.world.up(n.self) {
		return
	}
	down = max(down, time.Millisecond)
	if point == crashBetween || point == crashNone {
		n.crash(down, change)
		return
	}
	n.crashAt, n.downFor, n.before = point, down, change
	life := n.world.lives[n.self]
	n.world.after(min(crashDeadline, down), func() {
		if n.world.lives[n.self] == life {
			n.crash(down, change)
		}
	})
}

func startPower(w *world, f *Fault, random *rand.Rand) func() {
	for _, n := range w.nodes {
		if n == nil {
			continue
		}
		var change func()
		for _, lost := range w.honest(f) {
			if lost == n {
				change = n.disk.vanish
			}
		}
		back := time.Duration(random.Int64N(int64(f.For)/2+1)) + time.Duration(f.For)/2
		n.crash(back, change)
	}
	return nil
}

func startVanish(w *world, f *Fault, _ *rand.Rand) func() {
	for _, n := range w.honest(f) {
		n.arm(f.Point, time.Duration(f.For), n.disk.vanish)
	}
	return nil
}

func startRollback(w *world, f *Fault, _ *rand.Rand) func() {
	for _, n := range w.honest(f) {
		n.arm(f.Point, time.Duration(f.For), func() { n.disk.rollBack(f.Amount) })
	}
	return nil
}

// across calls visit for both directions of every link between f's nodes and the others.
func (w *world) across(f *Fault, visit func(a, b dag.Author)) {
	inside := make([]bool, w.scenario.Validators)
	for _, a := range f.Nodes {
		inside[a] = true
	}
	for a := range inside {
		for b := range inside {
			if inside[a] && !inside[b] {
				visit(dag.Author(a), dag.Author(b))
			}
		}
	}
}

func startPartition(w *world, f *Fault, _ *rand.Rand) func() {
	w.across(f, func(a, b dag.Author) { w.link(a, b).cut++; w.link(b, a).cut++ })
	return w.healer(f)
}

func startIsolate(w *world, f *Fault, _ *rand.Rand) func() {
	w.across(f, func(a, b dag.Author) { w.link(a, b).cut++; w.link(b, a).cut++; w.disconnect(a, b) })
	return w.healer(f)
}

// healer ends a partition: whoever is not connected any more connects again.
func (w *world) healer(f *Fault) func() {
	return func() {
		w.across(f, func(a, b dag.Author) {
			w.link(a, b).cut--
			w.link(b, a).cut--
			if !w.link(a, b).linked {
				w.connect(a, b)
			}
		})
	}
}

func startOneway(w *world, f *Fault, _ *rand.Rand) func() {
	w.across(f, func(a, b dag.Author) { w.link(a, b).cut++ })
	return func() {
		w.across(f, func(a, b dag.Author) {
			w.link(a, b).cut--
			if !w.link(a, b).linked {
				w.connect(a, b)
			}
		})
	}
}

func startLoss(w *world, f *Fault, _ *rand.Rand) func() {
	w.everyLink(f, func(l *link) { l.loss += f.Amount })
	return func() { w.everyLink(f, func(l *link) { l.loss -= f.Amount }) }
}

func startSlow(w *world, f *Fault, _ *rand.Rand) func() {
	extra := time.Duration(f.Amount) * time.Millisecond
	w.everyLink(f, func(l *link) { l.extra += extra })
	return func() { w.everyLink(f, func(l *link) { l.extra -= extra }) }
}

// everyLink calls visit for every link that starts or ends at one of f's nodes.
func (w *world) everyLink(f *Fault, visit func(*link)) {
	for _, a := range f.Nodes {
		for b := range dag.Author(w.scenario.Validators) {
			if a != b {
				visit(w.link(a, b))
				visit(w.link(b, a))
			}
		}
	}
}

func startBusy(w *world, f *Fault, _ *rand.Rand) func() {
	extra := time.Duration(f.Amount) * time.Microsecond
	for _, n := range w.honest(f) {
		n.slowness += extra
	}
	return func() {
		for _, n := range w.honest(f) {
			n.slowness -= extra
		}
	}
}

func startStall(w *world, f *Fault, _ *rand.Rand) func() {
	for _, n := range w.honest(f) {
		n.paused++
	}
	return func() {
		for _, n := range w.honest(f) {
			if n.paused--; n.paused == 0 && w.up(n.self) {
				n.receive(resume{})
			}
		}
	}
}

func startClock(w *world, f *Fault, _ *rand.Rand) func() {
	for _, n := range w.honest(f) {
		n.skew += int64(f.Amount)
	}
	return nil
}
