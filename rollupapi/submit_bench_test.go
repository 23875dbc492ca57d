package rollupapi_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// alone is a validator that is its whole committee: a real engine with its pool, which nothing but its own blocks
// empties. It has neither disk nor network.
type alone struct {
	engine *ordering.Engine
	inbox  chan *handed
	stop   chan struct{}
	done   sync.WaitGroup
}

// handed is items on their way into the pool.
type handed struct {
	items    []dag.Item
	outcomes []ordering.Outcome
	missing  int
	done     chan struct{}
}

func newAlone(b *testing.B, registry *dag.Registry) *alone {
	b.Helper()
	engine, err := ordering.NewEngine(ordering.Config{Committee: dagtest.Committee(1), Registry: registry, Self: 0, Signer: dagtest.Key(0)}, ordering.Restored{})
	if err != nil {
		b.Fatal(err)
	}
	a := &alone{engine: engine, inbox: make(chan *handed, 256), stop: make(chan struct{})}
	a.done.Go(a.run)
	b.Cleanup(func() { close(a.stop); a.done.Wait() })
	return a
}

// Submit waits until all items are in blocks or refused.
func (a *alone) Submit(ctx context.Context, items []dag.Item) ([]ordering.Outcome, error) {
	h := &handed{items: items, outcomes: make([]ordering.Outcome, len(items)), missing: len(items), done: make(chan struct{})}
	select {
	case a.inbox <- h:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-h.done:
		return h.outcomes, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (a *alone) run() {
	start, tickets, next := time.Now(), map[uint64]*handed{}, uint64(0)
	timer := time.NewTimer(0)
	for {
		var h *handed
		select {
		case h = <-a.inbox:
		case <-timer.C:
		case <-a.stop:
			return
		}
		a.engine.Step(ordering.Tick{Now: time.Since(start), Wall: uint64(time.Now().UnixMilli())})
		if h != nil {
			next++
			tickets[next] = h
			a.engine.Step(ordering.Submitted{Ticket: next, Items: h.items})
		}
		ready := a.engine.Ready()
		for i := range ready.Outcomes {
			o := &ready.Outcomes[i]
			t := tickets[o.Ticket]
			t.outcomes[o.Index] = *o
			if t.missing--; t.missing == 0 {
				delete(tickets, o.Ticket)
				close(t.done)
			}
		}
		timer.Reset(max(0, ready.WakeAt-time.Since(start)))
	}
}

// BenchmarkSubmitIntoPool is transactions of 512 bytes over one HTTP/2 connection through admission and the pool
// into blocks, client included: as one call each, 64 of them at a time, and in batches, four at a time. ns/op is
// per transaction.
func BenchmarkSubmitIntoPool(b *testing.B) {
	registry, err := dag.NewRegistry([]dag.NamespaceRule{{ID: apitest.Open, Name: "open", Scheme: dag.SchemeOpen}})
	if err != nil {
		b.Fatal(err)
	}
	for _, form := range []struct {
		name         string
		batch, calls int
	}{{"unary", 1, 64}, {"batch=256", 256, 4}, {"batch=2048", 2048, 4}} {
		b.Run(form.name, func(b *testing.B) {
			chain := apitest.New(b)
			config := chain.Config()
			config.Committee, config.Registry, config.Sequencer = dagtest.Committee(1), registry, newAlone(b, registry)
			admission := chain.AdmissionConfig(2)
			admission.Network, admission.Registry = config.Committee.Network(), registry
			config.Admission = rollupapi.NewAdmission(admission)
			url, _ := apitest.Start(b, rollupapi.New(config))
			ingress := dunlinv1connect.NewIngressClient(h2c(b), url)
			b.ResetTimer()
			submitAll(b, ingress, form.batch, form.calls)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
		})
	}
}

// submitAll submits b.N transactions, so many in a call and so many calls at a time; what is refused as BUSY is
// sent again.
func submitAll(b *testing.B, ingress dunlinv1connect.IngressClient, batch, calls int) {
	var workers sync.WaitGroup
	work := make(chan [2]int)
	for range calls {
		workers.Go(func() {
			for part := range work {
				payloads := make([][]byte, part[1])
				for i := range payloads {
					payloads[i] = make([]byte, 512)
					binary.BigEndian.PutUint64(payloads[i], uint64(part[0]+i))
				}
				if err := submitPart(b.Context(), ingress, payloads); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for at := 0; at < b.N; at += batch {
		work <- [2]int{at, min(batch, b.N-at)}
	}
	close(work)
	workers.Wait()
}

func submitPart(ctx context.Context, ingress dunlinv1connect.IngressClient, payloads [][]byte) error {
	for len(payloads) > 0 {
		answer, err := ingress.Submit(ctx, &pb.SubmitRequest{Namespace: uint64(apitest.Open), Payloads: payloads})
		if err != nil {
			return err
		}
		var again [][]byte
		for i, item := range answer.GetItems() {
			switch {
			case item.GetState() == pb.State_STATE_INCLUDED:
			case item.GetError().GetReason() == "BUSY":
				again = append(again, payloads[i])
			default:
				return fmt.Errorf("a transaction is %s: %v", item.GetState(), item.GetError())
			}
		}
		payloads = again
	}
	return nil
}
