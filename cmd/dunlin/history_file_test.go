package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHistoryFile: who reads for long says how far it is, and what is quick says nothing.
func TestHistoryFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	if err := os.WriteFile(path, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, slow := range map[string]bool{"quick": false, "slow": true} {
		var out strings.Builder
		f, err := openHistory(path, &out)
		if err != nil {
			t.Fatal(err)
		}
		if slow {
			f.every = 0
		}
		raw, err := io.ReadAll(f)
		if err != nil || len(raw) != 3<<20 || f.Close() != nil {
			t.Errorf("%s: %d bytes, %v", name, len(raw), err)
		}
		if strings.Contains(out.String(), path+": 3 of 3 MiB\n") != slow || !slow && out.Len() > 0 {
			t.Errorf("%s: %q", name, out.String())
		}
	}
}
