package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// The transaction index. A key per id would cost Badger more than the blocks do, so ids are put
// away in runs of many commits: 256 values of sorted entries each, by the first byte of the id, and
// a filter in memory that says which runs to look into. The newest ids are in a map.
const (
	// runIDs and runCommits end a run, whichever comes first: 2 MiB of entries, a map of about
	// 15 MB while it fills; and few enough commits to read again at open.
	runIDs     = 1 << 17
	runCommits = 1 << 14
	// runFilters is how many of the newest runs have their filter in memory (160 KiB each); older
	// runs cost one read each to look into.
	runFilters = 256
	// buckets is one per value of an id's first byte.
	buckets = 256
	// entrySize: 8 bytes of the id after the first, commit (from the run's first) 4, position 4.
	entrySize = 16
)

// Location is where a transaction or bundle stands in the order.
type Location struct {
	Commit dag.CommitIndex
	Index  uint32 // position in the commit's Accepted
}

// runLimits say when a run is full.
type runLimits struct {
	ids     int
	commits dag.CommitIndex
}

// openRun is a run in memory.
type openRun struct {
	first, last dag.CommitIndex
	ids         map[crypto.Digest]Location
}

// sealedRun is a run in Badger.
type sealedRun struct {
	first, last dag.CommitIndex
	filter      filter // nil: look into the run itself
}

// txIndex finds accepted ids. add is for the caller of PutCommits, seal for the copier, find for
// anyone.
type txIndex struct {
	mu      sync.RWMutex
	sealed  []sealedRun // ascending
	waiting []*openRun  // full, ascending, not yet in Badger
	open    *openRun
	limits  runLimits
}

func newRun(first dag.CommitIndex) *openRun {
	return &openRun{first: first, last: first - 1, ids: make(map[crypto.Digest]Location)}
}

// add takes in the next commit.
func (x *txIndex) add(c *ordering.Commit) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range c.Accepted {
		x.open.ids[c.Accepted[i].ID] = Location{c.Index, uint32(i)}
	}
	x.open.last = c.Index
	if len(x.open.ids) >= x.limits.ids || x.open.last-x.open.first+1 >= x.limits.commits {
		x.waiting = append(x.waiting, x.open)
		x.open = newRun(c.Index + 1)
	}
}

// inMemory looks into the runs that are not in Badger, newest first.
func (x *txIndex) inMemory(id crypto.Digest) (Location, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if l, ok := x.open.ids[id]; ok {
		return l, true
	}
	for _, r := range slices.Backward(x.waiting) {
		if l, ok := r.ids[id]; ok {
			return l, true
		}
	}
	return Location{}, false
}

// recent gives the first commits of the runs in Badger that may hold id, newest first, as far back
// as filters are in memory.
func (x *txIndex) recent(id crypto.Digest) []dag.CommitIndex {
	return x.candidates(func(r *sealedRun) bool { return r.filter != nil && r.filter.has(id) })
}

// all is recent with every older run, which may hold any id.
func (x *txIndex) all(id crypto.Digest) []dag.CommitIndex {
	return x.candidates(func(r *sealedRun) bool { return r.filter == nil || r.filter.has(id) })
}

func (x *txIndex) candidates(may func(*sealedRun) bool) []dag.CommitIndex {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []dag.CommitIndex
	for i := len(x.sealed) - 1; i >= 0; i-- {
		if may(&x.sealed[i]) {
			out = append(out, x.sealed[i].first)
		}
	}
	return out
}

// seal writes the full runs whose commits Badger has, up to stored.
func (x *txIndex) seal(b *badgerCopy, stored dag.CommitIndex) error {
	for {
		x.mu.RLock()
		var run *openRun
		if len(x.waiting) > 0 && x.waiting[0].last <= stored {
			run = x.waiting[0]
		}
		x.mu.RUnlock()
		if run == nil {
			return nil
		}
		f, err := run.write(b)
		if err != nil {
			return err
		}
		x.mu.Lock()
		x.waiting = x.waiting[1:]
		x.push(sealedRun{run.first, run.last, f})
		x.mu.Unlock()
	}
}

