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
