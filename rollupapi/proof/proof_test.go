package proof_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vector is one document and what is to be said of it.
type vector struct {
	Name     string          `json:"name"`
	Valid    bool            `json:"valid"`
	Claims   []string        `json:"claims,omitempty"` // of a valid one
	Document json.RawMessage `json:"document"`
}

// chain is three commits with transactions, bundles and an empty one, the same in every run.
func chain(t testing.TB) (*apitest.Chain, []*ordering.Commit) {
	c := apitest.New(t)
	var commits []*ordering.Commit
	var items []dag.Item
	for i := range 5 {
		items = append(items, c.OpenItem(t, apitest.Open, fmt.Sprint("open ", i)))
	}
	bundle := c.BundleItem(t, "both", apitest.Open, apitest.Unprotected, apitest.Open)
	commits = append(commits, c.Commit(t, items, []dag.Item{bundle, c.OpenItem(t, apitest.Unprotected, "old")}))
	commits = append(commits, c.Commit(t, nil))
	commits = append(commits, c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Quiet, "quiet"), c.OpenItem(t, apitest.Open, "last")}))
	return c, commits
}

// served is every kind of document as a node serves it.
func served(t testing.TB) []vector {
	c, commits := chain(t)
	url, _ := c.Serve(t)
	bundle, first := commits[0].Accepted[5].ID, commits[0].Accepted[0].ID
	var out []vector
	for _, ask := range []struct{ name, path string }{
		{"a transaction's place", "/v1/transactions/" + first.String() + "/proof"},
		{"a bundle with its legs", "/v1/transactions/" + bundle.String() + "/proof"},
		{"a bundle with all of a namespace", "/v1/transactions/" + bundle.String() + "/proof?namespace=old"},
		{"all of a namespace", "/v1/namespaces/open/proof?commit=1"},
		{"all of a namespace between others", "/v1/namespaces/open/proof?commit=3"},
		{"a namespace below all others", "/v1/namespaces/demo-a/proof?commit=1"},
		{"a namespace between others that got nothing", "/v1/namespaces/signed/proof?commit=3"},
		{"a namespace above all others", "/v1/namespaces/quiet/proof?commit=1"},
		{"a commit that is empty", "/v1/namespaces/open/proof?commit=2"},
	} {
		out = append(out, vector{Name: ask.name, Valid: true, Document: get(t, url+ask.path)})
	}
	return out
}

func get(t testing.TB, url string) []byte {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", url, r.StatusCode, raw, err)
	}
	http.DefaultClient.CloseIdleConnections()
	return raw
}

func verify(raw []byte) (*proof.Shown, error) {
	d, err := proof.DecodeDocument(raw)
	if err != nil {
		return nil, err
	}
	return d.Verify()
}

// TestServedDocuments: what a node serves holds, shows what stands in the commits, and is what the vectors keep.
func TestServedDocuments(t *testing.T) {
	vectors := served(t)
	for i := range vectors {
		shown, err := verify(vectors[i].Document)
		if err != nil {
			t.Fatalf("%s: %v", vectors[i].Name, err)
		}
		vectors[i].Claims = shown.Claims
	}
	vectors = append(vectors, tampered(t, vectors)...)
	raw, err := json.MarshalIndent(vectors, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "vectors.json")
	if *update {
		if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(kept)) != string(raw) {
		t.Error("testdata/vectors.json is stale: a changed format needs another version of the protocol; then run the test with -update")
	}
}

// TestVectors reads the vectors as another program would.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, v := range vectors {
		shown, err := verify(v.Document)
		switch {
		case !v.Valid && !errors.Is(err, proof.ErrProof):
			t.Errorf("%s: error %v, want %v", v.Name, err, proof.ErrProof)
		case v.Valid && (err != nil || !slices.Equal(shown.Claims, v.Claims)):
			t.Errorf("%s: %+v, %v", v.Name, shown, err)
		case !v.Valid:
			refused++
		}
	}
	if refused < 50 {
		t.Errorf("%d vectors that do not hold, want 50 at least", refused)
	}
}

// tampered is each document with one change at a time: a digit of every text of hex, every number, every list cut
// short. None holds. Every second is for the vectors.
func tampered(t testing.TB, vectors []vector) []vector {
	t.Helper()
	var out []vector
	changes := 0
	for _, v := range vectors {
		var tree any
		if err := json.Unmarshal(v.Document, &tree); err != nil {
			t.Fatal(err)
		}
		spoil(tree, "", func(what string) {
			raw, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			shown, err := verify(raw)
			if err == nil && strings.HasSuffix(what, "0 namespace") && !slices.Equal(shown.Claims, v.Claims) {
				return // it shows, and rightly so, that another namespace got nothing
			}
			if err == nil {
				t.Errorf("%s with %s changed holds", v.Name, what)
			}
			if changes++; changes%2 == 0 {
				out = append(out, vector{Name: v.Name + ", " + what + " changed", Document: raw})
			}
		})
	}
	return out
}

// spoil changes one thing after the other in a tree of JSON, calls try and changes it back.
func spoil(node any, at string, try func(what string)) {
	each := func(key string, value any, set func(any)) {
		switch v := value.(type) {
		case string:
			if key != "network_id" { // binds ids of outlines and starts of chains only
				set(flip(v))
				try(at + key)
			}
		case float64:
			set(v + 1)
			try(at + key)
		case []any:
			if len(v) > 0 && key != "namespaces" && key != "chains" { // less is shown, and holds
				set(v[1:])
				try(at + key + " cut short")
				set(v)
			}
			spoil(v, at+key+" ", try)
		default:
			spoil(v, at+key+" ", try)
		}
		set(value)
	}
	switch n := node.(type) {
	case map[string]any:
		keys := make([]string, 0, len(n))
		for key := range n {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			each(key, n[key], func(v any) { n[key] = v })
		}
	case []any:
		for i := range n {
			each(fmt.Sprint(i), n[i], func(v any) { n[i] = v })
		}
	}
}

