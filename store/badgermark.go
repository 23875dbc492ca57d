package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// badgerMark stands beside Badger's files and says what they must hold at least: Badger takes a
// shortened MANIFEST for a whole one. It is replaced as a whole; one that is missing or cannot be read
// says nothing and is made again.
type badgerMark struct {
	ManifestBytes int64            `json:"manifest_bytes"` // that were synced
	ManifestSum   uint32           `json:"manifest_crc32c"`
	Closed        bool             `json:"closed"`
	Values        map[string]int64 `json:"values,omitempty"` // when closed: sizes of the value logs
}

const badgerMarkName = "DUNLIN"

// readBadgerMark gives the mark of a directory, or false if there is none that can be read.
func readBadgerMark(dir string) (m badgerMark, ok bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, badgerMarkName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("read badger's mark: %w", err)
	}
	text, err := openValue(b)
	if err != nil {
		return m, false, nil
	}
	if json.Unmarshal(text, &m) != nil {
		return badgerMark{}, false, nil
	}
	return m, true, nil
}

func (m *badgerMark) write(dir string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode badger's mark: %w", err)
	}
	if err := (diskFiles{}).Replace(filepath.Join(dir, badgerMarkName), appendSealed(nil, text)); err != nil {
		return fmt.Errorf("write badger's mark: %w", err)
	}
	return nil
}

// removeBadgerMark is for the moment before Badger opens its files: it may shorten them.
func removeBadgerMark(dir string) error {
	path := filepath.Join(dir, badgerMarkName)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncParent(path)
	}
	if err != nil {
		return fmt.Errorf("remove badger's mark: %w", err)
	}
	return nil
}

// markManifest writes a mark if Badger's table of contents has changed since the last one.
func (b *badgerCopy) markManifest() error {
	path := filepath.Join(b.dir, badger.ManifestFilename)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at badger's manifest: %w", err)
	}
	if info.Size() == b.marked {
		return nil
	}
	if err := syncFile(path); err != nil {
		return fmt.Errorf("sync badger's manifest: %w", err)
	}
	m := badgerMark{}
	if m.ManifestBytes, m.ManifestSum, err = checksumFront(path, info.Size()); err != nil {
		return err
	}
	if err := m.write(b.dir); err != nil {
		return err
	}
	b.marked = info.Size()
	return nil
}

// markClosed says what Badger's files are, after Badger has been closed.
func (b *badgerCopy) markClosed() error {
	f, err := listBadger(b.dir)
	if err != nil {
		return err
	}
	m := badgerMark{Closed: true, Values: make(map[string]int64)}
	for name, size := range f.sizes {
		if strings.HasSuffix(name, ".mem") {
			return nil // something was left for the next open to do
		}
		if strings.HasSuffix(name, ".vlog") {
			m.Values[name] = size
		}
	}
	path := filepath.Join(b.dir, badger.ManifestFilename)
	if m.ManifestBytes, m.ManifestSum, err = checksumFront(path, f.sizes[badger.ManifestFilename]); err != nil {
		return err
	}
	return m.write(b.dir)
}

// checksumFront reads at most n bytes of a file and gives how many there were and their checksum.
func checksumFront(path string, n int64) (int64, uint32, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("read badger's manifest: %w", err)
	}
	defer file.Close()
	sum := crc32.New(castagnoli)
	n, err = io.Copy(sum, io.LimitReader(file, n))
	if err != nil {
		return 0, 0, fmt.Errorf("read badger's manifest: %w", err)
	}
	return n, binary.BigEndian.Uint32(sum.Sum(nil)), nil
}
