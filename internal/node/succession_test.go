package node

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func legacy(genesis *dag.Genesis, name string, digests ...byte) *Legacy {
	l := &Legacy{Name: name}
	if err := l.Files(genesis, nil); err != nil {
		panic(err)
	}
	for _, d := range digests {
		l.digests = append(l.digests, crypto.Digest{d})
	}
	if n := len(digests); n > 0 {
		l.Head = dag.CommitRef{Index: dag.CommitIndex(n), Digest: l.digests[n-1]}
	}
	return l
}

func TestLongest(t *testing.T) {
	_, genesis := network(t)
	_, other := network(t)
	a, b, none := legacy(genesis, "a", 1, 2, 3), legacy(genesis, "b", 1, 2, 3, 4), legacy(genesis, "none")
	fork := legacy(genesis, "fork", 1, 9, 8)
	for _, all := range [][]*Legacy{{b}, {a, b}, {b, a}, {none, b, a}} {
		if got, err := Longest(all); err != nil || got != b {
			t.Errorf("%v, %v; want b", got, err)
		}
	}
	for _, all := range [][]*Legacy{{a, fork}, {fork, b}, {none, b, fork}} {
		if _, err := Longest(all); !errors.Is(err, ErrForked) || !strings.Contains(err.Error(), "commit 2 ") {
			t.Errorf("%v, want that commit 2 differs", err)
		}
	}
	if _, err := Longest([]*Legacy{a, legacy(other, "other", 1)}); err == nil || !strings.Contains(err.Error(), "is of network") {
		t.Errorf("histories of two networks: %v", err)
	}
}

func TestSuccessor(t *testing.T) {
	_, genesis := network(t)
	genesis.Namespaces = []dag.NamespaceRule{{ID: 7, Name: "open", Scheme: dag.SchemeOpen}}
	next := legacy(genesis, "a", 1, 2).Successor(2)
	if err := next.Check(); err != nil {
		t.Fatal(err)
	}
	again, err := dag.DecodeGenesis(next.Encode())
	if err != nil {
		t.Fatal(err)
	}
	want := dag.Continuation{Network: genesis.Network(), Commit: 2, Digest: crypto.Digest{2}}
	if again.Continues == nil || *again.Continues != want || !slices.Equal(again.Namespaces, genesis.Namespaces) {
		t.Errorf("continues %v, namespaces %v", again.Continues, again.Namespaces)
	}
	if again.Network() == genesis.Network() {
		t.Error("the new network has the id of the old one")
	}
	next.Continues = &dag.Continuation{}
	if err := next.Check(); !errors.Is(err, dag.ErrGenesis) {
		t.Errorf("a continuation of nothing: %v", err)
	}
}

// TestSuccessorTakesOverTheRegistry: the namespaces are those that the old order came to, closed ones too, and
// owners may register as many as they still might.
func TestSuccessorTakesOverTheRegistry(t *testing.T) {
	_, genesis := network(t)
	owner, err := crypto.NewIdentityKey(make([]byte, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	genesis.Namespaces, genesis.Admin = []dag.NamespaceRule{{ID: 7, Scheme: dag.SchemeOpen, Owner: owner.Public()}}, dag.AdminRule{Open: 3}
	registry := genesis.Registry()
	l := legacy(genesis, "a", 1)
	for i, control := range []dag.Control{
		{Kind: dag.ControlRegister, Rule: dag.NamespaceRule{ID: 9, Name: "nine", Scheme: dag.SchemeOpen, Owner: owner.Public(), Version: 1}},
		{Kind: dag.ControlClose, Rule: dag.NamespaceRule{ID: 7, Version: 1}},
	} {
		control.Until = 10
		control.Signatures = []dag.ControlSignature{{Key: owner.Public(), Signature: owner.Sign(crypto.DomainControl, control.SigningDigest(genesis.Network()))}}
		var result dag.ControlResult
		if registry, result = registry.Apply(genesis.Network(), &control, 5); result != dag.Applied {
			t.Fatal(result)
		}
		commit := &ordering.Commit{Digest: crypto.Digest{byte(i)}, States: []ordering.State{{Kind: ordering.Namespaces, Encoded: registry.Encode()}}}
		if err := l.Commits([]*ordering.Commit{commit}); err != nil {
			t.Fatal(err)
		}
	}
	next := l.Successor(2)
	again, err := dag.DecodeGenesis(next.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Namespaces, registry.All()) || again.Admin.Open != 2 {
		t.Errorf("namespaces %+v, open %d", again.Namespaces, again.Admin.Open)
	}
}
