package store

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/certificate"
)

// copyBatch is how many queued bytes wake the copier before its time, and about how much goes into
// Badger in one batch.
const copyBatch = 4 << 20

// queued is one block, commit or batch of reveals on its way to Badger.
type queued struct {
	block        *dag.Verified
	position     uint64 // of a block: how many had been appended with it
	commit       *commitEntry
	reveals      *revealEntry
	certificates []*certificate.Certificate
	size         int
}

// copier is the one goroutine that writes to Badger. It writes at a steady pace, or at once when
// much has come together, and syncs after the writes of each beat; then it tells the log what
// is safe.
type copier struct {
	store *Store
	mu    sync.Mutex
	room  *sync.Cond
	queue []queued
	bytes int
	begun chan struct{} // the queue is no longer empty
	much  chan struct{} // a batch has come together
	quit  chan struct{}
	done  chan struct{}

	logID   [logIDSize]byte
	own     dag.Round // the newest that was copied
	highest dag.Round // of these, the newest that Badger was told to be on disk in the log
	stored  dag.CommitIndex
	pruner  *pruner
}

func newCopier(s *Store) *copier {
	c := &copier{
		store: s, begun: make(chan struct{}, 1), much: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}), logID: s.log.header.logID,
		stored: s.Head().Index,
	}
	c.room = sync.NewCond(&c.mu)
	return c
}

// put queues one thing. It blocks while the queue is full and the copier at work.
func (c *copier) put(q queued) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.bytes > 0 && c.bytes+q.size > c.store.options.QueueBytes {
		// Before waiting: once the copier has failed, nobody makes room any more.
		if err := c.store.failure.err(); err != nil {
			return err
		}
		signal(c.much)
		c.room.Wait()
	}
	c.queue = append(c.queue, q)
	c.bytes += q.size
	signal(c.begun)
	if c.bytes >= copyBatch {
		signal(c.much)
	}
	return nil
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// take gives the next batch, and room to those who wait.
func (c *copier) take() []queued {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, 0
	for n < len(c.queue) && size < copyBatch {
		size += c.queue[n].size
		n++
	}
	taken := c.queue[:n:n]
	c.queue = c.queue[n:]
	c.bytes -= size
	c.room.Broadcast()
	return taken
}

// run is the copier's goroutine. It ends after stop, or after the first error.
func (c *copier) run() {
	defer close(c.done)
	defer c.wakeAll()
	for {
		select {
		case <-c.begun:
		case <-c.quit:
			c.finish()
			return
		}
		if !c.beat(c.store.options.after(c.store.options.SyncEvery)) {
			return
		}
	}
}

// beat waits for the timer, writing full batches meanwhile, then writes the rest and syncs. It gives
// false when the copier has to end.
func (c *copier) beat(timer <-chan time.Time) bool {
	for {
		select {
		case <-timer:
			return c.drain() && c.sync()
		case <-c.much:
			if !c.drain() {
				return false
			}
		case <-c.quit:
			c.finish()
			return false
		}
	}
}

func (c *copier) finish() {
	if c.store.failure.err() == nil && c.drain() {
		c.sync()
	}
}

// drain writes batches until the queue is empty; it gives false after an error.
func (c *copier) drain() bool {
	for {
		taken := c.take()
		if len(taken) == 0 {
			return true
		}
		if err := c.write(taken); err != nil {
			_ = c.store.failure.fail(err) // whoever calls next, or watches Failed, gets it
			return false
		}
	}
}

// written is what a batch holds.
type written struct {
	blocks       []dag.Ref
	own          dag.Round // the newest own block's
	commit       dag.CommitIndex
	revealed     dag.CommitIndex
	certificates int
}

// write brings a batch into Badger and tells the memory what it may now forget.
func (c *copier) write(taken []queued) error {
	s := c.store
	w := s.badger.batch()
	defer w.cancel()
	var done written
	for i := range taken {
		if err := c.add(w, &taken[i], &done); err != nil {
			return err
		}
	}
	if err := c.setHighest(w, done.own); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	s.recent.blocksStored(done.blocks)
	s.reveals.kept(done.revealed)
	s.certificates.kept(done.certificates)
	c.stored = max(c.stored, done.commit)
	if done.commit > 0 {
		s.recent.commitStored(done.commit)
		if err := s.index.seal(s.badger, done.commit); err != nil {
			return err
		}
	}
	for _, q := range taken {
		if q.block != nil {
			s.copied = q.position
		}
	}
	return nil
}

// add brings one thing into a batch.
func (c *copier) add(w *batch, q *queued, done *written) error {
	self := c.store.options.Self
	switch {
	case q.block != nil:
		done.blocks = append(done.blocks, q.block.Ref())
		if q.block.Author() == self {
			done.own = max(done.own, q.block.Round())
		}
		return setBlock(w, self, q.block.Ref(), q.block.Bytes())
	case q.reveals != nil:
		done.revealed = q.reveals.revealed
		return setReveals(w, q.reveals)
	case q.certificates != nil:
		done.certificates += len(q.certificates)
		return setCertificates(w, q.certificates)
	}
	done.commit = q.commit.commit.Index
	return c.setCommit(w, q.commit)
}

// setHighest notes how far the own blocks went that the log has on disk, so that a log that has lost its
// end does not pass for whole. Badger may have one before the log has synced it: a power cut may take
// that one from the log.
func (c *copier) setHighest(w *batch, own dag.Round) error {
	c.own = max(c.own, own)
	durable := min(c.own, dag.Round(c.store.logged.Load()))
	if durable <= c.highest {
		return nil
	}
	c.highest = durable
	return w.set([]byte{prefixHighest}, c.logID[:], binary.BigEndian.AppendUint64(nil, uint64(durable)))
}

func (c *copier) sync() bool {
	if err := c.store.badger.sync(); err != nil {
		_ = c.store.failure.fail(err)
		return false
	}
	c.store.log.confirm(c.store.copied)
	if err := c.prune(); err != nil {
		_ = c.store.failure.fail(err)
		return false
	}
	return true
}

func (c *copier) wakeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room.Broadcast()
}

// stop writes and syncs what is queued and ends the goroutine.
func (c *copier) stop() {
	close(c.quit)
	<-c.done
}

// setBlock adds a block, and its mark if it is an own one.
func setBlock(w *batch, self dag.Author, ref dag.Ref, raw []byte) error {
	if ref.Author == self {
		if err := w.mark(ownKey(ref)); err != nil {
			return err
		}
	}
	return w.set(blockKey(ref), raw)
}

func (c *copier) setCommit(w *batch, e *commitEntry) error {
	for _, ns := range e.namespaces {
		if err := w.mark(namespaceKey(ns, e.commit.Index)); err != nil {
			return err
		}
	}
	encoded := e.commit.Encode()
	if err := c.pruner.count(w, e.commit, len(encoded)); err != nil {
		return err
	}
	return w.set(commitKey(e.commit.Index), encoded)
}
