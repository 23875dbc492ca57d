package doctor

import (
	"crypto/rand"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// writeHome is the home of the first of four validators, none of which runs.
func writeHome(t *testing.T, change func(*node.Config)) string {
	t.Helper()
	genesis := &dag.Genesis{Version: dag.GenesisVersion, Chain: "test", Created: 1}
	var own *crypto.Keys
	for _, name := range []string{"a", "b", "c", "d"} {
		k, err := crypto.GenerateKeys(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if own == nil {
			own = k
		}
		genesis.Validators = append(genesis.Validators, dag.GenesisValidator{Name: name, PublicKeys: k.Public()})
	}
	config := node.DefaultConfig()
	config.Name, config.P2P.Listen, config.API.Listen = "a", []string{"/ip4/127.0.0.1/udp/0/quic-v1"}, "127.0.0.1:0"
	config.Limits.MinFreeDiskMiB = 64
	if change != nil {
		change(&config)
	}
	dir := filepath.Join(t.TempDir(), "home")
	if err := node.WriteHome(dir, config, genesis, own); err != nil {
		t.Fatal(err)
	}
	return dir
}

// find gives the level of a check, and its finding.
func find(t *testing.T, findings []Finding, check string) Finding {
	t.Helper()
	for _, f := range findings {
		if f.Check == check && f.Level != OK {
			return f
		}
	}
	for _, f := range findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding of %s among %+v", check, findings)
	return Finding{}
}

func TestExamineStopped(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, test := range map[string]struct {
		config func(*node.Config)
		damage func(t *testing.T, dir string)
		check  string
		want   Level
		next   string
	}{
		"nothing":      {check: "log", want: OK},
		"does not run": {check: "running", want: Warning, next: "dunlin run --home"},
		"no addresses": {check: "addresses", want: Warning, next: "p2p.bootstrap"},
		"taken port":   {config: func(c *node.Config) { c.API.Listen = taken.Addr().String() }, check: "ports", want: Bad, next: "set api.listen"},
		"full disk":    {config: func(c *node.Config) { c.Limits.MinFreeDiskMiB = 1 << 20 }, check: "disk", want: Bad, next: "free space"},
		"open key":     {damage: func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, node.KeyFile), 0o644)) }, check: "home", want: Bad, next: "chmod 600"},
		"shared home":  {damage: func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o777)) }, check: "permissions", want: Warning, next: "chmod go-w"},
		"lost data":    {damage: func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, node.DataDir))) }, check: "log", want: Warning, next: "dunlin run"},
		"restored data": {damage: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, node.DataDir, "DOUBT"), nil, 0o600))
		}, check: "log", want: Warning, next: "never delete"},
		"unreachable bootstrap": {config: func(c *node.Config) {
			c.P2P.Bootstrap = []string{"/ip4/127.0.0.1/tcp/1/p2p/12D3KooWNaitGQ5QHE9P9ruJqLUAawAGg5fUU5e4yRCmvpQ2qMx2"}
		}, check: "reach", want: Warning, next: "is it running"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeHome(t, test.config)
			if test.damage != nil {
				test.damage(t, dir)
			}
			before := listing(t, dir)
			findings := Examine(t.Context(), Plan{Home: dir})
			f := find(t, findings, test.check)
			if f.Level != test.want || !strings.Contains(f.Next, test.next) {
				t.Errorf("%+v, want %s and %q", f, test.want, test.next)
			}
			if (test.want == Bad) != (Worst(findings) == Bad) {
				t.Errorf("worst of %+v is %s", findings, Worst(findings))
			}
			if after := listing(t, dir); after != before {
				t.Errorf("the home was changed:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func TestJudgeClock(t *testing.T) {
	for age, want := range map[time.Duration]Level{
		-time.Hour: Bad, -time.Second: Bad, 0: OK, time.Second: OK, time.Minute: Warning,
	} {
		v := &visit{}
		v.judgeClock(age)
		if got := v.findings[0]; got.Level != want || (want == OK) != (got.Next == "") {
			t.Errorf("age %v: %+v, want %s", age, got, want)
		}
	}
}

func TestJudgeFiles(t *testing.T) {
	home, err := node.LoadHome(writeHome(t, nil))
	must(t, err)
	for most, want := range map[uint64]Level{256: Warning, 1 << 20: OK} {
		v := &visit{home: home}
		v.judgeFiles(most)
		if got := v.findings[0]; got.Level != want {
			t.Errorf("%d files: %+v, want %s", most, got, want)
		}
	}
}

func TestAPIOf(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:80": "http://127.0.0.1:80", ":80": "http://127.0.0.1:80", "0.0.0.0:80": "http://127.0.0.1:80",
		"[::1]:80": "http://[::1]:80", "127.0.0.1:0": "",
	} {
		if got := apiOf(listen); got != want {
			t.Errorf("%s: %q, want %q", listen, got, want)
		}
	}
}

// TestExamineToken: a node that wants a token is no node that is broken.
func TestExamineToken(t *testing.T) {
	const token = "a secret of thirty-two characters"
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"reason":"UNAUTHENTICATED"}`))
			return
		}
		_, _ = w.Write([]byte(`{"name":"a","role":"VALIDATOR","proposing":true}`))
	}))
	defer api.Close()
	for given, want := range map[string]Level{"": Warning, token: OK} {
		f := find(t, Examine(t.Context(), Plan{API: api.URL, Token: given}), "api")
		if f.Level != want || (want == Warning) != strings.Contains(f.Next, "DUNLIN_TOKEN") {
			t.Errorf("token %q: %+v, want %s", given, f, want)
		}
	}
}

// TestExamineName: nor is one that does not go by the name that it is called by.
func TestExamineName(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"reason":"HOST_FORBIDDEN","detail":"another name"}`))
	}))
	defer api.Close()
	if f := find(t, Examine(t.Context(), Plan{API: api.URL}), "api"); f.Level != Warning || !strings.Contains(f.Next, "IP address") {
		t.Errorf("%+v", f)
	}
}

// TestExamineTLS: a certificate names no loopback address, so that a node with one is not asked there in clear text.
func TestExamineTLS(t *testing.T) {
	home := &node.Home{Dir: "home", TLS: &tls.Config{}, Config: node.DefaultConfig()}
	for running, want := range map[bool]int{false: 0, true: 1} {
		v := &visit{ctx: t.Context(), home: home, running: running}
		if v.outside(); len(v.findings) != want {
			t.Errorf("running %v: %+v", running, v.findings)
		}
		for _, f := range v.findings {
			if f.Level != Warning || !strings.Contains(f.Next, "--api https://") {
				t.Errorf("%+v", f)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		out.WriteString(path + "\n")
		return err
	}))
	return out.String()
}

// TestArchive: that nobody keeps the whole history is worth a warning that says what to do; not to know is not.
func TestArchive(t *testing.T) {
	for at, want := range map[rollupapi.Archive]Level{
		rollupapi.ArchiveHere: OK, rollupapi.ArchivePeer: OK, rollupapi.ArchiveNone: Warning, "": "",
	} {
		v := &visit{status: &client.NodeStatus{Archive: at}}
		v.archive()
		switch {
		case want == "" && len(v.findings) > 0:
			t.Errorf("%q: %+v", at, v.findings)
		case want == "":
		case len(v.findings) != 1 || v.findings[0].Level != want || (want == Warning) != strings.Contains(v.findings[0].Next, "store.retention"):
			t.Errorf("%q: %+v", at, v.findings)
		}
	}
}
