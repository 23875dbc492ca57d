//go:build !linux

package store

import "os"

// syncData is a full fsync where there is no fdatasync.
func syncData(f *os.File) error { return f.Sync() }

// setAside gives a file at least its size.
func setAside(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	return f.Truncate(size)
}
