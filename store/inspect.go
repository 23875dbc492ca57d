package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	badgeroptions "github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// badgerFiles are Badger's files as they lie on disk before Badger opens them. Badger itself deletes
// tables that a shortened MANIFEST does not name, leaves out a table with a bad checksum, and panics
// in goroutines of its own over others: so this looks first.
type badgerFiles struct {
	dir    string
	tables map[uint64]bool
	sizes  map[string]int64 // of all files by name
}

// inspectBadger checks MANIFEST and tables and holds them against the mark that Badger's last owner
// left. It reports whether that one closed Badger in order. Errors wrap ErrCorrupt, or are the disk's.
func inspectBadger(o badger.Options) (closed bool, err error) {
	f, err := listBadger(o.Dir)
	if err != nil {
		return false, err
	}
	mark, marked, err := readBadgerMark(o.Dir)
	if err != nil {
		return false, err
	}
	if _, ok := f.sizes[badger.ManifestFilename]; !ok {
		if marked || len(f.tables) > 0 {
			return false, corruptBadger(o.Dir, "MANIFEST is missing")
		}
		return true, nil // a new one
	}
	manifest, whole, err := f.readManifest(o)
	if err != nil {
		return false, err
	}
	if marked {
		if err := f.holdAgainst(&mark, manifest, whole); err != nil {
			return false, err
		}
	}
	for id := range manifest.Tables {
		if !f.tables[id] {
			return false, corruptBadger(o.Dir, fmt.Sprintf("table %d is missing", id))
		}
		if err := f.checkTable(id); err != nil {
			return false, err
		}
	}
	return marked && mark.Closed, nil
}

func listBadger(dir string) (*badgerFiles, error) {
	f := &badgerFiles{dir: dir, tables: make(map[uint64]bool), sizes: make(map[string]int64)}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list badger: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("list badger: %w", err)
		}
		f.sizes[e.Name()] = info.Size()
		if id, ok := table.ParseFileID(e.Name()); ok && strings.HasSuffix(e.Name(), ".sst") {
			f.tables[id] = true
		}
	}
	return f, nil
}

// readManifest gives the table of contents and whether the file ends behind its last record.
func (f *badgerFiles) readManifest(o badger.Options) (m badger.Manifest, whole bool, err error) {
	file, err := os.Open(filepath.Join(f.dir, badger.ManifestFilename))
	if err != nil {
		return m, false, fmt.Errorf("read badger's manifest: %w", err)
	}
	defer file.Close()
	var end int64
	err = guard(f.dir, func() error {
		m, end, err = badger.ReplayManifestFile(file, o.ExternalMagicVersion, o)
		return blame(f.dir, err)
	})
	return m, end == f.sizes[badger.ManifestFilename], err
}

// checkTable reads a table as a whole and checks every block of it.
func (f *badgerFiles) checkTable(id uint64) error {
	path := table.NewFilename(id, f.dir)
	if f.sizes[filepath.Base(path)] == 0 {
		return corruptBadger(f.dir, fmt.Sprintf("table %d is empty", id))
	}
	return guard(path, func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = corruptBadger(f.dir, fmt.Sprintf("table %d cannot be read", id))
			}
		}()
		file, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
		if err != nil {
			return blame(f.dir, err)
		}
		defer file.Close(-1)
		t, err := table.OpenTable(file, table.Options{
			ReadOnly: true, ChkMode: badgeroptions.NoVerification, Compression: badgeroptions.None,
		})
		if err == nil {
			err = t.VerifyChecksum()
		}
		if err != nil {
			return corruptBadger(f.dir, fmt.Sprintf("table %d: %v", id, err))
		}
		return nil
	})
}

// holdAgainst finds what the mark knows of and is no longer there.
func (f *badgerFiles) holdAgainst(mark *badgerMark, m badger.Manifest, whole bool) error {
	size, sum, err := checksumFront(filepath.Join(f.dir, badger.ManifestFilename), mark.ManifestBytes)
	if err != nil {
		return err
	}
	rewritten := size != mark.ManifestBytes || sum != mark.ManifestSum
	if rewritten && (!whole || mark.Closed || !f.complete(m)) {
		return corruptBadger(f.dir, "MANIFEST does not begin with what was synced")
	}
	if !mark.Closed {
		return nil
	}
	if !whole || f.sizes[badger.ManifestFilename] != mark.ManifestBytes {
		return corruptBadger(f.dir, "MANIFEST does not end where it ended when it was closed")
	}
	for name, size := range mark.Values {
		if got, ok := f.sizes[name]; !ok || got != size {
			return corruptBadger(f.dir, fmt.Sprintf("%s has %d bytes, it had %d when it was closed", name, got, size))
		}
	}
	return nil
}

// complete reports whether the directory holds the manifest's tables and no others, as it does after
// Badger has written its MANIFEST anew.
func (f *badgerFiles) complete(m badger.Manifest) bool {
	for id := range m.Tables {
		if !f.tables[id] {
			return false
		}
	}
	return len(m.Tables) == len(f.tables)
}

// removeEmptyMemtables removes write-ahead logs without a byte: a power cut leaves them, between the
// name and the size, and Badger does not open them.
func removeEmptyMemtables(dir string) error {
	f, err := listBadger(dir)
	if err != nil {
		return err
	}
	for name, size := range f.sizes {
		if size > 0 || filepath.Ext(name) != ".mem" {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove empty write-ahead log: %w", err)
		}
	}
	return nil
}

// memtableSize is what Badger's memtables have to be opened with, in bytes. Badger reads a write-ahead log that was left behind
// into one memtable, and ends the process where that is too small: one that a build with larger memtables left behind, since
// every log has twice the size of its memtable. A stop in order leaves none behind.
func memtableSize(dir string) (int64, error) {
	f, err := listBadger(dir)
	if err != nil {
		return 0, err
	}
	size := int64(badgerMemTable)
	for name, bytes := range f.sizes {
		if filepath.Ext(name) == ".mem" {
			size = max(size, min(bytes/2, largestMemTable))
		}
	}
	return size, nil
}
