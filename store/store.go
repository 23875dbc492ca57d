// Package store keeps what a node must not lose: an append-only log of own and accepted blocks,
// which is the truth for what is recent and the record of what this node has signed, and Badger as
// the copy that can be asked. What is recent is answered from memory.
//
// Append and Sync make blocks durable; a background copier brings blocks and commits into Badger.
// Every read is checked against its digest. After any write error the store fails for good: after
// a sync that went wrong nobody can say what is on disk.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Defaults and bounds of Options.
const (
	// defaultCache is how many bytes of the newest blocks and commits stay in memory: followers
	// that are at most some seconds behind never reach Badger.
	defaultCache = 64 << 20
	// defaultQueue is how many bytes may wait for the copier before Append and PutCommits block.
	defaultQueue = 64 << 20
	// defaultSyncEvery is how often what Badger took is synced.
	defaultSyncEvery = 100 * time.Millisecond
	// defaultMinFree is twice what Badger may take in one go (five memtables of 4 MiB and a value
	// log of 256 MiB) with some segments of the log, in bytes.
	defaultMinFree = 1 << 30
)

// DamagePolicy says what Open does with a log that is not what was written.
type DamagePolicy uint8

const (
	// RefuseDamage makes Open return the *CorruptError. It is the default: an operator decides.
	RefuseDamage DamagePolicy = iota
	// SetDamageAside makes Open keep the damaged log under another name, copy the blocks it could
	// read into Badger, and begin a new log; Recovery.Log is LogDamaged.
	SetDamageAside
)

// Options say where a store is, whose it is and how large it may grow. Zero values of the sizes and
// times stand for their defaults.
type Options struct {
	Dir       string         // the data directory: LOCK, log and badger lie in it
	Committee *dag.Committee // of the current epoch; blocks are verified against it
	Self      dag.Author     // whose blocks are own blocks, or ordering.Observer
	Logger    *slog.Logger   // nil for none

	OnDamage DamagePolicy
	GCDepth  dag.Round // rounds below the newest commit's that the engine still needs; 0 for ordering.GCDepth

	SegmentBytes int64         // size of a log segment
	CacheBytes   int           // newest blocks and commits held in memory
	QueueBytes   int           // what may wait for the copier
	SyncEvery    time.Duration // pace of the copier
	MinFree      uint64        // free bytes below which Space says "not enough"
	Retention    Retention     // how much of the history is kept

	files filesystem // nil for the real one
	runs  runLimits  // zero for the standard ones

	leastKept dag.CommitIndex                      // 0 for LeastKept
	after     func(time.Duration) <-chan time.Time // nil for time.After
}

func (o *Options) complete() error {
	if o.Dir == "" || o.Committee == nil {
		return errors.New("store options: data directory and committee must be given")
	}
	if o.Self != ordering.Observer && !o.Committee.Has(o.Self) {
		return fmt.Errorf("store options: author %d of %d", o.Self, o.Committee.Size())
	}
	o.SegmentBytes = orDefault(o.SegmentBytes, defaultSegment)
	if o.SegmentBytes < minSegment || o.SegmentBytes > maxSegment {
		return fmt.Errorf("store options: log segments of %d bytes, want %d to %d", o.SegmentBytes, minSegment, maxSegment)
	}
	o.GCDepth = orDefault(o.GCDepth, ordering.GCDepth)
	o.CacheBytes = orDefault(o.CacheBytes, defaultCache)
	o.QueueBytes = orDefault(o.QueueBytes, defaultQueue)
	o.SyncEvery = orDefault(o.SyncEvery, defaultSyncEvery)
	o.MinFree = orDefault(o.MinFree, defaultMinFree)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.leastKept = orDefault(o.leastKept, LeastKept)
	o.runs = orDefault(o.runs, runLimits{runIDs, runCommits})
	if o.files == nil {
		o.files = diskFiles{}
	}
	if o.after == nil {
		o.after = time.After
	}
	return nil
}

func orDefault[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}

func (o *Options) logDir() string    { return filepath.Join(o.Dir, "log") }
func (o *Options) badgerDir() string { return filepath.Join(o.Dir, "badger") }

// Store is one node's storage. Append, Sync, PutCommits and Close are for one goroutine; everything
// else is safe for concurrent use.
type Store struct {
	options      Options
	lock         *directoryLock
	space        spaceGuard
	log          *blockLog
	badger       *badgerCopy
	base         *ordering.Commit // head of the snapshot that the history began from; nil for none
	recent       *recentView
	index        *txIndex
	reveals      *reveals
	certificates *certificates
	copier       *copier
	copied       uint64                            // blocks appended since open that Badger has taken; the copier's
	beyond       map[dag.CommitIndex]dag.CommitRef // commits that Badger holds behind a gap
	spoken       atomic.Uint64                     // the newest own round that is durable
	logged       atomic.Uint64                     // the newest own round that this life has synced in the log

	failure failure
	life    sync.RWMutex // held for reading while Badger is read, for writing to close it
	closed  bool         // under life
}

// failure remembers the first fatal error.
type failure struct {
	first atomic.Pointer[error]
	ch    chan struct{}
	once  sync.Once
}

func (f *failure) fail(err error) error {
	f.once.Do(func() {
		fatal := fmt.Errorf("%w: %w", ErrFatal, err)
		f.first.Store(&fatal)
		close(f.ch)
	})
	return f.err()
}

