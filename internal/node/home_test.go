package node

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/p2p"
)

// network is the keys and the genesis of four validators a, b, c, d.
func network(t *testing.T) ([]*crypto.Keys, *dag.Genesis) {
	t.Helper()
	genesis := &dag.Genesis{Version: dag.GenesisVersion, Chain: "test", Created: 1}
	var keys []*crypto.Keys
	for _, name := range []string{"a", "b", "c", "d"} {
		k, err := crypto.GenerateKeys(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
		genesis.Validators = append(genesis.Validators, dag.GenesisValidator{Name: name, PublicKeys: k.Public()})
	}
	return keys, genesis
}

func configOf(name string, peers map[string][]string) Config {
	c := DefaultConfig()
	c.Name, c.P2P.Peers = name, peers
	return c
}

func TestHomeRoundTrip(t *testing.T) {
	keys, genesis := network(t)
	id, err := p2p.PeerID(keys[2].Identity.Public())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "home")
	config := configOf("b", map[string][]string{
		"b": {"/ip4/127.0.0.1/tcp/4001"},
		"c": {"/ip4/127.0.0.1/tcp/4003/p2p/" + id.String(), "/ip4/127.0.0.1/udp/4003/quic-v1"},
	})
	if err := WriteHome(dir, config, genesis, keys[1]); err != nil {
		t.Fatal(err)
	}
	home, err := LoadHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config, home.Config); diff != "" {
		t.Errorf("config changed (-written +read):\n%s", diff)
	}
	if a, ok := home.Author(); !ok || a != 1 {
		t.Errorf("author %v %v, want B", a, ok)
	}
	if home.Genesis.Network() != genesis.Network() {
		t.Error("genesis changed")
	}
	if len(home.Peers) != 1 || home.Peers[0].ID != id || len(home.Peers[0].Addrs) != 2 {
		t.Fatalf("peers %v, want c alone, at two addresses", home.Peers)
	}
	if got := home.Peers[0].Addrs[0].String(); got != "/ip4/127.0.0.1/tcp/4003" {
		t.Errorf("first address of c is %s", got)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v, want mode 0600", info.Mode(), err)
	}
}

func TestHomeIsNotOverwritten(t *testing.T) {
	keys, genesis := network(t)
	dir := t.TempDir()
	if err := WriteHome(dir, configOf("a", nil), genesis, keys[0]); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteHome(dir, configOf("a", nil), genesis, keys[1]); err == nil {
		t.Error("a second home in the same directory was accepted")
	}
	if err := WriteGenesis(dir, genesis); err == nil {
		t.Error("a second genesis in the same home was accepted")
	}
	after, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil || string(after) != string(before) {
		t.Error("the key file has changed")
	}
}

