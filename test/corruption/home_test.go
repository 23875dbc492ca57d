package corruption

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/gob"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// segmentBytes is the smallest segment that a log may have: an old home is made of few megabytes.
const segmentBytes = 4 << 20

// namespace is that of the one item of each layer.
const namespace dag.Namespace = 1001

// memory is what a home held before it was harmed, for the process that opens it afterwards.
type memory struct {
	Blocks  [][]byte // in the order in which they were written
	Commits [][]byte // as the store encodes them
	Window  [][]byte // the records of a snapshot that the history began from, of commits 1, 2, ...
}

// author makes blocks and commits of four validators; the home is that of the first.
type author struct {
	t         *testing.T
	genesis   *dag.Genesis
	keys      []*crypto.Keys
	committee *dag.Committee
	newest    []dag.Ref
	round     dag.Round
	head      dag.CommitRef
	written   memory
}

func newAuthor(t *testing.T) *author {
	t.Helper()
	w := &author{t: t, genesis: &dag.Genesis{Version: dag.GenesisVersion, Chain: "harm", Created: 1}}
	for _, name := range []string{"anna", "ben", "cleo", "dora"} {
		keys, err := crypto.GenerateKeys(rand.Reader)
		check(t, err)
		w.keys = append(w.keys, keys)
		w.genesis.Validators = append(w.genesis.Validators, dag.GenesisValidator{Name: name, PublicKeys: keys.Public()})
	}
	w.genesis.Namespaces = []dag.NamespaceRule{{ID: namespace, Name: "open", Scheme: dag.SchemeOpen}}
	var err error
	w.committee, err = w.genesis.Committee()
	check(t, err)
	for a := range w.keys {
		w.newest = append(w.newest, w.committee.Genesis(dag.Author(a)))
	}
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// home writes the home of the first validator.
func (w *author) home(dir string) {
	w.t.Helper()
	config := node.DefaultConfig()
	config.Name = w.genesis.Validators[0].Name
	check(w.t, node.WriteHome(dir, config, w.genesis, w.keys[0]))
	check(w.t, os.RemoveAll(filepath.Join(dir, node.DataDir)))
	check(w.t, store.Create(storeOptions(dir, w.committee)))
}

func storeOptions(home string, committee *dag.Committee) store.Options {
	return store.Options{Dir: filepath.Join(home, node.DataDir), Committee: committee, SegmentBytes: segmentBytes, MinFree: 1}
}

// write adds layers of one block per validator, one in two of them with an item of so many bytes.
func (w *author) write(s *store.Store, layers, size int) {
	w.t.Helper()
	for range layers {
		bodies := w.layer(size)
		check(w.t, s.Append(bodies))
		check(w.t, s.Sync())
		c := w.commit(bodies)
		check(w.t, s.PutCommits([]*ordering.Commit{c}))
		for _, b := range bodies {
			w.written.Blocks = append(w.written.Blocks, b.Bytes())
		}
		w.written.Commits = append(w.written.Commits, c.Encode())
	}
}

func (w *author) layer(size int) []*dag.Verified {
	w.t.Helper()
	w.round++
	parents := append([]dag.Ref(nil), w.newest...)
	bodies := make([]*dag.Verified, len(w.keys))
	for a := range bodies {
		own := append([]dag.Ref{parents[a]}, parents[:a]...)
		b := dag.Block{
			Epoch: w.committee.Epoch(), Round: w.round, Author: dag.Author(a), Time: uint64(w.round), LastCommit: w.head,
			Parents: append(own, parents[a+1:]...),
		}
		if a%2 == 0 {
			payload := bytes.Repeat([]byte{byte(w.round)}, size)
			binary.BigEndian.PutUint64(payload, uint64(w.round)<<8|uint64(a))
			item, err := (&dag.Transaction{Namespace: namespace, ValidUntil: 10, Payload: payload}).Encode(dag.NewItemHasher(w.committee.Network()))
			check(w.t, err)
			b.Items = []dag.Item{item}
		}
		v, err := dag.Seal(w.committee, b, w.keys[a].Identity)
		check(w.t, err)
		bodies[a], w.newest[a] = v, v.Ref()
	}
	return bodies
}

func (w *author) commit(bodies []*dag.Verified) *ordering.Commit {
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{
		Index: w.head.Index + 1, Epoch: w.committee.Epoch(), Round: w.round, Previous: w.head.Digest, Time: uint64(w.round),
	}, Bodies: bodies, Resume: []byte("state")}
	for i, b := range bodies {
		c.Blocks = append(c.Blocks, b.Ref())
		for j, item := range b.Block().Items {
			c.Accepted = append(c.Accepted, ordering.Accepted{ID: item.ID, Namespace: item.Namespace, Block: uint32(i), Item: uint32(j)})
		}
	}
	_, err := c.Derive()
	check(w.t, err)
	c.Digest = c.ComputeDigest()
	w.head = c.Ref()
	return c
}

// remember writes what there was into a file.
func (w *author) remember(path string) {
	w.t.Helper()
	f, err := os.Create(path)
	check(w.t, err)
	check(w.t, gob.NewEncoder(f).Encode(w.written))
	check(w.t, f.Close())
}

// duplicate copies a directory, holes left holes, as it is at this moment.
func duplicate(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, path[len(from):])
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	chunk, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := nextData(in, 0, info.Size()); at < info.Size(); at = nextData(in, at+int64(len(chunk)), info.Size()) {
		n, err := in.ReadAt(chunk, at)
		if err != nil && err != io.EOF {
			return err
		}
		if bytes.Equal(chunk[:n], zeros[:n]) {
			continue
		}
		if _, err := out.WriteAt(chunk[:n], at); err != nil {
			return err
		}
	}
	return out.Truncate(info.Size())
}

// nextData is where data may lie at or behind an offset, size for nowhere.
func nextData(f *os.File, at, size int64) int64 {
	const seekData = 3 // of lseek on Linux
	if at >= size || runtime.GOOS != "linux" {
		return at
	}
	found, err := f.Seek(at, seekData)
	if err != nil {
		return size
	}
	return found
}
