package apitest

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
)

// Config is what a server of the chain stands on.
func (c *Chain) Config() rollupapi.Config {
	return rollupapi.Config{
		Sequencer: c, History: history{c}, Watcher: c, DAG: c, Sealing: c, Reveals: c, Certificates: c, Node: c, Identity: c.keys[0],
		Admission: rollupapi.NewAdmission(c.AdmissionConfig(2)),
		Committee: c.Committee, Registry: c.Registry, Name: "v0", Chain: "apitest", Version: "test", Logger: slog.New(slog.DiscardHandler),
	}
}

// AdmissionConfig is what an admission of the chain's network stands on.
func (c *Chain) AdmissionConfig(workers int) rollupapi.AdmissionConfig {
	return rollupapi.AdmissionConfig{Network: c.Committee.Network(), Registry: c.Registry, Sealing: c, Heads: c, Workers: workers}
}

// Serve serves the chain on 127.0.0.1 until the test ends or stop is called, and returns its URL.
func (c *Chain) Serve(t testing.TB) (url string, stop func()) {
	t.Helper()
	return Start(t, rollupapi.New(c.Config()))
}

// Start serves a server on 127.0.0.1 until the test ends or stop is called, and returns its URL.
func Start(t testing.TB, s *rollupapi.Server) (url string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

// OpenItem is the item of an unsigned transaction, with a valid_until as a node sets it.
func (c *Chain) OpenItem(t testing.TB, ns dag.Namespace, payload string) dag.Item {
	t.Helper()
	tx := dag.Transaction{Namespace: ns, ValidUntil: dag.ValidityWindow, Payload: []byte(payload)}
	item, err := tx.Encode(dag.NewItemHasher(c.Committee.Network()))
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// BundleItem is the item of an unsigned bundle with one leg for each namespace.
func (c *Chain) BundleItem(t testing.TB, payload string, namespaces ...dag.Namespace) dag.Item {
	t.Helper()
	b := dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: dag.ValidityWindow}
	for _, ns := range namespaces {
		b.Legs = append(b.Legs, dag.Leg{Namespace: ns, Payload: []byte(payload)})
	}
	item, err := b.Encode(dag.NewItemHasher(c.Committee.Network()))
	if err != nil {
		t.Fatal(err)
	}
	return item
}
