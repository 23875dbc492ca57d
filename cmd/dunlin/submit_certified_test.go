package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// TestSubmitCertified: the command waits for the certificate of the commit, sealed or not, and holds it against the key
// that the genesis file's validators dealt, where that is given.
func TestSubmitCertified(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	chain.OpenCertificates(t)
	genesis := filepath.Join(t.TempDir(), "genesis.json")
	if err := os.WriteFile(genesis, chain.Genesis.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	url, _ := chain.Serve(t)
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		at := chain.Commit(t, []dag.Item{item}).Index
		chain.RevealAll(t)
		time.AfterFunc(2*certifiedPause, func() { chain.Certify(t, at) })
		return ordering.Committed
	})
	for _, test := range []struct {
		flags []string
		note  bool
	}{
		{[]string{"hello"}, true},
		{[]string{"--genesis", genesis, "hello again"}, false},
		{[]string{"--sealed", "hello"}, true},
		{[]string{"--sealed", "--genesis", genesis, "hello again"}, false},
	} {
		out, text, code := typed(t, append([]string{"submit", "--api", url, "--wait", "certified"}, test.flags...)...)
		if code != exitDone || !strings.Contains(out, " is certified: item 0 of commit ") || strings.Contains(text, "on the word of") != test.note {
			t.Errorf("%v: %d, %s%s", test.flags, code, out, text)
		}
	}
}

// TestNoCertificate: who waits in vain is told that the transaction stays committed, and how to ask again.
func TestNoCertificate(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	url, _ := chain.Serve(t)
	api, err := client.New(url)
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*certifiedPause)
	defer cancel()
	result, err := awaitCertificate(ctx, api, client.Result{State: client.Committed, Commit: 1})
	var told *hinted
	if !errors.As(err, &told) || !strings.Contains(told.Hint(), url+"/v1/commits/1/certificate") || result.State != client.Committed {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestSubmitCertifiedByOthers: a certificate whose key the validators of the genesis file did not deal does not count.
func TestSubmitCertifiedByOthers(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	url, _ := chain.Serve(t)
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		chain.Certify(t, chain.Commit(t, []dag.Item{item}).Index)
		return ordering.Committed
	})
	other := *chain.Genesis
	other.Chain += "-other"
	genesis := filepath.Join(t.TempDir(), "genesis.json")
	if err := os.WriteFile(genesis, other.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, text, code := typed(t, "submit", "--api", url, "--wait", "certified", "--genesis", genesis, "hello")
	if code != exitRefused || out != "" || !strings.Contains(text, "on the node's word alone") {
		t.Errorf("%d, %s%s", code, out, text)
	}
}
