package sim

import (
	"cmp"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// orderRule is what follows from committed anchors, as it is written down: which blocks they bring
// in and in which order, which items pass the filters, the time, and who has slots from there on.
type orderRule struct {
	size     int
	network  crypto.Digest
	registry *dag.Registry // as of the newest commit
	round    dag.Round     // of the newest commit
	time     uint64
	walked   map[dag.Ref]bool
	taken    map[dag.Slot]bool
	accepted map[crypto.Digest]bool

	active  []dag.Author
	scores  []int
	commits int
}

func newOrderRule(c *dag.Committee, registry *dag.Registry) orderRule {
	size := c.Size()
	o := orderRule{
		size: size, network: c.Network(), registry: registry, walked: make(map[dag.Ref]bool), taken: make(map[dag.Slot]bool),
		accepted: make(map[crypto.Digest]bool), scores: make([]int, size),
	}
	for a := range size {
		o.active = append(o.active, dag.Author(a))
	}
	return o
}

// Numbers that the rule names.
const (
	collectedBelow = 60 // rounds below the newest commit's; the round itself is collected
	slotTurn       = 3  // rounds until the first slot moves on
	demotedBelow   = 60 // percent of the median score
	controlChecks  = 64 // signatures of controls that count per block
)

// gc is the highest collected round for the next commit.
func (o *orderRule) gc() dag.Round { return max(o.round, collectedBelow) - collectedBelow }

// slots is who has an anchor slot in a round, in slot order.
func (o *orderRule) slots(r dag.Round) []dag.Author {
	first := int(uint64(r) / slotTurn % uint64(len(o.active)))
	return slices.Concat(o.active[first:], o.active[:first])
}

// check says what is wrong with a commit of these anchors, and whether it changes the active set.
func (o *orderRule) check(c *ordering.Commit, anchors []*ruled) (wrong string, changed bool) {
	if len(anchors) == 0 {
		return sprintf("commit %d of round %d has no anchor", c.Index, c.Round), false
	}
	blocks, missing := o.bring(anchors)
	var refs []dag.Ref
	for _, b := range blocks {
		refs = append(refs, b.block.Ref())
	}
	want, results := o.filter(c.Index, blocks)
	got := make([]crypto.Digest, len(c.Accepted))
	for i := range c.Accepted {
		got[i] = c.Accepted[i].ID
	}
	o.time = max(o.time, median(anchors[0]))
	o.round = c.Round
	switch {
	case missing != "":
		wrong = sprintf("commit %d: %s", c.Index, missing)
	case !slices.Equal(refs, c.Blocks):
		wrong = sprintf("commit %d orders %v, want %v", c.Index, c.Blocks, refs)
	case !slices.Equal(got, want):
		wrong = sprintf("commit %d accepts %d items, want %d or another order", c.Index, len(got), len(want))
	case !slices.EqualFunc(c.Controls, results, func(got ordering.Controlled, want dag.ControlResult) bool { return got.Result == want }):
		wrong = sprintf("commit %d: controls came to %v, want %v", c.Index, c.Controls, results)
	case c.Time != o.time:
		wrong = sprintf("commit %d is of time %d, want %d", c.Index, c.Time, o.time)
	}
	for _, b := range blocks {
		o.score(b.block.Block())
	}
	for r := range o.walked {
		if r.Round <= o.gc() {
			delete(o.walked, r)
			delete(o.taken, r.Slot())
		}
	}
	return wrong, o.turn()
}

// bring is what stands in the anchors' cones above the collected round and was not ordered before.
func (o *orderRule) bring(anchors []*ruled) (blocks []*ruled, missing string) {
	for queue := slices.Clone(anchors); len(queue) > 0; queue = queue[1:] {
		b := queue[0]
		if b.round() <= o.gc() || o.walked[b.block.Ref()] {
			continue
		}
		o.walked[b.block.Ref()] = true
		blocks = append(blocks, b)
		for i, p := range b.parents {
			if ref := b.block.Block().Parents[i]; p != nil {
				queue = append(queue, p)
			} else if ref.Round > o.gc() {
				missing = sprintf("ancestor %v of %v was not accepted", ref, b.block.Ref())
			}
		}
	}
	slices.SortFunc(blocks, func(a, b *ruled) int {
		return cmp.Or(cmp.Compare(a.round(), b.round()), cmp.Compare(o.place(a), o.place(b)), a.block.Ref().Compare(b.block.Ref()))
	})
	return slices.DeleteFunc(blocks, func(b *ruled) bool {
		before := o.taken[b.block.Slot()]
		o.taken[b.block.Slot()] = true
		return before
	}), missing
}

func (o *orderRule) place(b *ruled) int {
	return int((uint64(b.author()) + uint64(b.round())) % uint64(o.size))
}

// filter is the ids that commit i accepts, and what the changes of the registry among them come to. The
// filter goes by the registry of the commit before.
func (o *orderRule) filter(i dag.CommitIndex, blocks []*ruled) (out []crypto.Digest, results []dag.ControlResult) {
	out = []crypto.Digest{}
	before := o.registry
	for _, b := range blocks {
		items, left := b.block.Block().Items, controlChecks
		for k := range items {
			item := &items[k]
			valid := item.Kind != dag.KindMalformed && before.CheckForm(item) == nil
			if valid && i <= item.ValidUntil && item.ValidUntil <= i+dag.ValidityWindow && !o.accepted[item.ID] {
				o.accepted[item.ID] = true
				out = append(out, item.ID)
				if item.Namespace == dag.ControlNamespace {
					results = append(results, o.control(i, item, &left))
				}
			}
		}
	}
	return out, results
}

// control applies a change of the registry, as far as its block may still have signatures looked at.
func (o *orderRule) control(i dag.CommitIndex, item *dag.Item, left *int) dag.ControlResult {
	tx := item.Transaction()
	c, err := dag.DecodeControl(tx.Payload)
	if err != nil {
		return dag.ControlMalformed
	}
	if result := o.registry.Examine(c, i); result != dag.Applied {
		return result
	}
	if *left -= len(c.Signatures); *left < 0 {
		return dag.ControlCrowded
	}
	next, result := o.registry.Apply(o.network, c, i)
	o.registry = next
	return result
}

// median is the lower median of the clocks of the anchor's parents in the round before; 0 in round 1.
func median(anchor *ruled) uint64 {
	var times []uint64
	for _, p := range anchor.votes {
		if p != nil {
			times = append(times, p.block.Block().Time)
		}
	}
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[(len(times)-1)/2]
}

// score counts whose blocks were among the first quorum of an ordered block's parents.
func (o *orderRule) score(b *dag.Block) {
	timely := min(len(b.Parents), o.size-faulty(o.size))
	for _, p := range b.Parents[1:timely] {
		if p.Round+1 == b.Round {
			o.scores[p.Author]++
		}
	}
}

// turn ends a commit; at the end of a window it chooses who has slots in later rounds.
func (o *orderRule) turn() (changed bool) {
	if o.commits++; o.commits < ordering.ReputationWindow {
		return false
	}
	order := make([]dag.Author, o.size)
	for a := range order {
		order[a] = dag.Author(a)
	}
	slices.SortStableFunc(order, func(a, b dag.Author) int { return cmp.Compare(o.scores[a], o.scores[b]) })
	enough := o.scores[order[o.size/2]] * demotedBelow
	out := 0
	for out < faulty(o.size) && o.scores[order[out]]*100 < enough {
		out++
	}
	active := slices.Sorted(slices.Values(order[out:]))
	changed = !slices.Equal(active, o.active)
	o.active, o.commits, o.scores = active, 0, make([]int, o.size)
	return changed
}
