package vector

import (
	"errors"
	"math"
	"slices"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Answer is what the committer decides on a vector. It encodes to the answer's JSON.
type Answer struct {
	Name      string          `json:"name"`
	Steps     []StepAnswer    `json:"steps"`
	Linearize []CommitsAnswer `json:"linearize"`
	Fault     bool            `json:"fault"` // the DAG shows more than f faulty
}

// StepAnswer is the decisions of one step and the answers about its slots.
type StepAnswer struct {
	Sequence []DecisionAnswer `json:"sequence"`
	Slots    []SlotAnswer     `json:"slots"`
}

// DecisionAnswer is the decision on one slot of the sequence.
type DecisionAnswer struct {
	Round    dag.Round  `json:"round"`
	Author   dag.Author `json:"author"`
	Decision string     `json:"decision"` // commit or skip
	Block    *string    `json:"block"`    // the committed block's id
	How      string     `json:"how"`      // direct or indirect
}

// SlotAnswer is the verdict on one slot.
type SlotAnswer struct {
	Verdict string  `json:"verdict"` // commit, skip or undecided
	Block   *string `json:"block"`
	How     *string `json:"how"` // nil while undecided
}

// CommitsAnswer is which blocks each commit brings in.
type CommitsAnswer struct {
	Commits []CommitAnswer `json:"commits"`
}

// CommitAnswer is the ids of one commit's blocks, in order.
type CommitAnswer struct {
	Blocks []string `json:"blocks"`
}

// Decide answers all questions of a vector.
func (v *Vector) Decide() (*Answer, error) {
	out := &Answer{Name: v.Name, Steps: []StepAnswer{}, Linearize: []CommitsAnswer{}}
	for _, s := range v.Steps {
		a, err := v.step(s)
		if errors.Is(err, ordering.ErrFault) {
			out.Fault = true
		} else if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, a)
	}
	for _, s := range v.Sequences {
		a, err := v.linearize(s)
		if err != nil {
			return nil, err
		}
		out.Linearize = append(out.Linearize, a)
	}
	return out, nil
}

// Schedule is the vector's anchors.
func (v *Vector) Schedule() ordering.Schedule {
	return func(r dag.Round) []dag.Author { return v.Anchors[r] }
}

// view is what one step knows.
type view struct {
	graph    *dag.DAG
	vertices []*dag.Vertex
	ids      map[*dag.Vertex]string
}

func (v *Vector) view(blocks int) (*view, error) {
	graph, vertices, err := v.Graph(blocks)
	if err != nil {
		return nil, err
	}
	w := &view{graph: graph, vertices: vertices, ids: make(map[*dag.Vertex]string, blocks)}
	for i, vertex := range vertices {
		w.ids[vertex] = v.Blocks[i].ID
	}
	return w, nil
}

func (w *view) committer(schedule ordering.Schedule, last dag.Round) *ordering.Committer {
	c := ordering.NewCommitter(w.graph, schedule, last)
	for _, vertex := range w.vertices {
		c.Add(vertex)
	}
	return c
}

// step answers one step. After a fault the answer holds what was decided before it.
func (v *Vector) step(s Step) (StepAnswer, error) {
	out := StepAnswer{Sequence: []DecisionAnswer{}, Slots: []SlotAnswer{}}
	w, err := v.view(s.Blocks)
	if err != nil {
		return out, err
	}
	decisions, err := v.sequence(w, s.Last)
	for _, d := range decisions {
		out.Sequence = append(out.Sequence, w.decision(d))
	}
	for _, q := range s.Slots {
		d, slotErr := v.slot(w, q)
		err = errors.Join(err, slotErr)
		out.Slots = append(out.Slots, w.slot(d))
	}
	return out, err
}

// sequence is the decisions after a slot: all of whole rounds, and of the first round that is not
// decided the slots before the first undecided one.
func (v *Vector) sequence(w *view, last dag.Slot) ([]ordering.Decision, error) {
	decided := 0 // slots of last's round that are decided already
	before := last.Round
	if at := slices.Index(v.Anchors[last.Round], last.Author); at >= 0 && last.Round > 0 {
		decided, before = at+1, last.Round-1
	}
	c := w.committer(v.Schedule(), before)
	var out []ordering.Decision
	for {
		d, ok, err := c.Next()
		if err != nil {
			return out, err
		}
		if !ok {
			break
		}
		out = append(out, d.Decisions...)
	}
	pending, err := c.Pending()
	if err != nil {
		return out, err
	}
	for _, d := range pending {
		if d.Verdict == ordering.SlotUndecided {
			break
		}
		out = append(out, d)
	}
	return out[min(decided, len(out)):], nil
}

// slot answers the question about one slot.
func (v *Vector) slot(w *view, q Question) (ordering.Decision, error) {
	schedule := v.Schedule()
	c := w.committer(func(r dag.Round) []dag.Author {
		if r == q.Slot.Round && !slices.Contains(schedule(r), q.Slot.Author) {
			return append(slices.Clone(schedule(r)), q.Slot.Author)
		}
		return schedule(r)
	}, 0)
	switch q.Ask {
	case "direct":
		return c.Direct(q.Slot)
	case "indirect":
		return c.Indirect(q.Slot, w.graph.Get(v.ref(q.Anchor)))
	}
	all, err := c.Pending()
	if at := slices.IndexFunc(all, func(d ordering.Decision) bool { return d.Slot == q.Slot }); at >= 0 {
		return all[at], err
	}
	return ordering.Decision{Slot: q.Slot}, err
}

func (w *view) block(d ordering.Decision) *string {
	if d.Anchor == nil {
		return nil
	}
	id := w.ids[d.Anchor]
	return &id
}

func how(d ordering.Decision) string {
	if d.Direct {
		return "direct"
	}
	return "indirect"
}

func (w *view) decision(d ordering.Decision) DecisionAnswer {
	out := DecisionAnswer{Round: d.Slot.Round, Author: d.Slot.Author, Decision: "skip", Block: w.block(d), How: how(d)}
	if d.Verdict == ordering.SlotCommitted {
		out.Decision = "commit"
	}
	return out
}

func (w *view) slot(d ordering.Decision) SlotAnswer {
	if d.Verdict == ordering.SlotUndecided {
		return SlotAnswer{Verdict: "undecided"}
	}
	by := how(d)
	if d.Verdict == ordering.SlotSkipped {
		return SlotAnswer{Verdict: "skip", How: &by}
	}
	return SlotAnswer{Verdict: "commit", Block: w.block(d), How: &by}
}

// linearize orders the blocks of a sequence of commits.
func (v *Vector) linearize(s Sequence) (CommitsAnswer, error) {
	w, err := v.view(len(v.Blocks))
	if err != nil {
		return CommitsAnswer{}, err
	}
	depth := dag.Round(math.MaxUint64)
	if s.Depth != nil {
		depth = *s.Depth
	}
	var anchors [][]*dag.Vertex
	for _, id := range s.Anchors {
		anchors = append(anchors, []*dag.Vertex{w.graph.Get(v.ref(id))})
	}
	out := CommitsAnswer{Commits: []CommitAnswer{}}
	for _, blocks := range ordering.Linearize(v.Authors, anchors, depth) {
		ids := []string{}
		for _, b := range blocks {
			ids = append(ids, w.ids[b])
		}
		out.Commits = append(out.Commits, CommitAnswer{Blocks: ids})
	}
	return out, nil
}
