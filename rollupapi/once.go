package rollupapi

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/receipt"
)

// answer is what a submitting call is answered.
type answer struct {
	results []result
	receipt *receipt.Receipt // nil if none was asked for, or nothing was taken
}

// once answers a submitting call of a client that has the same idempotency key as one before like that one.
// It holds two generations, like the tracker. Safe for concurrent use.
type once struct {
	mu         sync.Mutex
	young, old map[onceKey]*onceEntry
	bytes      int // of the young generation
}

// onceKey is a key as one client uses it: others cannot guess their way to its answers.
type onceKey struct{ client, key string }

type onceEntry struct {
	body crypto.Digest
	done chan struct{} // closed when answer is there, or the call has failed
	kept bool          // whether answer is there; read after done
	answer
}

// What an entry takes beside its results, and a result, in bytes.
const (
	onceOverhead   = 512
	resultOverhead = 96
)

func newOnce() *once {
	return &once{young: map[onceKey]*onceEntry{}, old: map[onceKey]*onceEntry{}}
}

// do runs a call, or answers like the first call with the key. Calls that fail, or that a retry may make
// better, are not kept. It waits for a first call that is under way until ctx ends.
func (o *once) do(ctx context.Context, key onceKey, body crypto.Digest, run func() (answer, error)) (answer, error) {
	for {
		e, first := o.enter(key, body)
		if first {
			return o.first(key, e, run)
		}
		if e.body != body {
			return answer{}, refuse(ReasonIdempotencyConflict, "idempotency key %q stands for another call of yours: choose a new key", clip(key.key)).at("idempotency_key")
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return answer{}, refuse(ReasonBusy, "the first call with idempotency key %q is still under way", clip(key.key))
		}
		if e.kept {
			return e.answer, nil
		}
	}
}

// errAbandoned is what a first call has come to that panics.
var errAbandoned = errors.New("the call did not return")

// first runs the first call with a key, and leaves its entry however that ends: others wait for it.
func (o *once) first(key onceKey, e *onceEntry, run func() (answer, error)) (result answer, err error) {
	defer func() { o.leave(key, e, result, err) }()
	err = errAbandoned
	return run()
}

// enter finds the entry of a key or makes it, and says whether the caller has to run the call.
func (o *once) enter(key onceKey, body crypto.Digest) (e *onceEntry, first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.young[key]; ok {
		return e, false
	}
	if e, ok := o.old[key]; ok {
		return e, false
	}
	if o.bytes >= maxOnceBytes {
		o.old, o.young, o.bytes = o.young, map[onceKey]*onceEntry{}, 0
	}
	e = &onceEntry{body: body, done: make(chan struct{})}
	o.young[key] = e
	o.bytes += onceOverhead
	return e, true
}

// leave keeps what a first call came to, or forgets it.
func (o *once) leave(key onceKey, e *onceEntry, result answer, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer close(e.done)
	if err == nil && !mayImprove(result.results) {
		e.answer, e.kept = result, true
		o.bytes += resultOverhead * len(result.results)
		return
	}
	for _, generation := range []map[onceKey]*onceEntry{o.young, o.old} {
		if generation[key] == e {
			delete(generation, key)
		}
	}
}

// mayImprove reports whether the same call may do better later.
func mayImprove(results []result) bool {
	for i := range results {
		if r := results[i].refused; r != nil && r.RetryAfter() > 0 {
			return true
		}
	}
	return false
}

// terms are what a submitting call asks beside its content.
type terms struct {
	wait waitFor
	key  string // idempotency key; empty for none
}

// check refuses keys that are too long.
func (t terms) check() error {
	if len(t.key) > maxIdempotencyKey {
		return over(ReasonTooLarge, maxIdempotencyKey, "idempotency key of %d bytes, limit %d", len(t.key), maxIdempotencyKey).at("idempotency_key")
	}
	return nil
}

func (s *Server) takeTransactions(ctx context.Context, sub *Submission, limit int, t terms) (answer, error) {
	return s.take(ctx, t, sub.digest, func() ([]result, error) { return s.submitTransactions(ctx, sub, limit, t.wait) })
}

