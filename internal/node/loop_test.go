package node

import (
	"context"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/ordering"
)

// TestLoopLosesNoEvent: whatever waits for the loop is stepped, also where more waits than the loop
// takes in one go. An observer answers every submission at once.
func TestLoopLosesNoEvent(t *testing.T) {
	engine, err := ordering.NewEngine(ordering.Config{Committee: dagtest.Committee(4), Self: ordering.Observer}, ordering.Restored{})
	if err != nil {
		t.Fatal(err)
	}
	const events = 3*maxSteps + 5
	network, out := make(chan ordering.Event, events), make(chan ordering.Ready, events)
	for i := range uint64(events) {
		item := dag.Item{Kind: dag.KindTransaction, ID: crypto.Hash("test/id", []byte{byte(i), byte(i >> 8)}), Raw: []byte{1}}
		network <- ordering.Submitted{Ticket: i + 1, Items: []dag.Item{item}}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	l := newLoop(engine, out, time.Now(), newTwin(ordering.Observer, time.Now(), nil, &doubt{}))
	go func() { ended <- l.run(ctx, network) }()
	for answered := 0; answered < events; {
		ready := <-out
		for _, o := range ready.Outcomes {
			if answered++; o.Ticket != uint64(answered) {
				t.Fatalf("answer %d is to submission %d", answered, o.Ticket)
			}
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