// push adds a sealed run and lets go of the filter that is now too old. Under mu.
func (x *txIndex) push(r sealedRun) {
	x.sealed = append(x.sealed, r)
	if old := len(x.sealed) - 1 - runFilters; old >= 0 {
		x.sealed[old].filter = nil
	}
}

// write puts the run into Badger: buckets first, then the run's own value, which has the filter.
func (r *openRun) write(b *badgerCopy) (filter, error) {
	var entries [buckets][]byte
	f := newFilter(len(r.ids))
	ids := make([]crypto.Digest, 0, len(r.ids))
	for id := range r.ids {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b crypto.Digest) int { return slices.Compare(a[:], b[:]) })
	for _, id := range ids {
		l := r.ids[id]
		f.add(id)
		e := append(entries[id[0]], id[1:9]...)
		e = binary.BigEndian.AppendUint32(e, uint32(l.Commit-r.first))
		entries[id[0]] = binary.BigEndian.AppendUint32(e, l.Index)
	}
	w := b.batch()
	defer w.cancel()
	for i := range entries {
		if err := w.set(bucketKey(r.first, byte(i)), entries[i]); err != nil {
			return nil, err
		}
	}
	var lastCommit [8]byte
	binary.BigEndian.PutUint64(lastCommit[:], uint64(r.last))
	if err := w.set(runKey(r.first), lastCommit[:], f); err != nil {
		return nil, err
	}
	return f, w.flush()
}

// findInRun gives the places that the run beginning at first names for id, newest first. Ids that
// share nine bytes are rare but can be made, so there may be several and each must be checked.
func findInRun(b *badgerCopy, first dag.CommitIndex, id crypto.Digest) ([]Location, error) {
	raw, ok, err := b.get(bucketKey(first, id[0]))
	if err != nil {
		return nil, err
	}
	if !ok || len(raw)%entrySize != 0 {
		return nil, corruptBadger(b.dir, fmt.Sprintf("transaction index from commit %d lacks bucket %d", first, id[0]))
	}
	n := len(raw) / entrySize
	lo, hi := 0, n
	for lo < hi {
		mid := (lo + hi) / 2
		if slices.Compare(raw[mid*entrySize:mid*entrySize+8], id[1:9]) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	var out []Location
	for ; lo < n && slices.Equal(raw[lo*entrySize:lo*entrySize+8], id[1:9]); lo++ {
		e := raw[lo*entrySize+8:]
		out = append(out, Location{first + dag.CommitIndex(binary.BigEndian.Uint32(e)), binary.BigEndian.Uint32(e[4:])})
	}
	slices.SortFunc(out, func(a, b Location) int { return int(int64(b.Commit) - int64(a.Commit)) })
	return out, nil
}

// filter is a Bloom filter over ids, which are digests and need no further hashing: about 10 bits
// an id and 7 probes, 1 % false hits.
type filter []byte

const (
	filterBits   = 10
	filterProbes = 7
)

func newFilter(ids int) filter { return make(filter, max(8, (ids*filterBits+7)/8)) }

func (f filter) add(id crypto.Digest) {
	for i := range filterProbes {
		bit := f.probe(id, i)
		f[bit/8] |= 1 << (bit % 8)
	}
}

func (f filter) has(id crypto.Digest) bool {
	for i := range filterProbes {
		if bit := f.probe(id, i); f[bit/8]>>(bit%8)&1 == 0 {
			return false
		}
	}
	return true
}

func (f filter) probe(id crypto.Digest, i int) uint64 {
	a, b := binary.BigEndian.Uint64(id[8:]), binary.BigEndian.Uint64(id[16:])
	return (a + uint64(i)*b) % (uint64(len(f)) * 8)
}
