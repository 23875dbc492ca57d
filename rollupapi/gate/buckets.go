package gate

import (
	"sync"
	"time"
)

// maxClients is how many clients one generation of buckets holds, about 200 bytes each; there are two. A client
// that is dropped begins anew. Clients with tokens, who may owe a day's bytes, never are: there are too few of them. Of the others
// it takes calls from more than maxClients addresses, each of which has a share of its own, to give one address another second's.
const maxClients = 1 << 14

// burst is for how long a client may save up what it does not use.
const burst = time.Second

const day = 24 * time.Hour

// buckets is what each client has left, in two generations: when the young one is full it becomes the old
// one, and who comes back moves over. Safe for concurrent use.
type buckets struct {
	mu         sync.Mutex
	young, old map[string]*account
}

// account is what one client has left.
type account struct {
	requests, bytes, daily bucket
}

// bucket fills at a rate up to a capacity; it may be emptied below zero.
type bucket struct {
	level float64
	at    time.Time // zero for a full bucket
}

func newBuckets() *buckets {
	return &buckets{young: map[string]*account{}, old: map[string]*account{}}
}

// fill is the level now.
func (b *bucket) fill(rate, capacity float64, now time.Time) float64 {
	if b.at.IsZero() {
		b.level = capacity
	} else if passed := now.Sub(b.at); passed > 0 {
		b.level = min(capacity, b.level+rate*passed.Seconds())
	}
	b.at = now
	return b.level
}

// until is in how much time the bucket holds want.
func (b *bucket) until(want, rate float64) time.Duration {
	return time.Duration((want - b.level) / rate * float64(time.Second))
}

// account finds what a client has left. It is called under the lock.
func (b *buckets) account(name string) *account {
	if a, ok := b.young[name]; ok {
		return a
	}
	a, ok := b.old[name]
	if !ok {
		a = &account{}
	}
	if len(b.young) >= maxClients {
		b.old, b.young = b.young, make(map[string]*account)
	}
	b.young[name] = a
	return a
}

func (a Allowance) limited() bool { return a != Allowance{} }

// request takes one request from what a client has, unless it has none, or owes bytes; the limit is the one
// that it has passed.
func (b *buckets) request(c Client, now time.Time) (wait time.Duration, limit int) {
	if !c.Allowance.limited() {
		return 0, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(c.Name)
	if rate := float64(c.Allowance.KiBPerSecond << 10); rate > 0 && a.bytes.fill(rate, rate*burst.Seconds(), now) <= 0 {
		return a.bytes.until(1, rate), c.Allowance.KiBPerSecond
	}
	if rate := float64(c.Allowance.MiBPerDay<<20) / day.Seconds(); rate > 0 && a.daily.fill(rate, rate*day.Seconds(), now) <= 0 {
		return a.daily.until(1, rate), c.Allowance.MiBPerDay
	}
	if rate := float64(c.Allowance.RequestsPerSecond); rate > 0 {
		if a.requests.fill(rate, max(1, rate*burst.Seconds()), now) < 1 {
			return a.requests.until(1, rate), c.Allowance.RequestsPerSecond
		}
		a.requests.level--
	}
	return 0, 0
}

func (b *buckets) body(c Client, bytes int, now time.Time) {
	if !c.Allowance.limited() || bytes == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(c.Name)
	if rate := float64(c.Allowance.KiBPerSecond << 10); rate > 0 {
		a.bytes.fill(rate, rate*burst.Seconds(), now)
		a.bytes.level -= float64(bytes)
	}
	if rate := float64(c.Allowance.MiBPerDay<<20) / day.Seconds(); rate > 0 {
		a.daily.fill(rate, rate*day.Seconds(), now)
		a.daily.level -= float64(bytes)
	}
}
