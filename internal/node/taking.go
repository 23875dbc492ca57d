package node

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// taking is how far the taking of a snapshot has come. It is safe for concurrent use.
type taking struct {
	log *slog.Logger

	mu          sync.Mutex
	head        dag.CommitRef // zero before one is proven
	total, left int           // commits of its window
	bytes       int64
	since, said time.Time
	active      bool
}

// look says that peers are being asked for a snapshot.
func (t *taking) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head, t.total, t.left, t.bytes, t.active = dag.CommitRef{}, 0, 0, 0, true
	t.since = time.Now()
}

// begin says which snapshot is being taken.
func (t *taking) begin(head dag.CommitRef, commits int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head, t.total, t.left, t.bytes, t.active = head, commits, commits, 0, true
	t.since = time.Now()
	t.said = t.since
	t.log.Info("taking_snapshot", "commit", head.Index, "window", commits)
}

// note says what has come of it, and tells the log every few seconds.
func (t *taking) note(left, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left, t.bytes = left, t.bytes+int64(bytes)
	if now := time.Now(); now.Sub(t.said) >= progressLogEvery {
		t.said = now
		t.log.Info("taking_snapshot", "commit", t.head.Index, "have", t.total-left, "of", t.total, "bytes", t.bytes, "eta", t.eta(now).Round(time.Second))
	}
}

// stop says that no snapshot is wanted after all.
func (t *taking) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active = false
}

// end says that it is over.
func (t *taking) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active = false
	if err == nil {
		t.log.Info("snapshot_taken", "commit", t.head.Index, "bytes", t.bytes, "took", time.Since(t.since).Round(time.Millisecond))
	}
}

// eta is how long the rest takes at the present speed, under the lock; 0 if that is unknown.
func (t *taking) eta(now time.Time) time.Duration {
	done := t.total - t.left
	if done == 0 {
		return 0
	}
	return now.Sub(t.since) * time.Duration(t.left) / time.Duration(done)
}

// standing says for the status what is being done, up to which commit, and how long it takes; ok is
// false while nothing is.
func (t *taking) standing() (reason string, to dag.CommitIndex, eta time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.active:
		return "", 0, 0, false
	case t.head.Index == 0:
		return "asking other nodes which commits they have", 0, 0, true
	}
	return fmt.Sprintf("taking a snapshot of commit %d: %d of %d commits, %d KiB", t.head.Index, t.total-t.left, t.total, t.bytes>>10),
		t.head.Index, t.eta(time.Now()), true
}
