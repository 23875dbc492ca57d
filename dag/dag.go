package dag

import "github.com/dunlin-network/dunlin/dag/mutant"

// Limits of what the DAG holds beyond its causally complete part. All bound memory that others can
// make us use.
const (
	// MaxAhead is how many rounds above the clock a block may lie; one farther off is refused,
	// and the node catches up by ranges instead.
	MaxAhead = 500
	// MaxUncitedTwins is how many blocks of one slot are kept that no other block asks for.
	// Two prove the equivocation.
	MaxUncitedTwins = 3
)

// Vertex is a block in the DAG with its parents found.
type Vertex struct {
	ref     Ref
	block   *Verified // nil in pictures, which have no contents
	parents []*Vertex // in the order of the block; those at or below the floor are missing
}

// Ref names the vertex.
func (v *Vertex) Ref() Ref { return v.ref }

// Slot is where the vertex stands.
func (v *Vertex) Slot() Slot { return v.ref.Slot() }

// Round is the vertex's round.
func (v *Vertex) Round() Round { return v.ref.Round }

// Author is who made the block.
func (v *Vertex) Author() Author { return v.ref.Author }

// Verified is the block; nil for a vertex that was made by Insert.
func (v *Vertex) Verified() *Verified { return v.block }

// Parents are the direct references that the DAG holds, in the order of the block. Genesis blocks
// and blocks at or below the floor are left out.
func (v *Vertex) Parents() []*Vertex { return v.parents }

// Vote is the block of slot s that v refers to first, nil if it refers to none. s must be of the
// round before v's: that reference is v's vote.
func (v *Vertex) Vote(s Slot) *Vertex {
	for _, p := range v.parents {
		if p.ref.Slot() == s {
			return p
		}
	}
	return nil
}

// DAG is the causally complete part of what was received, and the blocks that wait to join it.
// Every vertex above the floor has all its ancestors above the floor. It is not safe for concurrent use.
type DAG struct {
	committee *Committee
	floor     Round // everything at or below has been collected
	clock     Round
	highest   Round
	layers    map[Round]*layer
	held      int // vertices in layers
	pending   pending
}

// layer is one round.
type layer struct {
	slots   [][]*Vertex // by author; more than one for twins
	arrived []*Vertex   // in order of acceptance
	authors AuthorSet
}

// New returns the DAG that holds the genesis blocks of the committee.
func New(c *Committee) *DAG {
	return &DAG{committee: c, clock: 1, layers: make(map[Round]*layer), pending: newPending()}
}

// Committee is whose blocks the DAG holds.
func (d *DAG) Committee() *Committee { return d.committee }

// Floor is the highest collected round: blocks at or below it are gone and no longer taken.
func (d *DAG) Floor() Round { return d.floor }

// Clock is the threshold clock: one more than the highest round of which a quorum is held.
func (d *DAG) Clock() Round { return d.clock }

// Highest is the newest round with an accepted block. It is not below the floor.
func (d *DAG) Highest() Round { return d.highest }

// At is the accepted blocks of a slot in order of acceptance; more than one are twins.
func (d *DAG) At(s Slot) []*Vertex {
	if l := d.layers[s.Round]; l != nil && d.committee.Has(s.Author) {
		return l.slots[s.Author]
	}
	return nil
}

// Get finds an accepted block, nil if it is not held.
func (d *DAG) Get(r Ref) *Vertex {
	for _, v := range d.At(r.Slot()) {
		if v.ref == r {
			return v
		}
	}
	return nil
}

// Arrived is the accepted blocks of a round in order of acceptance.
func (d *DAG) Arrived(r Round) []*Vertex {
	if l := d.layers[r]; l != nil {
		return l.arrived
	}
	return nil
}

// Authors is who has an accepted block in a round. All of the committee has one in round 0.
func (d *DAG) Authors(r Round) AuthorSet {
	if l := d.layers[r]; l != nil {
		return l.authors
	}
	var all AuthorSet
	if r == 0 {
		for a := range d.committee.Size() {
			all.Add(Author(a))
		}
	}
	return all
}

// Status is what Add did with a block.
type Status uint8

// What can become of a block.
const (
	Accepted  Status = iota + 1 // it is in the DAG, and maybe others that waited for it
	Suspended                   // it waits for Missing
	Known                       // it was held already
	Stale                       // its round has been collected
	TooFar                      // its round lies more than MaxAhead above the clock
	Refused                     // a limit on twins or waiting blocks
)

// Added is the outcome of Add and SetFloor.
type Added struct {
	Status   Status
	Accepted []*Vertex  // what joined the DAG, ancestors first
	Missing  []Ref      // what is neither held nor waiting and the sender must have; see Add
	Evidence []Evidence // equivocations seen for the first time
}

