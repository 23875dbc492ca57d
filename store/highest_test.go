package store

import (
	"os"
	"testing"
)

// TestUnsyncedOwnBlockInBadger: Badger may have an own block that the log had not on disk yet when the power
// went. That is no damage: the block never left the node.
func TestUnsyncedOwnBlockInBadger(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	w.feed(s, 3, 1, 10)
	synced := s.log.offset
	check(t, s.Append(w.layer(1, 10))) // and no Sync
	copied(t, s)
	o.Dir = duplicate(t, o.Dir)
	path := segmentPath(o.logDir(), 1)
	raw, err := os.ReadFile(path)
	check(t, err)
	clear(raw[synced:])
	check(t, os.WriteFile(path, raw, 0o600))
	again, r := w.open(o)
	if r.Log != LogWhole || r.OwnLast == nil || r.OwnLast.Round() != 4 {
		t.Fatalf("log %v, newest own block %v; want it whole, and the one that Badger has", r.Log, r.OwnLast)
	}
	check(t, again.Close())
	check(t, s.Close())
}
