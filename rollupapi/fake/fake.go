// Package fake is a sequencer in the memory of the calling process, for the tests of rollups: the real interface on a
// port of 127.0.0.1, over a real order of one validator with the real filters, that commits within some 30 ms of a
// submission and certifies what it commits. It keeps nothing when it is closed, and it does not seal: GetEncryptionKey
// answers SEALING_NOT_READY.
package fake

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
)

// Open is the namespace of a sequencer that was started without any: of scheme open, named "open".
const Open dag.Namespace = 1

// Sequencer is one that runs. Safe for concurrent use.
type Sequencer struct {
	url          string
	stop         context.CancelFunc
	parts        sync.WaitGroup
	served       error // of the server; to be read once parts are done
	history      *history
	certificates *certificates
	engine       *ordering.Engine // the loop's alone
	inbox        chan submission
	replies      map[uint64]*reply // by ticket; the loop's alone
	ticket       uint64
	network      crypto.Digest
	validity     *dag.Committee
}

// submission is items on their way to the loop.
type submission struct {
	items []dag.Item
	reply *reply
}

// reply collects the outcomes of one submission.
type reply struct {
	outcomes []ordering.Outcome
	missing  int
	done     chan struct{}
}

// Start starts a sequencer of these namespaces; of none: of Open. Close it in the end.
func Start(namespaces ...dag.NamespaceRule) (*Sequencer, error) {
	if len(namespaces) == 0 {
		namespaces = []dag.NamespaceRule{{ID: Open, Name: "open", Scheme: dag.SchemeOpen}}
	}
	registry, err := dag.NewRegistry(namespaces)
	if err != nil {
		return nil, fmt.Errorf("start fake sequencer: %w", err)
	}
	keys, err := crypto.GenerateKeys(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("start fake sequencer: %w", err)
	}
	public := keys.Public()
	network := crypto.Hash(crypto.DomainGenesis, public.Identity[:])
	committee, err := dag.NewCommittee(network, dag.FirstEpoch, []dag.Validator{{Name: "fake", Identity: public.Identity, KEM: public.KEM, BLS: public.BLS}})
	if err != nil {
		return nil, fmt.Errorf("start fake sequencer: %w", err)
	}
	engine, err := ordering.NewEngine(ordering.Config{
		Committee: committee, Registry: registry, Signer: keys.Identity, Created: uint64(time.Now().UnixMilli()), Sealing: ordering.Unsealed,
		Certification: ordering.WithCertificates, KEM: keys.KEM,
	}, ordering.Restored{})
	if err != nil {
		return nil, fmt.Errorf("start fake sequencer: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start fake sequencer: %w", err)
	}
	certificates := newCertificates(committee)
	s := &Sequencer{
		url: "http://" + listener.Addr().String(), history: newHistory(committee, certificates), certificates: certificates, engine: engine, inbox: make(chan submission),
		replies: make(map[uint64]*reply), network: network, validity: committee,
	}
	s.run(listener, registry, keys.Identity)
	return s, nil
}

// run starts the loop and the server.
func (s *Sequencer) run(listener net.Listener, registry *dag.Registry, identity *crypto.IdentityKey) {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	server := rollupapi.New(rollupapi.Config{
		Sequencer: s, History: s.history, Watcher: s.history, DAG: s.history, Sealing: unsealed{}, Reveals: s.history, Certificates: s.certificates, Node: s,
		Admission: rollupapi.NewAdmission(rollupapi.AdmissionConfig{
			Network: s.network, Registry: registry, Sealing: unsealed{}, Heads: s.history, Workers: 1,
		}),
		Identity: identity, Committee: s.validity, Registry: registry, Name: "fake", Chain: "fake", Version: "fake", Logger: slog.New(slog.DiscardHandler),
	})
	s.parts.Go(func() { s.loop(ctx) })
	s.parts.Go(func() { s.served = server.Serve(ctx, listener) })
}

// URL is what a client's endpoint is set to.
func (s *Sequencer) URL() string { return s.url }

// Close ends the sequencer and waits for it. What it ordered is gone.
func (s *Sequencer) Close() error {
	s.stop()
	s.parts.Wait()
	return s.served
}

// Submit takes items into the next block. It is rollupapi.Sequencer's method.
func (s *Sequencer) Submit(ctx context.Context, items []dag.Item) ([]ordering.Outcome, error) {
	if len(items) == 0 {
		return nil, nil
	}
	r := &reply{outcomes: make([]ordering.Outcome, len(items)), missing: len(items), done: make(chan struct{})}
	select {
	case s.inbox <- submission{items, r}:
	case <-ctx.Done():
		return nil, fmt.Errorf("submit: %w", context.Cause(ctx))
	}
	select {
	case <-r.done:
		return r.outcomes, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("submit: %w", context.Cause(ctx))
	}
}

// loop drives the engine.
func (s *Sequencer) loop(ctx context.Context) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var next *submission
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case got := <-s.inbox:
			next = &got
		}
		now := time.Now()
		s.engine.Step(ordering.Tick{Now: now.Sub(start), Wall: uint64(now.UnixMilli())})
		if next != nil {
			s.ticket++
			s.replies[s.ticket] = next.reply
			s.engine.Step(ordering.Submitted{Ticket: s.ticket, Items: next.items})
		}
		ready := s.engine.Ready()
		s.history.add(&ready)
		s.certificates.take(&ready, s.engine.Status().CertificateKeygen)
		s.answer(ready.Outcomes)
		timer.Reset(time.Until(start.Add(ready.WakeAt)))
	}
}

// answer hands outcomes to those who wait for them.
func (s *Sequencer) answer(outcomes []ordering.Outcome) {
	for _, o := range outcomes {
		r := s.replies[o.Ticket]
		r.outcomes[o.Index] = o
		if r.missing--; r.missing == 0 {
			delete(s.replies, o.Ticket)
			close(r.done)
		}
	}
}

// Status is what the sequencer says of itself. It is rollupapi.NodeInfo's method.
func (s *Sequencer) Status() rollupapi.NodeStatus {
	head, round := s.history.head()
	return rollupapi.NodeStatus{
		Name: "fake", NetworkID: s.network, Chain: "fake", Version: "fake", Role: rollupapi.RoleValidator, Author: dag.Author(0).String(),
		Epoch: dag.FirstEpoch, Round: round, Commit: head.Index, CommitDigest: head.Digest, Proposing: true,
	}
}

// Standing is rollupapi.NodeInfo's method: one validator never lacks anything.
func (s *Sequencer) Standing() rollupapi.Standing {
	_, round := s.history.head()
	return rollupapi.Standing{Round: round}
}