func TestLoadHomeErrors(t *testing.T) {
	keys, genesis := network(t)
	stranger := p2pAddress(t, keys[3])
	edit := func(old, new string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { replace(t, filepath.Join(dir, ConfigFile), old, new) }
	}
	tests := []struct {
		name       string
		damage     func(t *testing.T, dir string)
		want, hint string
	}{
		{"no config", func(t *testing.T, dir string) { remove(t, dir, ConfigFile) }, "no home of a node", "dunlin init --home"},
		{"no key", func(t *testing.T, dir string) { remove(t, dir, KeyFile) }, "key.json", "from a backup"},
		{"open key", func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, KeyFile), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "permissions", "chmod 600"},
		{"no genesis", func(t *testing.T, dir string) { remove(t, dir, GenesisFile) }, "genesis.json", "--genesis FILE"},
		{"damaged genesis", func(t *testing.T, dir string) {
			replace(t, filepath.Join(dir, GenesisFile), `"chain": "test"`, `"chain": "TEST"`)
		}, "chain", "ask whoever runs"},
		{"unknown key", edit("[api]", "[api]\nport = 1"), "unknown keys: api.port (line", "edit"},
		{"syntax", edit("[api]", "[api"), "line", "edit"},
		{"other name", edit(`name = "a"`, `name = "x"`), `"a" in the genesis and "x" in the config`, `set name = "a"`},
		{"bad name", edit(`name = "a"`, `name = "A B"`), "name", "edit"},
		{"no listen address", edit(`"/ip4/127.0.0.1/tcp/4001",`, `"localhost:4001",`), "p2p.listen", "edit"},
		{"bootstrap without an id", edit("bootstrap = [", `bootstrap = ["/ip4/192.0.2.1/tcp/4001",`), "does not end in the id", "edit"},
		{"announced nonsense", edit("announce = [", `announce = ["here",`), "p2p.announce", "edit"},
		{"a validator as a relay", edit("relay = false", "relay = true"), "p2p.relay", "run an observer"},
		{"bad api address", edit(`"127.0.0.1:8080"`, `"8080"`), "api.listen", "edit"},
		{"bad level", edit(`level = "info"`, `level = "loud"`), "log.level", "edit"},
		{"bad format", edit(`format = "text"`, `format = "xml"`), "log.format", "edit"},
		{"limit too small", edit("pool_mib = 64", "pool_mib = 0"), "limits.pool_mib = 0: want 1 to 4096", "edit"},
		{"limit too large", edit("streams = 256", "streams = 65537"), "limits.streams", "edit"},
		{"unknown peer", edit("[p2p.peers]", "[p2p.peers]\nz = [\"/ip4/127.0.0.1/tcp/1\"]"), "p2p.peers.z", "edit"},
		{"foreign id", edit("[p2p.peers]", "[p2p.peers]\nb = [\""+stranger+"\"]"), "somebody else", "edit"},
		{"id alone", edit("[p2p.peers]", "[p2p.peers]\nd = [\""+stranger[strings.Index(stranger, "/p2p/"):]+"\"]"), "says not where", "edit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "home")
			if err := WriteHome(dir, configOf("a", nil), genesis, keys[0]); err != nil {
				t.Fatal(err)
			}
			test.damage(t, dir)
			_, err := LoadHome(dir)
			var wrong *HomeError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want a HomeError", err)
			}
			if !strings.Contains(wrong.Error(), test.want) || !strings.Contains(wrong.Hint(), test.hint) {
				t.Errorf("error: %s\nhint: %s\nwant %q and %q", wrong, wrong.Hint(), test.want, test.hint)
			}
		})
	}
}

func p2pAddress(t *testing.T, keys *crypto.Keys) string {
	t.Helper()
	id, err := p2p.PeerID(keys.Identity.Public())
	if err != nil {
		t.Fatal(err)
	}
	return "/ip4/127.0.0.1/tcp/1/p2p/" + id.String()
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, old, new string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("%s holds no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConfigSurvivesItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := DefaultConfig()
		want.Name = rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,31}`).Draw(t, "name")
		want.API.Listen = rapid.SampledFrom([]string{":80", "[::1]:0", "0.0.0.0:65535"}).Draw(t, "api")
		want.API.Insecure = true
		want.API.Origins = rapid.SliceOfN(rapid.SampledFrom([]string{"https://app.example.org", "*"}), 0, 2).Draw(t, "origins")
		want.API.Tokens, want.API.RequestsPerSecond = rapid.SampledFrom([]string{"", "tokens.toml"}).Draw(t, "tokens"), rapid.IntRange(0, 9).Draw(t, "rate")
		want.Limits.PoolMiB = rapid.IntRange(minPoolMiB, maxPoolMiB).Draw(t, "pool")
		want.P2P.Relay = rapid.Bool().Draw(t, "relay")
		want.P2P.Announce = rapid.SliceOfN(rapid.SampledFrom([]string{"/ip4/192.0.2.1/tcp/1", "/dns4/n.example/udp/2/quic-v1"}), 0, 2).Draw(t, "announce")
		want.P2P.Peers = rapid.MapOf(
			rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,7}`),
			rapid.SliceOfN(rapid.SampledFrom([]string{"/ip4/192.0.2.1/tcp/1", "/dns4/n.example/udp/2/quic-v1"}), 1, 3),
		).Draw(t, "peers")
		if len(want.P2P.Peers) == 0 {
			want.P2P.Peers = nil
		}
		text, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseConfig(text)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if len(got.P2P.Peers) == 0 {
			got.P2P.Peers = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("changed (-written +read):\n%s\n%s", diff, text)
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	c := DefaultConfig()
	text, err := c.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("name = \"x\"\n[limits]\nstreams = 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := ParseConfig(text)
		if err != nil {
			return
		}
		encoded, err := config.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseConfig(encoded); err != nil {
			t.Fatalf("own text is refused: %v\n%s", err, encoded)
		}
	})
}
