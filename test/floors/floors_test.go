package floors

import (
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is the root of the sources, seen from here.
const repository = "../.."

// TestFloors reads the sources of the whole repository and holds them against the floors.
func TestFloors(t *testing.T) {
	s := readSources(t, repository)
	if len(s.files) < 10 {
		t.Fatalf("read %d files only: the checker looks at the wrong place", len(s.files))
	}
	for _, violation := range s.check() {
		t.Error(violation)
	}
}

// TestFloorsNotice builds small trees with one fault each, since a checker that never complains
// proves nothing.
func TestFloorsNotice(t *testing.T) {
	tests := []struct {
		name string
		file string
		code string
		want string // "" for none
	}{
		{"allowed", "dag/a.go", "package dag\nimport _ \"github.com/dunlin-network/dunlin/crypto\"\n", ""},
		{"upward", "crypto/a.go", "package crypto\nimport _ \"github.com/dunlin-network/dunlin/dag\"\n", "crypto must not import dag"},
		{"two floors upward", "dag/a.go", "package dag\nimport _ \"github.com/dunlin-network/dunlin/internal/node\"\n", "dag must not import internal/node"},
		{"upward in a test", "crypto/a_test.go", "package crypto_test\nimport _ \"github.com/dunlin-network/dunlin/ordering\"\n", "crypto must not import ordering"},
		{"upward from a subpackage", "rollupapi/client/a.go", "package client\nimport _ \"github.com/dunlin-network/dunlin/internal/node\"\n", "rollupapi must not import internal/node"},
		{"sideways", "store/a.go", "package store\nimport _ \"github.com/dunlin-network/dunlin/p2p\"\n", "store must not import p2p"},
		{"sideways to a subpackage", "p2p/a.go", "package p2p\nimport _ \"github.com/dunlin-network/dunlin/rollupapi/client\"\n", "p2p must not import rollupapi"},
		{"sideways in the roof", "internal/node/a.go", "package node\nimport _ \"github.com/dunlin-network/dunlin/internal/devnet\"\n", "internal/node must not import internal/devnet"},
		{"imports the whole-system tests", "cmd/dunlin/a.go", "package main\nimport _ \"github.com/dunlin-network/dunlin/test\"\n", "cmd/dunlin must not import test"},
		{"test package in product code", "ordering/a.go", "package ordering\nimport _ \"github.com/dunlin-network/dunlin/dag/dagtest\"\n", "dag/dagtest is for tests"},
		{"test package in a test", "ordering/a_test.go", "package ordering\nimport _ \"github.com/dunlin-network/dunlin/dag/dagtest\"\n", ""},
		{"clock", "ordering/a.go", "package ordering\nimport \"time\"\nvar _ = time.Now\n", "ordering is pure: time.Now"},
		{"renamed clock", "ordering/a.go", "package ordering\nimport clock \"time\"\nvar _ = clock.Now\n", "ordering is pure: time.Now"},
		{"duration", "ordering/a.go", "package ordering\nimport \"time\"\nvar _ time.Duration\n", ""},
		{"randomness", "dag/a.go", "package dag\nimport _ \"math/rand/v2\"\n", "dag is pure: it imports math/rand/v2"},
		{"lock", "dag/a.go", "package dag\nimport _ \"sync\"\n", "dag is pure: it imports sync"},
		{"context", "ordering/a.go", "package ordering\nimport _ \"context\"\n", "ordering is pure: it imports context"},
		{"goroutine", "ordering/a.go", "package ordering\nfunc f() { go f() }\n", "ordering is pure: it starts a goroutine"},
		{"channel", "dag/a.go", "package dag\nvar c chan int\n", "dag is pure: it uses a channel"},
		{"lock in a test", "dag/a_test.go", "package dag\nimport _ \"sync\"\n", ""},
		{"unknown room", "internal/log/a.go", "package log\n", "internal/log is no room of the house"},
		{"unknown top", "network/a.go", "package network\n", "network is no room of the house"},
		{"banned name", "p2p/util/a.go", "package util\n", "package name util says nothing"},
		{"banned word", "ordering/a.go", "package ordering\n\n// the leader of a round\n", "say anchor"},
		{"leaderless", "ordering/a.go", "package ordering\n\n// Dunlin is leaderless.\n", ""},
		{"long file", "p2p/a.go", "package p2p\n" + strings.Repeat("\n", maxFileLines), "401 lines"},
		{"long function", "p2p/a.go", "package p2p\nfunc f() {\n" + strings.Repeat("\n", maxFunctionLines-1) + "}\n", "f has 61 lines"},
		{"function at the limit", "p2p/a.go", "package p2p\nfunc f() {\n" + strings.Repeat("\n", maxFunctionLines-2) + "}\n", ""},
		{"boolean parameter", "p2p/a.go", "package p2p\nfunc Open(path string, create bool) {}\n", "Open takes a boolean"},
		{"long main", "cmd/dunlin/main.go", "package main\n" + strings.Repeat("\n", maxMainLines), "main.go has 40 lines"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, filepath.FromSlash(test.file))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(test.code), 0o644); err != nil {
				t.Fatal(err)
			}
			got := readSources(t, root).check()
			switch {
			case test.want == "" && len(got) > 0:
				t.Errorf("complains about allowed code: %q", got)
			case test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)):
				t.Errorf("got %q, want exactly one complaint with %q", got, test.want)
			}
		})
	}
}

// TestTopLevel holds the entries of the repository's root against the list in architecture.md.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"cmd", "p2p", "dag", "ordering", "store", "crypto", "rollupapi", "test", "internal", "docs", "deploy",
		"go.mod", "go.sum", "tools.mod", "tools.sum", "Makefile", "README.md", "CHANGELOG.md", "LICENSE",
		"bin", // made by make, not kept
	}
	entries, err := os.ReadDir(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// functionsOf calls visit for every declared function of a file.
func functionsOf(f *ast.File, visit func(*ast.FuncDecl)) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			visit(fn)
		}
	}
}
