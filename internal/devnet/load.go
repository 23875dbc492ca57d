package devnet

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// Limits of the load.
const (
	workersPerNode   = 64                    // calls under way per node: 10 ms batches stand 640 ms of latency
	shortestTick     = 10 * time.Millisecond // between two batches to one node
	longestBatch     = 1 << 20 / 2           // payload bytes in one call, half of what the API takes
	samplesPerBatch  = 4                     // transactions of a batch whose latency is measured
	maxAcknowledged  = 4 << 20               // ids kept for the check at the end: 128 MiB
	maxRefusalKinds  = 16                    // different reasons that are counted apart
	maxPendingSample = 1 << 16               // samples that wait to be seen, per node
)

// submitTimeout is for one batch; a node answers within 30 s.
const submitTimeout = 40 * time.Second

// ledger is what became of everything that was offered. Safe for concurrent use.
type ledger struct {
	mu           sync.Mutex
	submitted    uint64 // offered to a validator
	refused      uint64 // the validator said no
	unanswered   uint64 // neither promised nor refused: no answer came, or it came before the transaction was in a block
	unsent       uint64 // due while all workers were busy until the end
	reasons      map[string]uint64
	acknowledged uint64
	ids          []crypto.Digest // of the first maxAcknowledged
	ciphertexts  uint64          // of the acknowledged ones
	sealedIDs    []crypto.Digest // of the first maxAcknowledged of them
}

func newLedger() *ledger { return &ledger{reasons: make(map[string]uint64)} }

// answered counts results and returns the ids of those that are acknowledged.
func (l *ledger) answered(results []client.Result) (acknowledged []crypto.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.submitted += uint64(len(results))
	for i := range results {
		switch r := &results[i]; r.State {
		case client.Included, client.Committed, client.Revealed, client.RevealFailed:
			l.acknowledged++
			acknowledged = append(acknowledged, r.ID)
			if len(l.ids) < maxAcknowledged {
				l.ids = append(l.ids, r.ID)
			}
		case client.Received:
			l.unanswered++
			l.count(string(r.State))
		default:
			l.refused++
			if r.Err != nil {
				l.count(r.Err.Reason)
			} else {
				l.count(string(r.State))
			}
		}
	}
	return acknowledged
}

func (l *ledger) silent(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.submitted += uint64(n)
	l.unanswered += uint64(n)
	l.count(err.Error())
}

func (l *ledger) count(reason string) {
	if _, known := l.reasons[reason]; known || len(l.reasons) < maxRefusalKinds {
		l.reasons[reason]++
	}
}

// driver offers load to one node, open loop: when a batch is due does not depend on the answers.
type driver struct {
	client  *client.Client
	source  source
	sealer  *sealer // nil seals nothing
	ledger  *ledger
	watch   *watch // of the same node
	network crypto.Digest

	perBatch float64 // transactions in one tick
	tick     time.Duration
	batches  atomic.Uint64
}

// pace sets how many transactions a second this node is offered, of at most size bytes each.
func (d *driver) pace(rate float64, size int) error {
	d.tick = max(shortestTick, time.Duration(float64(time.Second)/rate))
	d.perBatch = rate * d.tick.Seconds()
	if d.sealer != nil && d.perBatch+1 > maxSealedBatch {
		return &planError{fmt.Sprintf("%.0f transactions/s for one node make batches of more than %d ciphertexts", rate, maxSealedBatch), "a lower --rate, or --sealed 0"}
	}
	if d.perBatch*float64(size) > longestBatch {
		return &planError{
			fmt.Sprintf("%.0f transactions/s of %d bytes for one node make batches of more than %d bytes", rate, size, longestBatch),
			"a lower --rate",
		}
	}
	return nil
}

// run offers load from start until ctx ends or the time is up (a zero end is never), and returns
// when every call has been answered or has been given up with hard.
func (d *driver) run(ctx, hard context.Context, start, end time.Time) error {
	var group errgroup.Group
	for range workersPerNode {
		group.Go(func() error { return d.work(ctx, hard, start, end) })
	}
	return group.Wait()
}

// due is when a batch is due, and how many transactions it holds.
func (d *driver) due(start time.Time, batch uint64) (time.Time, int) {
	n := int(float64(batch+1)*d.perBatch) - int(float64(batch)*d.perBatch)
	return start.Add(time.Duration(batch) * d.tick), n
}

func (d *driver) work(ctx, hard context.Context, start, end time.Time) error {
	hasher := dag.NewItemHasher(d.network)
	for {
		batch := d.batches.Add(1) - 1
		due, n := d.due(start, batch)
		if !end.IsZero() && !due.Before(end) {
			return nil
		}
		if n == 0 {
			continue
		}
		if !end.IsZero() && time.Now().After(end) {
			d.skip(n)
			continue
		}
		ns, payloads, err := d.source.next(ctx, batch, n)
		if err != nil {
			return nil // ctx has ended
		}
		o, err := d.prepare(hasher, batch, ns, payloads)
		if err != nil {
			return err
		}
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return nil
		}
		d.watch.expect(o.samples, due)
		d.watch.expect(o.sealedSamples, due)
		var calls sync.WaitGroup
		if len(o.sealed) > 0 {
			calls.Go(func() { d.submitSealed(hard, o.sealed, o.sealedSamples) })
		}
		if len(o.plain) > 0 {
			d.submit(hard, ns, o.plain, o.samples)
		}
		calls.Wait()
	}
}

func (d *driver) skip(n int) {
	d.ledger.mu.Lock()
	defer d.ledger.mu.Unlock()
	d.ledger.unsent += uint64(n)
}

// samples computes the keys of some transactions of a batch, evenly spread.
func (d *driver) samples(hasher *dag.ItemHasher, ns dag.Namespace, payloads [][]byte) ([]key, error) {
	count := min(samplesPerBatch, len(payloads))
	keys := make([]key, 0, count)
	for i := range count {
		tx := dag.Transaction{Namespace: ns, Payload: payloads[i*len(payloads)/count]}
		item, err := tx.Encode(hasher)
		if err != nil {
			return nil, fmt.Errorf("sample: %w", err)
		}
		keys = append(keys, keyOf(item.ID))
	}
	return keys, nil
}

func (d *driver) submit(hard context.Context, ns dag.Namespace, payloads [][]byte, samples []key) {
	ctx, cancel := context.WithTimeout(hard, submitTimeout)
	defer cancel()
	results, err := d.client.SubmitBatch(ctx, ns, payloads)
	if err != nil {
		d.ledger.silent(len(payloads), err)
		d.watch.forget(samples)
		return
	}
	d.ledger.answered(results)
}
