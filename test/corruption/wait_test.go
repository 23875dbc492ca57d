package corruption

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// untilCopied waits until the background copier has handed a commit to Badger, whose write-ahead log
// then has its key.
func untilCopied(t *testing.T, home string, newest dag.CommitIndex) {
	t.Helper()
	key := binary.BigEndian.AppendUint64([]byte{'c'}, uint64(newest))
	for {
		logs, err := filepath.Glob(filepath.Join(home, "data/badger/*.mem"))
		check(t, err)
		for _, path := range logs {
			raw, err := os.ReadFile(path)
			check(t, err)
			if bytes.Contains(raw, key) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// directory is a directory in memory where there is one: hundreds of databases are opened and closed, and
// nothing here is about what survives a power cut.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "dunlin-corruption-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	return dir
}
