package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

var (
	// ErrCorrupt is wrapped by everything that says stored bytes are not what was written. The
	// error in hand is a *CorruptError where a file and an offset are known.
	ErrCorrupt = errors.New("store corrupt")
	// ErrFatal is wrapped by every call after a write or a sync went wrong. What was not confirmed
	// before may or may not be on disk; the process must end and open the store again.
	ErrFatal = errors.New("store stopped by a write error")
	// ErrDiverged says that a commit differs from the one stored under its index, or does not
	// continue the stored chain. Either this node or its history is wrong: the node must stop.
	ErrDiverged = errors.New("commit diverges from the stored history")
	// ErrLocked says that another process holds the data directory.
	ErrLocked = errors.New("data directory in use")
	// ErrExists says that Create found a store already there.
	ErrExists = errors.New("data directory already holds a store")
	// ErrClosed is returned by calls after Close.
	ErrClosed = errors.New("store closed")
)

// CorruptError says where stored bytes are wrong and what to type next. It wraps ErrCorrupt.
type CorruptError struct {
	File   string
	Offset int64 // in bytes; -1 where no single place is to blame
	Detail string
	Next   string // the command that goes on from here
}

// Error names file, offset, what is wrong and the next command.
func (e *CorruptError) Error() string {
	where := e.File
	if e.Offset >= 0 {
		where = fmt.Sprintf("%s at offset %d", e.File, e.Offset)
	}
	return fmt.Sprintf("%v: %s: %s; next: %s", ErrCorrupt, where, e.Detail, e.Next)
}

// Unwrap makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// The commands that go on after damage. A home holds its data directory under "data".

func nextAfterLogDamage(logDir string) string {
	home := filepath.Dir(filepath.Dir(logDir))
	return fmt.Sprintf("dunlin run --home %s --accept-damaged-log (asks the other validators what this one has signed)", home)
}

func nextAfterBadgerDamage(badgerDir string) string {
	home := filepath.Dir(filepath.Dir(badgerDir))
	if strings.HasSuffix(badgerDir, joiningSuffix) {
		return fmt.Sprintf("dunlin run --home %s (takes the snapshot again; where that does not help, look at the disk under %s)", home, filepath.Dir(badgerDir))
	}
	aside, free := asideName(badgerDir)
	if !free {
		return fmt.Sprintf("rm -r %s && dunlin run --home %s (fetches the history again; many damaged ones are kept already)", badgerDir, home)
	}
	return fmt.Sprintf("mv %s %s && dunlin run --home %s (fetches the history again)", badgerDir, aside, home)
}

func nextAfterMixUp(logDir string) string {
	home := filepath.Dir(filepath.Dir(logDir))
	return fmt.Sprintf("put the genesis.json and key.json that %s belongs to back into %s", filepath.Dir(logDir), home)
}
