package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// What the flood is, and what it must not do.
const (
	floodCallers = 24       // calls at a time, each of floodItems transactions
	floodItems   = 60       // of floodBytes each: 0.94 MiB in a call
	floodBytes   = 16 << 10 // bytes of a payload
	floodBusy    = 80_000   // BUSY and QUOTA answers after which it has been a flood: 1.2 GiB that were not kept
	floodMemory  = 1 << 30  // bytes; less than what was not kept, twice what a node takes under load
)

// A node with a small pool is offered far more valid transactions than it can take: it says when to
// come again, its memory stays bounded, and others still have theirs committed.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a network for a while")
	}
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.configure(0, func(c *node.Config) { c.Limits.PoolMiB = 1 })
	f.start(f.all()...)
	f.untilProposing(f.all()...)

	flood := startFlood(f)
	defer flood.stop()
	eventually(t, "the node says that it is busy", func() error {
		flood.mu.Lock()
		defer flood.mu.Unlock()
		if flood.busy < floodBusy || len(flood.acknowledged) == 0 {
			return fmt.Errorf("%d BUSY, %d acknowledged", flood.busy, len(flood.acknowledged))
		}
		return nil
	})
	for i := range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := f.clients[1].SubmitAndWait(ctx, client.Submission{Namespace: devnet.Open, Payloads: [][]byte{fmt.Appendf(nil, "meanwhile %d", i)}})
		cancel()
		if err != nil {
			t.Fatalf("submit to another node during the flood: %v", err)
		}
	}
	s := f.until(0, "answers", func(status) bool { return true })
	if s.PoolBytes > 1<<20 {
		t.Errorf("the pool holds %d bytes, limit 1 MiB", s.PoolBytes)
	}
	flood.stop()
	t.Logf("%d acknowledged, %d times BUSY, at most %d MiB of memory", len(flood.acknowledged), flood.busy, flood.memory>>20)
	if flood.memory > floodMemory {
		t.Errorf("the flooded node took %d bytes of memory, limit %d", flood.memory, floodMemory)
	}
	f.checkCommitted(flood.acknowledged)
	f.checkHonest()
}

// flood is callers that offer one node more than it can take.
type flood struct {
	fleet   *fleet
	cancel  context.CancelFunc
	callers sync.WaitGroup

	mu           sync.Mutex
	acknowledged []crypto.Digest
	busy         int
	memory       uint64 // bytes, the most that was seen
}

func startFlood(f *fleet) *flood {
	ctx, cancel := context.WithCancel(context.Background())
	w := &flood{fleet: f, cancel: cancel}
	f.t.Cleanup(w.stop)
	for caller := range floodCallers {
		random := rand.NewChaCha8([32]byte{byte(caller)})
		w.callers.Go(func() {
			for ctx.Err() == nil {
				w.call(ctx, random)
			}
		})
	}
	w.callers.Go(func() {
		for ctx.Err() == nil {
			w.watch()
			time.Sleep(50 * time.Millisecond)
		}
	})
	return w
}

func (w *flood) stop() {
	w.cancel()
	w.callers.Wait()
}

// call offers one batch. BUSY must say when to come again; any other refusal is a fault.
func (w *flood) call(ctx context.Context, random *rand.ChaCha8) {
	batch := make([][]byte, floodItems)
	for i := range batch {
		batch[i] = make([]byte, floodBytes)
		_, _ = random.Read(batch[i]) // never fails
	}
	results, err := w.fleet.clients[0].SubmitBatch(ctx, devnet.Open, batch)
	if err != nil {
		if ctx.Err() == nil {
			w.refused(err)
		}
		return
	}
	for _, r := range results {
		if r.Err != nil {
			w.refused(r.Err)
		} else if r.State == client.Included || r.State == client.Committed {
			w.mu.Lock()
			w.acknowledged = append(w.acknowledged, r.ID)
			w.mu.Unlock()
		}
	}
}

func (w *flood) refused(err error) {
	var why *client.Error
	if !errors.As(err, &why) || (why.Reason != string(rollupapi.ReasonBusy) && why.Reason != string(rollupapi.ReasonQuota)) || !why.Retryable || why.RetryAfter <= 0 {
		w.fleet.t.Errorf("a flooded node answers %v, want BUSY or QUOTA and when to come again", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy++
}

// watch notes how much memory the flooded node has for itself: pages of files that it reads and
// writes through memory are the system's to take back, and grow with the order. Without /proc it
// notes nothing.
func (w *flood) watch() {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.fleet.running[0].cmd.Process.Pid))
	if err != nil {
		return
	}
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	var kib uint64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory = max(w.memory, kib<<10)
}
