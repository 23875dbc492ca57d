package store

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// maxRecentReveals is how many reveals stay in memory, beside those that Badger does not have yet.
const maxRecentReveals = 4096

// reveals is the reveals that readers find without Badger, and how far they reach.
type reveals struct {
	mu       sync.Mutex
	records  map[dag.CommitIndex]*reveal.Record
	order    []dag.CommitIndex // of records, ascending
	stored   dag.CommitIndex   // Badger has those up to it
	revealed dag.CommitIndex
	settled  dag.CommitIndex
}

// revealEntry is reveals on their way to Badger.
type revealEntry struct {
	records  []*reveal.Record
	revealed dag.CommitIndex
	settled  dag.CommitIndex
}

func (e *revealEntry) cost() int {
	size := costFixed
	for _, r := range e.records {
		size += costFixed + len(r.Outcomes)*revealCost
	}
	return size
}

// revealCost is what one outcome takes in memory and on disk, in bytes.
const revealCost = 48

// loadReveals reads how far the reveals reach; what a power cut took is revealed once more.
func loadReveals(b *badgerCopy, head dag.CommitIndex) (*reveals, error) {
	r := &reveals{records: make(map[dag.CommitIndex]*reveal.Record)}
	raw, found, err := b.get([]byte{prefixRevealed})
	if err != nil {
		return nil, err
	}
	if found && len(raw) == 16 {
		r.revealed = min(dag.CommitIndex(binary.BigEndian.Uint64(raw)), head)
		r.settled = min(dag.CommitIndex(binary.BigEndian.Uint64(raw[8:])), r.revealed)
		r.stored = r.revealed
	}
	return r, nil
}

// PutReveals notes that all commits up to revealed are revealed, and up to settled no own share is owed to
// others, and keeps the records of those that held sealed items, in order. They are readable at once. They are not synced: a node makes
// lost ones again from the shares in blocks. One goroutine calls it, any but that of Append. It blocks
// while the copier is too far behind. Errors wrap ErrFatal, or are ErrClosed.
func (s *Store) PutReveals(records []*reveal.Record, revealed, settled dag.CommitIndex) error {
	if err := s.usable(); err != nil {
		return err
	}
	e := &revealEntry{records: records, revealed: revealed, settled: settled}
	s.reveals.add(e)
	return s.copier.put(queued{reveals: e, size: e.cost()})
}

func (r *reveals) add(e *revealEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range e.records {
		r.records[record.Commit.Index] = record
		r.order = append(r.order, record.Commit.Index)
	}
	r.revealed, r.settled = max(r.revealed, e.revealed), max(r.settled, e.settled)
}

// kept tells the memory that Badger has the reveals up to i.
func (r *reveals) kept(i dag.CommitIndex) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stored = max(r.stored, i)
	for len(r.order) > maxRecentReveals && r.order[0] <= r.stored {
		delete(r.records, r.order[0])
		r.order = r.order[1:]
	}
}

// Revealed is the newest commit up to which all are there and revealed. Reveals may be put before the commits
// that they are of, since these are synced first.
func (s *Store) Revealed() dag.CommitIndex {
	head, _ := s.recent.bounds()
	s.reveals.mu.Lock()
	defer s.reveals.mu.Unlock()
	return min(s.reveals.revealed, head.Index)
}

// Settled is the newest commit up to which all are revealed and no own share is owed: where a node goes on
// sharing after a restart.
func (s *Store) Settled() dag.CommitIndex {
	s.reveals.mu.Lock()
	defer s.reveals.mu.Unlock()
	return s.reveals.settled
}

// Reveal gives what the sealed items of a revealed commit came to; false where the commit held none or
// is not revealed, see Revealed. The record must not be changed.
func (s *Store) Reveal(i dag.CommitIndex) (*reveal.Record, bool, error) {
	s.reveals.mu.Lock()
	record, revealed := s.reveals.records[i], s.reveals.revealed
	s.reveals.mu.Unlock()
	if err := s.usable(); err != nil || record != nil || i > revealed {
		return record, record != nil, err
	}
	err := s.reading(func() error {
		raw, found, err := s.badger.get(numberKey(prefixReveal, uint64(i)))
		if err != nil || !found {
			return err
		}
		if record, err = reveal.DecodeRecord(raw); err != nil {
			return corruptBadger(s.badger.dir, err.Error())
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read reveal of commit %d: %w", i, err)
	}
	return record, record != nil, nil
}

// setReveals adds records and how far they reach.
func setReveals(w *batch, e *revealEntry) error {
	for _, r := range e.records {
		if err := w.set(numberKey(prefixReveal, uint64(r.Commit.Index)), r.Encode()); err != nil {
			return err
		}
	}
	reach := binary.BigEndian.AppendUint64(nil, uint64(e.revealed))
	return w.set([]byte{prefixRevealed}, binary.BigEndian.AppendUint64(reach, uint64(e.settled)))
}
