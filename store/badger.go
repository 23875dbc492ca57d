package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Badger's settings. The defaults cost four times the CPU and gigabytes of memory here.
//
// Memtables and tables are small because Badger builds each table in memory that it then keeps for later ones while it
// is busy, up to eight pieces. One piece is at first twice the size of the table that it was made for, and keeps what it grew
// through: 4 + 8 + 16 MiB where the table of a memtable of 16 MiB was built in it. A validator that caught up was busy for long
// enough to have all eight, and had 160 MB of them, twice that with what the garbage collector allows. With these
// settings a piece begins with 2 to 6 MiB. Tables of the deepest level, and their pieces, double each time the keys grow
// tenfold from 10 MB on.
const (
	badgerValueThreshold = 1 << 10   // larger values go to the value log, which is written once
	badgerMemTable       = 4 << 20   // bytes; see below
	largestMemTable      = 64 << 20  // bytes; no build had larger ones
	badgerMemTables      = 4         // waiting to be written out
	badgerTable          = 1 << 20   // bytes; of the first level behind that of the memtables, twice that in each deeper one
	badgerLevelZero      = 8         // tables before they are compacted
	badgerLevelZeroStall = 16        // tables before writers wait
	badgerIndexCache     = 16 << 20  // bytes
	badgerValueLogFile   = 256 << 20 // bytes
	badgerCompactors     = 2
)

// badgerCopy is the copy of blocks and commits that can be asked. Reads are safe for concurrent
// use; batches and sync are the copier's.
type badgerCopy struct {
	db      *badger.DB
	dir     string
	orderly bool            // it was new, or closed in order, when it was opened
	marked  int64           // size of the manifest at the last mark
	synced  map[string]bool // files that nothing is written to any more and that are on disk
	arena   []byte          // where the values of a batch are sealed; used again by the next
	stuck   *stuck
}

// stuck hears of writes that Badger tries again for ever, and makes everybody wait for meanwhile. It is safe for
// concurrent use.
type stuck struct {
	begun chan struct{} // closed with the first report
	mu    sync.Mutex
	err   error
	tell  func(error) // nil until somebody listens
}

func (s *stuck) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		close(s.begun)
	}
	if s.err = err; s.tell != nil {
		s.tell(err)
	}
}

// why is what was reported last; nil for nothing.
func (s *stuck) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// listen calls tell for what is reported from now on, and for what was before.
func (s *stuck) listen(tell func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tell = tell; s.err != nil {
		tell(s.err)
	}
}

func openBadger(dir string, logger *slog.Logger) (b *badgerCopy, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make badger directory: %w", err)
	}
	memtable, err := memtableSize(dir)
	if err != nil {
		return nil, err
	}
	retries := &stuck{begun: make(chan struct{})}
	o := badger.DefaultOptions(dir).
		WithValueThreshold(badgerValueThreshold).
		WithMemTableSize(memtable).
		WithNumMemtables(badgerMemTables).
		WithBaseTableSize(badgerTable).
		WithNumLevelZeroTables(badgerLevelZero).
		WithNumLevelZeroTablesStall(badgerLevelZeroStall).
		WithIndexCacheSize(badgerIndexCache).
		WithBlockCacheSize(0).
		WithCompression(options.None).
		WithValueLogFileSize(badgerValueLogFile).
		WithNumCompactors(badgerCompactors).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithSyncWrites(false).
		WithLogger(badgerLogger{logger, retries})
	b = &badgerCopy{dir: dir, synced: make(map[string]bool), stuck: retries}
	if b.orderly, err = inspectBadger(o); err != nil {
		return nil, fmt.Errorf("inspect badger: %w", err)
	}
	if err := removeBadgerMark(dir); err != nil {
		return nil, err
	}
	if err := removeEmptyMemtables(dir); err != nil {
		return nil, err
	}
	err = guard(dir, func() error {
		b.db, err = badger.Open(o)
		return blame(dir, err)
	})
	if err != nil {
		return nil, fmt.Errorf("open badger: %w", err)
	}
	if err := b.markManifest(); err != nil {
		return nil, errors.Join(err, b.db.Close())
	}
	return b, nil
}

// guard runs fn and turns Badger's panics, and faults on its mapped files, into a *CorruptError.
func guard(dir string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = corruptBadger(dir, fmt.Sprintf("badger panicked: %v", r))
		}
	}()
	return fn()
}

// blame takes an error of Badger's for damage unless the system made it.
func blame(dir string, err error) error {
	var system syscall.Errno
	if err == nil || errors.As(err, &system) || errors.Is(err, badger.ErrDBClosed) {
		return err
	}
	return corruptBadger(dir, err.Error())
}

func corruptBadger(dir, detail string) error {
	return &CorruptError{File: dir, Offset: -1, Detail: detail, Next: nextAfterBadgerDamage(dir)}
}

