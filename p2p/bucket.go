package p2p

import (
	"sync"
	"time"
)

// bucket is a token bucket that may be overdrawn once: who is in debt waits. Safe for concurrent use.
type bucket struct {
	rate, burst float64 // tokens per second, most tokens

	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func newBucket(rate, burst float64) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst, filled: time.Now()}
}

// allow reports whether the bucket is not empty at the time now.
func (b *bucket) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if elapsed := now.Sub(b.filled).Seconds(); elapsed > 0 {
		b.tokens = min(b.burst, b.tokens+elapsed*b.rate)
		b.filled = now
	}
	return b.tokens > 0
}

// reserve takes n tokens, into debt if need be, and says how long to wait for them. It takes none if that is
// longer than patience.
func (b *bucket) reserve(now time.Time, n int, patience time.Duration) (wait time.Duration, ok bool) {
	b.allow(now)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 0 {
		wait = time.Duration(-b.tokens / b.rate * float64(time.Second))
	}
	if wait > patience {
		return 0, false
	}
	b.tokens -= float64(n)
	return wait, true
}

// charge takes n tokens, into debt if need be.
func (b *bucket) charge(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens -= float64(n)
}