func (s *Server) takeBundle(ctx context.Context, b *dag.Bundle, t terms) (answer, error) {
	return s.take(ctx, t, func() crypto.Digest { return bundleDigest(b) }, func() ([]result, error) { return s.submitBundle(ctx, b, t.wait) })
}

func (s *Server) takeSealed(ctx context.Context, items []dag.Sealed, t terms) (answer, error) {
	return s.take(ctx, t, func() crypto.Digest { return sealedDigest(items) }, func() ([]result, error) { return s.submitSealed(ctx, items, t.wait) })
}

// take carries out a submitting call, unless the node is behind or the client had it carried out before.
func (s *Server) take(ctx context.Context, t terms, body func() crypto.Digest, submit func() ([]result, error)) (answer, error) {
	if err := t.check(); err != nil {
		return answer{}, err
	}
	if err := s.synced(); err != nil {
		return answer{}, err
	}
	run := func() (answer, error) {
		results, err := submit()
		if err != nil {
			return answer{}, err
		}
		return answer{results, s.receiptFor(t.wait, results)}, nil
	}
	if t.key == "" {
		return run()
	}
	return s.once.do(ctx, onceKey{clientOf(ctx).Name, t.key}, body(), run)
}

// receiptFor signs for the results that were not refused.
func (s *Server) receiptFor(w waitFor, results []result) *receipt.Receipt {
	if s.backend.Identity == nil || !w.receipt() {
		return nil
	}
	ids := make([]crypto.Digest, 0, len(results))
	for i := range results {
		if results[i].refused == nil {
			ids = append(ids, results[i].id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	r := receipt.Sign(s.network, s.backend.Identity, ids, uint64(s.backend.Node.Standing().Round))
	return &r
}

// synced refuses while this node lacks so many commits that what it would say of the newest is not so.
func (s *Server) synced() error {
	if behind := s.backend.Node.Standing().Behind; behind >= maxBehind {
		return over(ReasonNotSynced, maxBehind, "this node lacks %d commits that others have: use another node until it has caught up", behind)
	}
	return nil
}

// digest is over all that the submission would have the node do.
func (sub *Submission) digest() crypto.Digest {
	return bodyDigest("transactions", []uint64{uint64(sub.Namespace), uint64(sub.ValidUntil)}, [][]byte{sub.Sender}, sub.Payloads, sub.Signatures)
}

func bundleDigest(b *dag.Bundle) crypto.Digest {
	numbers, payloads := []uint64{uint64(b.Mode), uint64(b.ValidUntil)}, make([][]byte, len(b.Legs))
	for i := range b.Legs {
		numbers, payloads[i] = append(numbers, uint64(b.Legs[i].Namespace)), b.Legs[i].Payload
	}
	return bodyDigest("bundle", numbers, [][]byte{b.Sender, b.Signature}, payloads)
}

func sealedDigest(items []dag.Sealed) crypto.Digest {
	var numbers []uint64
	var parts [][]byte
	for i := range items {
		numbers = append(numbers, uint64(items[i].ValidUntil), uint64(len(items[i].Namespaces)))
		for _, ns := range items[i].Namespaces {
			numbers = append(numbers, uint64(ns))
		}
		parts = append(parts, items[i].Sender, items[i].Signature, items[i].Ciphertext)
	}
	return bodyDigest("sealed", numbers, parts)
}

// bodyDigest is over a kind of call, numbers, and lists of parts; each list's length counts.
func bodyDigest(kind string, numbers []uint64, lists ...[][]byte) crypto.Digest {
	shape := binary.BigEndian.AppendUint64(nil, uint64(len(numbers)))
	for _, n := range numbers {
		shape = binary.BigEndian.AppendUint64(shape, n)
	}
	all := [][]byte{[]byte(kind), nil}
	for _, list := range lists {
		shape = binary.BigEndian.AppendUint64(shape, uint64(len(list)))
		all = append(all, list...)
	}
	all[1] = shape
	return crypto.Hash(crypto.DomainIdempotency, all...)
}
