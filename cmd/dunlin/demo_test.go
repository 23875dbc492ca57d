package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocsFrontrun holds the table and the picture of docs/demo-frontrun.md against the program. `make docs`
// writes them anew.
func TestDocsFrontrun(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	picture := filepath.Join(t.TempDir(), "demo-frontrun.svg")
	var table, errors bytes.Buffer
	if code := execute(t.Context(), []string{"demo", "frontrun", "--svg", picture}, terminal{out: &table, err: &errors}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errors.String())
	}
	drawn, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(docs, "demo-frontrun.md"))
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "```text\n", "```\n"
	head, rest, found := bytes.Cut(page, []byte(begin))
	shown, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		t.Fatal("docs/demo-frontrun.md holds no table")
	}
	if *update {
		written := bytes.Join([][]byte{head, []byte(begin), table.Bytes(), []byte(end), tail}, nil)
		for name, content := range map[string][]byte{"demo-frontrun.md": written, "demo-frontrun.svg": drawn} {
			if err := os.WriteFile(filepath.Join(docs, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	if diff := cmp.Diff(table.String(), string(shown)); diff != "" {
		t.Errorf("docs/demo-frontrun.md is stale, run 'make docs' (-program +document):\n%s", diff)
	}
	kept, err := os.ReadFile(filepath.Join(docs, "demo-frontrun.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, drawn) {
		t.Error("docs/demo-frontrun.svg is stale, run 'make docs'")
	}
}
