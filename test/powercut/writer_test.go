package powercut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// writerEnv tells a child process in which directory its store lies.
const writerEnv = "DUNLIN_TEST_WRITER"

// validators of the network whose blocks are written. The store is that of the first.
const validators = 4

// segmentBytes is the smallest segment of a log, so that segments end and are written over often.
const segmentBytes = 4 << 20

// writer makes the same block for the same round, validator and parents in every life, as if all others
// sent theirs again.
type writer struct {
	committee *dag.Committee
	keys      []*crypto.IdentityKey
	hasher    *dag.ItemHasher
	newest    []dag.Ref
	round     dag.Round
	head      dag.CommitRef
}

func newWriter() (*writer, error) {
	w := &writer{}
	var members []dag.Validator
	for i := range validators {
		key, err := crypto.NewIdentityKey(bytes.Repeat([]byte{byte(i + 1)}, crypto.SeedSize))
		if err != nil {
			return nil, err
		}
		w.keys = append(w.keys, key)
		members = append(members, dag.Validator{Identity: key.Public()})
	}
	var err error
	if w.committee, err = dag.NewCommittee(crypto.Digest{7}, 0, members); err != nil {
		return nil, err
	}
	w.hasher = dag.NewItemHasher(w.committee.Network())
	for i := range validators {
		w.newest = append(w.newest, w.committee.Genesis(dag.Author(i)))
	}
	return w, nil
}

func (w *writer) options(dir string) store.Options {
	return store.Options{Dir: filepath.Join(dir, "data"), Committee: w.committee, SegmentBytes: segmentBytes, MinFree: 1}
}

// layer makes the blocks of the next round.
func (w *writer) layer() ([]*dag.Verified, error) {
	w.round++
	parents := append([]dag.Ref(nil), w.newest...)
	bodies := make([]*dag.Verified, validators)
	for i := range bodies {
		size := int(w.round*7919+dag.Round(i)*104729) % (64 << 10)
		payload := make([]byte, 16+size)
		binary.BigEndian.PutUint64(payload, uint64(w.round))
		payload[8] = byte(i)
		item, err := (&dag.Transaction{Namespace: 1, ValidUntil: 10, Payload: payload}).Encode(w.hasher)
		if err != nil {
			return nil, err
		}
		own := append([]dag.Ref{parents[i]}, parents[:i]...)
		bodies[i], err = dag.Seal(w.committee, dag.Block{
			Round: w.round, Author: dag.Author(i), Time: uint64(w.round),
			Parents: append(own, parents[i+1:]...), Items: []dag.Item{item},
		}, w.keys[i])
		if err != nil {
			return nil, err
		}
		w.newest[i] = bodies[i].Ref()
	}
	return bodies, nil
}

// commit orders the blocks of one round; the round's number is the commit's.
func (w *writer) commit(bodies []*dag.Verified) *ordering.Commit {
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{
		Index: w.head.Index + 1, Round: bodies[0].Round(), Previous: w.head.Digest, Time: uint64(bodies[0].Round()),
	}, Bodies: bodies, Resume: []byte("state")}
	for i, b := range bodies {
		c.Blocks = append(c.Blocks, b.Ref())
		item := &b.Block().Items[0]
		c.Accepted = append(c.Accepted, ordering.Accepted{ID: item.ID, Namespace: item.Namespace, Block: uint32(i)})
	}
	if _, err := c.Derive(); err != nil {
		panic(err) // its items stand in its blocks, by the lines above
	}
	c.Digest = c.ComputeDigest()
	w.head = c.Ref()
	return c
}

// recover goes on where the disk ends: it makes again the commits of the rounds that are whole, as the
// engine would, and gives the store.
func (w *writer) recover(dir string) (*store.Store, *store.Recovery, error) {
	s, found, err := store.Open(w.options(dir))
	if err != nil {
		return nil, nil, err
	}
	if found.Head != nil {
		w.head, w.round = found.Head.Ref(), found.Head.Round
	}
	rounds := make(map[dag.Round][]*dag.Verified)
	for _, b := range found.Blocks {
		rounds[b.Round()] = append(rounds[b.Round()], b)
	}
	for r := w.round; len(rounds[r]) == validators || r == 0; r++ {
		if r == 0 {
			continue
		}
		bodies := make([]*dag.Verified, validators)
		for _, b := range rounds[r] {
			bodies[b.Author()], w.newest[b.Author()] = b, b.Ref()
		}
		if w.round = r; dag.CommitIndex(r) == w.head.Index {
			continue
		}
		if err := s.PutCommits([]*ordering.Commit{w.commit(bodies)}); err != nil {
			return nil, nil, errors.Join(err, s.Close())
		}
	}
	return s, found, nil
}

// TestWriter is the process whose power is cut. It says on standard output what it acknowledges.
func TestWriter(t *testing.T) {
	dir := os.Getenv(writerEnv)
	if dir == "" {
		t.Skip("runs as a child of the other tests")
	}
	w, err := newWriter()
	check(t, err)
	s, _, err := w.recover(dir)
	check(t, err)
	for {
		bodies, err := w.layer()
		check(t, err)
		if err := errors.Join(s.Append(bodies), s.Sync()); err != nil {
			fmt.Printf("ended %v\n", err)
			os.Exit(exitFatal)
		}
		fmt.Printf("acked %d", w.round)
		for _, b := range bodies {
			fmt.Printf(" %s", b.Ref().Digest)
		}
		fmt.Println()
		if err := s.PutCommits([]*ordering.Commit{w.commit(bodies)}); err != nil {
			fmt.Printf("ended %v\n", err)
			os.Exit(exitFatal)
		}
	}
}

// exitFatal is how a writer ends whose disk said no.
const exitFatal = 7