// Add takes a verified block. from is whoever sent it, for the limits on waiting blocks: an author
// of the committee, or any larger number.
//
// Where the block waits, Added.Missing names the parents that are neither held nor waiting. If a member
// sent it, it also names what the block's waiting ancestors lack: an honest sender holds all that lies
// below what it sends. It does so once for each ancestor and sender.
func (d *DAG) Add(b *Verified, from uint32) Added {
	switch {
	case b.Round() <= d.floor:
		return Added{Status: Stale}
	case b.Round() > d.clock+MaxAhead:
		return Added{Status: TooFar}
	case d.Get(b.ref) != nil:
		return Added{Status: Known}
	case d.pending.has(b.ref):
		return Added{Status: Known, Missing: d.lacking(b.ref, from)}
	case len(d.At(b.Slot())) >= MaxUncitedTwins && !d.pending.awaited(b.ref):
		return Added{Status: Refused}
	}
	var absent []Ref
	for _, p := range b.block.Parents {
		if p.Round > d.floor && d.Get(p) == nil {
			absent = append(absent, p)
		}
	}
	if len(absent) > 0 && !(len(absent) == 1 && mutant.Planted(mutant.AncestorIgnored)) {
		if !d.pending.suspend(b, from, absent) {
			return Added{Status: Refused}
		}
		return Added{Status: Suspended, Missing: d.lacking(b.ref, from)}
	}
	out := Added{Status: Accepted}
	d.acceptAll(b, &out)
	return out
}

// lacking is what is missing under a waiting block and its sender must have.
func (d *DAG) lacking(r Ref, from uint32) []Ref {
	if from < uint32(d.committee.Size()) {
		return d.pending.below(r, Author(from))
	}
	var out []Ref
	for _, p := range d.pending.blocks[r].block.block.Parents {
		if d.Wants(p) {
			out = append(out, p)
		}
	}
	return out
}

// Insert adds a vertex without contents: for DAGs that are drawn or read from a file to be shown
// to the commit rule, which looks at references alone. The parents must have been inserted;
// block validity is not checked.
func (d *DAG) Insert(r Ref, parents []Ref) *Vertex {
	v := &Vertex{ref: r}
	for _, p := range parents {
		if parent := d.Get(p); parent != nil {
			v.parents = append(v.parents, parent)
		}
	}
	d.join(v)
	return v
}

// SetFloor collects all rounds up to floor. Blocks that waited only for what is now collected join
// the DAG and are returned.
func (d *DAG) SetFloor(floor Round) Added {
	out := Added{Status: Accepted}
	for r, l := range d.layers {
		if r <= floor {
			for _, v := range l.arrived {
				v.parents = nil // children still point here; the chain must end
			}
			d.held -= len(l.arrived)
			delete(d.layers, r)
		}
	}
	if floor > d.floor {
		d.floor = floor
		d.highest = max(d.highest, floor)
		d.clock = max(d.clock, floor+1)
		d.advanceClock()
		for _, b := range d.pending.collect(floor) {
			d.acceptAll(b, &out)
		}
	}
	return out
}

// acceptAll accepts b and then, without recursion, whatever waited for what was accepted.
func (d *DAG) acceptAll(b *Verified, out *Added) {
	for queue := []*Verified{b}; len(queue) > 0; queue = queue[1:] {
		next := queue[0]
		v := &Vertex{ref: next.ref, block: next, parents: make([]*Vertex, 0, len(next.block.Parents))}
		for _, p := range next.block.Parents {
			if parent := d.Get(p); parent != nil {
				v.parents = append(v.parents, parent)
			}
		}
		if first := d.At(v.Slot()); len(first) == 1 {
			out.Evidence = append(out.Evidence, Evidence{First: first[0].block, Second: next})
		}
		d.join(v)
		out.Accepted = append(out.Accepted, v)
		queue = append(queue, d.pending.release(next.ref)...)
	}
}

func (d *DAG) join(v *Vertex) {
	l := d.layers[v.ref.Round]
	if l == nil {
		l = &layer{slots: make([][]*Vertex, d.committee.Size())}
		d.layers[v.ref.Round] = l
	}
	l.slots[v.ref.Author] = append(l.slots[v.ref.Author], v)
	l.arrived = append(l.arrived, v)
	d.held++
	l.authors.Add(v.ref.Author)
	d.highest = max(d.highest, v.ref.Round)
	d.advanceClock()
}

// held counts the authors that have a block in the round.
func (l *layer) held() int {
	switch {
	case mutant.Planted(mutant.ClockByBlock):
		return len(l.arrived)
	case mutant.Planted(mutant.ClockQuorum):
		return l.authors.Len() + 1
	}
	return l.authors.Len()
}

// advanceClock moves the clock over every round of which a quorum is held: one block can complete several.
func (d *DAG) advanceClock() {
	for {
		l := d.layers[d.clock]
		if l == nil || l.held() < d.committee.Quorum() {
			return
		}
		d.clock++
	}
}

// Wanted is every block that a waiting block refers to and that is neither held nor waiting itself,
// in order of Ref.
func (d *DAG) Wanted() []Ref { return d.pending.wanted() }

// Wants reports whether a waiting block refers to r and r is neither held nor waiting.
func (d *DAG) Wants(r Ref) bool { return d.pending.awaited(r) && !d.pending.has(r) }

// Held is how many accepted blocks of rounds above the floor are in memory.
func (d *DAG) Held() int { return d.held }

// Waiting is how many blocks wait for ancestors.
func (d *DAG) Waiting() int { return len(d.pending.blocks) }
