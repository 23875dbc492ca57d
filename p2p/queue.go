package p2p

import "sync"

// queue holds the frames that wait for one peer, bounded by bytes and count. When it is full the
// oldest blocks go, since the peer can pull them; the peer then lags until the queue has drained.
// Safe for concurrent use; nothing in it blocks.
type queue struct {
	maxBytes, maxFrames int
	signal              chan struct{} // holds a token when frames wait

	mu      sync.Mutex
	frames  []frame
	bytes   int
	open    bool
	lagging bool
}

func newQueue(maxBytes, maxFrames int) *queue {
	return &queue{maxBytes: maxBytes, maxFrames: maxFrames, signal: make(chan struct{}, 1)}
}

// push queues a frame and says how many others it had to drop. A closed queue takes nothing: ok
// is false.
func (q *queue) push(f frame) (dropped int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		return 0, false
	}
	if q.replace(f) {
		return 0, true
	}
	q.frames = append(q.frames, f)
	q.bytes += f.size()
	for len(q.frames) > 1 && (len(q.frames) > q.maxFrames || q.bytes > q.maxBytes) {
		q.dropOldest()
		dropped++
	}
	if dropped > 0 {
		q.lagging = true
	}
	select {
	case q.signal <- struct{}{}:
	default:
	}
	return dropped, true
}

// replace puts a ping or pong in the place of one that still waits, of which only the newest
// counts: a peer that reads nothing but asks on would fill its queue with answers.
func (q *queue) replace(f frame) bool {
	if f.kind != kindPing && f.kind != kindPong {
		return false
	}
	for i := range q.frames {
		if q.frames[i].kind == f.kind {
			q.frames[i] = f
			return true
		}
	}
	return false
}

// dropOldest removes the oldest block that is not the newest frame, or the oldest frame if only
// other messages wait.
func (q *queue) dropOldest() {
	at := 0
	for i := range q.frames[:len(q.frames)-1] {
		if q.frames[i].kind == kindBlock {
			at = i
			break
		}
	}
	q.bytes -= q.frames[at].size()
	copy(q.frames[at:], q.frames[at+1:])
	q.frames[len(q.frames)-1] = frame{}
	q.frames = q.frames[:len(q.frames)-1]
}

// take removes frames of at most limit bytes, but at least one if any waits.
func (q *queue) take(limit int) []frame {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.frames) && (n == 0 || size+q.frames[n].size() <= limit) {
		size += q.frames[n].size()
		n++
	}
	out := q.frames[:n:n]
	if q.frames = q.frames[n:]; len(q.frames) == 0 {
		q.frames = nil
	}
	q.bytes -= size
	return out
}

// caughtUp ends lagging if the queue has drained, and says whether it did.
func (q *queue) caughtUp() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.lagging || len(q.frames) > 0 {
		return false
	}
	q.lagging = false
	return true
}

// start empties the queue and opens it.
func (q *queue) start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clear()
	q.open = true
}

// stop empties the queue and closes it.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clear()
	q.open = false
}

func (q *queue) clear() { q.frames, q.bytes, q.lagging = nil, 0, false }

// state is a snapshot: frames and bytes that wait, and whether the peer lags.
func (q *queue) state() (frames, bytes int, lagging bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.frames), q.bytes, q.lagging
}