// get gives a copy of the value of key, its checksum checked and taken off.
func (b *badgerCopy) get(key []byte) (value []byte, found bool, err error) {
	err = guard(b.dir, func() error {
		return b.db.View(func(txn *badger.Txn) error {
			item, err := txn.Get(key)
			if errors.Is(err, badger.ErrKeyNotFound) {
				return nil
			}
			if err != nil {
				return blame(b.dir, err)
			}
			found = true
			value, err = b.value(item)
			return err
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("read badger: %w", err)
	}
	return value, found, nil
}

// value copies an item's value and checks it.
func (b *badgerCopy) value(item *badger.Item) ([]byte, error) {
	sealed, err := item.ValueCopy(nil)
	if err != nil {
		return nil, blame(b.dir, err)
	}
	value, err := openValue(sealed)
	if err != nil {
		return nil, corruptBadger(b.dir, fmt.Sprintf("key %x: %v", item.Key(), err))
	}
	return value, nil
}

// errStop ends an iteration without being an error.
var errStop = errors.New("stop")

// direction is which way an iteration goes.
type direction uint8

const (
	ascending direction = iota
	descending
)

// each calls fn for the keys of a prefix from key from on, until fn gives errStop or an error.
func (b *badgerCopy) each(prefix, from []byte, way direction, fn func(*badger.Item) error) error {
	o := badger.IteratorOptions{Prefix: prefix, Reverse: way == descending}
	err := guard(b.dir, func() error {
		return b.db.View(func(txn *badger.Txn) error {
			it := txn.NewIterator(o)
			defer it.Close()
			for it.Seek(from); it.ValidForPrefix(prefix); it.Next() {
				if err := fn(it.Item()); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errStop) {
		return fmt.Errorf("walk badger: %w", err)
	}
	return nil
}

// last is where a descending iteration over prefix starts.
func last(prefix ...byte) []byte {
	const longestKey = 64
	return append(prefix, []byte(strings.Repeat("\xff", longestKey))...)
}

// batch collects writes. Values are sealed with their checksum. One batch is open at a time.
type batch struct {
	writes *badger.WriteBatch
	owner  *badgerCopy
	arena  []byte
}

func (b *badgerCopy) batch() *batch { return &batch{b.db.NewWriteBatch(), b, b.arena[:0]} }

func (w *batch) set(key []byte, parts ...[]byte) error {
	at := len(w.arena)
	w.arena = appendSealed(w.arena, parts...)
	value := w.arena[at:len(w.arena):len(w.arena)]
	return w.write(func() error { return w.writes.Set(key, value) })
}

// mark sets a key without a value.
func (w *batch) mark(key []byte) error {
	return w.write(func() error { return w.writes.Set(key, nil) })
}

func (w *batch) remove(key []byte) error {
	return w.write(func() error { return w.writes.Delete(key) })
}

// flush returns when Badger has taken everything; it is not durable before sync.
func (w *batch) flush() error {
	if err := w.write(w.writes.Flush); err != nil {
		return err
	}
	w.owner.arena = w.arena // Badger has copied everything
	return nil
}

// cancel gives an unfinished batch back.
func (w *batch) cancel() { w.writes.Cancel() }

func (w *batch) write(fn func() error) error {
	if err := guard(w.owner.dir, fn); err != nil {
		return fmt.Errorf("write badger: %w", err)
	}
	return nil
}

// sync returns when everything flushed before is durable. Badger's own Sync covers only the files
// it writes to now; those it has turned its back on since the last sync are synced here.
func (b *badgerCopy) sync() error {
	if err := guard(b.dir, b.db.Sync); err != nil {
		return fmt.Errorf("sync badger: %w", err)
	}
	if err := b.markManifest(); err != nil {
		return err
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return fmt.Errorf("sync badger: %w", err)
	}
	newest := map[string]string{} // by extension; names sort by number
	for _, e := range entries {
		newest[filepath.Ext(e.Name())] = e.Name()
	}
	changed := false
	for _, e := range entries {
		name := e.Name()
		ext := filepath.Ext(name)
		if (ext != ".mem" && ext != ".vlog") || name == newest[ext] || b.synced[name] {
			continue
		}
		if err := syncFile(filepath.Join(b.dir, name)); err != nil {
			return fmt.Errorf("sync badger: %w", err)
		}
		b.synced[name], changed = true, true
	}
	if changed {
		if err := syncParent(filepath.Join(b.dir, "MANIFEST")); err != nil {
			return fmt.Errorf("sync badger: %w", err)
		}
	}
	return nil
}

// syncFile makes a file durable; one that has gone meanwhile was no longer needed.
func syncFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (b *badgerCopy) close() error {
	if err := guard(b.dir, b.db.Close); err != nil {
		return fmt.Errorf("close badger: %w", err)
	}
	return b.markClosed()
}

// badgerLogger passes Badger's warnings and errors on and drops its chatter.
type badgerLogger struct {
	*slog.Logger
	stuck *stuck
}

// retriesFlush begins what Badger logs, once a second and for ever, while it cannot write a memtable out.
const retriesFlush = "error flushing memtable"

func (l badgerLogger) Errorf(format string, args ...any) {
	message := strings.TrimSpace(fmt.Sprintf(format, args...))
	l.Error("store.badger", "message", message)
	if strings.HasPrefix(format, retriesFlush) {
		l.stuck.report(errors.New("badger: " + message))
	}
}

func (l badgerLogger) Warningf(format string, args ...any) {
	l.Warn("store.badger", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (badgerLogger) Infof(string, ...any)  {}
func (badgerLogger) Debugf(string, ...any) {}
