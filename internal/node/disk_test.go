package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// TestDiskFloor: with too little space the engine is told; with less than the floor the node ends, since
// it goes on writing what others propose.
func TestDiskFloor(t *testing.T) {
	c := newCluster(t, func(_ int, config *Config) { config.Limits.MinFreeDiskMiB = maxFreeDiskMiB })
	home, err := LoadHome(c.nodes[0].home)
	if err != nil {
		t.Fatal(err)
	}
	n, err := open(home, Options{Home: home.Dir, Damage: store.RefuseDamage, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.store.Close() }()
	var full *HomeError
	if err := n.guardDisk(t.Context(), 1<<63); !errors.As(err, &full) {
		t.Errorf("below the floor: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := n.guardDisk(ctx, 0); err != nil {
		t.Errorf("above the floor: %v", err)
	}
	if ev := <-n.loop.inbox; ev != ordering.Event(ordering.DiskSpace{Enough: false}) {
		t.Errorf("the engine was told %v", ev)
	}
}
