package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// copierLag is how far the queryable copy of commits may lie behind what was handed out.
const copierLag = 200 * time.Millisecond

// disk is what a node has written: the log of blocks, of which only the synced part is sure to
// survive, and the commits, which a background copier writes later.
type disk struct {
	log     []*dag.Verified
	synced  int
	byRef   map[dag.Ref]*dag.Verified
	byRound map[dag.Round][]*dag.Verified
	commits []*ordering.Commit
	written []time.Duration // when each commit was handed over

	certified dag.CommitIndex // the newest commit with a certificate
	settled   dag.CommitIndex // everything up to it is known to be revealed and shared for

	lost bool // the log is known not to be whole, until an own block follows in it
}

func newDisk() *disk {
	return &disk{byRef: make(map[dag.Ref]*dag.Verified), byRound: make(map[dag.Round][]*dag.Verified)}
}

// write appends blocks; they are not durable before sync.
func (d *disk) write(blocks []*dag.Verified) {
	for _, b := range blocks {
		if d.byRef[b.Ref()] == nil {
			d.log = append(d.log, b)
			d.index(b)
		}
	}
}

func (d *disk) index(b *dag.Verified) {
	d.byRef[b.Ref()] = b
	d.byRound[b.Round()] = append(d.byRound[b.Round()], b)
}

// sync makes everything written durable.
func (d *disk) sync() { d.synced = len(d.log) }

// commit hands a commit to the copier; an earlier one of the same index is the same.
func (d *disk) commit(c *ordering.Commit, now time.Duration) {
	if int(c.Index) == len(d.commits)+1 {
		d.commits, d.written = append(d.commits, c), append(d.written, now)
	}
}

// crash loses what was not synced, but for a part at the front that reached the disk all the same
// (the record after it is torn), and the commits that the copier had not written.
func (d *disk) crash(now time.Duration, random *rand.Rand) {
	keep := d.synced
	if unsynced := len(d.log) - d.synced; unsynced > 0 {
		keep += random.IntN(unsynced + 1)
	}
	d.keep(keep)
	lag := time.Duration(random.Int64N(int64(copierLag)))
	n := len(d.commits)
	for n > 0 && d.written[n-1] > now-lag {
		n--
	}
	d.commits, d.written = d.commits[:n], d.written[:n]
	d.settled, d.certified = min(d.settled, dag.CommitIndex(n)), min(d.certified, dag.CommitIndex(n))
}

// keep cuts the log after n blocks.
func (d *disk) keep(n int) {
	log := d.log[:n]
	*d = disk{
		log: log, synced: n, commits: d.commits, written: d.written, lost: d.lost, settled: d.settled, certified: d.certified,
		byRef: make(map[dag.Ref]*dag.Verified, n), byRound: make(map[dag.Round][]*dag.Verified),
	}
	for _, b := range log {
		d.index(b)
	}
}

// vanish loses everything.
func (d *disk) vanish() {
	*d = *newDisk()
	d.lost = true
}

// rollBack is the disk as an old backup has it: a permille of its log, and the commits that it bore.
func (d *disk) rollBack(permille int) {
	d.keep(len(d.log) * permille / 1000)
	d.lost = true
	n := 0
	for n < len(d.commits) && d.holds(d.commits[n]) {
		n++
	}
	d.commits, d.written = d.commits[:n], d.written[:n]
	d.settled, d.certified = min(d.settled, dag.CommitIndex(n)), min(d.certified, dag.CommitIndex(n))
}

func (d *disk) holds(c *ordering.Commit) bool {
	for _, r := range c.Blocks {
		if d.byRef[r] == nil {
			return false
		}
	}
	return true
}

// restored is what the node finds at a start.
func (d *disk) restored(self dag.Author) (ordering.Restored, error) {
	r := ordering.Restored{LogLost: d.lost}
	for _, c := range d.commits[max(0, len(d.commits)-dag.ValidityWindow):] {
		kept, err := ordering.DecodeCommit(c.Encode())
		if err != nil {
			return r, fmt.Errorf("read commit %d back: %w", c.Index, err)
		}
		r.Window = append(r.Window, kept)
	}
	floor := dag.Round(0)
	if n := len(r.Window); n > 0 {
		r.Head = r.Window[n-1]
		var err error
		if r.States, err = ordering.ReadStates(r.Head, d.commitOf); err != nil {
			return r, fmt.Errorf("read the carried states back: %w", err)
		}
		if r.Head.Round > ordering.GCDepth {
			floor = r.Head.Round - ordering.GCDepth
		}
	}
	for _, b := range d.log {
		if b.Round() > floor {
			r.Blocks = append(r.Blocks, b)
		}
		if b.Author() == self {
			r.Own = b
			r.OwnRecent = append(r.OwnRecent, b)
		}
	}
	return r, nil
}

func (d *disk) commitOf(i dag.CommitIndex) (*ordering.Commit, error) {
	if i == 0 || int(i) > len(d.commits) {
		return nil, fmt.Errorf("%d commits on the disk", len(d.commits))
	}
	return d.commits[i-1], nil
}

// find answers a fetch within the limits of one answer.
func (d *disk) find(f *ordering.Fetch) []*dag.Verified {
	var out []*dag.Verified
	size := 0
	take := func(b *dag.Verified) bool {
		if size += len(b.Bytes()); size > maxAnswer {
			return false
		}
		out = append(out, b)
		return true
	}
	for _, r := range f.Refs {
		if b := d.byRef[r]; b != nil && !take(b) {
			return out
		}
	}
	if len(f.Refs) > 0 {
		return out
	}
	for r := f.FromRound; r <= f.ToRound; r++ {
		for _, b := range d.byRound[r] {
			if !take(b) {
				return out
			}
		}
	}
	return out
}
