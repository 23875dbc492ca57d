package main

import (
	"crypto/rand"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// TestSubmitPrint: nothing is sent, and what is printed is taken by each protocol and opens.
func TestSubmitPrint(t *testing.T) {
	chain := apitest.New(t)
	url, _ := chain.Serve(t)
	if _, text, code := typed(t, "submit", "--api", url, "--sealed", "--print", "rest", "hello"); code != exitRefused || !strings.Contains(text, "SEALING_NOT_READY") {
		t.Errorf("without a key: %d, %s", code, text)
	}
	chain.OpenSealing(t)
	var came []dag.Sealed
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		came = append(came, item.Sealed())
		chain.Commit(t, []dag.Item{item})
		chain.RevealAll(t)
		return ordering.Committed
	})
	file := filepath.Join(t.TempDir(), "key.json")
	if err := crypto.WriteKeyFile(file, newKeys(t)); err != nil {
		t.Fatal(err)
	}
	for i, test := range []struct {
		path, body, answer string
		flags              []string
		namespace          dag.Namespace
	}{
		{"/v1/submit/sealed", `"wait":"revealed"`, `"state":"REVEALED"`, []string{"rest", "--wait", "revealed"}, apitest.Open},
		{"/v1/submit/sealed", `"wait":"revealed"`, `"state":"REVEALED"`, []string{"rest", "--wait", "revealed", "--namespace", "signed", "--key", file}, apitest.Signed},
		{"/dunlin.v1.Ingress/SubmitSealed", `"wait":"WAIT_REVEALED"`, `"state":"STATE_REVEALED"`, []string{"connect", "--wait", "revealed"}, apitest.Open},
		{"/dunlin.v1.Ingress/SubmitSealed", `"wait":"WAIT_COMMITTED"`, `"state":"STATE_REVEALED"`, []string{"connect", "--namespace", "signed", "--key", file}, apitest.Signed},
		{"/rpc/1003", `"params":[{"ciphertext"`, `"result":"0x`, []string{"rpc"}, apitest.Open},
		{"/rpc/1004", `"params":[{"ciphertext"`, `"result":"0x`, []string{"rpc", "--namespace", "signed", "--key", file}, apitest.Signed},
	} {
		body, text, code := typed(t, append([]string{"submit", "--api", url, "--sealed", "hello", "--print"}, test.flags...)...)
		if code != exitDone || strings.Count(body, "\n") != 1 || !strings.Contains(body, test.body) || !strings.Contains(text, "-d @- "+url+test.path+"\n") || len(came) != i {
			t.Fatalf("%v: %d, %d came; %s%s", test.flags, code, len(came), body, text)
		}
		response, err := http.Post(url+test.path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(answer), test.answer) || len(came) != i+1 {
			t.Fatalf("%v: %s\nanswers %d %s, %v", test.flags, body, response.StatusCode, answer, err)
		}
		if s := came[i]; len(s.Namespaces) != 1 || s.Namespaces[0] != test.namespace || (len(s.Signature) > 0) != (test.namespace == apitest.Signed) {
			t.Errorf("%v: %+v", test.flags, s)
		}
	}
	for want, flags := range map[string][]string{
		"want rest, connect or rpc":              {"--sealed", "--print", "curl"},
		"give --sealed, too":                     {"--print", "rest"},
		"leave one out":                          {"--sealed", "--print", "rest", "--json"},
		"always waits until it is included":      {"--sealed", "--print", "rpc", "--wait", "committed"},
		"cut it into several transactions":       {"--sealed", "--print", "rest", strings.Repeat("x", 128<<10-12)},
		"namespace signed takes signed transact": {"--sealed", "--print", "rest", "--namespace", "signed"},
	} {
		args := append([]string{"submit", "--api", url}, flags...)
		if len(args[len(args)-1]) < 1<<10 {
			args = append(args, "hello")
		}
		if out, text, code := typed(t, args...); code == exitDone || out != "" || !strings.Contains(text, want) {
			t.Errorf("%.80s: %d, %.200s%s", flags, code, out, text)
		}
	}
}

func newKeys(t *testing.T) *crypto.Keys {
	t.Helper()
	keys, err := crypto.GenerateKeys(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
