package sim

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// happening is one entry of the event queue: something that reaches a participant, or an action on
// the world itself.
type happening struct {
	at    time.Duration
	order uint64 // of scheduling; breaks ties
	to    dag.Author
	life  uint32 // the receiver's life that it is meant for; a later one does not get it
	what  any    // for the receiver, if act is nil
	act   func()
}

func (h *happening) before(o *happening) bool {
	return h.at < o.at || (h.at == o.at && h.order < o.order)
}

// eventQueue is a four-ary heap by time, then order of scheduling. It grows with what is under way
// on the links, which the faults and adversaries of a scenario bound.
type eventQueue struct{ heap []happening }

func (q *eventQueue) push(h happening) {
	q.heap = append(q.heap, h)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !h.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = h
}

// pop takes the earliest entry; the queue must not be empty.
func (q *eventQueue) pop() happening {
	first := q.heap[0]
	last := q.heap[len(q.heap)-1]
	q.heap[len(q.heap)-1] = happening{}
	q.heap = q.heap[:len(q.heap)-1]
	n := len(q.heap)
	if n == 0 {
		return first
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		for j := child + 1; j < min(child+4, n); j++ {
			if q.heap[j].before(&q.heap[child]) {
				child = j
			}
		}
		if !q.heap[child].before(&last) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = last
	return first
}
