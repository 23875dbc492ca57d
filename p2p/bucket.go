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

// charge takes n tokens, into debt if need be.
func (b *bucket) charge(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens -= float64(n)
}
