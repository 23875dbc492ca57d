package rollupapi

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

const (
	// bellGroups is in how many groups the readers of a namespace are woken, one after the other: the node's own work
	// gets its turn between two of them, instead of behind a thousand readers.
	bellGroups = 32
	// restPerReader is how long a namespace's readers are left alone after they were woken, for each of them. One
	// costs some 20 µs of CPU then: all readers of a namespace together take about a fifth of a core, however
	// often it moves, and what comes meanwhile they get at once.
	restPerReader = 100 * time.Microsecond
)

// bells wake the readers of a namespace when there is something for them. Safe for concurrent use.
type bells struct {
	life   context.Context // nobody is woken behind its end
	waking sync.WaitGroup

	mu   sync.Mutex
	each map[dag.Namespace]*bell // of namespaces that have readers
}

// bell is that of one namespace. It is used under the lock of its bells.
type bell struct {
	readers int
	joined  int                       // readers that there have been
	groups  [bellGroups]chan struct{} // closed and forgotten when it rings; nil where nobody waits
	rest    time.Time                 // it does not ring before
	due     bool                      // it will ring
}

func newBells(life context.Context) *bells {
	return &bells{life: life, each: map[dag.Namespace]*bell{}}
}

// seat is a reader's place at the bell of its namespace.
type seat struct {
	bells *bells
	ns    dag.Namespace
	bell  *bell
	group int
}

// join takes a seat, which must be left.
func (b *bells) join(ns dag.Namespace) *seat {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.each[ns]
	if !ok {
		at = &bell{}
		b.each[ns] = at
	}
	at.readers++
	at.joined++
	return &seat{b, ns, at, at.joined % bellGroups}
}

// leave gives the seat back.
func (s *seat) leave() {
	s.bells.mu.Lock()
	defer s.bells.mu.Unlock()
	if s.bell.readers--; s.bell.readers == 0 {
		delete(s.bells.each, s.ns)
	}
}

// news is a channel that is closed when there is something for the reader. It is taken before the reader looks, so
// that nothing falls between.
func (s *seat) news() <-chan struct{} {
	s.bells.mu.Lock()
	defer s.bells.mu.Unlock()
	if s.bell.groups[s.group] == nil {
		s.bell.groups[s.group] = make(chan struct{})
	}
	return s.bell.groups[s.group]
}

// ring wakes the readers of namespaces, of all where it is not known which, as soon as they have had their rest.
func (b *bells) ring(namespaces map[dag.Namespace]struct{}, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ns, at := range b.each {
		if _, ok := namespaces[ns]; (ok || !known) && !at.due {
			at.due = true
			b.waking.Go(func() { b.wake(at) })
		}
	}
}

// wake waits until a bell may ring, and rings it.
func (b *bells) wake(at *bell) {
	b.mu.Lock()
	left := time.Until(at.rest)
	b.mu.Unlock()
	if left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-b.life.Done():
			return
		}
	}
	b.mu.Lock()
	groups := at.groups
	at.groups, at.due = [bellGroups]chan struct{}{}, false
	at.rest = time.Now().Add(time.Duration(at.readers) * restPerReader)
	b.mu.Unlock()
	for _, group := range groups {
		if group != nil {
			close(group)
			runtime.Gosched()
		}
	}
}
