package store

import (
	"errors"
	"fmt"
	"os"
)

// load opens what is on disk. Where Badger is damaged and the log still has everything since the
// node was made, it sets Badger aside and fills a new one from the log; the commits are the engine's to
// make again. Where the log has been recycled since, the damage is the error.
func load(o Options, lock *directoryLock) (*Store, *Recovery, error) {
	if err := o.settleJoin(); err != nil {
		return nil, nil, err
	}
	l := &loader{options: o}
	s, err := l.load(lock)
	if err == nil {
		return s, &l.recovery, nil
	}
	err = errors.Join(err, l.abandon())
	var damage *CorruptError
	if !errors.As(err, &damage) || damage.File != o.badgerDir() || !o.logReachesBack() {
		return nil, nil, err
	}
	path, err := moveAside(o.badgerDir())
	if err != nil {
		return nil, nil, errors.Join(damage, err)
	}
	l = &loader{options: o}
	if s, err = l.load(lock); err != nil {
		return nil, nil, errors.Join(err, l.abandon())
	}
	l.recovery.Report.BadgerDamage, l.recovery.Report.BadgerAside = damage, path
	return s, &l.recovery, nil
}

// logReachesBack reports whether the log has its first segment and was begun with the node.
func (o *Options) logReachesBack() bool {
	f, err := os.Open(segmentPath(o.logDir(), 1))
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, segmentHeader)
	if _, err := f.ReadAt(start, 0); err != nil {
		return false
	}
	h, err := decodeHeader(start)
	return err == nil && h.origin == originFresh && h.network == o.Committee.Network() && h.author == o.Self
}

// moveAside gives a damaged directory the first free name of those that stand for one.
func moveAside(dir string) (string, error) {
	path, ok := asideName(dir)
	if !ok {
		return "", fmt.Errorf("set %s aside: %d damaged ones are there already; next: remove %s.damaged-*", dir, setAsideLimit, dir)
	}
	if err := (diskFiles{}).Rename(dir, path); err != nil {
		return "", fmt.Errorf("set %s aside: %w", dir, err)
	}
	return path, nil
}

// asideName is the first free name of those that stand for a damaged directory, or the last, which is taken.
func asideName(dir string) (path string, free bool) {
	for i := 1; i <= setAsideLimit; i++ {
		path = fmt.Sprintf("%s.damaged-%d", dir, i)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return path, true
		}
	}
	return path, false
}
