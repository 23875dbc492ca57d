package main

import (
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// TestStatusOfSealing: dunlin status says how far the key is, and whose shares a commit waits for.
func TestStatusOfSealing(t *testing.T) {
	chain := apitest.New(t)
	url, _ := chain.Serve(t)
	says := func(lines ...string) {
		t.Helper()
		out, text, code := typed(t, "status", "--api", url)
		for _, line := range lines {
			if name, rest, _ := strings.Cut(line, " "); code != exitDone || !strings.Contains(out, "\n"+name+strings.Repeat(" ", 11-len(name))+rest+"\n") {
				t.Errorf("%d, no line %q in\n%s%s", code, line, out, text)
			}
		}
	}
	chain.GenerateKey(keygen.Status{Phase: keygen.Dealing, Key: 1, Deals: 3, Deadline: 20})
	says("sealing dealing, 3 of 4 deals, at the latest at commit 20", "revealed 0, all")
	chain.GenerateKey(keygen.Status{Phase: keygen.Dealing, Key: 1, Deals: 2, Missing: []dag.Author{1, 3}})
	says("sealing dealing, 2 of 4 deals, missing v1 v3; the missing must run and be connected to the others: dunlin status at each, then its log")
	chain.GenerateKey(keygen.Status{Phase: keygen.Acknowledging, Key: 1, Deals: 3, Acks: 2, Deadline: 2020, Missing: []dag.Author{0}})
	says("sealing acknowledging, 2 of 4, missing v0, at the latest at commit 2020")
	chain.GenerateKey(keygen.Status{Phase: keygen.Dealing, Key: 1, Attempt: 1, Deals: 2, Excluded: []dag.Author{1, 3}, Stuck: true})
	says("sealing attempt 2: dealing, 2 of 4 deals; proven to cheat: v1 v3; " +
		"too few honest dealers are left for a key: halt, and found the network anew without the excluded, as docs/disaster.md says")
	chain.OpenSealing(t)
	says("sealing key 1 since commit 2, 3 of 4 open", "revealed 1, all")
	chain.Commit(t, []dag.Item{chain.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("x")})})
	chain.Commit(t, nil)
	chain.Shares(3)
	says("revealed 1, 2 behind: 3 of 3 shares for commit 2, missing v3")
	chain.Shares(4)
	says("revealed 1, 2 behind: 4 of 3 shares for commit 2")
	chain.RevealAll(t)
	says("revealed 3, all")
	chain.GenerateKey(keygen.Status{Phase: keygen.Dealing, Key: 2, Deals: 1, Serving: 1, Excluded: []dag.Author{2}})
	says("sealing key 1 since commit 2, 3 of 4 open; key 2: dealing, 1 of 4 deals; proven to cheat: v2")
}

// TestStatusOfCertificates: dunlin status says how far certificates have come.
func TestStatusOfCertificates(t *testing.T) {
	chain := apitest.New(t)
	url, _ := chain.Serve(t)
	says := func(line string) {
		t.Helper()
		if out, text, _ := typed(t, "status", "--api", url); !strings.Contains(out, "\ncertified  "+line+"\n") {
			t.Errorf("no %q in\n%s%s", line, out, text)
		}
	}
	says("none yet")
	chain.OpenCertificates(t)
	chain.Commit(t)
	chain.Certify(t, 2)
	says("2, all")
	chain.Commit(t)
	says("2, 1 behind")
}
