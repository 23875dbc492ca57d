package store

import (
	"fmt"
	"os"
)

// file is an open segment.
type file interface {
	WriteAt(b []byte, offset int64) (int, error)
	// Sync returns when what was written is on disk (fdatasync).
	Sync() error
	Close() error
}

// filesystem is what the log writes through, so that tests can make it go wrong.
type filesystem interface {
	// Open opens the file at path, which is made if missing, with size bytes set aside.
	Open(path string, size int64) (file, error)
	// Rename moves a file and returns when the move is on disk.
	Rename(from, to string) error
	// Replace gives the file at path new content, all of it or none, and returns when it is on disk.
	Replace(path string, content []byte) error
}

// diskFiles is the real filesystem.
type diskFiles struct{}

type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return syncData(f.File) }

func (diskFiles) Open(path string, size int64) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := setAside(f, size); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("set aside %d bytes for %s: %w", size, path, err)
	}
	return diskFile{f}, nil
}

func (diskFiles) Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncParent(to)
}

func (diskFiles) Replace(path string, content []byte) error {
	work := path + ".new"
	if err := os.WriteFile(work, content, 0o600); err != nil {
		return err
	}
	if err := syncFile(work); err != nil {
		return err
	}
	return diskFiles{}.Rename(work, path)
}
