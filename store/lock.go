package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// directoryLock keeps a second process out of a data directory. The kernel lets go of it when the
// process ends, however it ends.
type directoryLock struct{ file *os.File }

// lockDirectory takes the lock of dir or says who holds it (ErrLocked).
func lockDirectory(dir string) (*directoryLock, error) {
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by process %s", ErrLocked, dir, holder(path))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	l := &directoryLock{f}
	if err := l.writePID(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return l, nil
}

func (l *directoryLock) writePID() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return pid
	}
	return "(unknown)"
}

// release gives the directory back. The file stays: removing it would let two processes hold it.
func (l *directoryLock) release() error { return l.file.Close() }
