package node

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

const (
	// eventQueue is how many local events wait for the loop; submitters block beyond it.
	eventQueue = 256
	// maxSteps is how many events the loop takes before it hands out what follows from them.
	maxSteps = 256
	// maxUnwritten is how many Readys wait for the writer; the loop blocks beyond them, and with it
	// everybody who sends to it.
	maxUnwritten = 4
)

// faultAdvice is what to do about an order that cannot be trusted any more.
const faultAdvice = "stop all validators, keep their homes, and compare what they committed (dunlin log export, dunlin log verify); " +
	"then found the network anew from the newest commit that is proven, as docs/disaster.md says"

// loop is the only goroutine that touches the engine. It turns events into Readys for the writer.
type loop struct {
	engine *ordering.Engine
	start  time.Time
	inbox  chan ordering.Event
	out    chan<- ordering.Ready
	status atomic.Pointer[ordering.Status]
	names  atomic.Pointer[dag.Registry] // as of the newest commit
	begun  atomic.Bool                  // run has been called
	twin   *twin
	hand   func(*ordering.Ready) // sees every Ready before the writer, and does not wait; nil for nobody
}

func newLoop(e *ordering.Engine, out chan<- ordering.Ready, start time.Time, t *twin) *loop {
	l := &loop{engine: e, start: start, inbox: make(chan ordering.Event, eventQueue), out: out, twin: t}
	l.publish()
	return l
}

// put hands an event to the loop and blocks while its queue is full. It reports false if ctx ended
// first.
func (l *loop) put(ctx context.Context, ev ordering.Event) bool {
	select {
	case l.inbox <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}

// run drives the engine until ctx ends or the engine reports a fault; it closes the writer's inbox.
func (l *loop) run(ctx context.Context, network <-chan ordering.Event) error {
	defer close(l.out)
	l.begun.Store(true)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var ev ordering.Event
		select {
		case ev = <-network:
		case ev = <-l.inbox:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		now := time.Now()
		l.tick(now)
		for steps := 1; ev != nil; steps++ {
			pass, err := l.twin.look(ev, now)
			if err != nil {
				return err
			}
			if pass {
				l.engine.Step(ev)
			}
			if steps == maxSteps {
				break // before another is taken: it would be lost
			}
			ev = l.next(network)
		}
		ready := l.engine.Ready()
		l.twin.made(ready.Broadcast)
		l.publish()
		if ready.Fault != nil {
			return homeError(faultAdvice, "order: %w", ready.Fault)
		}
		if l.hand != nil {
			l.hand(&ready)
		}
		if hasWork(&ready) {
			select {
			case l.out <- ready:
			case <-ctx.Done():
				return nil
			}
		}
		timer.Reset(time.Until(l.start.Add(ready.WakeAt)))
	}
}

// next is an event that is there without waiting, nil for none.
func (l *loop) next(network <-chan ordering.Event) ordering.Event {
	select {
	case ev := <-network:
		return ev
	case ev := <-l.inbox:
		return ev
	default:
		return nil
	}
}

func (l *loop) tick(now time.Time) {
	l.engine.Step(ordering.Tick{Now: now.Sub(l.start), Wall: uint64(max(now.UnixMilli(), 0))})
}

func (l *loop) publish() {
	s := l.engine.Status()
	l.status.Store(&s)
	l.names.Store(l.engine.Registry())
}

func hasWork(r *ordering.Ready) bool {
	return len(r.Persist)+len(r.Broadcast)+len(r.Sends)+len(r.Fetches)+len(r.Commits)+len(r.Outcomes)+len(r.Evidence) > 0
}
