package store

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
)

// replay copies the log's blocks into Badger where they are missing or damaged there. Each is read
// back: Badger cuts its value log off at the first bad entry and keeps the keys. Doing it twice
// changes nothing.
type replay struct {
	badger  *badgerCopy
	self    dag.Author
	floor   dag.Round // blocks of rounds below were pruned
	writes  *batch
	pending int // bytes in writes
	written int // blocks
}

// block takes one block of the log.
func (r *replay) block(ref dag.Ref, raw []byte) error {
	if blockDigest(raw) != ref.Digest {
		return fmt.Errorf("replay log: block %v does not have the digest of its record", ref)
	}
	if ref.Round < r.floor {
		return nil
	}
	known, err := r.has(ref)
	if err != nil || known {
		return err
	}
	if r.writes == nil {
		r.writes = r.badger.batch()
	}
	if err := setBlock(r.writes, r.self, ref, raw); err != nil {
		return err
	}
	r.written++
	if r.pending += len(raw); r.pending >= copyBatch {
		return r.flush()
	}
	return nil
}

func (r *replay) has(ref dag.Ref) (bool, error) {
	raw, found, err := r.badger.get(blockKey(ref))
	if errors.Is(err, ErrCorrupt) {
		return false, nil // the log has it: write it again
	}
	return found && blockDigest(raw) == ref.Digest, err
}

func (r *replay) flush() error {
	w := r.writes
	r.writes, r.pending = nil, 0
	defer w.cancel()
	return w.flush()
}

// finish writes what is pending and makes all of it durable: from here on the log may be recycled.
func (r *replay) finish() error {
	if r.writes != nil {
		if err := r.flush(); err != nil {
			return err
		}
	}
	return r.badger.sync()
}

// beginLog begins a new log in place of a lost one.
func (l *loader) beginLog(from origin) (err error) {
	o := l.options
	l.log, err = beginLog(o.files, o.logDir(), o.SegmentBytes, o.Committee.Network(), o.Self, from)
	return err
}

// setAsideLimit is how many damaged directories are kept: more than one is an operator's to look into.
const setAsideLimit = 100

// setAside deals with a damaged log as the options say.
func (l *loader) setAside(damage *CorruptError) error {
	if l.options.OnDamage != SetDamageAside {
		return damage
	}
	l.recovery.Log, l.recovery.Report.Damage = LogDamaged, damage
	path, err := moveAside(l.options.logDir())
	if err != nil {
		return err
	}
	l.recovery.Report.SetAside = path
	return l.beginLog(originDamaged)
}

// ownLast finds the newest own block that Badger has.
func (l *loader) ownLast() (newest *dag.Verified, err error) {
	var ref dag.Ref
	err = l.badger.each([]byte{prefixOwn}, last(prefixOwn), descending, func(item *badger.Item) error {
		ref = refOfOwnKey(item.Key(), l.options.Self)
		return errStop
	})
	if err != nil || ref.Round == 0 {
		return nil, err
	}
	raw, found, err := l.badger.get(blockKey(ref))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, corruptBadger(l.badger.dir, fmt.Sprintf("own block %v is missing", ref))
	}
	b, err := dag.Verify(l.options.Committee, raw)
	if err != nil || b.Ref() != ref {
		return nil, corruptBadger(l.badger.dir, fmt.Sprintf("own block %v is not what was written (%v)", ref, err))
	}
	return b, nil
}

func roundOf(b *dag.Verified) dag.Round {
	if b == nil {
		return 0
	}
	return b.Round()
}

// verifyBatch is how many blocks are verified together at open: enough for the batch to pay,
// at most 180 MiB of the largest blocks.
const verifyBatch = 256

// loadBlocks reads and verifies all blocks above the recovery's GCRound.
func (l *loader) loadBlocks() error {
	var refs []dag.Ref
	var raws [][]byte
	err := l.badger.each([]byte{prefixBlock}, roundKey(l.recovery.GCRound+1), ascending, func(item *badger.Item) error {
		raw, err := l.badger.value(item)
		if err != nil {
			return err
		}
		refs, raws = append(refs, dag.DecodeRef(item.Key()[1:])), append(raws, raw)
		if len(raws) < verifyBatch {
			return nil
		}
		err = l.verify(refs, raws)
		refs, raws = refs[:0], raws[:0]
		return err
	})
	if err != nil {
		return err
	}
	if err := l.verify(refs, raws); err != nil {
		return err
	}
	l.selectComplete()
	return nil
}

func (l *loader) verify(refs []dag.Ref, raws [][]byte) error {
	blocks, errs := dag.VerifyBatch(l.options.Committee, raws)
	for i, b := range blocks {
		if errs[i] != nil {
			return corruptBadger(l.badger.dir, fmt.Sprintf("block %v: %v", refs[i], errs[i]))
		}
		if b.Ref() != refs[i] {
			return corruptBadger(l.badger.dir, fmt.Sprintf("block %v under the key of %v", b.Ref(), refs[i]))
		}
	}
	l.loaded = append(l.loaded, blocks...)
	return nil
}

// selectComplete gives the recovery those loaded blocks whose ancestors are there. Loaded blocks
// stand in order of rounds, so that parents come first.
func (l *loader) selectComplete() {
	have := make(map[dag.Ref]bool, len(l.loaded))
next:
	for _, b := range l.loaded {
		for _, p := range b.Block().Parents {
			if p.Round > l.recovery.GCRound && !have[p] {
				l.recovery.Report.Incomplete++
				continue next
			}
		}
		have[b.Ref()] = true
		l.recovery.Blocks = append(l.recovery.Blocks, b)
	}
}
