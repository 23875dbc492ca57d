package store

import (
	"errors"
	"fmt"
	"os"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// LogState says what the log still knows of the node's past signatures.
type LogState uint8

const (
	// LogWhole: everything that was ever synced is there.
	LogWhole LogState = iota + 1
	// LogTorn: an unfinished write was cut off the end. Nothing shows that it was ever synced, so
	// that nothing of it should have left the node; a crash leaves this behind.
	LogTorn
	// LogMissing: there was no log, or it was begun in place of a missing one and holds no own block
	// yet. The node may have signed what it does not remember.
	LogMissing
	// LogDamaged: as LogMissing, after damage.
	LogDamaged
)

// String is the state in one word.
func (l LogState) String() string {
	names := [...]string{"", "whole", "torn", "missing", "damaged"}
	if int(l) < len(names) {
		return names[l]
	}
	return fmt.Sprintf("LogState(%d)", uint8(l))
}

// Recovery is what Open found: all that the engine needs to go on.
type Recovery struct {
	Log    LogState
	Report Report
	// Head is the newest commit with an unbroken chain below it, without Bodies; nil for none. The
	// commits behind it are the engine's to make again and to put again.
	Head *ordering.Commit
	// GCRound is the round below and at which Blocks leaves blocks out.
	GCRound dag.Round
	// Blocks are all blocks of later rounds whose ancestors above GCRound are there, ancestors
	// first, each verified again.
	Blocks []*dag.Verified
	// OwnLast is the newest own block, of whatever round; nil for none.
	OwnLast *dag.Verified
}

// Report tells an operator what was repaired.
type Report struct {
	TornBytes  int64         // of an unfinished write that was cut off the log: at least so many
	Damage     *CorruptError // what was wrong with the log; nil for nothing
	SetAside   string        // where the damaged log now lies; empty for nowhere
	Replayed   int           // blocks of the log that Badger did not have
	Unchained  int           // commits that Badger holds behind a gap
	NewBadger  bool          // Badger held nothing: it is new, or its history is lost
	Incomplete int           // blocks left out because an ancestor is missing

	BadgerDamage *CorruptError // what was wrong with Badger, which was made again from the log; nil for nothing
	BadgerAside  string        // where the damaged one now lies
}

// Create makes the store of a new node: a log that says that nothing was signed before it. It gives
// ErrExists if there is one already, and ErrLocked if a process holds the directory.
func Create(o Options) error {
	if err := o.complete(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	lock, err := lockDirectory(o.Dir)
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	defer lock.release()
	for _, dir := range []string{o.logDir(), o.badgerDir()} {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("create store: %w: %s", ErrExists, dir)
		}
	}
	log, err := beginLog(o.files, o.logDir(), o.SegmentBytes, o.Committee.Network(), o.Self, originFresh)
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	if err := log.close(); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	return nil
}

// Open takes the data directory, repairs Badger from the log and gives the store with what it found.
// A damaged Badger is made again where the log reaches back far enough, else it is an error wrapping ErrCorrupt.
// A missing log is begun anew, which Recovery.Log says; a damaged one is an error wrapping
// ErrCorrupt unless OnDamage says otherwise. ErrLocked: another process has the directory.
func Open(o Options) (*Store, *Recovery, error) {
	if err := o.complete(); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("open store: %w", err)
	}
	lock, err := lockDirectory(o.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open store: %w", err)
	}
	s, found, err := load(o, lock)
	if err != nil {
		return nil, nil, fmt.Errorf("open store: %w", errors.Join(err, lock.release()))
	}
	s.badger.stuck.listen(func(err error) {
		_ = s.failure.fail(err) // whoever calls next gets it
		s.copier.wakeAll()
	})
	go s.copier.run()
	return s, found, nil
}

// loader is Open at work.
type loader struct {
	options  Options
	badger   *badgerCopy
	base     *ordering.Commit // head of the snapshot that the history began from; nil for none
	log      *blockLog
	pruner   *pruner
	beyond   map[dag.CommitIndex]dag.CommitRef
	loaded   []*dag.Verified // all blocks of rounds above GCRound
	recovery Recovery
}

// abandon gives back what was opened before an error.
func (l *loader) abandon() error {
	var err error
	if l.log != nil {
		err = l.log.current.Close()
	}
	if l.badger != nil {
		err = errors.Join(err, l.badger.close())
	}
	return err
}

