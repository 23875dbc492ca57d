package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/store"
)

// A node whose database is damaged makes it again and goes on; one whose log is damaged does not start
// and says what to type. Without any log it asks the others. Nothing of it makes it contradict itself.
func TestDamagedFiles(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	victim := c.nodes[2]
	first := victim.submit([]byte("before the damage"))
	victim.untilCommitted(first)
	victim.untilProposing()
	victim.halt()
	tables, err := filepath.Glob(filepath.Join(victim.home, DataDir, "badger", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, table := range tables {
		spoil(t, table, 100)
	}
	victim.start()
	victim.untilProposing()
	victim.untilCommitted(first)
	if log := victim.log.take(); !strings.Contains(log, "database_made_again") {
		t.Errorf("the node does not say that it made its database again:\n%s", log)
	}
	victim.halt()

	if err := os.Remove(filepath.Join(victim.home, DataDir, "log", "000000000001.seg")); err != nil {
		t.Fatal(err)
	}
	victim.start()
	victim.untilProposing() // without any segment it knows that it has forgotten, and asks
	victim.halt()
	spoil(t, filepath.Join(victim.home, DataDir, "log", "000000000001.seg"), 400)
	victim.start()
	var hinted interface{ Hint() string }
	if err := victim.ended(); !errors.Is(err, store.ErrCorrupt) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "--accept-damaged-log") {
		t.Fatalf("a damaged log: %v, want a refusal that says what to type", err)
	}
	for _, n := range append(c.nodes[:2:2], c.nodes[3]) {
		if s := n.until("answers", func(client.NodeStatus) bool { return true }); s.Equivocators != 0 {
			t.Errorf("%s holds evidence against %d validators", n.home, s.Equivocators)
		}
	}
}

// spoil flips a bit of a file.
func spoil(t *testing.T, path string, at int64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 4
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}
