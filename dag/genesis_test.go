package dag

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/crypto"
)

// testPublicKeys are the public keys of n validators, made once since proofs take time.
var testPublicKeys = sync.OnceValue(func() []crypto.PublicKeys {
	out := make([]crypto.PublicKeys, 5)
	for i := range out {
		keys, err := crypto.GenerateKeys(bytes.NewReader(bytes.Repeat([]byte{byte(i + 1)}, 128)))
		if err != nil {
			panic(err)
		}
		out[i] = keys.Public()
	}
	return out
})

func testGenesis() *Genesis {
	g := &Genesis{
		Version: GenesisVersion, Chain: "dunlin-test", Created: 1700000000000,
		Namespaces: []NamespaceRule{
			{ID: 1002, Name: "open", Scheme: SchemeOpen},
			{ID: 1001, Name: "evm", Scheme: SchemeEthereum, ChainID: 1001, AllowUnprotected: true},
			{ID: 1 << 63, Scheme: SchemeEd25519},
		},
	}
	for i, keys := range testPublicKeys()[:4] {
		g.Validators = append(g.Validators, GenesisValidator{Name: fmt.Sprintf("node%d", i), PublicKeys: keys})
	}
	return g
}

func TestGenesisRoundTrip(t *testing.T) {
	for name, change := range map[string]func(*Genesis){
		"full":          func(*Genesis) {},
		"no namespaces": func(g *Genesis) { g.Namespaces = nil },
		"five nodes": func(g *Genesis) {
			g.Validators = append(g.Validators, GenesisValidator{Name: "a-b", PublicKeys: testPublicKeys()[4]})
		},
	} {
		g := testGenesis()
		change(g)
		raw := g.Encode()
		back, err := DecodeGenesis(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again := back.Encode(); !bytes.Equal(again, raw) || back.Network() != g.Network() {
			t.Errorf("%s: encoded again:\n%s", name, cmp.Diff(string(raw), string(again)))
		}
	}
}

// TestKnownGenesis pins the file, which testdata/genesis.json shows, and the id of its network.
func TestKnownGenesis(t *testing.T) {
	g := testGenesis()
	want := golden(t)
	if diff := cmp.Diff(string(want), string(g.Encode())); diff != "" {
		t.Errorf("a changed format needs a new version: %s", diff)
	}
	if got, want := g.Network().String(), "e70f7b8af33b80eeeb66eb124e39082288074bdf6c2d11e1e6bbd7cdcf13d792"; got != want {
		t.Errorf("network id %s, want %s", got, want)
	}
}

func TestGenesisIgnoresSpace(t *testing.T) {
	var compact, wide bytes.Buffer
	raw := testGenesis().Encode()
	if err := errors.Join(json.Compact(&compact, raw), json.Indent(&wide, raw, " ", "\t\t")); err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{compact.Bytes(), wide.Bytes(), append(raw, "\n \n"...)} {
		g, err := DecodeGenesis(text)
		if err != nil || g.Network() != testGenesis().Network() {
			t.Errorf("other space: error %v", err)
		}
	}
}

func TestGenesisText(t *testing.T) {
	good := string(testGenesis().Encode())
	for _, c := range []struct{ name, old, with, want string }{
		{"nothing", good, "", "get the file again"},
		{"no JSON", good, "genesis", "get the file again"},
		{"cut short", good[len(good)/2:], "", "get the file again"},
		{"text after the end", "\n}\n", "\n}\n{}", "after top-level value: get the file again"},
		{"too large", "{", "{" + strings.Repeat(" ", MaxGenesisBytes), "limit 4194304"},
		{"unknown field", `"chain":`, `"color": 1, "chain":`, `unknown field "color"`},
		{"unknown field of a validator", `"identity":`, `"color": 1, "identity":`, `unknown field "color"`},
		{"unknown field of a namespace", `"scheme":`, `"color": 1, "scheme":`, `unknown field "color"`},
		{"repeated field", `"version": 2`, `"version": 1, "version": 2`, `write "2,\"chain\":`},
		{"other order", `"version": 2,`, ``, "version 0"},
		{"other case", `"chain":`, `"Chain":`, "spelt otherwise"},
		{"escaped text", `"dunlin-test"`, `"\u0064unlin-test"`, "spelt otherwise"},
		{"missing field", `"allow_unprotected": false`, `"name": "open"`, "spelt otherwise"},
		{"null", `"created": 1700000000000`, `"created": null`, "spelt otherwise"},
		{"negative number", `"created": 17`, `"created": -17`, "get the file again"},
		{"fraction", `"version": 2`, `"version": 2.0`, "get the file again"},
		{"upper case", "identity\": \"8a88", "identity\": \"8A88", "lower-case hex"},
	} {
		text := strings.Replace(good, c.old, c.with, 1)
		if text == good {
			t.Errorf("%s: the file holds no %q", c.name, c.old)
		}
		_, err := DecodeGenesis([]byte(text))
		if !errors.Is(err, ErrGenesis) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestRulesOfGenesis(t *testing.T) {
	long := strings.Repeat("a", MaxNameBytes)
	if err := (&Genesis{}).Check(); !errors.Is(err, ErrGenesis) || !strings.Contains(err.Error(), "version 0") {
		t.Errorf("empty genesis: %v", err)
	}
	for _, c := range []struct {
		name, want string // want "" for no error
		change     func(*Genesis)
	}{
		{"as it is", "", func(*Genesis) {}},
		{"other version", "version 3, this program reads version 2", func(g *Genesis) { g.Version = 3 }},
		{"sealing left out", "", func(g *Genesis) { g.Sealing = SealingRule{} }},
		{"less privacy", `privacy 1 and packing 1: this program knows "tdh2-ristretto255", 2 and 1 for 4`, func(g *Genesis) { g.Sealing = SealingRule{SealingScheme, 1, 1} }},
		{"other scheme", `sealing "btx"`, func(g *Genesis) { g.Sealing.Scheme = "btx" }},
		{"longest chain", "", func(g *Genesis) { g.Chain = long }},
		{"chain too long", "chain: name of 33 characters: use 1 to 32", func(g *Genesis) { g.Chain = long + "a" }},
		{"no chain", "chain: name of 0 characters", func(g *Genesis) { g.Chain = "" }},
		{"chain of a number", `name "123" looks like an id: put a letter into it`, func(g *Genesis) { g.Chain = "123" }},
		{"three validators", "3 validators: name 4 to 256", func(g *Genesis) { g.Validators = g.Validators[:3] }},
		{"257 validators", "257 validators: name 4 to 256", func(g *Genesis) { g.Validators = make([]GenesisValidator, 257) }},
		{"validator without name", "validator 2: name of 0 characters", func(g *Genesis) { g.Validators[2].Name = "" }},
		{"validator with space", `validator 2: name "node 2": use only a-z, 0-9 and hyphens`, func(g *Genesis) { g.Validators[2].Name = "node 2" }},
		{"same name", `two validators are named "node1"`, func(g *Genesis) { g.Validators[2].Name = "node1" }},
		{"same identity", `validators "node1" and "node2" have the same identity`, func(g *Genesis) { g.Validators[2].PublicKeys = g.Validators[1].PublicKeys }},
		{"kem proof", `validator "node2": proof of possession does not hold: kem`, func(g *Genesis) { g.Validators[2].KEMProof = g.Validators[1].KEMProof }},
		{"bls proof", `validator "node2": proof of possession does not hold: bls`, func(g *Genesis) { g.Validators[2].BLSProof = g.Validators[1].BLSProof }},
		{"keys of another", `validator "node2": proof of possession`, func(g *Genesis) {
			g.Validators[2].BLS, g.Validators[2].BLSProof = g.Validators[1].BLS, g.Validators[1].BLSProof
		}},
		{"namespace 0", "has id 0", func(g *Genesis) { g.Namespaces[0].ID = 0 }},
		{"same namespace", "namespace 1001 stands twice", func(g *Genesis) { g.Namespaces[0].ID = 1001 }},
		{"same name of namespaces", `namespaces 1001 and 1002 are both named "evm"`, func(g *Genesis) { g.Namespaces[0].Name = "evm" }},
		{"two without name", "", func(g *Genesis) { g.Namespaces[0].Name = "" }},
		{"longest name", "", func(g *Genesis) { g.Namespaces[0].Name = long }},
		{"name too long", "namespace 1002: name of 33 characters", func(g *Genesis) { g.Namespaces[0].Name = long + "a" }},
		{"name in upper case", `namespace 1002: name "Open": use only`, func(g *Genesis) { g.Namespaces[0].Name = "Open" }},
		{"name of a number", `name "1002" looks like an id`, func(g *Genesis) { g.Namespaces[0].Name = "1002" }},
		{"scheme", `scheme "rsa" is unknown: use ed25519, ethereum or open`, func(g *Genesis) { g.Namespaces[0].Scheme = "rsa" }},
		{"no scheme", `scheme "" is unknown`, func(g *Genesis) { g.Namespaces[0].Scheme = "" }},
		{"ethereum without chain id", "scheme ethereum needs chain_id", func(g *Genesis) { g.Namespaces[1].ChainID = 0 }},
		{"weight below 0", "weight -1", func(g *Genesis) { g.Namespaces[0].Weight = -1 }},
		{"weight too large", "weight 101", func(g *Genesis) { g.Namespaces[0].Weight = MaxWeight + 1 }},
		{"quota below 0", "quota of -1 bytes", func(g *Genesis) { g.Namespaces[0].Quota = -1 }},
		{"quota of more than a block", "bytes per block", func(g *Genesis) { g.Namespaces[0].Quota = MaxPayloadBytes + 1 }},
		{"open with chain id", "chain_id and allow_unprotected belong to scheme ethereum", func(g *Genesis) { g.Namespaces[0].ChainID = 1 }},
		{"open and unprotected", "chain_id and allow_unprotected belong to scheme ethereum", func(g *Genesis) { g.Namespaces[0].AllowUnprotected = true }},
		{"most namespaces", "", func(g *Genesis) { g.Namespaces = manyNamespaces(MaxNamespaces) }},
		{"too many namespaces", "4097 namespaces, limit 4096", func(g *Genesis) { g.Namespaces = manyNamespaces(MaxNamespaces + 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := testGenesis()
			c.change(g)
			_, err := DecodeGenesis(g.Encode())
			if c.want == "" && err == nil {
				return
			}
			if c.want == "" || !errors.Is(err, ErrGenesis) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func manyNamespaces(n int) []NamespaceRule {
	rules := make([]NamespaceRule, n)
	for i := range rules {
		rules[i] = NamespaceRule{ID: Namespace(i + 1), Name: fmt.Sprintf("rollup-%d", i), Scheme: SchemeOpen}
	}
	return rules
}

// TestNetworkCoversEverything: no two different files make one network.
func TestNetworkCoversEverything(t *testing.T) {
	seen := map[crypto.Digest]string{}
	for name, change := range map[string]func(*Genesis){
		"nothing":           func(*Genesis) {},
		"chain":             func(g *Genesis) { g.Chain = "other" },
		"created":           func(g *Genesis) { g.Created++ },
		"name":              func(g *Genesis) { g.Validators[3].Name = "other" },
		"validator":         func(g *Genesis) { g.Validators[3].PublicKeys = testPublicKeys()[4] },
		"order":             func(g *Genesis) { g.Validators[0], g.Validators[1] = g.Validators[1], g.Validators[0] },
		"namespace":         func(g *Genesis) { g.Namespaces[0].ID++ },
		"namespace name":    func(g *Genesis) { g.Namespaces[0].Name = "" },
		"scheme":            func(g *Genesis) { g.Namespaces[0].Scheme = SchemeEd25519 },
		"chain id":          func(g *Genesis) { g.Namespaces[1].ChainID++ },
		"allow unprotected": func(g *Genesis) { g.Namespaces[1].AllowUnprotected = false },
	} {
		g := testGenesis()
		change(g)
		if other, taken := seen[g.Network()]; taken {
			t.Errorf("%s and %s: one network", name, other)
		}
		seen[g.Network()] = name
	}
}

func TestCommitteeOfGenesis(t *testing.T) {
	g := testGenesis()
	c, err := g.Committee()
	if err != nil {
		t.Fatal(err)
	}
	if c.Network() != g.Network() || c.Epoch() != FirstEpoch || c.Size() != 4 {
		t.Errorf("network %v, epoch %d, size %d", c.Network(), c.Epoch(), c.Size())
	}
	for i, v := range g.Validators {
		want := Validator{Name: v.Name, Identity: v.Identity, KEM: v.KEM, BLS: v.BLS}
		if got := c.Validator(Author(i)); got != want {
			t.Errorf("validator %d: %+v, want %+v", i, got, want)
		}
	}
}
