package dag

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/crypto"
)

func controlKey(t testing.TB, n byte) *crypto.IdentityKey {
	t.Helper()
	k, err := crypto.NewIdentityKey(bytes.Repeat([]byte{n}, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// changeable is a registry with two namespaces that three admins, two of them together, may change, and
// in which owners may register two.
func changeable(t testing.TB) *Registry {
	t.Helper()
	g := testGenesis()
	g.Namespaces = []NamespaceRule{
		{ID: 1, Name: "one", Scheme: SchemeOpen, Owner: controlKey(t, 9).Public(), Weight: 3, Quota: 1000},
		{ID: 2, Name: "two", Scheme: SchemeEthereum, ChainID: 22},
	}
	g.Admin = AdminRule{Threshold: 2, Open: 2, OpenQuota: 5000}
	for n := range byte(3) {
		g.Admin.Keys = append(g.Admin.Keys, controlKey(t, n+1).Public())
	}
	if err := g.checkRules(); err != nil {
		t.Fatal(err)
	}
	return g.Registry()
}

func signedControl(t testing.TB, c Control, keys ...byte) *Control {
	t.Helper()
	if c.Until == 0 {
		c.Until = 100
	}
	digest := c.SigningDigest(testNetwork)
	for _, n := range keys {
		k := controlKey(t, n)
		c.Signatures = append(c.Signatures, ControlSignature{k.Public(), k.Sign(crypto.DomainControl, digest)})
	}
	return &c
}

func TestControls(t *testing.T) {
	r := changeable(t)
	own, other := controlKey(t, 9).Public(), controlKey(t, 8).Public()
	one, two := NamespaceRule{ID: 1, Name: "one", Scheme: SchemeOpen, Owner: own, Weight: 3, Quota: 1000, Version: 1}, NamespaceRule{ID: 2, Name: "two", Scheme: SchemeEthereum, ChainID: 22, Version: 1}
	fresh := NamespaceRule{ID: 7, Name: "seven", Scheme: SchemeEd25519, Owner: other, Version: 1, Quota: 5000}
	change := func(r NamespaceRule, f func(*NamespaceRule)) NamespaceRule { f(&r); return r }
	for _, c := range []struct {
		name    string
		control *Control
		want    ControlResult
	}{
		{"admins register", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.Weight = 50; r.Quota = 0 })}, 1, 3), Applied},
		{"all admins", signedControl(t, Control{Kind: ControlRegister, Rule: fresh}, 1, 2, 3), Applied},
		{"one admin", signedControl(t, Control{Kind: ControlRegister, Rule: fresh}, 1), ControlForbidden},
		{"an admin and a stranger", signedControl(t, Control{Kind: ControlRegister, Rule: fresh}, 1, 5), ControlForbidden},
		{"admins and a stranger", signedControl(t, Control{Kind: ControlRegister, Rule: fresh}, 1, 2, 5), ControlForbidden},
		{"nobody", signedControl(t, Control{Kind: ControlRegister, Rule: fresh}), ControlForbidden},
		{"its owner registers", signedControl(t, Control{Kind: ControlRegister, Rule: fresh}, 8), Applied},
		{"another than its owner", signedControl(t, Control{Kind: ControlRegister, Rule: fresh}, 7), ControlForbidden},
		{"with a weight of its own", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.Weight = 2 })}, 8), ControlForbidden},
		{"without the quota", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.Quota = 0 })}, 8), ControlForbidden},
		{"known id", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.ID = 2 })}, 1, 2), ControlTaken},
		{"known name", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.Name = "two" })}, 1, 2), ControlTaken},
		{"expired", signedControl(t, Control{Kind: ControlRegister, Rule: fresh, Until: 49}, 1, 2), ControlExpired},
		{"in its last commit", signedControl(t, Control{Kind: ControlRegister, Rule: fresh, Until: 50}, 1, 2), Applied},
		{"too far ahead", signedControl(t, Control{Kind: ControlRegister, Rule: fresh, Until: 51 + ValidityWindow}, 1, 2), ControlExpired},
		{"owner updates", signedControl(t, Control{Kind: ControlUpdate, Rule: change(one, func(r *NamespaceRule) { r.Name = "uno"; r.Owner = other })}, 9), Applied},
		{"owner takes more", signedControl(t, Control{Kind: ControlUpdate, Rule: change(one, func(r *NamespaceRule) { r.Quota = 0 })}, 9), ControlForbidden},
		{"admins give more", signedControl(t, Control{Kind: ControlUpdate, Rule: change(one, func(r *NamespaceRule) { r.Quota = 0 })}, 2, 3), Applied},
		{"old version", signedControl(t, Control{Kind: ControlUpdate, Rule: change(one, func(r *NamespaceRule) { r.Version = 2 })}, 9), ControlVersion},
		{"other scheme", signedControl(t, Control{Kind: ControlUpdate, Rule: change(one, func(r *NamespaceRule) { r.Scheme = SchemeEd25519 })}, 9), ControlFixed},
		{"other chain id", signedControl(t, Control{Kind: ControlUpdate, Rule: change(two, func(r *NamespaceRule) { r.ChainID = 23 })}, 1, 2), ControlFixed},
		{"name of another", signedControl(t, Control{Kind: ControlUpdate, Rule: change(one, func(r *NamespaceRule) { r.Name = "two" })}, 9), ControlTaken},
		{"without an owner, by nobody's key", signedControl(t, Control{Kind: ControlUpdate, Rule: two}, 9), ControlForbidden},
		{"unknown", signedControl(t, Control{Kind: ControlUpdate, Rule: fresh}, 1, 2), ControlUnknown},
		{"owner closes", signedControl(t, Control{Kind: ControlClose, Rule: NamespaceRule{ID: 1, Version: 1}}, 9), Applied},
		{"stranger closes", signedControl(t, Control{Kind: ControlClose, Rule: NamespaceRule{ID: 1, Version: 1}}, 8), ControlForbidden},
		{"malformed", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.Name = "SEVEN" })}, 1, 2), ControlMalformed},
		{"control namespace", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.ID = ControlNamespace })}, 1, 2), ControlMalformed},
		{"control scheme", signedControl(t, Control{Kind: ControlRegister, Rule: change(fresh, func(r *NamespaceRule) { r.Scheme = SchemeControl })}, 1, 2), ControlMalformed},
	} {
		next, got := r.Apply(testNetwork, c.control, 50)
		if got != c.want || (got == Applied) == (next == r) || (got == Applied) == (next.Digest() == r.Digest()) {
			t.Errorf("%s: %v, want %v; changed: %v", c.name, got, c.want, next != r)
		}
		if got != Applied {
			continue
		}
		c.control.Signatures[0].Signature[0] ^= 1
		if _, got := r.Apply(testNetwork, c.control, 50); got != ControlForbidden {
			t.Errorf("%s with a spoilt signature: %v", c.name, got)
		}
		c.control.Signatures[0].Signature[0] ^= 1
		if _, got := r.Apply(crypto.Digest{9}, c.control, 50); got != ControlForbidden {
			t.Errorf("%s in another network: %v", c.name, got)
		}
		if _, got := next.Apply(testNetwork, c.control, 51); got == Applied {
			t.Errorf("%s is applied twice", c.name)
		}
		again, err := r.Decode(next.Encode())
		if err != nil || !reflect.DeepEqual(again, next) {
			t.Errorf("%s: the registry reads back as %+v, %v", c.name, again, err)
		}
	}
	if !reflect.DeepEqual(r, changeable(t)) {
		t.Errorf("the changes have changed what they were made to: %+v", r)
	}
}