func (l *loader) load(lock *directoryLock) (*Store, error) {
	o := l.options
	var err error
	if l.badger, err = openBadger(o.badgerDir(), o.Logger); err != nil {
		return nil, err
	}
	if err := l.identify(); err != nil {
		return nil, err
	}
	if l.base, err = loadBase(l.badger); err != nil {
		return nil, err
	}
	if l.pruner, err = loadPruner(l.badger, &o, l.base); err != nil {
		return nil, err
	}
	if err := l.findHead(); err != nil {
		return nil, err
	}
	if err := l.loadLog(); err != nil {
		return nil, err
	}
	if err := l.loadBlocks(); err != nil {
		return nil, err
	}
	var head dag.CommitRef
	if l.recovery.Head != nil {
		head = l.recovery.Head.Ref()
	}
	s := &Store{
		options: o, lock: lock, log: l.log, badger: l.badger, base: l.base, beyond: l.beyond,
		space:   spaceGuard{dir: o.Dir, minFree: o.MinFree},
		recent:  newRecentView(o.CacheBytes, l.recovery.GCRound+1, head),
		failure: failure{ch: make(chan struct{})},
	}
	s.recent.beginAt(l.pruner.earliest)
	if s.index, err = loadTxIndex(l.badger, l.pruner.earliest, head.Index, o.runs); err != nil {
		return nil, err
	}
	if s.certificates, err = loadCertificates(l.badger); err != nil {
		return nil, err
	}
	if s.reveals, err = loadReveals(l.badger, head.Index); err != nil {
		return nil, err
	}
	s.spoken.Store(uint64(roundOf(l.recovery.OwnLast)))
	s.recent.restore(l.loaded)
	s.copier = newCopier(s)
	s.copier.pruner, l.pruner.over = l.pruner, s.reveals.over
	return s, nil
}

// identify checks that Badger's copy is of this network and validator, and writes so if it is new.
func (l *loader) identify() error {
	want := l.options.identity()
	got, found, err := l.badger.get([]byte{prefixIdentity})
	if err != nil {
		return err
	}
	if found && string(got) != string(want) {
		return corruptBadger(l.options.badgerDir(), "it belongs to another network or validator")
	}
	if found {
		return nil
	}
	l.recovery.Report.NewBadger = true
	w := l.badger.batch()
	defer w.cancel()
	if err := w.set([]byte{prefixIdentity}, want); err != nil {
		return err
	}
	return w.flush()
}

// identity says whose store it is.
func (o *Options) identity() []byte {
	network := o.Committee.Network()
	b := append([]byte{1}, network[:]...)
	return append(b, byte(o.Self>>8), byte(o.Self))
}

// loadLog replays the log into Badger and opens it for writing, or begins a new one.
func (l *loader) loadLog() error {
	o := l.options
	r := &replay{badger: l.badger, self: o.Self, floor: l.pruner.floor}
	scan := &logScan{dir: o.logDir(), network: o.Committee.Network(), self: o.Self, visit: r.block}
	found, err := scan.run()
	if err := errors.Join(err, r.finish()); err != nil {
		return err
	}
	l.recovery.Report.Replayed = r.written
	if l.recovery.OwnLast, err = l.ownLast(); err != nil {
		return err
	}
	if err := l.checkHighest(found, scan); err != nil {
		return err
	}
	if found != nil && found.damage == nil && roundOf(l.recovery.OwnLast) < found.ownRound {
		found.damage = scan.damaged(o.logDir(), -1, fmt.Sprintf("the own block of round %d is neither in the log nor in badger", found.ownRound))
	}
	switch {
	case found == nil:
		l.recovery.Log = LogMissing
		return l.beginLog(originMissing)
	case found.damage != nil:
		return l.setAside(found.damage)
	}
	l.recovery.Log = LogWhole
	if torn := found.segments[len(found.segments)-1].tail.torn; torn > 0 {
		l.recovery.Log, l.recovery.Report.TornBytes = LogTorn, int64(torn)
	}
	if state, forgetful := found.forgetful(); forgetful {
		l.recovery.Log = state
	}
	l.log, err = resumeLog(o.files, o.logDir(), o.SegmentBytes, o.Self, found)
	return err
}

// checkHighest holds the log's own blocks against the highest round that Badger has had from it.
func (l *loader) checkHighest(found *foundLog, scan *logScan) error {
	if found == nil || found.damage != nil {
		return nil
	}
	raw, ok, err := l.badger.get([]byte{prefixHighest})
	if err != nil || !ok || len(raw) != logIDSize+8 {
		return err
	}
	newest := found.segments[len(found.segments)-1]
	round := dag.Round(lastNumber(raw))
	if [logIDSize]byte(raw) != newest.header.logID || round <= found.ownRound {
		return nil
	}
	found.damage = scan.damaged(segmentPath(scan.dir, newest.header.sequence), int64(newest.tail.end),
		fmt.Sprintf("its records end here, with own blocks up to round %d; badger has had one of round %d", found.ownRound, round))
	return nil
}