// flip changes the last digit.
func flip(hex string) string {
	last := byte('0')
	if hex[len(hex)-1] == '0' {
		last = '1'
	}
	return hex[:len(hex)-1] + string(last)
}

// TestSiblings: whoever has one leg of a bundle sees the others at the same position.
func TestSiblings(t *testing.T) {
	c, commits := chain(t)
	commit := commits[0]
	var ids []crypto.Digest
	for _, a := range commit.Accepted {
		ids = append(ids, a.ID)
	}
	item, err := commit.Item(5)
	if err != nil {
		t.Fatal(err)
	}
	network := c.Committee.Network()
	o, id, err := proof.Siblings(network, &commit.CommitHeader, 5, item.Outline(), crypto.MerkleProof(ids, 5))
	if err != nil || id != item.ID || len(o.Legs) != 3 {
		t.Fatalf("%+v, %v, %v", o, id, err)
	}
	for i, l := range item.Bundle().Legs {
		if o.Legs[i].Namespace != l.Namespace || o.Legs[i].Digest != dag.PayloadDigest(l.Payload) {
			t.Errorf("leg %d: %+v", i, o.Legs[i])
		}
	}
	without := c.BundleItem(t, "both", apitest.Open, apitest.Unprotected)
	if _, _, err := proof.Siblings(network, &commit.CommitHeader, 5, without.Outline(), crypto.MerkleProof(ids, 5)); !errors.Is(err, proof.ErrProof) {
		t.Errorf("an outline without the last leg: %v", err)
	}
	if _, _, err := proof.Siblings(network, &commit.CommitHeader, 4, item.Outline(), crypto.MerkleProof(ids, 4)); !errors.Is(err, proof.ErrProof) {
		t.Errorf("another position: %v", err)
	}
	if _, _, err := proof.Siblings(network, &commit.CommitHeader, 5, item.Outline()[:40], nil); !errors.Is(err, proof.ErrProof) {
		t.Errorf("an outline cut short: %v", err)
	}
}

// TestChained: a reader that missed, added or exchanged anything does not come to the head that the next commits prove.
func TestChained(t *testing.T) {
	c, commits := chain(t)
	network := c.Committee.Network()
	heads, err := ordering.ChainHeads(network, commits)
	if err != nil {
		t.Fatal(err)
	}
	p := proof.ProveChain(heads, ordering.NewChainTree(heads), apitest.Open)
	read := func(change func(leaves []ordering.NamespaceLeaf) []ordering.NamespaceLeaf) error {
		r := proof.NewChained(apitest.Open, ordering.ChainStart(network, apitest.Open))
		for _, commit := range commits {
			leaves, err := commit.Leaves()
			if err != nil {
				t.Fatal(err)
			}
			leaves = slices.DeleteFunc(leaves, func(l ordering.NamespaceLeaf) bool { return l.Namespace != apitest.Open })
			if commit.Index == 1 {
				leaves = change(leaves)
			}
			for i := range leaves {
				r.Link(commit.Index, &leaves[i])
			}
		}
		return r.Check(network, &commits[2].CommitHeader, &p)
	}
	type list = []ordering.NamespaceLeaf
	if err := read(func(l list) list { return l }); err != nil {
		t.Errorf("all of it: %v", err)
	}
	for what, change := range map[string]func(list) list{
		"one left out":    func(l list) list { return slices.Delete(l, 2, 3) },
		"the last of all": func(l list) list { return l[:len(l)-1] },
		"two exchanged":   func(l list) list { l[0], l[1] = l[1], l[0]; return l },
		"one twice":       func(l list) list { return append(l, l[0]) },
		"another leg":     func(l list) list { l[5].Leg++; return l },
	} {
		if err := read(change); !errors.Is(err, proof.ErrProof) {
			t.Errorf("%s: %v, want %v", what, err, proof.ErrProof)
		}
	}
}

// TestOrder: the ids of a commit are all and in order, or not.
func TestOrder(t *testing.T) {
	_, commits := chain(t)
	h := &commits[0].CommitHeader
	var ids []crypto.Digest
	for _, a := range commits[0].Accepted {
		ids = append(ids, a.ID)
	}
	if err := proof.Order(h, ids); err != nil {
		t.Error(err)
	}
	if err := proof.Order(h, ids[1:]); !errors.Is(err, proof.ErrProof) {
		t.Errorf("one left out: %v", err)
	}
	ids[0], ids[1] = ids[1], ids[0]
	if err := proof.Order(h, ids); !errors.Is(err, proof.ErrProof) {
		t.Errorf("two exchanged: %v", err)
	}
}

// FuzzDocument: nothing from outside panics, and what holds has a header of its own digest.
func FuzzDocument(f *testing.F) {
	for _, v := range served(f) {
		f.Add([]byte(v.Document))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		shown, err := verify(raw)
		if (err == nil) != (shown != nil) {
			t.Errorf("%+v with error %v", shown, err)
		}
		if shown != nil && shown.Header.ComputeDigest() != shown.Digest {
			t.Error("a header that is not its digest's")
		}
	})
}
