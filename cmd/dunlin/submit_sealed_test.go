package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// typed runs one command line, and gives what it prints and its exit code.
func typed(t *testing.T, args ...string) (out, errors string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(t.Context(), args, terminal{in: strings.NewReader(""), out: &o, err: &e})
	return o.String(), e.String(), code
}

// TestSubmitSealed: from the command line to the opened content, and what stands in the way.
func TestSubmitSealed(t *testing.T) {
	chain := apitest.New(t)
	url, _ := chain.Serve(t)
	if _, text, code := typed(t, "submit", "--api", url, "--sealed", "hello"); code != exitRefused || !strings.Contains(text, "SEALING_NOT_READY") || !strings.Contains(text, "try again in 1s") {
		t.Errorf("%d, %s", code, text)
	}
	chain.OpenSealing(t)
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		if item.Kind != dag.KindSealed {
			t.Errorf("an item of kind %d gets to the node", item.Kind)
		}
		chain.Commit(t, []dag.Item{item})
		chain.RevealAll(t)
		return ordering.Committed
	})
	out, text, code := typed(t, "submit", "--api", url, "--sealed", "--wait", "revealed", "hello")
	id, rest, _ := strings.Cut(out, " ")
	if code != exitDone || rest != "is revealed: item 0 of commit 2\n" {
		t.Errorf("%d, %s%s", code, out, text)
	}
	keys, err := crypto.GenerateKeys(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := crypto.WriteKeyFile(file, keys); err != nil {
		t.Fatal(err)
	}
	var answer submitted
	out, text, code = typed(t, "submit", "--api", url, "--sealed", "--wait", "revealed", "--namespace", "signed", "--key", file, "--json", "0x0102")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != exitDone || answer.State != "REVEALED" || answer.Commit != 3 || answer.Namespace != uint64(apitest.Signed) {
		t.Errorf("%d, %s%s: %v", code, out, text, err)
	}
	if _, text, code := typed(t, "submit", "--api", url, "--sealed", strings.Repeat("x", 128<<10-12)); code != exitRefused || !strings.Contains(text, "cut it into several transactions") {
		t.Errorf("%d, %s", code, text)
	}
	out, _, code = typed(t, "tail", "--api", url, "--cursor", "genesis", "--limit", "2")
	want := "2/0  1003  " + id + "  sealed, opened: 5 bytes: \"hello\"\n3/0  1004  " + answer.ID.String() + "  sealed, opened: 2 bytes: 0x0102\n"
	if code != exitDone || out != want {
		t.Errorf("%d, %s, want %s", code, out, want)
	}
}

// TestSubmitSealedGenesis: with the genesis file a key that its validators did not sign is refused, and without
// it the command says on whose word the key is taken.
func TestSubmitSealedGenesis(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	file := filepath.Join(t.TempDir(), "genesis.json")
	if err := os.WriteFile(file, chain.Genesis.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	honest, _ := chain.Serve(t)
	lying := chain.ServeLying(t, chain.OwnKey(t))
	_, text, code := typed(t, "submit", "--api", lying, "--sealed", "--genesis", file, "--wait", "included", "secret")
	if code != exitRefused || !strings.Contains(text, "key does not come from its deals") || !strings.Contains(text, "hint:  nothing was sealed") || chain.Submits() != 0 {
		t.Errorf("%d, %d submissions, %s", code, chain.Submits(), text)
	}
	if _, text, code := typed(t, "submit", "--api", honest, "--sealed", "--genesis", file, "--wait", "included", "secret"); code != exitDone || text != "" {
		t.Errorf("%d, %s", code, text)
	}
	_, text, code = typed(t, "submit", "--api", honest, "--sealed", "--wait", "included", "secret")
	if want := "note: the key is taken on the word of " + honest + ": give --genesis to check it\n"; code != exitDone || text != want {
		t.Errorf("%d, %s", code, text)
	}
	if _, text, code := typed(t, "submit", "--api", honest, "--sealed", "--genesis", file+".not", "secret"); code != exitError || !strings.Contains(text, "load genesis") {
		t.Errorf("%d, %s", code, text)
	}
}

// TestTailSealed: what cannot be opened, and what is not opened yet.
func TestTailSealed(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	good := chain.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("one")}, dag.Leg{Namespace: apitest.Quiet, Payload: []byte("two")})
	bad := chain.Seal(t, dag.Sealed{ValidUntil: 50, Namespaces: []dag.Namespace{apitest.Open}}, []byte("no legs"))
	chain.Commit(t, []dag.Item{good, bad})
	url, _ := chain.Serve(t)
	tail := func(args ...string) string {
		t.Helper()
		out, text, code := typed(t, append([]string{"tail", "--api", url, "--cursor", "genesis", "--limit", "2"}, args...)...)
		if code != exitDone || !strings.Contains(text, "--cursor ") {
			t.Errorf("%d, %s", code, text)
		}
		return out
	}
	if out := tail("--state", "committed"); strings.Count(out, "  sealed: 445 bytes\n") != 2 {
		t.Errorf("before the reveal:\n%s", out)
	}
	chain.RevealAll(t)
	if out := tail(); !strings.Contains(out, "  sealed, opened: bundle of 2 legs\n") || !strings.Contains(out, "  sealed, counts for nothing: CONTENT_INVALID\n") {
		t.Errorf("after the reveal:\n%s", out)
	}
	var line tailItem
	first, _, _ := strings.Cut(tail("--json"), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Verdict != "OPENED" || len(line.Namespaces) != 2 || len(line.Legs) != 2 || len(line.Opening) != 66 || len(line.Ciphertext) != 2+2*445 {
		t.Errorf("%v, %s", err, first)
	}
	first, _, _ = strings.Cut(tail("--json", "--state", "committed"), "\n")
	if line = (tailItem{}); json.Unmarshal([]byte(first), &line) != nil || line.Verdict != "" || line.Opening != "" || line.Legs != nil || line.Ciphertext == "" {
		t.Errorf("%s", first)
	}
	if _, text, code := typed(t, "tail", "--state", "sealed"); code != exitUsage || !strings.Contains(text, "want committed or revealed") {
		t.Errorf("%d, %s", code, text)
	}
}
