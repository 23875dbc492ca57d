package devnet

import (
	"context"
	"errors"
	"time"
)

// errSilent is why a context ends in which nothing happened for long.
var errSilent = errors.New("nothing more came")

// untilSilent is a context that ends with errSilent when stirred has not been called for as long as patience. What
// takes long because there is much of it must not end by a clock.
func untilSilent(ctx context.Context, patience time.Duration) (watched context.Context, stirred, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(patience, func() { cancel(errSilent) })
	return watched, func() { timer.Reset(patience) }, func() {
		timer.Stop()
		cancel(nil)
	}
}

// teller says every plainEvery how much of what takes long is done. One goroutine uses it; a nil one says nothing.
type teller struct {
	what   string
	printf func(format string, args ...any)
	said   time.Time
}

func (t *teller) at(done, of uint64) {
	if t == nil || time.Since(t.said) < plainEvery {
		return
	}
	t.said = time.Now()
	t.printf("%s: %d of %d commits", t.what, done, of)
}
