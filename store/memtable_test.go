package store

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// TestMemtablesOfAnEarlierBuild: a database that was killed under a build with larger memtables opens, and has all that
// stood in its write-ahead log. Badger ends the process where it does not fit.
func TestMemtablesOfAnEarlierBuild(t *testing.T) {
	const larger, entries = 4 * badgerMemTable, 12_000
	dir, killed := t.TempDir(), t.TempDir()
	o := badger.DefaultOptions(dir).WithMemTableSize(larger).WithValueLogFileSize(8 << 20).WithLogger(nil).WithMetricsEnabled(false)
	db, err := badger.Open(o)
	check(t, err)
	writes, value := db.NewWriteBatch(), make([]byte, 900)
	for i := range uint32(entries) {
		check(t, writes.Set(binary.BigEndian.AppendUint32([]byte("key"), i), value))
	}
	check(t, writes.Flush())
	check(t, os.CopyFS(killed, os.DirFS(dir)))
	check(t, db.Close())

	for range 2 { // the second time with memtables of this build
		b, err := openBadger(killed, nil)
		check(t, err)
		found := 0
		check(t, b.each([]byte("key"), nil, ascending, func(*badger.Item) error { found++; return nil }))
		if found != entries {
			t.Errorf("%d entries, want %d", found, entries)
		}
		check(t, b.close())
	}
	if size, err := memtableSize(killed); err != nil || size != badgerMemTable {
		t.Errorf("memtables of %d bytes after a stop in order, %v; want %d", size, err, badgerMemTable)
	}
}

// TestMemtableOfAHugeLog: a log that somebody has made huge does not decide what memory is taken for it.
func TestMemtableOfAHugeLog(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(dir+"/00001.mem", nil, 0o600))
	check(t, os.Truncate(dir+"/00001.mem", 1<<30))
	if size, err := memtableSize(dir); err != nil || size != largestMemTable {
		t.Errorf("memtables of %d bytes, %v; want %d", size, err, largestMemTable)
	}
}
