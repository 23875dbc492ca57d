package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAPIListen: what others can reach needs TLS and tokens, or a word that it may go without.
func TestAPIListen(t *testing.T) {
	safe := func(c APIConfig) APIConfig {
		c.TLSCert, c.TLSKey, c.Tokens = "cert.pem", "key.pem", "tokens.toml"
		return c
	}
	for _, test := range []struct {
		config APIConfig
		want   string // "" for none
	}{
		{APIConfig{Listen: "127.0.0.1:8080"}, ""},
		{APIConfig{Listen: "localhost:0"}, ""},
		{APIConfig{Listen: "[::1]:8080"}, ""},
		{APIConfig{Listen: ":8080"}, "other machines"},
		{APIConfig{Listen: "0.0.0.0:8080"}, "other machines"},
		{APIConfig{Listen: "192.0.2.1:8080"}, "other machines"},
		{APIConfig{Listen: "node.example:8080"}, "other machines"},
		{APIConfig{Listen: "192.0.2.1:8080", TLSCert: "c", TLSKey: "k"}, "other machines"},
		{APIConfig{Listen: "192.0.2.1:8080", Tokens: "t"}, "other machines"},
		{safe(APIConfig{Listen: "192.0.2.1:8080"}), ""},
		{APIConfig{Listen: "192.0.2.1:8080", Insecure: true}, ""},
		{APIConfig{Listen: "127.0.0.1:8080", TLSCert: "c"}, "both or none"},
		{APIConfig{Listen: "127.0.0.1"}, "host:port"},
		{APIConfig{Listen: "127.0.0.1:8080", KiBPerSecond: -1}, "want 0"},
		{APIConfig{Listen: "127.0.0.1:8080", Origins: []string{"app.example"}}, "api.origins"},
	} {
		err := test.config.check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.config, err, test.want)
		}
	}
}

// TestTokensFile: the file is for its owner alone, and what is wrong with it is said.
func TestTokensFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.toml")
	const good = "[[token]]\nname = \"swap\"\nsecret = \"0123456789abcdef0123456789abcdef\"\nkib_per_second = 7\n"
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	home := &Home{Dir: filepath.Dir(path), Config: Config{API: APIConfig{Tokens: "tokens.toml"}}}
	if _, err := home.gate(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without a file: %v", err)
	}
	write(good, 0o644)
	if _, err := home.gate(); err == nil || !strings.Contains(err.Error(), "read by others") {
		t.Errorf("readable by all: %v", err)
	}
	for text, want := range map[string]string{"": "nobody could call", good + "x = 1\n": "unknown keys", good + good: "no name twice"} {
		write(text, 0o600)
		if _, err := home.gate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	write(good, 0o600)
	tokens, err := readTokens(path)
	if err != nil || len(tokens) != 1 || tokens[0].Name != "swap" || tokens[0].KiBPerSecond != 7 {
		t.Errorf("%+v, %v", tokens, err)
	}
	if _, err := home.gate(); err != nil {
		t.Error(err)
	}
}

// TestNamesOfTheNode: the name in api.listen is one by which the node may be called.
func TestNamesOfTheNode(t *testing.T) {
	for listen, names := range map[string][]string{"node.example:8080": {"node.example:8080"}, ":8080": nil, "127.0.0.1:0": nil} {
		home := &Home{Config: Config{API: APIConfig{Listen: listen}}}
		g, err := home.gate()
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"node.example:8080", "evil.example:8080"} {
			if got := g.Host(&http.Request{Host: host}); got != slices.Contains(names, host) {
				t.Errorf("listening on %s: %s passes %t", listen, host, got)
			}
		}
	}
}

// TestRenewedCertificate: a new certificate is taken while the node runs, a broken one is not.
func TestRenewedCertificate(t *testing.T) {
	dir := t.TempDir()
	r := &renewed{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	now := time.Unix(1_700_000_000, 0)
	if _, err := r.certificate(now); err == nil {
		t.Fatal("there is none")
	}
	serial := func() int64 {
		t.Helper()
		pair, err := r.certificate(now)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	writePair(t, r, 1, now)
	if n := serial(); n != 1 {
		t.Fatal(n)
	}
	writePair(t, r, 2, now.Add(time.Hour))
	if n := serial(); n != 1 {
		t.Errorf("certificate %d: looked again at once", n)
	}
	now = now.Add(certificateEvery)
	if n := serial(); n != 2 {
		t.Errorf("certificate %d, want the renewed one", n)
	}
	if err := os.WriteFile(r.cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(certificateEvery)
	if n := serial(); n != 2 {
		t.Errorf("certificate %d: a broken file was taken", n)
	}
}

func writePair(t *testing.T, r *renewed, serial int64, written time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: written.Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{r.cert: {Type: "CERTIFICATE", Bytes: cert}, r.key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
}
