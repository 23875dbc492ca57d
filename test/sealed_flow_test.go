package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// The sealed load unless the environment says otherwise: DUNLIN_SEALED_RATE transactions a second over all
// nodes, for DUNLIN_SEALED_SECONDS in each part of the test.
const (
	defaultSealedRate    = 60
	defaultSealedSeconds = 3
	sealedEvery          = 100 * time.Millisecond // between two batches to one node
	sealedAhead          = 2000                   // commits that ciphertexts are good for
)

// sealedFlow is users who seal on their side and submit to all nodes, until it is stopped.
type sealedFlow struct {
	fleet  *fleet
	cancel context.CancelFunc
	users  sync.WaitGroup

	mu   sync.Mutex
	sent map[crypto.Digest][]byte // what acknowledged ciphertexts hold
}

// untilSealing waits until users can seal at a node, and returns its key.
func (f *fleet) untilSealing(i int) *client.EncryptionKey {
	f.t.Helper()
	var key *client.EncryptionKey
	eventually(f.t, f.network.Nodes[i].Name+" has a sealing key", func() (err error) {
		key, err = f.clients[i].EncryptionKey(f.t.Context())
		return err
	})
	return key
}

// startSealed submits to the first n nodes. Every payload begins with the marker.
func startSealed(f *fleet, n int, marker string) *sealedFlow {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &sealedFlow{fleet: f, cancel: cancel, sent: make(map[crypto.Digest][]byte)}
	f.t.Cleanup(s.stop)
	perBatch := max(1, int(float64(number(f.t, "DUNLIN_SEALED_RATE", defaultSealedRate))*sealedEvery.Seconds()/float64(n)+0.5))
	key := f.untilSealing(0)
	for i := range n {
		s.users.Go(func() { s.submit(ctx, i, key, marker, perBatch) })
	}
	return s
}

