package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// TestVerify checks saved answers offline, and notices what was changed in them.
func TestVerify(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	for range 5 {
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
	fetch := func(path string) []byte {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		raw, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
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
		{"something else", []string{genesis}, exitError, "neither a certificate nor a light update"},
		{"no file", []string{filepath.Join(dir, "none")}, exitError, "no such file"},
	} {
		if out, code := verify(test.args...); code != test.want || !strings.Contains(out, test.says) {
			t.Errorf("%s: exit %d: %s", test.name, code, out)
		}
	}
}
