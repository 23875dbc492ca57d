package ordering

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// demotePercent: an author whose score is below so many percent of the median loses its slot.
const demotePercent = 60

// reputation chooses the active set from the committed DAG alone, in integers. An author scores one
// for each ordered block that names its block among the first quorum of its parents: parents stand in
// the order in which they arrived, so the score counts how often a block came in time, whether or not
// its voters had to wait for others. At most f authors with scores far below the median lose
// their anchor slots for a window; they go on proposing, voting and being scored, which is how they
// come back.
type reputation struct {
	faults  int
	timely  int // how many parents of a block count as in time
	scores  []uint32
	commits uint32
	active  []dag.Author
}

func newReputation(c *dag.Committee) *reputation {
	r := &reputation{faults: c.Faults(), timely: c.Quorum(), scores: make([]uint32, c.Size())}
	for a := range c.Size() {
		r.active = append(r.active, dag.Author(a))
	}
	return r
}

// count scores the parents of one ordered block.
func (r *reputation) count(b *dag.Block) {
	for i, p := range b.Parents {
		if i >= r.timely {
			return
		}
		if i > 0 && p.Round == b.Round-1 {
			r.scores[p.Author]++
		}
	}
}

// turn ends a commit. At the end of a window it chooses the new active set and reports whether it
// differs from the old one.
func (r *reputation) turn() (changed bool) {
	if r.commits++; r.commits < ReputationWindow {
		return false
	}
	active := r.choose()
	changed = !slices.Equal(active, r.active)
	r.active, r.commits = active, 0
	clear(r.scores)
	return changed
}

// choose is everybody but the at most f lowest scores that lie far below the median.
func (r *reputation) choose() []dag.Author {
	order := make([]dag.Author, len(r.scores))
	for a := range order {
		order[a] = dag.Author(a)
	}
	slices.SortStableFunc(order, func(a, b dag.Author) int { return cmp.Compare(r.scores[a], r.scores[b]) })
	median := uint64(r.scores[order[len(order)/2]])
	demoted, most := 0, r.faults
	if mutant.Planted(mutant.DemoteMore) {
		most++
	}
	for demoted < most && uint64(r.scores[order[demoted]])*100 < median*demotePercent {
		demoted++
	}
	active := slices.Clone(order[demoted:])
	slices.Sort(active)
	return active
}

// encode appends the state's one encoding: commits 4, scores 2 x 4, active authors 2 x 2.
func (r *reputation) encode(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.commits)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.scores)))
	for _, s := range r.scores {
		b = binary.BigEndian.AppendUint32(b, s)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.active)))
	for _, a := range r.active {
		b = binary.BigEndian.AppendUint16(b, uint16(a))
	}
	return b
}

// decode reads what encode wrote into r, whose committee must be the same.
func (r *reputation) decode(b []byte) error {
	d := commitDecoder{rest: b}
	r.commits = d.uint32()
	if n := int(d.uint16()); n != len(r.scores) {
		return fmt.Errorf("%w: scores of %d validators, the committee has %d", ErrCommit, n, len(r.scores))
	}
	for a := range r.scores {
		r.scores[a] = d.uint32()
	}
	n := int(d.uint16())
	if n == 0 || n > len(r.scores) {
		return fmt.Errorf("%w: active set of %d validators", ErrCommit, n)
	}
	r.active = make([]dag.Author, n)
	for i := range r.active {
		r.active[i] = dag.Author(d.uint16())
		if int(r.active[i]) >= len(r.scores) || (i > 0 && r.active[i] <= r.active[i-1]) {
			return fmt.Errorf("%w: active set names author %d", ErrCommit, r.active[i])
		}
	}
	if d.failed || len(d.rest) != 0 {
		return fmt.Errorf("%w: reputation cut short or bytes left over", ErrCommit)
	}
	return nil
}
