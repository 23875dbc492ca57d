// Package clients runs programs of other houses against a live network: viem, ethers, js-libp2p, a generated TypeScript
// client, and an unmodified Rollkit node. Their builds are heavy, so that it asks to be asked: `make clients`.
package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/freeport"
)

// patience is far more than anything here takes once it is built.
const patience = 2 * time.Minute

// wanted skips the test unless it was asked for.
func wanted(t *testing.T) {
	t.Helper()
	if os.Getenv("DUNLIN_CLIENTS") == "" {
		t.Skip("needs Node.js and long builds: run `make clients`")
	}
}

// run runs a command to its end and shows what it printed.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	t.Logf("%s\n%s", strings.Join(cmd.Args, " "), out)
	if err != nil {
		t.Fatal(err)
	}
}

// begin starts a command that is asked to end with the test; its output is shown if the test failed.
func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		ended := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer ended.Stop()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out.Bytes())
		}
	})
}

// network starts a network of four under a small load and returns its directory and what network.json says.
func network(t *testing.T) (string, *devnet.Network) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "dunlin")
	run(t, exec.Command("go", "build", "-o", binary, "github.com/dunlin-network/dunlin/cmd/dunlin"))
	home := filepath.Join(dir, "net")
	begin(t, exec.Command(binary, "devnet", "--home", home, "--rate", "10"))
	n := new(devnet.Network)
	until(t, "all four validators propose", func() error {
		raw, err := os.ReadFile(filepath.Join(home, devnet.NetworkFile))
		if err == nil {
			err = json.Unmarshal(raw, n)
		}
		for _, node := range n.Nodes {
			var status struct{ Proposing bool }
			if err == nil {
				err = get(node.API+"/v1/status", &status)
			}
			if err == nil && !status.Proposing {
				err = errors.New(node.Name + " does not propose")
			}
		}
		return err
	})
	return home, n
}

// until calls f until it succeeds.
func until(t *testing.T, what string, f func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func get(url string, answer any) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	return read(response, answer)
}

func post(url, kind, body string, answer any) error {
	response, err := http.Post(url, kind, strings.NewReader(body))
	if err != nil {
		return err
	}
	return read(response, answer)
}

func read(response *http.Response, answer any) error {
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %s", response.Status, raw)
	}
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(raw, answer)
}

// TestTypeScript runs the tests of typescript/ against a live network.
func TestTypeScript(t *testing.T) {
	wanted(t)
	home, _ := network(t)
	npm := func(args ...string) {
		t.Helper()
		cmd := exec.Command("npm", args...)
		cmd.Dir = "typescript"
		cmd.Env = append(os.Environ(), "DUNLIN_NETWORK="+filepath.Join(home, devnet.NetworkFile))
		run(t, cmd)
	}
	npm("ci")
	npm("run", "generate")
	npm("run", "check")
	npm("test")
}

// TestRollkit lets an unmodified Rollkit node order its transactions here, with the key-value store that it brings as
// its application: what is sent to the rollup and what is sent to Dunlin ends in the rollup's state.
func TestRollkit(t *testing.T) {
	wanted(t)
	binary := rollkit(t)
	_, n := network(t)
	ports := make([]string, 3)
	for i := range ports {
		l, err := freeport.Listen("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		ports[i] = l.Addr().String()
	}
	rpc := "http://" + ports[0]
	begin(t, exec.Command(binary, "start", "--home", t.TempDir(), "--proxy_app", "kvstore",
		"--rollkit.sequencer_address", strings.TrimPrefix(n.Nodes[0].API, "http://"), "--rollkit.sequencer_rollup_id", "open",
		"--rpc.laddr", "tcp://"+ports[0], "--p2p.laddr", ports[1], "--rollkit.da_address", "http://"+ports[2]))
	call := func(method, params string, answer any) error {
		return post(rpc, "application/json", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params), answer)
	}
	until(t, "the rollup takes a transaction", func() error {
		var answer struct {
			Result struct{ Hash string }
			Error  json.RawMessage
		}
		err := call("broadcast_tx_sync", `{"tx":"YmlyZD1kdW5saW4="}`, &answer) // bird=dunlin
		if err == nil && answer.Result.Hash == "" {
			err = fmt.Errorf("refused: %s", answer.Error)
		}
		return err
	})
	until(t, "Dunlin takes another", func() error {
		return post(n.Nodes[1].API+"/v1/namespaces/open/transactions", "application/octet-stream", "sea=north", nil)
	})
	for key, want := range map[string]string{"62697264": "ZHVubGlu", "736561": "bm9ydGg="} { // bird: dunlin, sea: north
		until(t, "the rollup holds "+want, func() error {
			var answer struct {
				Result struct {
					Response struct{ Value string }
				}
			}
			err := call("abci_query", fmt.Sprintf(`{"path":"/key","data":%q,"height":"0","prove":false}`, key), &answer)
			if got := answer.Result.Response.Value; err == nil && got != want {
				err = fmt.Errorf("value %q", got)
			}
			return err
		})
	}
}

// rollkitModule is the version that the interface was written for.
const rollkitModule = "github.com/rollkit/rollkit@v0.14.1"

// rollkit is the path of a Rollkit node, built from its module as it is; DUNLIN_ROLLKIT names one that is there.
func rollkit(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("DUNLIN_ROLLKIT"); path != "" {
		return path
	}
	var module struct{ Dir, GoMod string }
	raw, err := exec.Command("go", "mod", "download", "-json", rollkitModule).Output()
	if err == nil {
		err = json.Unmarshal(raw, &module)
	}
	if err != nil {
		t.Fatalf("download %s: %v", rollkitModule, err)
	}
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} { // the build wants to write them, and the module lies read-only
		text, err := os.ReadFile(filepath.Join(module.Dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "rollkit")
	cmd := exec.Command("go", "build", "-mod=mod", "-modfile", filepath.Join(dir, "go.mod"), "-o", binary, "./cmd/rollkit")
	cmd.Dir = module.Dir
	run(t, cmd)
	return binary
}