// TestChangesOfManyNamespaces: whoever owns a namespace can have it changed in every commit, as often as a block
// takes signatures, and none of these changes may cost what a registry of thousands costs to be made.
func TestChangesOfManyNamespaces(t *testing.T) {
	allocations := func(namespaces Namespace, control *Control) float64 {
		r := ownedRegistry(t, namespaces)
		return testing.AllocsPerRun(10, func() {
			if _, got := r.Apply(testNetwork, control, 50); got != Applied {
				t.Fatal(got)
			}
		})
	}
	for _, control := range []*Control{
		signedControl(t, Control{Kind: ControlUpdate, Rule: NamespaceRule{ID: 1, Scheme: SchemeOpen, Version: 1}}, 9),
		signedControl(t, Control{Kind: ControlClose, Rule: NamespaceRule{ID: 1, Version: 1}}, 9),
	} {
		if few, many := allocations(4, control), allocations(MaxNamespaces, control); many > few {
			t.Errorf("%s: %v allocations among 4 namespaces, %v among %d", control.Kind, few, many, MaxNamespaces)
		}
	}
}

// ownedRegistry has so many namespaces of one owner, whose key is that of seed 9.
func ownedRegistry(t testing.TB, namespaces Namespace) *Registry {
	t.Helper()
	g := testGenesis()
	g.Namespaces = nil
	for i := range namespaces {
		g.Namespaces = append(g.Namespaces, NamespaceRule{ID: i + 1, Scheme: SchemeOpen, Owner: controlKey(t, 9).Public()})
	}
	return g.Registry()
}

