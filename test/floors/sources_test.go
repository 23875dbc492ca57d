package floors

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/dunlin-network/dunlin"

// Limits of style.
const (
	maxMainLines     = 39 // cmd/dunlin/main.go is read at a glance
	maxFileLines     = 400
	maxFunctionLines = 60
)

// mayImport says for every room of the house which other rooms it stands on. Packages below a room
// (rollupapi/client) belong to it.
var mayImport = map[string][]string{
	"crypto":            {},
	"dag":               {"crypto"},
	"ordering":          {"crypto", "dag"},
	"p2p":               {"crypto", "dag", "ordering"},
	"store":             {"crypto", "dag", "ordering"},
	"rollupapi":         {"crypto", "dag", "ordering"},
	"internal/freeport": {},
	// node takes ports in its tests only.
	"internal/node":     {"crypto", "dag", "ordering", "p2p", "store", "rollupapi", "internal/freeport"},
	"internal/sim":      {"crypto", "dag", "ordering", "p2p", "store", "rollupapi"},
	"internal/explorer": {"crypto", "dag", "ordering", "p2p", "store", "rollupapi"},
	"internal/frontrun": {"crypto", "dag", "ordering"},
	// devnet writes the homes that node defines.
	"internal/devnet": {"crypto", "dag", "ordering", "p2p", "store", "rollupapi", "internal/node", "internal/freeport"},
	"internal/doctor": {"crypto", "dag", "ordering", "p2p", "store", "rollupapi", "internal/node"},
	"cmd/dunlin": {
		"crypto", "dag", "ordering", "p2p", "store", "rollupapi",
		"internal/node", "internal/sim", "internal/explorer", "internal/devnet", "internal/doctor", "internal/frontrun",
	},
	"test": {
		"crypto", "dag", "ordering", "p2p", "store", "rollupapi",
		"internal/node", "internal/sim", "internal/explorer", "internal/devnet", "internal/doctor", "internal/frontrun", "internal/freeport",
	},
}

// pure are the rooms without time, chance, concurrency, logs and I/O, and what they must not import.
var (
	pure        = []string{"dag", "ordering"}
	pureImports = []string{"math/rand", "math/rand/v2", "crypto/rand", "sync", "sync/atomic", "log", "log/slog", "os", "io/fs", "net", "net/http", "context", "runtime", "unsafe"}
	pureTime    = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
)

// bannedNames are package names that say nothing about what is inside.
var bannedNames = []string{"util", "utils", "common", "helper", "helpers", "base", "manager", "service", "impl", "misc", "shared"}

// Dunlin has no such role; the design's word for a slot's block is anchor.
var bannedWord = regexp.MustCompile(`(?i)\b` + "lead" + `ers?\b`)

// sources are the Go files of a tree.
type sources struct {
	files []sourceFile
	set   *token.FileSet
}

type sourceFile struct {
	path      string // slash-separated, from the root
	text      string
	tree      *ast.File
	generated bool
}

func (f *sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// room is the key of mayImport that dir belongs to.
func room(dir string) (string, bool) {
	for d := dir; d != "." && d != "/"; d = path.Dir(d) {
		if _, ok := mayImport[d]; ok {
			return d, true
		}
	}
	return "", false
}

// forTests reports whether a package is made for tests of other packages, by its name (dagtest).
func forTests(dir string) bool { return path.Base(dir) != "test" && strings.HasSuffix(dir, "test") }

// readSources parses every Go file below root itself; asking the go command instead would let the
// test cache hide a violation.
func readSources(t *testing.T, root string) *sources {
	t.Helper()
	s := &sources{set: token.NewFileSet()}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(s.set, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		s.files = append(s.files, sourceFile{filepath.ToSlash(rel), string(text), tree, ast.IsGenerated(tree)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check returns one sentence per violation.
func (s *sources) check() []string {
	var out []string
	for i := range s.files {
		f := &s.files[i]
		complain := func(format string, args ...any) {
			out = append(out, f.path+": "+fmt.Sprintf(format, args...))
		}
		name := strings.TrimSuffix(f.tree.Name.Name, "_test")
		if slices.Contains(bannedNames, name) {
			complain("package name %s says nothing about what is inside", name)
		}
		home, ok := room(path.Dir(f.path))
		if !ok {
			complain("%s is no room of the house", path.Dir(f.path))
			continue
		}
		s.checkImports(f, home, complain)
		if slices.Contains(pure, home) && !f.isTest() && !forTests(path.Dir(f.path)) {
			checkPurity(f, home, complain)
		}
		if !f.generated {
			s.checkStyle(f, complain)
		}
	}
	return out
}

type complaint func(format string, args ...any)

func (s *sources) checkImports(f *sourceFile, home string, complain complaint) {
	for _, spec := range f.tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			complain("import path %s: %v", spec.Path.Value, err)
			continue
		}
		dir, ours := strings.CutPrefix(imported, module+"/")
		if !ours {
			continue
		}
		target, known := room(dir)
		switch {
		case !known:
			complain("%s is no room of the house", dir)
		case forTests(dir) && !f.isTest() && !forTests(path.Dir(f.path)):
			complain("%s is for tests", dir)
		case target != home && !slices.Contains(mayImport[home], target):
			complain("%s must not import %s", home, target)
		}
	}
}

func checkPurity(f *sourceFile, home string, complain complaint) {
	clock := ""
	for _, spec := range f.tree.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if slices.Contains(pureImports, imported) {
			complain("%s is pure: it imports %s", home, imported)
		}
		if imported == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			complain("%s is pure: it starts a goroutine", home)
		case *ast.ChanType:
			complain("%s is pure: it uses a channel", home)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && clock != "" && x.Name == clock && slices.Contains(pureTime, n.Sel.Name) {
				complain("%s is pure: time.%s", home, n.Sel.Name)
			}
		}
		return true
	})
}

func (s *sources) checkStyle(f *sourceFile, complain complaint) {
	lines := strings.Count(f.text, "\n")
	if path.Base(f.path) == "main.go" && lines > maxMainLines {
		complain("main.go has %d lines, limit %d", lines, maxMainLines)
	}
	if word := bannedWord.FindString(f.text); word != "" && path.Dir(f.path) != "test/floors" {
		complain("%q: say anchor", word)
	}
	if f.isTest() {
		return
	}
	if lines > maxFileLines {
		complain("%d lines, limit %d", lines, maxFileLines)
	}
	functionsOf(f.tree, func(fn *ast.FuncDecl) {
		n := s.set.Position(fn.End()).Line - s.set.Position(fn.Pos()).Line + 1
		if n > maxFunctionLines {
			complain("%s has %d lines, limit %d", fn.Name.Name, n, maxFunctionLines)
		}
		if !fn.Name.IsExported() {
			return
		}
		for _, p := range fn.Type.Params.List {
			if id, ok := p.Type.(*ast.Ident); ok && id.Name == "bool" {
				complain("%s takes a boolean: two functions or a named type say more", fn.Name.Name)
			}
		}
	})
}
