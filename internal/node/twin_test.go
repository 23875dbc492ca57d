package node

import (
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/ordering"
)

// TestTwin: what proves that another copy of the node signs, and what does not.
func TestTwin(t *testing.T) {
	committee := dagtest.Committee(4)
	started := time.UnixMilli(1_000_000)
	block := func(author dag.Author, round dag.Round, made uint64) *dag.Verified {
		parents := []dag.Ref{{Round: round - 1, Author: author, Digest: crypto.Hash("test/parent")}}
		for a := range dag.Author(4) {
			if a != author {
				parents = append(parents, dag.Ref{Round: round - 1, Author: a, Digest: crypto.Hash("test/parent")})
			}
		}
		b, err := dag.Seal(committee, dag.Block{Epoch: committee.Epoch(), Round: round, Author: author, Time: made, Parents: parents}, dagtest.Key(author))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, test := range map[string]struct {
		event   ordering.Event
		refused bool
	}{
		"somebody else's block":           {ordering.BlockReceived{Block: block(1, 50, 2_000_000)}, false},
		"lost by this node before":        {ordering.BlockReceived{Block: block(0, 50, 999_999)}, false},
		"the newest that is known":        {ordering.BlockReceived{Block: block(0, 20, 1_000_001)}, false},
		"made elsewhere since":            {ordering.BlockReceived{Block: block(0, 50, 1_000_001)}, true},
		"made elsewhere, in an answer":    {ordering.NewestAnswered{Newest: block(0, 50, 1_000_001)}, true},
		"an answer without a block":       {ordering.NewestAnswered{}, false},
		"an answer with what it had lost": {ordering.NewestAnswered{Newest: block(0, 50, 999_000)}, false},
	} {
		w := newTwin(0, started, block(0, 10, 900_000), &doubt{})
		w.made([]*dag.Verified{block(0, 20, 1_000_001)})
		if pass, err := w.look(test.event, started); (err != nil) != test.refused || (err == nil && !pass) {
			t.Errorf("%s: passes %v, %v", name, pass, err)
		}
	}
}

// TestListensOnceShown: a node whose log looked whole, and that is shown a newer block of its own, hears no further
// answers for a while, and listens once.
func TestListensOnceShown(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: *\n2: *\n3: *\n")
	started := time.Now()
	w := newTwin(0, started, s.Named("A1"), &doubt{})
	heard := func(after time.Duration, newest *dag.Verified, want bool) {
		t.Helper()
		if pass, err := w.look(ordering.NewestAnswered{Newest: newest}, started.Add(after)); pass != want || err != nil {
			t.Errorf("after %v: passes %v, want %v; %v", after, pass, want, err)
		}
	}
	heard(0, s.Named("A1"), true)
	heard(time.Second, s.Named("A2"), true) // it is what shows it
	heard(time.Second, s.Named("A2"), false)
	heard(listenFirst, s.Named("A3"), false)
	heard(listenFirst+time.Second, s.Named("A3"), true)
}

// TestListenFirst: a node in doubt hears no answers before it has listened for a while, and all others at once.
func TestListenFirst(t *testing.T) {
	started := time.UnixMilli(1_000_000)
	for _, test := range []struct {
		self  dag.Author
		doubt bool
		after time.Duration
		pass  bool
	}{
		{0, false, 0, true}, {0, true, 0, false}, {0, true, listenFirst - 1, false}, {0, true, listenFirst, true}, {ordering.Observer, true, 0, true},
	} {
		w := newTwin(test.self, started, nil, &doubt{stands: test.doubt})
		if pass, err := w.look(ordering.NewestAnswered{}, started.Add(test.after)); pass != test.pass || err != nil {
			t.Errorf("%+v: passes %v, %v", test, pass, err)
		}
	}
}
