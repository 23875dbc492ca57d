package rollupapi

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
	"github.com/dunlin-network/dunlin/rollupapi/gen/sequencing"
)

// batch is a run of a namespace's transactions as Rollkit takes them.
type batch struct {
	transactions [][]byte
	end          position // behind the last of them
	time         time.Time
	more         bool // there is more to read right now
}

func (b *batch) message() *sequencingpb.Batch {
	return &sequencingpb.Batch{Transactions: b.transactions}
}

// hash is SHA-256 over the protobuf encoding, which has one form for a list of bytes.
func (b *batch) hash() crypto.Digest {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(b.message())
	if err != nil {
		panic("rollupapi: batch does not encode: " + err.Error())
	}
	return sha256.Sum256(raw)
}

// batchName names a batch to callers with one limit; the zero hash stands for the place before the first.
type batchName struct {
	ns    dag.Namespace
	limit int // bytes of transactions
	hash  crypto.Digest
}

// anyLimit as a limit names a batch that was given out, however it was cut.
const anyLimit = 0

func newBatchName(ns dag.Namespace, limit uint64, hash []byte) (batchName, error) {
	name := batchName{ns: ns, limit: maxRangeBytes}
	if limit > 0 {
		name.limit = int(min(limit, maxRangeBytes))
	}
	switch len(hash) {
	case 0, crypto.DigestSize:
		copy(name.hash[:], hash)
		return name, nil
	}
	return name, refuse(ReasonRequestMalformed, "batch hash of %d bytes, want %d", len(hash), crypto.DigestSize).at("last_batch_hash")
}

// walk is the name without the hash: whose batches are walked through.
func (n batchName) walk() batchName { return batchName{ns: n.ns, limit: n.limit} }

// batches knows where batches end that were given out or walked through: in two generations, like the tracker. What is
// not known is looked for from the beginning of the history, once for all callers. Safe for concurrent use.
type batches struct {
	mu         sync.Mutex
	searching  []gate.Client // one for each search
	young, old map[batchName]position
	walks      map[batchName]search // by name without hash
}

// search is how far a walk through a namespace has come.
type search struct {
	at    position
	begun time.Time // at the beginning of the history
	asked time.Time // for it, the last time
}

func newBatches() *batches {
	return &batches{young: map[batchName]position{}, old: map[batchName]position{}, walks: map[batchName]search{}}
}

// begin takes a place among the searches for a client, which has one at a time unless it is local: nobody keeps the others
// from finding theirs.
func (b *batches) begin(client gate.Client) (release func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	same := func(other gate.Client) bool { return other.Name == client.Name }
	if len(b.searching) >= maxBatchSearches || !client.Local && slices.ContainsFunc(b.searching, same) {
		return nil, false
	}
	b.searching = append(b.searching, client)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		at := slices.IndexFunc(b.searching, same)
		b.searching = slices.Delete(b.searching, at, at+1)
	}, true
}

func (b *batches) find(name batchName) (position, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at, ok := b.young[name]; ok {
		return at, true
	}
	at, ok := b.old[name]
	return at, ok
}

func (b *batches) put(name batchName, end position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.young) >= maxKnownBatches {
		b.old, b.young = b.young, map[batchName]position{}
	}
	b.young[name] = end
}

// walked is where a walk goes on, at the earliest at first.
func (b *batches) walked(walk batchName, first position) position {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.walks[walk]
	if !ok {
		s = search{at: first, begun: time.Now()}
		if len(b.walks) >= maxBatchWalks {
			b.forgetOldest()
		}
	}
	s.asked = time.Now()
	b.walks[walk] = s
	if s.at.commit < first.commit {
		return first
	}
	return s.at
}

// forgetOldest forgets the walk that nobody has asked for the longest: who still wants it begins anew.
func (b *batches) forgetOldest() {
	var oldest batchName
	var asked time.Time
	for walk, s := range b.walks {
		if asked.IsZero() || s.asked.Before(asked) {
			oldest, asked = walk, s.asked
		}
	}
	delete(b.walks, oldest)
}

// walk notes how far a walk has come.
func (b *batches) walk(walk batchName, at position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.walks[walk]
	s.at = at
	b.walks[walk] = s
}

// again lets a walk that has come to the end begin anew, unless it has lately: what it passed may be forgotten.
func (b *batches) again(walk batchName, first position) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.walks[walk].begun) < batchSearchPause {
		return false
	}
	b.walks[walk] = search{at: first, begun: time.Now(), asked: time.Now()}
	return true
}
