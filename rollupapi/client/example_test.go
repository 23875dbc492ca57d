package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/fake"
)

// A transaction is sent until it has its place, whichever node answers.
func ExampleClient_SubmitAndWait() {
	sequencer, err := fake.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer sequencer.Close()
	c, err := client.New("127.0.0.1:1", sequencer.URL()) // nobody listens at the first
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background()
	first, err := c.SubmitAndWait(ctx, client.Submission{Namespace: fake.Open, Payloads: [][]byte{[]byte("hello")}})
	if err != nil {
		log.Fatal(err)
	}
	again, err := c.SubmitAndWait(ctx, client.Submission{Namespace: fake.Open, Payloads: [][]byte{[]byte("hello")}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.State, again == first)
	// Output: COMMITTED true
}

// A follower that keeps the cursor beside its state goes on where it stopped: every item comes once.
func ExampleClient_Follow() {
	sequencer, err := fake.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer sequencer.Close()
	c, err := client.New(sequencer.URL())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background()
	if _, err := c.SubmitBatch(ctx, fake.Open, [][]byte{[]byte("one"), []byte("two"), []byte("three")}); err != nil {
		log.Fatal(err)
	}
	stop := errors.New("stop")
	stored := "genesis" // a rollup keeps it in the database transaction of the item's effects
	for _, last := range []string{"two", "three"} {
		err := c.Follow(ctx, fake.Open, stored, func(item client.Item) error {
			fmt.Println(string(item.Payload))
			stored = item.Cursor
			if string(item.Payload) == last {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			log.Fatal(err)
		}
	}
	// Output:
	// one
	// two
	// three
}

// The legs of a bundle stand at one position, each in its own rollup's order, or nowhere.
func ExampleClient_SubmitBundle() {
	sequencer, err := fake.Start(
		dag.NamespaceRule{ID: 1, Name: "exchange", Scheme: dag.SchemeOpen},
		dag.NamespaceRule{ID: 2, Name: "lender", Scheme: dag.SchemeOpen},
	)
	if err != nil {
		log.Fatal(err)
	}
	defer sequencer.Close()
	c, err := client.New(sequencer.URL())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background()
	landed, err := c.SubmitBundle(ctx, client.Bundle{
		Legs: []dag.Leg{{Namespace: 1, Payload: []byte("swap")}, {Namespace: 2, Payload: []byte("repay")}},
		Wait: client.WaitCommitted,
	})
	if err != nil {
		log.Fatal(err)
	}
	stop := errors.New("stop")
	for _, ns := range []dag.Namespace{1, 2} {
		err := c.Follow(ctx, ns, "genesis", func(item client.Item) error {
			fmt.Println(ns, len(item.Legs), item.Commit == landed.Commit, item.Index == landed.Index)
			return stop
		})
		if !errors.Is(err, stop) {
			log.Fatal(err)
		}
	}
	_, err = c.SubmitBundle(ctx, client.Bundle{Legs: []dag.Leg{{Namespace: 1, Payload: []byte("swap")}, {Namespace: 9, Payload: []byte("nowhere")}}})
	var refused *client.Error
	fmt.Println(errors.As(err, &refused) && refused.Reason == "NAMESPACE_UNKNOWN")
	// Output:
	// 1 2 true true
	// 2 2 true true
	// true
}
