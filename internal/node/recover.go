package node

import (
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// recover opens the store and gives the engine that goes on from what the disk holds.
func (n *node) recover(o Options) (*ordering.Engine, error) {
	keep, err := n.home.Config.Store.retention()
	if err != nil {
		return nil, err
	}
	s, found, err := store.Open(store.Options{
		Dir: n.home.DataDir(), Committee: n.committee, Self: n.self, Logger: n.log, OnDamage: o.Damage,
		MinFree: uint64(n.home.Config.Limits.MinFreeDiskMiB) << 20, Retention: keep,
	})
	if err != nil {
		return nil, storeError(err)
	}
	n.begin = n.beginning(o.Begin, found)
	engine, err := n.restore(s, found)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("recover from %s: %w", n.home.DataDir(), err), s.Close())
	}
	n.store = s
	n.log.Info("store_opened", "log", found.Log, "commit", s.Head().Index, "blocks", len(found.Blocks),
		"torn_bytes", found.Report.TornBytes, "replayed", found.Report.Replayed)
	if damage := found.Report.BadgerDamage; damage != nil {
		n.log.Warn("database_made_again", "damage", damage.Detail, "set_aside", found.Report.BadgerAside)
	}
	return engine, nil
}

func (n *node) restore(s *store.Store, found *store.Recovery) (*ordering.Engine, error) {
	var err error
	if n.doubt, err = openDoubt(n.home.DataDir(), n.self, found.OwnLast); err != nil {
		return nil, err
	}
	if found.Log == store.LogMissing || found.Log == store.LogDamaged {
		if err := n.doubt.raise(); err != nil {
			return nil, err
		}
	}
	if n.twin = newTwin(n.self, n.started, found.OwnLast, n.doubt); n.doubt.stands {
		n.log.Warn("log_not_whole", "next", "none: this node asks the others what it has signed, and listens for another copy of itself, before it speaks")
	}
	r := ordering.Restored{Head: found.Head, Blocks: found.Blocks, Own: found.OwnLast, LogLost: n.doubt.stands}
	err = s.Window(func(c *ordering.Commit) error { r.Window = append(r.Window, c); return nil })
	if err != nil {
		return nil, err
	}
	if r.OwnRecent, err = s.OwnUncommitted(); err != nil {
		return nil, err
	}
	if r.States, err = s.States(found.Head); err != nil {
		return nil, err
	}
	return ordering.NewEngine(ordering.Config{
		Committee: n.committee, Registry: n.home.Genesis.Registry(), Self: n.self, Signer: n.home.Keys.Identity,
		Created: n.home.Genesis.Created, Sealing: features.Sealing, Certification: features.Certification, KEM: n.home.Keys.KEM,
		Pool: ordering.PoolLimits{Bytes: n.home.Config.Limits.PoolMiB << 20},
	}, r)
}

// snapshotError adds the next step to what this node's own disk says of a snapshot.
func (h *Home) snapshotError(err error) error {
	var told *HomeError
	if err = storeError(err); errors.As(err, &told) {
		return err
	}
	return &HomeError{err, fmt.Sprintf("look at the disk under %[1]s and at what the system says of it. If it is full, free space: a snapshot needs "+
		"room beside the history that it replaces, and %[1]s/*.damaged-* may go. Then start the node again as before: it takes the snapshot again, or goes on from it if it is whole", h.DataDir())}
}

// storeError adds the next step to what Open says.
func storeError(err error) error {
	var corrupt *store.CorruptError
	switch {
	case errors.Is(err, store.ErrLocked):
		return &HomeError{err, "stop the process that holds the home, or give this one a home of its own"}
	case errors.As(err, &corrupt):
		return &HomeError{err, corrupt.Next}
	}
	return err
}
