package dag

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRegistryFindsRules(t *testing.T) {
	g := testGenesis()
	r := g.Registry()
	want := []NamespaceRule{g.Namespaces[1], g.Namespaces[0], g.Namespaces[2]}
	if diff := cmp.Diff(want, r.All()); diff != "" {
		t.Errorf("all: %s", diff)
	}
	for _, rule := range want {
		if got, ok := r.Rule(rule.ID); !ok || got != rule {
			t.Errorf("rule of %d: %+v, %v", rule.ID, got, ok)
		}
		if got, ok := r.ByName(rule.Name); ok != (rule.Name != "") || ok && got != rule {
			t.Errorf("rule of %q: %+v, %v", rule.Name, got, ok)
		}
	}
	if got, ok := r.Rule(1003); ok {
		t.Errorf("rule of an unknown id: %+v", got)
	}
	if got, ok := r.ByName("other"); ok {
		t.Errorf("rule of an unknown name: %+v", got)
	}
}

func TestRegistryIsImmutable(t *testing.T) {
	g := testGenesis()
	r := g.Registry()
	g.Namespaces[0].Scheme = SchemeEd25519
	r.All()[0].ID = 7
	if rule, ok := r.Rule(1002); !ok || rule.Scheme != SchemeOpen || r.All()[0].ID != 1001 {
		t.Errorf("the registry changed: %+v", r.All())
	}
}

func TestRegistryOfAnUncheckedGenesisPanics(t *testing.T) {
	mustPanic(t, "registry", func() { (&Genesis{Namespaces: []NamespaceRule{{}}}).Registry() })
}

func TestCheckForm(t *testing.T) {
	r, h := testGenesis().Registry(), NewItemHasher(testNetwork)
	transaction := func(ns Namespace, sender, signature []byte) Item {
		item, err := (&Transaction{ns, 5, sender, signature, []byte("x")}).Encode(h)
		if err != nil {
			t.Fatal(err)
		}
		return item
	}
	bundle := func(sender, signature []byte, namespaces ...Namespace) Item {
		b := Bundle{Mode: ModeInclusion, Sender: sender, Signature: signature}
		for _, ns := range namespaces {
			b.Legs = append(b.Legs, Leg{ns, []byte("x")})
		}
		item, err := b.Encode(h)
		if err != nil {
			t.Fatal(err)
		}
		return item
	}
	const open, evm, signed Namespace = 1002, 1001, 1 << 63
	for _, c := range []struct {
		name string
		item Item
		want error
	}{
		{"open, unsigned", transaction(open, nil, nil), nil},
		{"open, signed", transaction(open, testSender, testSignature), nil},
		{"ethereum, unsigned", transaction(evm, nil, nil), nil},
		{"ethereum, signed", transaction(evm, testSender, testSignature), nil},
		{"ed25519, signed", transaction(signed, testSender, testSignature), nil},
		{"ed25519, unsigned", transaction(signed, nil, nil), ErrItem},
		{"unknown", transaction(7, nil, nil), ErrUnknownNamespace},
		{"unknown, signed", transaction(7, testSender, testSignature), ErrUnknownNamespace},
		{"namespace 0", transaction(0, nil, nil), ErrUnknownNamespace},
		{"unsigned bundle of all", bundle(nil, nil, open, evm, signed), nil},
		{"signed bundle of all", bundle(testSender, testSignature, signed, evm, open), nil},
		{"bundle, first unknown", bundle(nil, nil, 7, open), ErrUnknownNamespace},
		{"bundle, last unknown", bundle(testSender, testSignature, open, evm, 7), ErrUnknownNamespace},
		{"malformed", Item{Kind: KindMalformed, Raw: []byte("bad")}, ErrItem},
		{"malformed of a known namespace", Item{Kind: KindMalformed, Namespace: open}, ErrItem},
	} {
		err := r.CheckForm(&c.item)
		if !errors.Is(err, c.want) || c.want == ErrItem && errors.Is(err, ErrUnknownNamespace) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCheckFormDoesNotAllocate(t *testing.T) {
	r, item := testGenesis().Registry(), testItem(t, "x")
	if n := testing.AllocsPerRun(100, func() {
		if err := r.CheckForm(&item); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkCheckForm(b *testing.B) {
	r, item := testGenesis().Registry(), testItem(b, "x")
	for b.Loop() {
		if err := r.CheckForm(&item); err != nil {
			b.Fatal(err)
		}
	}
}
