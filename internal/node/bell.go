package node

import (
	"context"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
)

// bell wakes those who wait for a number to grow. It is safe for concurrent use.
type bell struct {
	mu sync.Mutex
	ch chan struct{} // closed and replaced at every ring
}

func newBell() *bell { return &bell{ch: make(chan struct{})} }

// ring wakes everybody who waits.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// wait blocks until now gives more than after, and returns what it gave. Ring after it has grown.
func (b *bell) wait(ctx context.Context, after dag.CommitIndex, now func() dag.CommitIndex) (dag.CommitIndex, error) {
	for {
		b.mu.Lock()
		ch := b.ch
		b.mu.Unlock()
		if at := now(); at > after {
			return at, nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
