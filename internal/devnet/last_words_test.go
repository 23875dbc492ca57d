package devnet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/internal/node"
)

// TestDidNotStart: the reason and the remedy that a node wrote last are told; those of an earlier process are not.
func TestDidNotStart(t *testing.T) {
	const earlier = "error: no such disk\nhint:  mount it\n"
	const running = "time=2026-01-01T00:00:00Z level=INFO msg=store_opened\n"
	for name, test := range map[string]struct{ log, text, hint string }{
		"no log":             {"", "n2 did not start (exit status 1)", "tail "},
		"no last words":      {earlier + running, "n2 did not start (exit status 1)", "tail "},
		"reason and remedy":  {earlier + running + "error: address in use\nhint:  choose another\n", "n2 did not start: address in use", "choose another"},
		"reason alone":       {running + "error: address in use\n", "n2 did not start: address in use", "tail "},
		"after a long story": {strings.Repeat(running, 2*maxLastWords/len(running)) + "error: address in use\nhint:  choose another\n", "n2 did not start: address in use", "choose another"},
	} {
		t.Run(name, func(t *testing.T) {
			n := &Node{Name: "n2", Home: t.TempDir()}
			log := filepath.Join(n.Home, node.LogFile)
			if test.log != "" {
				if err := os.WriteFile(log, []byte(test.log), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := n.didNotStart("exit status 1").(*planError)
			if want := test.hint; err.Error() != test.text || !strings.HasPrefix(err.Hint(), want) {
				t.Errorf("%q, hint %q; want %q, %q", err, err.Hint(), test.text, want)
			}
		})
	}
}
