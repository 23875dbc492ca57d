package test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// order is what one node serves, from genesis to the head that it had when it was asked.
type order struct {
	name    string
	digests []crypto.Digest // of commit 1, 2, ...
	items   map[crypto.Digest]int
}

// read reads a node's whole order, up to a commit at least that it must reach.
func (f *fleet) read(i int) *order {
	f.t.Helper()
	o, err := f.tryRead(i, f.commitOf(i))
	if err != nil {
		f.t.Fatal(err)
	}
	return o
}

// tryRead reads a node's order up to a commit at least.
func (f *fleet) tryRead(i int, head dag.CommitIndex) (*order, error) {
	o := &order{name: f.network.Nodes[i].Name, items: make(map[crypto.Digest]int)}
	if head == 0 {
		return o, nil
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	whole := errors.New("read to the head")
	err := f.clients[i].FollowEvents(ctx, client.Selection{Cursor: "genesis", Content: client.IDs}, func(e client.Event) error {
		for k := range e.Items {
			o.items[e.Items[k].ID]++
		}
		if e.Commit == nil {
			return nil
		}
		o.digests = append(o.digests, crypto.Digest(e.Commit.GetDigest()))
		if got, want := e.Commit.GetIndex(), uint64(len(o.digests)); got != want {
			return fmt.Errorf("commit %d where %d is next", got, want)
		}
		if dag.CommitIndex(len(o.digests)) >= head {
			return whole
		}
		return nil
	})
	if !errors.Is(err, whole) {
		return nil, fmt.Errorf("read the order of %s: %w", o.name, err)
	}
	return o, nil
}

// readAll reads every node's order.
func (f *fleet) readAll() []*order {
	f.t.Helper()
	var out []*order
	for i := range f.network.Nodes {
		out = append(out, f.read(i))
	}
	return out
}

// divergence is the first commit about which two orders differ; 0 if one is a prefix of the other.
func divergence(a, b *order) dag.CommitIndex {
	for i := range min(len(a.digests), len(b.digests)) {
		if a.digests[i] != b.digests[i] {
			return dag.CommitIndex(i + 1)
		}
	}
	return 0
}

// checkAgreement wants any two orders to be prefixes of each other, and no item in one twice.
func checkAgreement(t *testing.T, orders []*order) {
	t.Helper()
	for i, a := range orders {
		for _, b := range orders[:i] {
			if at := divergence(a, b); at != 0 {
				t.Errorf("%s and %s differ about commit %d", a.name, b.name, at)
			}
		}
		for id, n := range a.items {
			if n != 1 {
				t.Errorf("%s has %s %d times", a.name, id, n)
			}
		}
	}
}

// checkCommitted waits until every id is in every node's order once or provably expired, and wants
// all orders to agree.
func (f *fleet) checkCommitted(ids []crypto.Digest) []*order {
	f.t.Helper()
	var orders []*order
	eventually(f.t, "every acknowledged transaction is in every order", func() error {
		orders = f.readAll()
		for i, o := range orders {
			for _, id := range ids {
				if o.items[id] != 0 {
					continue
				}
				r, err := f.clients[i].Status(f.t.Context(), id)
				if err != nil {
					return err
				}
				if r.State != client.Expired {
					return fmt.Errorf("%s does not have %s, which is %s", o.name, id, r.State)
				}
			}
		}
		return nil
	})
	checkAgreement(f.t, orders)
	return orders
}
