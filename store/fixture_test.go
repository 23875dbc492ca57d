package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network makes signed blocks and commits of four validators, the same at every run.
type network struct {
	tb        testing.TB
	committee *dag.Committee
	keys      []*crypto.IdentityKey
	hasher    *dag.ItemHasher
	newest    []dag.Ref
	round     dag.Round
	head      dag.CommitRef
	counter   uint64
	spaces    []dag.Namespace // items take them in turn
}

func newNetwork(tb testing.TB) *network {
	tb.Helper()
	const n = 4
	w := &network{tb: tb, spaces: []dag.Namespace{1001, 1002}}
	validators := make([]dag.Validator, n)
	for i := range validators {
		key, err := crypto.NewIdentityKey(bytes.Repeat([]byte{byte(i + 1)}, crypto.SeedSize))
		check(tb, err)
		w.keys = append(w.keys, key)
		validators[i] = dag.Validator{Identity: key.Public()}
	}
	var err error
	w.committee, err = dag.NewCommittee(crypto.Digest{7}, 1, validators)
	check(tb, err)
	w.hasher = dag.NewItemHasher(w.committee.Network())
	for i := range n {
		w.newest = append(w.newest, w.committee.Genesis(dag.Author(i)))
	}
	return w
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// layer makes the next round: one block per validator, with so many items of so many bytes.
func (w *network) layer(items, size int) []*dag.Verified {
	w.tb.Helper()
	w.round++
	parents := append([]dag.Ref(nil), w.newest...)
	blocks := make([]*dag.Verified, len(w.keys))
	for i := range blocks {
		own := append([]dag.Ref{parents[i]}, parents[:i]...)
		b := dag.Block{
			Epoch: 1, Round: w.round, Author: dag.Author(i), Time: uint64(w.round), LastCommit: w.head,
			Parents: append(own, parents[i+1:]...),
		}
		for range items {
			b.Items = append(b.Items, w.item(size))
		}
		v, err := dag.Seal(w.committee, b, w.keys[i])
		check(w.tb, err)
		blocks[i] = v
		w.newest[i] = v.Ref()
	}
	return blocks
}

func (w *network) item(size int) dag.Item {
	w.counter++
	payload := make([]byte, max(size, 8))
	binary.BigEndian.PutUint64(payload, w.counter)
	t := dag.Transaction{Namespace: w.spaces[w.counter%uint64(len(w.spaces))], ValidUntil: 10, Payload: payload}
	item, err := t.Encode(w.hasher)
	check(w.tb, err)
	return item
}

// commit makes the next commit, of the given blocks.
func (w *network) commit(bodies []*dag.Verified) *ordering.Commit {
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{
		Index: w.head.Index + 1, Epoch: 1, Round: bodies[0].Round(), Previous: w.head.Digest, Time: uint64(bodies[0].Round()),
	}, Bodies: bodies, Resume: []byte("resume")}
	for i, b := range bodies {
		c.Blocks = append(c.Blocks, b.Ref())
		for j, item := range b.Block().Items {
			c.Accepted = append(c.Accepted, ordering.Accepted{ID: item.ID, Namespace: item.Namespace, Block: uint32(i), Item: uint32(j)})
		}
	}
	_, err := c.Derive()
	check(w.tb, err)
	c.Digest = c.ComputeDigest()
	w.head = c.Ref()
	return c
}

// options are those of a small store of validator 0 in dir. The copier's timer is quick.
func (w *network) options(dir string) Options {
	return Options{Dir: dir, Committee: w.committee, SegmentBytes: minSegment, SyncEvery: time.Millisecond, MinFree: 1}
}

func (w *network) create(o Options) (*Store, *Recovery) {
	w.tb.Helper()
	check(w.tb, Create(o))
	return w.open(o)
}

func (w *network) open(o Options) (*Store, *Recovery) {
	w.tb.Helper()
	s, r, err := Open(o)
	check(w.tb, err)
	w.tb.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFatal) {
			w.tb.Error(err)
		}
	})
	return s, r
}

// feed appends and commits layers.
func (w *network) feed(s *Store, layers, items, size int) (blocks []*dag.Verified, commits []*ordering.Commit) {
	w.tb.Helper()
	for range layers {
		layer := w.layer(items, size)
		check(w.tb, s.Append(layer))
		check(w.tb, s.Sync())
		c := w.commit(layer)
		check(w.tb, s.PutCommits([]*ordering.Commit{c}))
		blocks, commits = append(blocks, layer...), append(commits, c)
	}
	return blocks, commits
}

// copied waits until Badger has everything that was handed over.
func copied(tb testing.TB, s *Store) {
	tb.Helper()
	for {
		s.recent.mu.RLock()
		pending := s.recent.stored < s.recent.head.Index
		for _, b := range s.recent.blocks {
			pending = pending || !b.stored
		}
		s.recent.mu.RUnlock()
		s.certificates.mu.Lock()
		pending = pending || s.certificates.queued > 0
		s.certificates.mu.Unlock()
		if !pending {
			return
		}
		if err := s.Err(); err != nil {
			tb.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// forget makes memory let go of all that Badger has.
func forget(s *Store) {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	s.recent.limit = 0
	s.recent.evict()
}

// duplicate copies a data directory as it is at this moment, holes left holes.
func duplicate(tb testing.TB, dir string) string {
	tb.Helper()
	to := filepath.Join(tb.TempDir(), "data")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, path[len(dir):])
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(path, target)
	})
	check(tb, err)
	return to
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	chunk := make([]byte, 1<<20)
	zeros := make([]byte, len(chunk))
	for at := int64(0); ; at += int64(len(chunk)) {
		n, err := io.ReadFull(in, chunk)
		if n > 0 && !bytes.Equal(chunk[:n], zeros[:n]) {
			if _, err := out.WriteAt(chunk[:n], at); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return out.Truncate(at + int64(n))
		}
		if err != nil {
			return err
		}
	}
}

func refsOf(blocks []*dag.Verified) []dag.Ref {
	refs := make([]dag.Ref, len(blocks))
	for i, b := range blocks {
		refs[i] = b.Ref()
	}
	return refs
}

type commitType = ordering.Commit

// tick is a moment of waiting for the copier.
func (o *Options) tick() <-chan time.Time { return time.After(time.Millisecond) }
