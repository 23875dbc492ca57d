package node

import (
	"context"
	"errors"
	"strings"
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
	engine, err := ordering.NewEngine(ordering.Config{Committee: dagtest.Committee(4), Registry: &dag.Registry{}, Self: ordering.Observer}, ordering.Restored{})
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

// TestLoopEndsAtAFault: where the blocks show more than f faulty validators, the node ends and says what comes
// next.
func TestLoopEndsAtAFault(t *testing.T) {
	s := dagtest.Build(t, `n=4
1: *; A.1
2: * ; A.1 B.1 C.1 D.1 -> [* A1.1]
3: *; A.1 -> [A2.1 B2.1 C2.1 D2.1]; B.1 -> [B2.1 A2.1 C2.1 D2.1]; C.1 -> [C2.1 A2.1 B2.1 D2.1]; D.1 -> [D2.1 A2.1 B2.1 C2.1]
`)
	engine, err := ordering.NewEngine(ordering.Config{Committee: s.Committee, Registry: &dag.Registry{}, Self: ordering.Observer}, ordering.Restored{})
	if err != nil {
		t.Fatal(err)
	}
	network, out := make(chan ordering.Event, len(s.Blocks)), make(chan ordering.Ready, len(s.Blocks))
	for _, b := range s.Blocks {
		network <- ordering.BlockReceived{From: 1, Block: b}
	}
	l := newLoop(engine, out, time.Now(), newTwin(ordering.Observer, time.Now(), nil, &doubt{}))
	var hinted *HomeError
	if err := l.run(t.Context(), network); !errors.Is(err, ordering.ErrFault) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "docs/disaster.md") {
		t.Errorf("the loop ends with %v, want %v and what comes next", err, ordering.ErrFault)
	}
}
