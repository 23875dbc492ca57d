package rollupapi

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

var update = flag.Bool("update", false, "write the derived documents anew")

// TestDocs holds what is derived in docs/build against the program. `make docs` writes it anew.
func TestDocs(t *testing.T) {
	fresh(t, "errors.md", errorsAsMarkdown())
	fresh(t, "openapi.json", string((&Server{}).openAPIDocument()))
}

func fresh(t *testing.T, name, want string) {
	t.Helper()
	path := filepath.Join("..", "docs", "build", name)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/build/%s is stale, run 'make docs' (-program +document):\n%s", name, diff)
	}
}

// TestReasons: every reason has all that a client is told of it.
func TestReasons(t *testing.T) {
	for reason, c := range classes {
		if c.code == 0 || c.status < 400 || c.rpc >= 0 || c.title == "" || c.remedy == "" || strings.ContainsAny(c.title+c.remedy, "|\n") {
			t.Errorf("%s: %+v lacks something", reason, c)
		}
	}
}

// TestOpenAPI: the document describes every procedure and every route, and refers to nothing that is not there.
func TestOpenAPI(t *testing.T) {
	raw := (&Server{}).openAPIDocument()
	var d struct {
		Paths      map[string]map[string]any `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	for _, procedure := range []string{dunlinv1connect.IngressSubmitProcedure, dunlinv1connect.StatusWatchProcedure, dunlinv1connect.ReadStreamProcedure} {
		if d.Paths[procedure]["post"] == nil {
			t.Errorf("%s is missing", procedure)
		}
	}
	for _, r := range (&Server{}).routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if d.Paths[strings.TrimSuffix(path, "{$}")][strings.ToLower(method)] == nil || r.summary == "" {
			t.Errorf("%s is missing", r.pattern)
		}
	}
	for _, reference := range regexp.MustCompile(`#/components/schemas/([^"]+)`).FindAllStringSubmatch(string(raw), -1) {
		if d.Components.Schemas[reference[1]] == nil {
			t.Errorf("%s is referred to and missing", reference[1])
		}
	}
	if !strings.Contains(string(raw), `"idempotency_key"`) || !strings.Contains(string(raw), `"idempotencyKey"`) {
		t.Error("a field of the bodies is missing")
	}
}

func errorsAsMarkdown() string {
	var b strings.Builder
	b.WriteString(`# Errors

Derived from the program; do not edit here.

Whatever is refused names a reason. The names are stable: decide by them, show the message. The reason stands in

* **Connect, gRPC, gRPC-web**: the error's code and a detail of type ` + "`dunlin.v1.ErrorInfo`" + `,
* **REST**: ` + "`application/problem+json`" + ` (RFC 9457) with ` + "`reason`, `retryable` and `retry_after_ms`" + `, and a header ` + "`Retry-After`" + ` where
  trying again helps,
* **JSON-RPC**: ` + "`error.code`, and `error.data.reason`" + `,
* **batches**: each item's own ` + "`error`" + `: one that is refused does not hold up the others,
* **streams** that have begun: the last event.

| reason | meaning | what to do | Connect | HTTP | JSON-RPC | again after |
|---|---|---|---|---|---|---|
`)
	for _, reason := range slices.Sorted(maps.Keys(classes)) {
		c := classes[reason]
		again := "never"
		if c.retry > 0 {
			again = c.retry.String()
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %d | %d | %s |\n", reason, c.title, c.remedy, c.code, c.status, c.rpc, again)
	}
	b.WriteString("\n\"Again after\" is the least; `retry_after_ms` of the answer may say more. \"Never\": the same call will be refused again.\n")
	return b.String()
}
