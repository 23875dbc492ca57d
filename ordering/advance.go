package ordering

import (
	"cmp"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// advance commits every round that the DAG now decides.
func (e *Engine) advance() {
	for {
		d, ok, err := e.committer.Next()
		if err != nil {
			e.fault = err
		}
		if err != nil || !ok {
			return
		}
		if anchors := d.Anchors(); len(anchors) > 0 {
			e.ready.Commits = append(e.ready.Commits, e.commit(d.Round, anchors))
		}
	}
}

// commit makes the commit of a decided round and moves everything that derives from the sequence.
func (e *Engine) commit(round dag.Round, anchors []*dag.Vertex) *Commit {
	c := &Commit{CommitHeader: CommitHeader{
		Index: e.head.Index + 1, Epoch: e.cfg.Committee.Epoch(), Round: round, Previous: e.head.Digest,
		Time: max(e.headTime, medianTime(anchors[0])),
	}}
	for _, a := range anchors {
		c.Anchors = append(c.Anchors, a.Ref())
	}
	switch {
	case mutant.Planted(mutant.TimeBackwards):
		c.Time = medianTime(anchors[0])
	case mutant.Planted(mutant.TimeLocal):
		c.Time = max(e.headTime, e.wall)
	}
	gc := gcRound(e.headRound, GCDepth)
	if mutant.Planted(mutant.GCLocal) {
		gc = gcRound(e.graph.Clock(), GCDepth)
	}
	vertices := e.lines.order(anchors, gc)
	if mutant.Planted(mutant.OwnFirst) {
		slices.SortStableFunc(vertices, func(a, b *dag.Vertex) int { return cmp.Compare(a.Author()^e.cfg.Self, b.Author()^e.cfg.Self) })
	}
	for _, v := range vertices {
		b := v.Verified()
		c.Blocks, c.Bodies = append(c.Blocks, b.Ref()), append(c.Bodies, b)
		e.filter(c, b)
		e.applySystem(c, b)
		e.scores.count(b.Block())
		delete(e.unordered, b.Ref())
		if b.Author() == e.cfg.Self {
			e.pool.ordered(b)
		}
	}
	e.derive(c)
	changed := e.scores.turn()
	if mutant.Planted(mutant.SwitchLate) {
		changed = e.scores.commits == 1
	}
	e.closeRegistry(c)
	e.closeSealing(c)
	e.closeCertificates(c)
	e.writeStates(c)
	c.Resume = e.checkpoints.append(c.Resume)
	c.Resume = e.scores.encode(c.Resume)
	c.StateDigest = digestOf(c.Resume, e.seen.close(c.Index, c.OrderRoot))
	c.Digest = c.ComputeDigest()
	e.head, e.headRound, e.headTime = c.Ref(), round, c.Time
	if changed {
		e.committer.Reschedule(Rotate(e.scores.active))
	}
	if mutant.Planted(mutant.FloorEarly) {
		round++
	}
	e.collect(gcRound(round, GCDepth))
	return c
}

// derive sets the roots of a commit whose blocks and items stand.
func (e *Engine) derive(c *Commit) {
	leaves, err := c.Derive()
	if err != nil {
		panic("ordering: " + err.Error()) // the commit was made here, of these blocks
	}
	e.chains.Extend(c, leaves)
}

// filter applies the ordered filters to the items of one block, in order. They are final: an item
// that they keep out was never accepted, so its id stays free.
func (e *Engine) filter(c *Commit, b *dag.Verified) {
	block := uint32(len(c.Blocks) - 1)
	items := b.Block().Items
	for i := range items {
		item := &items[i]
		if reason := e.drop(item, c.Index); reason != 0 {
			c.Dropped = append(c.Dropped, Dropped{ID: item.ID, Block: block, Item: uint32(i), Reason: reason})
			if mutant.Planted(mutant.DroppedKept) {
				e.seen.add(item.ID, c.Index)
			}
			continue
		}
		e.seen.add(item.ID, c.Index)
		if item.Namespace == dag.ControlNamespace {
			e.registrar.ordered = append(e.registrar.ordered, uint32(len(c.Accepted)))
		}
		c.Accepted = append(c.Accepted, Accepted{ID: item.ID, Namespace: item.Namespace, Block: block, Item: uint32(i)})
	}
}

// drop names the filter that keeps the item out of commit i; 0 if it passes all.
func (e *Engine) drop(item *dag.Item, i dag.CommitIndex) DropReason {
	if item.Kind == dag.KindMalformed {
		return DropMalformed
	}
	if reason := formReason(e.registrar.registry.CheckForm(item)); reason != 0 {
		return reason
	}
	switch {
	case item.ValidUntil < i, item.ValidUntil == i && mutant.Planted(mutant.ValidUntilEarly):
		return DropExpired
	case item.ValidUntil > i+dag.ValidityWindow, item.ValidUntil == i+dag.ValidityWindow && mutant.Planted(mutant.ValidUntilBeyond):
		return DropTooFarAhead
	}
	if _, known := e.seen.has(item.ID); known {
		return DropDuplicate
	}
	return 0
}

// collect drops the rounds up to floor. What own blocks held and no commit brought in goes back to
// the pool: it can no longer be ordered where it stands.
func (e *Engine) collect(floor dag.Round) {
	if floor <= e.graph.Floor() {
		return
	}
	for r := e.graph.Floor() + 1; r <= floor; r++ {
		for _, v := range e.graph.Arrived(r) {
			delete(e.unordered, v.Ref())
		}
	}
	e.pool.collected(floor)
	e.marks.collect(floor)
	e.lines.collect(floor)
	e.committer.Collect(floor)
	e.joined(e.graph.SetFloor(floor))
}

// medianTime is the median clock of the anchor's parents in the round before it, one per author; of
// an even number the lower one. A quorum of clocks has a median between two honest ones. In round 1
// the parents have no clock, and the anchor's own may show anything; its commit keeps the time
// before.
func medianTime(anchor *dag.Vertex) uint64 {
	var times []uint64
	for _, p := range anchor.Parents() {
		if p.Round() == anchor.Round()-1 {
			times = append(times, p.Verified().Block().Time)
		}
	}
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	if mutant.Planted(mutant.TimeHighest) {
		return times[len(times)-1]
	}
	return times[(len(times)-1)/2]
}