func (s *sealedFlow) submit(ctx context.Context, i int, key *client.EncryptionKey, marker string, perBatch int) {
	tick := time.NewTicker(sealedEvery)
	defer tick.Stop()
	for batch := 0; ctx.Err() == nil; batch++ {
		info, err := s.fleet.clients[i].Info(ctx)
		if err == nil {
			until := dag.CommitIndex(info.GetWatermarks().GetCommitted()) + sealedAhead
			var payloads [][]byte
			for k := range perBatch {
				payloads = append(payloads, fmt.Appendf(nil, "%s node %d batch %d number %d", marker, i, batch, k))
			}
			s.offer(ctx, i, key, payloads, until)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// offer seals payloads, submits them to a node and notes what it acknowledges. A node that is away
// acknowledges nothing.
func (s *sealedFlow) offer(ctx context.Context, i int, key *client.EncryptionKey, payloads [][]byte, until dag.CommitIndex) {
	items := make([]dag.Sealed, len(payloads))
	for k, p := range payloads {
		var err error
		items[k], err = key.Seal(client.Plain{Legs: []dag.Leg{{Namespace: devnet.Open, Payload: p}}, ValidUntil: until})
		if err != nil {
			s.fleet.t.Error(err)
			return
		}
	}
	results, err := s.fleet.clients[i].SubmitSealed(ctx, client.SealedSubmission{Items: items})
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, r := range results {
		switch {
		case r.State == client.Included || r.State == client.Committed || r.State == client.Revealed:
			s.sent[r.ID] = payloads[k]
		case r.Err != nil && !r.Err.Retryable:
			s.fleet.t.Errorf("%s: %v", r.State, r.Err)
		}
	}
}

// stop ends the load and returns once all users have.
func (s *sealedFlow) stop() {
	s.cancel()
	s.users.Wait()
}

func (s *sealedFlow) acknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// untilMore waits until n more ciphertexts are acknowledged.
func (s *sealedFlow) untilMore(n int) {
	s.fleet.t.Helper()
	before := s.acknowledged()
	eventually(s.fleet.t, "sealed transactions are acknowledged", func() error {
		if now := s.acknowledged(); now < before+n {
			return fmt.Errorf("%d acknowledged, were %d", now, before)
		}
		return nil
	})
}

// checkRevealed reads every node's order as it was revealed: every acknowledged ciphertext stands in it once,
// with its content, and all answers hold by their openings and the public key alone, proven from deals.
func (s *sealedFlow) checkRevealed() {
	f := s.fleet
	f.t.Helper()
	var first map[crypto.Digest]client.Item
	for i, n := range f.network.Nodes {
		var got map[crypto.Digest]client.Item
		eventually(f.t, n.Name+" reveals every acknowledged transaction", func() error {
			got = f.readRevealed(i)
			for id, payload := range s.sent {
				item, ok := got[id]
				if !ok {
					r, err := f.clients[i].Status(f.t.Context(), id)
					if err == nil && r.State == client.Expired {
						continue
					}
					return fmt.Errorf("%s is missing: %+v, %v", id, r, err)
				}
				if item.Verdict != reveal.Opened || len(item.Legs) != 1 || !bytes.Equal(item.Legs[0].Payload, payload) {
					f.t.Fatalf("%s has %s of commit %d as %s, %d legs", n.Name, id, item.Commit, item.Verdict, len(item.Legs))
				}
			}
			return nil
		})
		if first == nil {
			first = got
			f.verify(got)
		}
		for id, item := range got {
			if known, ok := first[id]; ok && (known.Verdict != item.Verdict || known.Opening != item.Opening || known.Commit != item.Commit || known.Index != item.Index) {
				f.t.Errorf("%s has %s otherwise than %s", n.Name, id, f.network.Nodes[0].Name)
			}
		}
	}
}

// readRevealed reads all sealed items that a node has revealed by now.
func (f *fleet) readRevealed(i int) map[crypto.Digest]client.Item {
	f.t.Helper()
	info, err := f.clients[i].Info(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	head := info.GetWatermarks().GetRevealed()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	out, whole := make(map[crypto.Digest]client.Item), errors.New("read to the head")
	err = f.clients[i].FollowEvents(ctx, client.Selection{Cursor: "genesis", MinState: client.Revealed}, func(e client.Event) error {
		for _, item := range e.Items {
			if item.Kind != dag.KindSealed {
				continue
			}
			if _, twice := out[item.ID]; twice {
				f.t.Errorf("%s has %s twice", f.network.Nodes[i].Name, item.ID)
			}
			out[item.ID] = item
		}
		if e.Commit.GetIndex() >= head {
			return whole
		}
		return nil
	})
	if !errors.Is(err, whole) {
		f.t.Fatalf("read what %s has revealed: %v", f.network.Nodes[i].Name, err)
	}
	return out
}

// verify is the independent reader: it has the genesis, the signed blocks with the deals and the openings, and no help of the committee.
func (f *fleet) verify(items map[crypto.Digest]client.Item) {
	f.t.Helper()
	genesis, err := node.LoadGenesis(filepath.Join(f.network.Dir(), devnet.GenesisFile))
	if err != nil {
		f.t.Fatal(err)
	}
	committee, err := genesis.Committee()
	if err != nil {
		f.t.Fatal(err)
	}
	key, err := f.clients[0].KeyWithDeals(f.t.Context(), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := key.ProveSigned(committee); err != nil {
		f.t.Error(err)
	}
	for _, item := range items {
		if err := key.VerifyReveal(&item); err != nil {
			f.t.Errorf("%s: %v", item.ID, err)
		}
	}
}

// untilRevealed waits until a node has revealed more than it had committed when it was asked.
func (f *fleet) untilRevealed(i int) {
	f.t.Helper()
	goal := uint64(f.until(i, "answers", func(status) bool { return true }).Commit) + 10
	eventually(f.t, f.network.Nodes[i].Name+" reveals", func() error {
		info, err := f.clients[i].Info(f.t.Context())
		if err != nil {
			return err
		}
		if now := info.GetWatermarks().GetRevealed(); now < goal {
			return fmt.Errorf("revealed %d of %d commits, want %d", now, info.GetWatermarks().GetCommitted(), goal)
		}
		return nil
	})
}

// Users seal under load: everything is revealed and holds, an observer sees neither content nor share before
// its time. A validator is killed: the others reveal. It comes back, and others are killed in its place: now
// nothing would be revealed without its shares.
func TestSealedFlow(t *testing.T) {
	for _, validators := range []int{4, 7} {
		t.Run(fmt.Sprint(validators), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, devnet.Plan{Validators: validators})
			f.start(f.all()...)
			f.untilProposing(f.all()...)
			marker := "nobody reads this before its place is fixed:"
			listener := startTap(f, validators)
			listener.watch([]byte(marker))
			part := time.Duration(number(t, "DUNLIN_SEALED_SECONDS", defaultSealedSeconds)) * time.Second
			faults := (validators - 1) / 3
			s := startSealed(f, validators, marker)
			s.untilMore(100)
			time.Sleep(part)

			victim := validators - 1
			f.kill(victim)
			f.untilRevealed(0)
			s.untilMore(50)
			f.start(victim)
			f.untilProposing(victim)
			f.untilCaughtUp(victim, 0)

			for i := range faults {
				f.kill(1 + i)
			}
			s.untilMore(50)
			f.untilRevealed(0)
			for i := range faults {
				f.start(1 + i)
				f.untilProposing(1 + i)
			}
			time.Sleep(part)
			s.stop()
			t.Logf("%d sealed transactions acknowledged", s.acknowledged())
			s.checkRevealed()
			listener.check(s.acknowledged())
			checkAgreement(t, f.readAll())
			f.checkHonest()
		})
	}
}
