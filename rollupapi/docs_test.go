package rollupapi

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the derived documents anew")

// TestDocsErrors holds docs/build/errors.md against the reasons. `make docs` writes it anew.
func TestDocsErrors(t *testing.T) {
	path, want := filepath.Join("..", "docs", "build", "errors.md"), errorsAsMarkdown()
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
		t.Errorf("docs/build/errors.md is stale, run 'make docs' (-program +document):\n%s", diff)
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
