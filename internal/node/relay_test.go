package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// opened is a node of a network with that many commits or more, opened but without goroutines: a test reads
// what it would give to its loop.
func opened(t *testing.T, commits dag.CommitIndex) (*node, crypto.Digest) {
	t.Helper()
	c := newCluster(t, nil)
	c.start()
	id := c.nodes[0].submit([]byte("committed"))
	c.nodes[1].untilCommitted(id)
	c.nodes[1].until("commits on", func(s client.NodeStatus) bool { return s.Commit >= commits })
	for _, n := range c.nodes {
		n.halt()
	}
	home, err := LoadHome(c.nodes[1].home)
	if err != nil {
		t.Fatal(err)
	}
	n, err := open(home, Options{Home: home.Dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return n, id
}

// itemFor makes an item that falls to a validator of choice, or to any other.
func itemFor(t *testing.T, n *node, author dag.Author, mine bool) dag.Item {
	t.Helper()
	hasher := dag.NewItemHasher(n.committee.Network())
	for i := range 1000 {
		tx := dag.Transaction{Namespace: openNamespace, Payload: fmt.Appendf(nil, "%v %d", mine, i)}
		item, err := tx.Encode(hasher)
		if err != nil {
			t.Fatal(err)
		}
		if (n.line(item.ID)[0] == author) == mine {
			return item
		}
	}
	t.Fatal("no item falls to the validator")
	return dag.Item{}
}

// proposed is the ids that were given to the loop so far.
func proposed(t *testing.T, n *node) []crypto.Digest {
	t.Helper()
	var ids []crypto.Digest
	for len(n.loop.inbox) > 0 {
		s, ok := (<-n.loop.inbox).(ordering.Submitted)
		if !ok || s.Ticket != noTicket || len(s.Items) != 1 {
			t.Fatalf("the loop was given %+v, want one item without a ticket", s)
		}
		ids = append(ids, s.Items[0].ID)
	}
	return ids
}

func TestRelay(t *testing.T) {
	n, committed := opened(t, relayPatience)
	r := newRelay(n)
	mine, other := itemFor(t, n, n.self, true), itemFor(t, n, n.self, false)

	r.take(t.Context(), []byte("no item"))
	if len(r.waiting) != 0 || len(proposed(t, n)) != 0 {
		t.Error("bytes that are no item were taken")
	}
	r.take(t.Context(), mine.Raw)
	if got := proposed(t, n); len(got) != 1 || got[0] != mine.ID || len(r.waiting) != 0 {
		t.Errorf("proposed %v and holds %d, want the item that falls to this validator at once", got, len(r.waiting))
	}
	before := bytes.Clone(mine.Raw)
	r.take(t.Context(), mine.Raw)
	(<-n.loop.inbox).(ordering.Submitted).Items[0].SetValidUntil(99) // as the engine does
	if !bytes.Equal(mine.Raw, before) {
		t.Error("the bytes that gossip goes on sending were changed")
	}
	r.take(t.Context(), other.Raw)
	r.retake(t.Context())
	if got := proposed(t, n); len(got) != 0 || len(r.waiting) != 1 {
		t.Errorf("proposed %v and holds %d, want to wait for the validator chosen", got, len(r.waiting))
	}

	head := n.store.Head().Index
	for _, test := range []struct {
		name string
		id   crypto.Digest
		due  dag.CommitIndex
		held bool
		want int
	}{
		{"a commit too early", other.ID, head + 1, true, 0},
		{"long enough", other.ID, head, false, 1},
		{"committed meanwhile", committed, head + relayPatience, false, 0},
		{"committed long ago", committed, 0, false, 0},
	} {
		clear(r.waiting)
		item := other
		item.ID = test.id
		r.waiting[test.id] = held{item, test.due}
		r.retake(t.Context())
		if got := proposed(t, n); len(got) != test.want || (len(r.waiting) == 1) != test.held {
			t.Errorf("%s: proposed %v and holds %d", test.name, got, len(r.waiting))
		}
	}
}

// What waits for other validators is bounded; beyond the bound the observer must gossip again.
func TestRelayIsBounded(t *testing.T) {
	n, _ := opened(t, 1)
	r := newRelay(n)
	for i := range maxRelayed {
		r.waiting[crypto.Hash(crypto.DomainTransaction, fmt.Append(nil, i))] = held{}
	}
	r.take(t.Context(), itemFor(t, n, n.self, false).Raw)
	if len(r.waiting) != maxRelayed {
		t.Errorf("holds %d items, limit %d", len(r.waiting), maxRelayed)
	}
	clear(r.waiting)
	other := itemFor(t, n, n.self, false)
	r.bytes = maxRelayedBytes - len(other.Raw) + 1
	r.take(t.Context(), other.Raw)
	if len(r.waiting) != 0 {
		t.Errorf("holds more than %d bytes", maxRelayedBytes)
	}
	r.bytes--
	r.take(t.Context(), other.Raw)
	due := r.waiting[other.ID].due
	r.waiting[other.ID] = held{r.waiting[other.ID].item, due - 1}
	r.take(t.Context(), other.Raw)
	if got := r.waiting[other.ID].due; got != due-1 || r.bytes != maxRelayedBytes {
		t.Errorf("an item that came twice waits until commit %d, want %d; %d bytes, want %d", got, due-1, r.bytes, maxRelayedBytes)
	}
	mine := itemFor(t, n, n.self, true)
	r.take(t.Context(), mine.Raw)
	if got := proposed(t, n); len(got) != 1 || got[0] != mine.ID {
		t.Errorf("proposed %v, want the item that falls to this validator, full or not", got)
	}
}

// An observer holds nothing for others: nobody chooses it.
func TestObserverRelaysNothing(t *testing.T) {
	n, _ := opened(t, 1)
	item := itemFor(t, n, n.self, false)
	n.self = ordering.Observer
	r := newRelay(n)
	r.take(t.Context(), item.Raw)
	if len(r.waiting) != 0 || len(proposed(t, n)) != 0 {
		t.Error("an observer took a gossiped item")
	}
}

// An id falls to one active validator after the other, and to the others last; each has its own turn.
func TestRelayLine(t *testing.T) {
	n, _ := opened(t, 1)
	status := *n.loop.status.Load()
	status.Active = []dag.Author{0, 2, 3}
	n.loop.status.Store(&status)
	item := itemFor(t, n, n.self, false)
	for i := range 50 {
		line := n.line(crypto.Hash(crypto.DomainTransaction, []byte{byte(i)}))
		if sorted := slices.Sorted(slices.Values(line)); !slices.Equal(sorted, []dag.Author{0, 1, 2, 3}) || line[3] != 1 {
			t.Fatalf("line %v, want all validators, and B, which is not active, last", line)
		}
	}
	r := newRelay(n)
	for place, author := range n.line(item.ID) {
		n.self = author
		clear(r.waiting)
		r.take(t.Context(), item.Raw)
		got := r.waiting[item.ID].due
		if want := n.store.Head().Index + dag.CommitIndex(place)*relayPatience; (place > 0 && got != want) || (place == 0) != (len(proposed(t, n)) == 1) {
			t.Errorf("%v is in place %d and waits until commit %d, want %d", author, place, got, want)
		}
	}
}
