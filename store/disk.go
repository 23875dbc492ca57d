package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spaceGuard says whether the disk has room to go on writing. Badger dies of SIGBUS on a full disk,
// so a node stops proposing before.
type spaceGuard struct {
	dir     string
	minFree uint64
	short   atomic.Bool // said "not enough" last time
}

// check is Store.Space. After a shortage it wants a quarter more than the limit before it gives the
// all-clear, so that the answer does not flap.
func (g *spaceGuard) check() (free uint64, enough bool) {
	var stat unix.Statfs_t
	if err := unix.Statfs(g.dir, &stat); err != nil {
		g.short.Store(true)
		return 0, false
	}
	free = stat.Bavail * uint64(stat.Bsize)
	need := g.minFree
	if g.short.Load() {
		need += need / 4
	}
	enough = free >= need
	g.short.Store(!enough)
	return free, enough
}

// syncParent makes the directory entry of path durable.
func syncParent(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
