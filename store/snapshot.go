package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// witnessDepth is how many rounds below the newest held one are searched for a proof's witnesses.
const witnessDepth = 256

// Snapshot answers a query of another node's: it calls give with the records of the answer in order, until
// that gives an error, which it returns. An answer that is cut short, or empty, says that the rest is not here. It
// reads the disk and may be called by many at once, also while the store goes on.
func (s *Store) Snapshot(q snapshot.Query, give func(record []byte) error) error {
	switch q.Kind {
	case snapshot.AskReach:
		head, earliest := s.recent.bounds()
		return give(snapshot.Reach{Earliest: earliest, Newest: head.Index}.Encode())
	case snapshot.AskProof:
		return s.giveProof(give)
	case snapshot.AskStates:
		return s.giveStates(q.At, give)
	case snapshot.AskWindow:
		return s.giveWindow(q.At, q.Low, give)
	case snapshot.AskDeals:
		return s.giveDeals(q.At, int(q.Low), give)
	}
	return nil
}

// giveProof proves the newest commit that blocks of a quorum name, or one after it.
func (s *Store) giveProof(give func([]byte) error) error {
	witnesses, err := s.witnesses()
	if err != nil || len(witnesses) < s.options.Committee.Quorum() {
		return err
	}
	witnesses = witnesses[:s.options.Committee.Quorum()]
	at := witnesses[len(witnesses)-1].Block().LastCommit.Index
	head, found, err := s.begun(at)
	if err != nil || !found {
		return err
	}
	if err := give(snapshot.EncodeHead(head)); err != nil {
		return err
	}
	for i := at + 1; i <= witnesses[0].Block().LastCommit.Index; i++ {
		c, found, err := s.CommitRecord(i)
		if err != nil || !found {
			return err
		}
		if err := give(snapshot.EncodeHeader(&c.CommitHeader)); err != nil {
			return err
		}
	}
	for _, b := range witnesses {
		if err := give(snapshot.EncodeWitness(b)); err != nil {
			return err
		}
	}
	return nil
}