func (f *failure) err() error {
	if p := f.first.Load(); p != nil {
		return *p
	}
	return nil
}

// Failed is closed when the store has stopped for good; Err then says why.
func (s *Store) Failed() <-chan struct{} { return s.failure.ch }

// Err is nil, or the write error that stopped the store; it wraps ErrFatal.
func (s *Store) Err() error { return s.failure.err() }

// Append writes blocks, ancestors first, into the log and hands them to the copier. They are
// readable at once but not durable before Sync. It blocks while the copier is too far behind.
// Errors wrap ErrFatal, or are ErrClosed.
func (s *Store) Append(blocks []*dag.Verified) error {
	if err := s.usable(); err != nil {
		return err
	}
	if len(blocks) == 0 {
		return nil
	}
	first := s.log.appended
	if err := s.log.append(blocks); err != nil {
		return s.failure.fail(err)
	}
	s.recent.addBlocks(blocks)
	for i, b := range blocks {
		if err := s.copier.put(queued{block: b, position: first + uint64(i) + 1, size: blockCost(b)}); err != nil {
			return err
		}
	}
	return nil
}

// Sync returns when everything appended before is durable: one fdatasync, none if nothing is new.
// After an error, which wraps ErrFatal, nothing may leave the node.
func (s *Store) Sync() error {
	if err := s.usable(); err != nil {
		return err
	}
	if err := s.log.sync(); err != nil {
		return s.failure.fail(err)
	}
	s.spoken.Store(max(s.spoken.Load(), uint64(s.log.own)))
	s.logged.Store(uint64(s.log.own))
	return nil
}

// withheld reports whether a block is an own one that Sync has not made durable yet: no other node
// may have it, since a power cut could make this one forget that it signed it. Ask after the block
// was found; what is durable by then may go.
func (s *Store) withheld(r dag.Ref) bool {
	return r.Author == s.options.Self && uint64(r.Round) > s.spoken.Load()
}

// PutCommits hands commits with their Bodies, which must have been appended, to the copier, in the
// order of their indices. They are readable at once. Commits that are stored already are compared
// and otherwise ignored. It blocks while the copier is too far behind. Errors wrap ErrDiverged or
// ErrFatal, or are ErrClosed.
func (s *Store) PutCommits(commits []*ordering.Commit) error {
	for _, c := range commits {
		if err := s.usable(); err != nil {
			return err
		}
		known, err := s.compare(c)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		e, err := newCommitEntry(c)
		if err != nil {
			return err
		}
		s.index.add(c)
		s.recent.addCommit(e)
		if err := s.copier.put(queued{commit: e, size: e.cost()}); err != nil {
			return err
		}
	}
	return nil
}

// compare reports whether c is stored already, and refuses it if it contradicts what is stored.
func (s *Store) compare(c *ordering.Commit) (bool, error) {
	head := s.Head()
	if c.Index > head.Index {
		if c.Index != head.Index+1 || c.Previous != head.Digest {
			return false, fmt.Errorf("%w: commit %v after %s does not continue %v", ErrDiverged, c.Ref(), c.Previous.Short(), head)
		}
		if old, ok := s.beyond[c.Index]; ok && old.Digest != c.Digest {
			return false, fmt.Errorf("%w: commit %v was %v before the restart", ErrDiverged, c.Ref(), old)
		}
		delete(s.beyond, c.Index)
		return false, nil
	}
	stored, ok, err := s.CommitRecord(c.Index)
	if err != nil {
		return false, err
	}
	if ok && stored.Digest != c.Digest {
		return false, fmt.Errorf("%w: commit %v, stored is %v", ErrDiverged, c.Ref(), stored.Ref())
	}
	return true, nil
}

// Space gives the free bytes of the data directory's disk and whether they are enough to go on
// proposing. It is a system call, cheap enough for once a second.
func (s *Store) Space() (free uint64, enough bool) { return s.space.check() }

// Close writes what is pending, syncs and gives the directory back. After a fatal error it only
// lets go. Calls after the first return ErrClosed.
func (s *Store) Close() error {
	if err := s.usable(); errors.Is(err, ErrClosed) {
		return err
	}
	closed := make(chan error, 1)
	go func() { closed <- s.close() }()
	select {
	case err := <-closed:
		return err
	case <-s.Failed():
	}
	select {
	case err := <-closed:
		return err
	case <-s.options.after(closePatience):
		return fmt.Errorf("%w; the database could not be closed", s.failure.err())
	}
}

// closePatience is how long closing may take after a failure, also one that comes up in closing: on a disk that takes nothing Badger tries for
// ever to write out what it holds. It is in the log as well, and is missed by nobody.
const closePatience = 10 * time.Second

func (s *Store) close() error {
	s.copier.stop()
	s.life.Lock()
	defer s.life.Unlock()
	s.closed = true
	err := s.failure.err()
	if err == nil {
		err = s.log.close()
	} else {
		_ = s.log.current.Close()
	}
	return errors.Join(err, s.badger.close(), s.lock.release())
}

// usable is nil, the fatal error, or ErrClosed.
func (s *Store) usable() error {
	s.life.RLock()
	closed := s.closed
	s.life.RUnlock()
	if closed {
		return ErrClosed
	}
	return s.failure.err()
}