// BenchmarkUpdate changes one of as many namespaces as there may be, its one signature verified with it.
func BenchmarkUpdate(b *testing.B) {
	for _, namespaces := range []Namespace{4, MaxNamespaces} {
		r := ownedRegistry(b, namespaces)
		control := signedControl(b, Control{Kind: ControlUpdate, Rule: NamespaceRule{ID: 1, Scheme: SchemeOpen, Version: 1}}, 9)
		b.Run(fmt.Sprint(namespaces), func(b *testing.B) {
			for b.Loop() {
				if _, got := r.Apply(testNetwork, control, 50); got != Applied {
					b.Fatal(got)
				}
			}
		})
	}
}

// TestOwnersFillTheirPartOnly: owners register as many as the genesis lets them, also if some are closed.
func TestOwnersFillTheirPartOnly(t *testing.T) {
	r := changeable(t)
	register := func(id Namespace) *Control {
		return signedControl(t, Control{Kind: ControlRegister, Rule: NamespaceRule{ID: id, Scheme: SchemeOpen, Owner: controlKey(t, 8).Public(), Version: 1, Quota: 5000}}, 8)
	}
	for _, step := range []struct {
		control *Control
		want    ControlResult
	}{
		{register(10), Applied},
		{signedControl(t, Control{Kind: ControlClose, Rule: NamespaceRule{ID: 10, Version: 2}}, 8), Applied},
		{signedControl(t, Control{Kind: ControlClose, Rule: NamespaceRule{ID: 10, Version: 3}}, 8), ControlClosed},
		{register(10), ControlTaken},
		{register(11), Applied},
		{register(12), ControlFull},
		{signedControl(t, Control{Kind: ControlRegister, Rule: NamespaceRule{ID: 12, Scheme: SchemeOpen, Version: 1}}, 1, 2), Applied},
	} {
		next, got := r.Apply(testNetwork, step.control, 50)
		if got != step.want {
			t.Errorf("%s %d: %v, want %v", step.control.Kind, step.control.Rule.ID, got, step.want)
		}
		r = next
	}
	if rule, known := r.Rule(10); !known || !rule.Closed || rule.Version != 2 {
		t.Errorf("the closed namespace: %+v, %v", rule, known)
	}
	item, err := (&Transaction{Namespace: 10, Payload: []byte("x")}).Encode(NewItemHasher(testNetwork))
	if err != nil || !errors.Is(r.CheckForm(&item), ErrClosedNamespace) {
		t.Errorf("an item for it: %v, %v", err, r.CheckForm(&item))
	}
	bundle, err := (&Bundle{Mode: ModeInclusion, Legs: []Leg{{11, []byte("x")}, {10, []byte("x")}}}).Encode(NewItemHasher(testNetwork))
	if err != nil || !errors.Is(r.CheckForm(&bundle), ErrClosedNamespace) {
		t.Errorf("a bundle with a leg in it: %v, %v", err, r.CheckForm(&bundle))
	}
}

func TestControlsStandAlone(t *testing.T) {
	h := NewItemHasher(testNetwork)
	item, err := (&Transaction{Namespace: ControlNamespace, Payload: []byte("x")}).Encode(h)
	if err != nil {
		t.Fatal(err)
	}
	leg, err := (&Bundle{Mode: ModeInclusion, Legs: []Leg{{ControlNamespace, []byte("x")}}}).Encode(h)
	if err != nil {
		t.Fatal(err)
	}
	r, still := changeable(t), testGenesis().Registry()
	if r.CheckForm(&item) != nil || !errors.Is(r.CheckForm(&leg), ErrUnknownNamespace) || !errors.Is(still.CheckForm(&item), ErrUnknownNamespace) {
		t.Errorf("control %v, in a bundle %v, in a network without %v", r.CheckForm(&item), r.CheckForm(&leg), still.CheckForm(&item))
	}
	if rule, ok := r.Rule(ControlNamespace); !ok || rule.Scheme != SchemeControl {
		t.Errorf("rule %+v, %v", rule, ok)
	}
	if _, ok := still.Rule(ControlNamespace); ok {
		t.Error("a network that nobody may change takes controls")
	}
}

func TestMostNamespaces(t *testing.T) {
	g := testGenesis()
	g.Namespaces, g.Admin = nil, AdminRule{Keys: []crypto.PublicKey{controlKey(t, 1).Public()}, Threshold: 1}
	for i := range Namespace(MaxNamespaces) {
		g.Namespaces = append(g.Namespaces, NamespaceRule{ID: i + 1, Scheme: SchemeOpen})
	}
	if _, got := g.Registry().Apply(testNetwork, signedControl(t, Control{Kind: ControlRegister, Rule: NamespaceRule{ID: 1 << 20, Scheme: SchemeOpen, Version: 1}}, 1), 50); got != ControlFull {
		t.Errorf("one more than %d: %v", MaxNamespaces, got)
	}
}

