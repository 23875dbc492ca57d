package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// TestVerify checks saved answers offline, and notices what was changed in them.
func TestVerify(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	chain.Commit(t)
	item := chain.OpenItem(t, apitest.Open, "x")
	chain.Commit(t, []dag.Item{item}) // commit 3
	for range 3 {
		chain.Commit(t)
	}
	chain.Certify(t, 5)
	url, _ := chain.Serve(t)
	dir := t.TempDir()
	write := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fetch := func(path string) []byte { return get(t, url+path) }
	encoded, err := json.Marshal(chain.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	genesis := write("genesis.json", encoded)
	rawKeys, rawCertificate := fetch("/v1/light-update"), fetch("/v1/commits/3/certificate")
	keys, certificate := write("keys.json", rawKeys), write("certificate.json", rawCertificate)
	verify := func(args ...string) (string, int) {
		var out, errs bytes.Buffer
		code := execute(t.Context(), append([]string{"verify", "--genesis", genesis}, args...), terminal{out: &out, err: &errs})
		return out.String() + errs.String(), code
	}
	if out, code := verify(certificate, keys); code != 0 || !strings.Contains(out, "commit 3, digest") || !strings.Contains(out, "is certified by commit 5") {
		t.Fatalf("exit %d: %s", code, out)
	}
	rawProof := fetch("/v1/transactions/" + item.ID.String() + "/proof")
	proof, absent := write("proof.json", rawProof), write("absent.json", fetch("/v1/namespaces/quiet/proof?commit=4"))
	later := write("later.json", fetch("/v1/namespaces/quiet/proof?commit=6"))
	first := write("part1.json", fetch("/v1/light-update?max_bytes=1"))
	rest := write("part2.json", fetch("/v1/light-update?from_key=1&from_origin=1"))
	if out, code := verify(certificate, first, rest); code != 0 || !strings.Contains(out, "is certified by commit 5") {
		t.Errorf("a light update in two parts: code %d\n%s", code, out)
	}
	if out, code := verify(certificate, first); code == 0 || !strings.Contains(out, "/v1/light-update?from_key=1&from_origin=1") {
		t.Errorf("the first part of a light update: code %d\n%s", code, out)
	}
	out, code := verify(proof, absent, certificate, keys)
	if claims := "item 0 of commit 3 is " + item.ID.String() + ": proven under certificate of commit 5"; code != 0 || !strings.Contains(out, claims) || !strings.Contains(out, "commit 4 has 0 legs of namespace 1005, and no others: proven under certificate of commit 5") {
		t.Fatalf("exit %d: %s", code, out)
	}
	other := apitest.New(t)
	for range 3 {
		other.Commit(t, []dag.Item{other.OpenItem(t, apitest.Open, "forged")})
	}
	forgedURL, _ := other.Serve(t)
	forged := write("forged.json", get(t, forgedURL+"/v1/namespaces/open/proof?commit=3"))
	swapped := func(raw []byte, old, now string) []byte {
		changed := bytes.Replace(raw, []byte(old), []byte(now), 1)
		if bytes.Equal(changed, raw) {
			t.Fatalf("%s is not there", old)
		}
		return changed
	}
	for _, test := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"without keys", []string{certificate}, exitRefused, "is not known"},
		{"another commit", []string{keys, write("a.json", swapped(rawCertificate, `"commit":5`, `"commit":4`))}, exitRefused, "does not prove"},
		{"another header", []string{keys, write("b.json", swapped(rawCertificate, `0x0000000000000003`, `0x0000000000000013`))}, exitRefused, "does not follow"},
		{"cut chain", []string{keys, write("c.json", swapped(rawCertificate, `"more":false`, `"more":true`))}, exitError, "proves nothing"},
		{"another epoch", []string{write("d.json", swapped(rawKeys, `"epoch":0`, `"epoch":1`)), certificate}, exitRefused, "ask another node"},
		{"a proof alone", []string{proof, keys}, exitError, "no certificate among the files covers"},
		{"a proof of a later commit", []string{later, certificate, keys}, exitError, "commits/6/certificate"},
		{"a proof of a commit that is made up", []string{forged, certificate, keys}, exitRefused, "the commit is made up"},
		{"a proof with another id", []string{write("e.json", swapped(rawProof, item.ID.String()[:8], "00000000")), certificate, keys}, exitRefused, "does not hold"},
		{"a proof of another network", []string{write("f.json", swapped(rawProof, chain.Committee.Network().String()[:8], "00000000")), certificate, keys}, exitRefused, "is of network"},
		{"a proof with something more", []string{write("g.json", swapped(rawProof, `"commit"`, `"more":1,"commit"`)), certificate, keys}, exitRefused, "save the answer again"},
		{"a certificate that is none", []string{proof, write("h.json", []byte(`{"certificate":null}`)), keys}, exitError, "none of"},
		{"something else", []string{genesis}, exitError, "none of light update, certificate, proof, receipt"},
		{"no file", []string{filepath.Join(dir, "none")}, exitError, "no such file"},
	} {
		if out, code := verify(test.args...); code != test.want || !strings.Contains(out, test.says) {
			t.Errorf("%s: exit %d: %s", test.name, code, out)
		}
	}
}

// TestVerifyReceipt checks what a node answered to submissions, and notices what was changed in it.
func TestVerifyReceipt(t *testing.T) {
	chain := apitest.New(t)
	url, _ := chain.Serve(t)
	dir := t.TempDir()
	encoded, err := json.Marshal(chain.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	path := func(raw []byte) string {
		file, err := os.CreateTemp(dir, "")
		if err == nil {
			_, err = file.Write(raw)
		}
		if err = errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		return file.Name()
	}
	genesis := path(encoded)
	one := post(t, url+"/v1/submit", `{"namespace":"open","payload":"0x01","wait":"received"}`)
	many := post(t, url+"/v1/submit", `{"namespace":"open","payloads":["0x02","0x","0x03"],"wait":"received"}`)
	for _, test := range []struct {
		name string
		raw  []byte
		want int
		says string
	}{
		{"one", one, exitDone, "validator v0 took 1 transaction "},
		{"several", many, exitDone, "validator v0 took 2 transactions"},
		{"another round", bytes.Replace(one, []byte(`"seen_round":`), []byte(`"seen_round":1`), 1), exitRefused, "signature is not that of node"},
		{"another node", bytes.Replace(one, []byte(`"node_id":"`+chain.Genesis.Validators[0].Identity.String()), []byte(`"node_id":"`+chain.Genesis.Validators[1].Identity.String()), 1), exitRefused, "signature is not that of node"},
		{"without ids", bytes.Replace(one, []byte(`"tx_id"`), []byte(`"id"`), 1), exitRefused, "save the whole answer"},
		{"another id", bytes.Replace(many, []byte(`"tx_id":"`), []byte(`"tx_id":"00000000`), 1), exitRefused, "save the answer again"},
	} {
		out, text, code := typed(t, "verify", "--genesis", genesis, path(test.raw))
		if code != test.want || !strings.Contains(out+text, test.says) {
			t.Errorf("%s: exit %d: %s%s", test.name, code, out, text)
		}
	}
}

func post(t *testing.T, url, body string) []byte {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return content(t, answer)
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return content(t, answer)
}

func content(t *testing.T, answer *http.Response) []byte {
	t.Helper()
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s: %s, %v", answer.Status, raw, err)
	}
	return raw
}