// witnesses gives of each validator the newest block in memory that names a commit of this store, those
// with the newest commits first. What a faulty one names may be no commit of anybody's.
func (s *Store) witnesses() ([]*dag.Verified, error) {
	var out []*dag.Verified
	head, _ := s.recent.bounds()
	for _, b := range s.recent.newestNaming(head.Index) {
		named := b.Block().LastCommit
		if s.withheld(b.Ref()) || named.Index+snapshot.MaxHeaders < head.Index {
			continue
		}
		c, found, err := s.begun(named.Index)
		if err != nil {
			return nil, err
		}
		if found && c.Digest == named.Digest {
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, func(a, b *dag.Verified) int {
		return cmp.Compare(b.Block().LastCommit.Index, a.Block().LastCommit.Index)
	})
	return out, nil
}

// newestNaming gives of each author the newest block that names a commit up to head.
func (v *recentView) newestNaming(head dag.CommitIndex) []*dag.Verified {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []*dag.Verified
	var have dag.AuthorSet
	for i := len(v.rounds) - 1; i >= 0 && i >= len(v.rounds)-witnessDepth; i-- {
		for _, r := range v.at[v.rounds[i]] {
			b := v.blocks[r].block
			if named := b.Block().LastCommit.Index; !have.Has(r.Author) && named > 0 && named <= head {
				have.Add(r.Author)
				out = append(out, b)
			}
		}
	}
	return out
}

// begun is a commit with its Resume: one of the history, or the head of the snapshot that it began from.
func (s *Store) begun(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	if s.base != nil && i == s.base.Index {
		return s.base, true, nil
	}
	if i < s.Earliest() {
		return nil, false, nil
	}
	return s.CommitRecord(i)
}

func (s *Store) giveStates(at dag.CommitIndex, give func([]byte) error) error {
	states, found, err := s.statesAt(at)
	if err != nil || !found {
		return err
	}
	for _, state := range states {
		if err := give(snapshot.EncodeState(state)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) giveWindow(at, low dag.CommitIndex, give func([]byte) error) error {
	for i := at; i >= low; i-- {
		record, found, err := s.windowRecord(i)
		if err != nil || !found {
			return err
		}
		if err := give(snapshot.EncodeCommit(record)); err != nil {
			return err
		}
	}
	return nil
}

// windowRecord is what the window of duplicates needs of a commit, and whether it is here.
func (s *Store) windowRecord(i dag.CommitIndex) (record []byte, found bool, err error) {
	if s.base != nil && i <= s.base.Index {
		err = s.reading(func() error {
			record, found, err = s.badger.get(windowKey(i))
			return err
		})
		return record, found, err
	}
	c, found, err := s.CommitRecord(i)
	if err != nil || !found {
		return nil, false, err
	}
	return c.EncodeRecord(), true, nil
}

// WindowRecord is CommitRecord that also gives the commits of the window that the history began from: with header,
// digest, anchors, blocks, chains and accepted ids, the chains only of the last ordering.ChainRefresh ones.
func (s *Store) WindowRecord(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	if s.base == nil || i > s.base.Index {
		return s.CommitRecord(i)
	}
	record, found, err := s.windowRecord(i)
	if err != nil || !found {
		return nil, false, err
	}
	c, err := ordering.DecodeRecord(record)
	if err != nil {
		return nil, false, corruptBadger(s.badger.dir, err.Error())
	}
	return c, true, nil
}

// statesAt gives the carried states of a commit, and whether all of them are here.
func (s *Store) statesAt(at dag.CommitIndex) ([]ordering.State, bool, error) {
	head, found, err := s.begun(at)
	if err != nil || !found {
		return nil, false, err
	}
	states, err := s.States(head)
	if errors.Is(err, errPruned) {
		return nil, false, nil
	}
	return states, err == nil, err
}

// errPruned says that what a commit carries went with what was pruned.
var errPruned = errors.New("pruned")

// States gives the carried states of a commit that begun the history, or is in it: of the newest commit, and
// of those before it as long as nothing has been pruned that they carry, which an error says that wraps errPruned. head
// may be nil. It reads the disk.
func (s *Store) States(head *ordering.Commit) ([]ordering.State, error) {
	return ordering.ReadStates(head, func(i dag.CommitIndex) (*ordering.Commit, error) {
		c, found, err := s.CommitRecord(i)
		if err != nil || found {
			return c, err
		}
		err = s.reading(func() (err error) {
			c, err = s.badger.begunWith(i)
			return err
		})
		if err != nil || len(c.States) > 0 {
			return c, err
		}
		return nil, s.withoutStates(i)
	})
}

// withoutStates says why the states that commit i wrote are not here: they may have been pruned, unless the snapshot that
// the history began from had them or the newest commit carries them.
func (s *Store) withoutStates(i dag.CommitIndex) error {
	newest, found, err := s.begun(s.Head().Index)
	if err != nil {
		return err
	}
	began := s.base != nil && i <= s.base.Index
	carried := found && slices.ContainsFunc(newest.StateRefs(), func(r ordering.StateRef) bool { return r.Commit == i })
	if began || carried || i >= s.Earliest() {
		return s.badger.missingStates(i)
	}
	return errPruned
}

func (b *badgerCopy) missingStates(i dag.CommitIndex) error {
	return corruptBadger(b.dir, fmt.Sprintf("the states that commit %d wrote are missing", i))
}

// begunWith gives a commit with nothing but the states that came with a snapshot and were written with it; none where
// no snapshot had any.
func (b *badgerCopy) begunWith(i dag.CommitIndex) (*ordering.Commit, error) {
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: i}}
	prefix := numberKey(prefixState, uint64(i))
	err := b.each(prefix, prefix, ascending, func(item *badger.Item) error {
		raw, err := b.value(item)
		if err != nil {
			return err
		}
		key := item.Key()
		c.States = append(c.States, ordering.State{Kind: ordering.StateKind(key[len(key)-1]), Encoded: raw})
		return nil
	})
	return c, err
}

func windowKey(i dag.CommitIndex) []byte { return numberKey(prefixWindow, uint64(i)) }

func stateKey(i dag.CommitIndex, kind ordering.StateKind) []byte {
	return append(numberKey(prefixState, uint64(i)), byte(kind))
}

// loadBase reads the head of the snapshot that a history began from; nil if it began with the first commit.
func loadBase(b *badgerCopy) (*ordering.Commit, error) {
	raw, found, err := b.get([]byte{prefixBase})
	if err != nil || !found {
		return nil, err
	}
	c, err := snapshot.DecodeHead(raw)
	if err != nil {
		return nil, corruptBadger(b.dir, err.Error())
	}
	return c, nil
}

// numberValue is a value that is one number.
func numberValue(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