func TestControlEncoding(t *testing.T) {
	c := signedControl(t, Control{Kind: ControlUpdate, Rule: NamespaceRule{
		ID: 1 << 63, Name: "a-long-name-of-32-bytes-in-letter", Scheme: SchemeEthereum, ChainID: 1 << 62, AllowUnprotected: true, Weight: MaxWeight, Quota: MaxPayloadBytes, Owner: controlKey(t, 5).Public(), Version: 1 << 40,
	}, Until: 1 << 50}, 1, 2)
	c.Rule.Name = c.Rule.Name[:MaxNameBytes]
	raw, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeControl(raw)
	if err != nil || !cmp.Equal(c, back) {
		t.Errorf("reads back as %+v, %v", back, err)
	}
	for cut := range raw {
		if _, err := DecodeControl(raw[:cut]); !errors.Is(err, ErrControl) {
			t.Errorf("%d of %d bytes: %v", cut, len(raw), err)
		}
	}
	if _, err := DecodeControl(append(raw, 0)); !errors.Is(err, ErrControl) {
		t.Errorf("one byte more: %v", err)
	}
	c.Signatures = append(c.Signatures, c.Signatures[0])
	if _, err := c.Encode(); !errors.Is(err, ErrControl) {
		t.Errorf("a key that signs twice: %v", err)
	}
	c.Signatures = nil
	for n := range byte(MaxControlSignatures + 1) {
		c.Signatures = append(c.Signatures, ControlSignature{Key: crypto.PublicKey{n}})
	}
	if _, err := c.Encode(); !errors.Is(err, ErrControl) {
		t.Errorf("%d signatures: %v", len(c.Signatures), err)
	}
}

func FuzzControl(f *testing.F) {
	raw, err := signedControl(f, Control{Kind: ControlRegister, Rule: NamespaceRule{ID: 7, Name: "seven", Scheme: SchemeOpen, Version: 1}}, 1, 2).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	r := changeable(f)
	f.Add(r.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := DecodeControl(raw); err == nil {
			again, err := c.Encode()
			if err != nil || !bytes.Equal(raw, again) {
				t.Fatalf("%x is written again as %x, %v", raw, again, err)
			}
			r.Apply(testNetwork, c, 50)
		}
		if d, err := r.Decode(raw); err == nil && !bytes.Equal(d.Encode(), raw) {
			t.Fatalf("registry %x is written again as %x", raw, d.Encode())
		}
	})
}

func TestGenesisAdmin(t *testing.T) {
	key := controlKey(t, 1).Public()
	for name, c := range map[string]struct {
		admin AdminRule
		want  string
	}{
		"keys without threshold":  {AdminRule{Keys: []crypto.PublicKey{key}}, "threshold 0 of 1"},
		"threshold without keys":  {AdminRule{Threshold: 1}, "threshold 1 of 0"},
		"threshold over the keys": {AdminRule{Keys: []crypto.PublicKey{key}, Threshold: 2}, "threshold 2 of 1"},
		"the same key twice":      {AdminRule{Keys: []crypto.PublicKey{key, key}, Threshold: 1}, "stands twice"},
		"too many keys":           {AdminRule{Keys: make([]crypto.PublicKey, MaxControlSignatures+1), Threshold: 1}, "limit 16"},
		"too many open":           {AdminRule{Open: MaxNamespaces + 1}, "open namespaces"},
		"quota below 0":           {AdminRule{Open: 1, OpenQuota: -1}, "quota of -1"},
	} {
		g := testGenesis()
		g.Admin = c.admin
		if err := g.checkRules(); !errors.Is(err, ErrGenesis) || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	g := testGenesis()
	if bytes.Contains(g.Encode(), []byte("admin")) {
		t.Error("a genesis without admins names them: its network would have another id than before")
	}
	g.Namespaces[0].Owner = key
	if !g.Registry().Changeable() {
		t.Error("an owner can change nothing in a network without admins")
	}
	g.Admin = AdminRule{Open: 5}
	raw := g.Encode()
	if back, err := parseGenesis(raw); err != nil || !bytes.Equal(back.Encode(), raw) || !back.Registry().Changeable() {
		t.Errorf("an open genesis reads back as %v, %v", back, err)
	}
}
