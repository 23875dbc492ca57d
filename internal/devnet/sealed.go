package devnet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// Limits of the sealed load.
const (
	maxSealedBatch  = 256             // ciphertexts in one call, as the API takes
	sealedValidity  = 1500            // commits that a ciphertext is good for: it may wait sealed until it is due
	sealingPatience = 5 * time.Minute // until a network has a key; one whose validators all run makes it in seconds
)

// sealer seals a share of one node's load on the user's side. Safe for concurrent use.
type sealer struct {
	client *client.Client
	watch  *watch  // of the same node
	share  float64 // of the transactions
	seed   uint64  // of the choice
	key    atomic.Pointer[client.EncryptionKey]
}

// split takes out of a batch what is to be sealed; batch numbers the call.
func (s *sealer) split(batch uint64, payloads [][]byte) (plain, sealed [][]byte) {
	if s == nil || s.share == 0 {
		return payloads, nil
	}
	random := rand.New(rand.NewPCG(s.seed, batch))
	for _, p := range payloads {
		if random.Float64() < s.share {
			sealed = append(sealed, p)
		} else {
			plain = append(plain, p)
		}
	}
	return plain, sealed
}

// seal seals payloads of one namespace, each for itself.
func (s *sealer) seal(ns dag.Namespace, payloads [][]byte) ([]dag.Sealed, error) {
	until := s.watch.figures().status.Commit + sealedValidity
	out := make([]dag.Sealed, len(payloads))
	for i, p := range payloads {
		var err error
		out[i], err = s.key.Load().Seal(client.Plain{Legs: []dag.Leg{{Namespace: ns, Payload: p}}, ValidUntil: until})
		if err != nil {
			return nil, fmt.Errorf("seal load: %w", err)
		}
	}
	return out, nil
}

// renew asks for the key that serves now, if results say that another does.
func (s *sealer) renew(ctx context.Context, results []client.Result) {
	const stale = "EPOCH_KEY_STALE"
	for i := range results {
		if e := results[i].Err; e != nil && e.Reason == stale {
			if key, err := s.client.KeyByID(ctx, 0); err == nil {
				s.key.Store(key)
			}
			return
		}
	}
}

// offer is one batch of a driver, ready to be sent.
type offer struct {
	plain                  [][]byte
	sealed                 []dag.Sealed
	samples, sealedSamples []key
}

// prepare seals what is to be sealed of a batch, before it is due, and chooses whose latency is measured.
func (d *driver) prepare(hasher *dag.ItemHasher, batch uint64, ns dag.Namespace, payloads [][]byte) (o offer, err error) {
	plain, hidden := d.sealer.split(batch, payloads)
	o.plain = plain
	if o.samples, err = d.samples(hasher, ns, plain); err != nil || len(hidden) == 0 {
		return o, err
	}
	if o.sealed, err = d.sealer.seal(ns, hidden); err != nil {
		return o, err
	}
	o.sealedSamples, err = sealedKeys(hasher, o.sealed[:min(samplesPerBatch, len(o.sealed))])
	return o, err
}

// sealedKeys computes the keys of sealed items.
func sealedKeys(hasher *dag.ItemHasher, items []dag.Sealed) ([]key, error) {
	keys := make([]key, len(items))
	for i := range items {
		item, err := items[i].Encode(hasher)
		if err != nil {
			return nil, fmt.Errorf("sample: %w", err)
		}
		keys[i] = keyOf(item.ID)
	}
	return keys, nil
}

// openSealing waits until users can seal at every node, and gives each node's sealer its key. It says what
// is missing meanwhile. Without sealed load it does nothing; nor is it an error if interrupted ends first.
func (d *devnet) openSealing(interrupted context.Context) error {
	if d.Sealed == 0 || d.Rate == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(interrupted, sealingPatience)
	defer cancel()
	var sealers []*sealer
	d.view.printf("waiting for the validators' sealing key")
	said := ""
	for i, c := range d.clients {
		for {
			key, err := c.EncryptionKey(ctx)
			if err == nil {
				sealers = append(sealers, &sealer{client: c, watch: d.watches[i], share: d.Sealed, seed: rand.Uint64()})
				sealers[i].key.Store(key)
				break
			}
			var refused *client.Error
			if errors.As(err, &refused) && refused.Message != said && ctx.Err() == nil {
				said = refused.Message
				d.view.printf("  %s: %s", d.network.Nodes[i].Name, said)
			}
			if interrupted.Err() != nil {
				return nil
			}
			if ctx.Err() != nil {
				return &planError{fmt.Sprintf("%s has no sealing key: %v", d.network.Nodes[i].Name, err), "start all validators, or leave sealing out: --sealed 0"}
			}
			pause(ctx, statusEvery)
		}
	}
	d.sealers = sealers
	d.view.printf("sealing is open with key %d", sealers[0].key.Load().ID)
	return nil
}

// submitSealed offers ciphertexts and notes what became of them.
func (d *driver) submitSealed(hard context.Context, items []dag.Sealed, samples []key) {
	ctx, cancel := context.WithTimeout(hard, submitTimeout)
	defer cancel()
	results, err := d.client.SubmitSealed(ctx, client.SealedSubmission{Items: items})
	if err != nil {
		d.ledger.silent(len(items), err)
		d.watch.forget(samples)
		return
	}
	d.ledger.sealed(d.ledger.answered(results))
	d.sealer.renew(ctx, results)
}

// sealed notes acknowledged ids as those of ciphertexts.
func (l *ledger) sealed(ids []crypto.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ciphertexts += uint64(len(ids))
	l.sealedIDs = append(l.sealedIDs, ids[:min(len(ids), maxAcknowledged-len(l.sealedIDs))]...)
}
