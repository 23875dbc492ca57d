package ordering

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// TestScenarios runs the pictures of testdata/*.txt through the rule. Every evaluation is held
// against the recursive rule too, so that a rewritten expectation is never worse than that.
//
//	dag [slots=K]         a picture; K anchor slots a round, all authors in turn; all if not given
//	more                  more lines of the picture
//	decide                hand out decided rounds, and show what is pending. + committed, - skipped,
//	                      (+) and (-) by a later anchor, ? undecided; of twins the block is named
//	why slot=B3           what a verdict rests on
//	order [gc=N]          the blocks of the committed rounds so far, in order
//	active set=(A, B)     another active set from the next round on
//	items                 the items of blocks: BLOCK: PAYLOAD@VALID_UNTIL ...; before engine
//	engine                the commits of an engine that sees the picture
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := &scenario{}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				s.t = t
				return s.run(d)
			})
		})
	}
}

type scenario struct {
	t         *testing.T
	text      string
	blocks    int
	graph     *dag.DAG
	names     names
	vertices  map[string]*dag.Vertex
	schedule  Schedule
	committer *Committer
	rounds    []RoundDecision
	items     map[string][]dag.Item
}

func (s *scenario) run(d *datadriven.TestData) string {
	switch d.Cmd {
	case "dag":
		return s.dag(d)
	case "more":
		return s.grow(s.text + d.Input + "\n")
	case "decide":
		return s.decide()
	case "why":
		var slot string
		d.ScanArgs(s.t, "slot", &slot)
		return s.why(slot)
	case "order":
		gc := int(GCDepth)
		d.MaybeScanArgs(s.t, "gc", &gc)
		return s.order(dag.Round(gc))
	case "active":
		arg, _ := d.Arg("set")
		s.schedule = s.switched(Rotate(authors(s.t, arg.Vals)))
		s.committer.Reschedule(s.schedule)
		return ""
	case "items":
		return s.readItems(d.Input)
	case "engine":
		return s.engine()
	}
	s.t.Fatalf("unknown command %q", d.Cmd)
	return ""
}

func authors(t *testing.T, texts []string) []dag.Author {
	var out []dag.Author
	for _, text := range texts {
		a, err := dag.ParseAuthor(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// switched is the present schedule up to the newest round handed out, and next from there on.
func (s *scenario) switched(next Schedule) Schedule {
	before, last := s.schedule, s.committer.Decided()
	return func(r dag.Round) []dag.Author {
		if r <= last {
			return before(r)
		}
		return next(r)
	}
}

func (s *scenario) dag(d *datadriven.TestData) string {
	p, err := picture.Parse(d.Input)
	if err != nil {
		return err.Error()
	}
	*s = scenario{t: s.t, graph: dag.New(dagtest.Committee(p.Authors)), names: names{}, vertices: map[string]*dag.Vertex{}, items: map[string][]dag.Item{}}
	k := p.Authors
	d.MaybeScanArgs(s.t, "slots", &k)
	s.schedule = rotated(p.Authors, k)
	s.committer = NewCommitter(s.graph, s.schedule, 0)
	return s.grow(d.Input + "\n")
}

func (s *scenario) grow(text string) string {
	p, err := picture.Parse(text)
	if err != nil {
		return err.Error()
	}
	fresh := picture.Picture{Authors: p.Authors, Blocks: p.Blocks[s.blocks:]}
	for i, v := range fresh.Insert(s.graph) {
		name := fresh.Blocks[i].Name.String()
		s.names[v.Ref()], s.vertices[name] = name, v
		s.committer.Add(v)
	}
	s.text, s.blocks = text, len(p.Blocks)
	return ""
}

func (s *scenario) decide() string {
	var out strings.Builder
	for {
		d, ok, err := s.committer.Next()
		if err != nil {
			return err.Error()
		}
		if !ok {
			break
		}
		s.rounds = append(s.rounds, d)
		fmt.Fprintf(&out, "%d: %s\n", d.Round, s.marks(d.Decisions))
	}
	pending, err := s.committer.Pending()
	if err != nil {
		return err.Error()
	}
	for len(pending) > 0 {
		n := 1
		for n < len(pending) && pending[n].Slot.Round == pending[0].Slot.Round {
			n++
		}
		fmt.Fprintf(&out, "%d: %s pending\n", pending[0].Slot.Round, s.marks(pending[:n]))
		pending = pending[n:]
	}
	s.compare()
	return out.String()
}

// compare holds what was handed out against the recursive rule on the whole DAG.
func (s *scenario) compare() {
	s.t.Helper()
	want, err := (&oracle{s.graph, s.schedule}).sequence(0)
	if err != nil {
		s.t.Fatal(err)
	}
	var got []Decision
	for _, r := range s.rounds {
		got = append(got, r.Decisions...)
	}
	if w, g := s.names.verdicts(want), s.names.verdicts(got); !prefixOf(g, w) {
		s.t.Errorf("the committer handed out other decisions than the rule (-rule +committer):\n%s", cmp.Diff(w, g))
	}
}

func (s *scenario) marks(decisions []Decision) string {
	var out []string
	for _, d := range decisions {
		mark := "?"
		if d.Verdict != SlotUndecided {
			mark = map[Verdict]string{SlotCommitted: "+", SlotSkipped: "-"}[d.Verdict]
			if !d.Direct {
				mark = "(" + mark + ")"
			}
		}
		text := d.Slot.Author.String() + mark
		if len(s.graph.At(d.Slot)) > 1 && d.Anchor != nil {
			text += "=" + s.names.of(d.Anchor)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func (s *scenario) why(text string) string {
	slot, err := dag.ParseSlot(text)
	if err != nil {
		return err.Error()
	}
	e, err := s.committer.Explain(slot)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	out.WriteString(show(e.Decision, s.names.of))
	if e.By != nil {
		out.WriteString(", by " + show(*e.By, s.names.of))
	}
	out.WriteString("\n")
	for _, c := range e.Candidates {
		fmt.Fprintf(&out, "%s: votes %s, passed over by %s, certificates %s, of them seen %s\n", s.names.of(c.Block),
			s.list(c.Votes), s.list(c.Blames), s.list(c.Certificates), s.list(c.Seen))
	}
	return out.String()
}

func (s *scenario) list(vertices []*dag.Vertex) string {
	var out []string
	for _, v := range vertices {
		out = append(out, s.names.of(v))
	}
	return "[" + strings.Join(out, " ") + "]"
}

func (s *scenario) order(gc dag.Round) string {
	var anchors [][]*dag.Vertex
	for _, r := range s.rounds {
		if a := r.Anchors(); len(a) > 0 {
			anchors = append(anchors, a)
		}
	}
	var out strings.Builder
	for i, blocks := range Linearize(s.graph.Committee().Size(), anchors, gc) {
		fmt.Fprintf(&out, "round %d: %s\n", anchors[i][0].Round(), strings.Trim(s.list(blocks), "[]"))
	}
	return out.String()
}

func (s *scenario) readItems(text string) string {
	hasher := dag.NewItemHasher(s.graph.Committee().Network())
	for line := range strings.Lines(text) {
		block, list, _ := strings.Cut(strings.TrimSpace(line), ":")
		for _, word := range strings.Fields(list) {
			payload, until, _ := strings.Cut(word, "@")
			n, err := strconv.Atoi(until)
			tx := dag.Transaction{Namespace: testNamespace, ValidUntil: dag.CommitIndex(n), Payload: []byte(payload)}
			if strings.HasPrefix(payload, "stranger") {
				tx.Namespace++
			}
			item, encodeErr := tx.Encode(hasher)
			if err != nil || encodeErr != nil {
				return fmt.Sprintf("%s: %v %v", word, err, encodeErr)
			}
			if payload == "garbage" {
				item = dag.Item{Kind: dag.KindMalformed, Raw: []byte(payload)}
			}
			s.items[block] = append(s.items[block], item)
		}
	}
	return ""
}

// engine signs the picture and shows the commits of an engine that receives it.
func (s *scenario) engine() string {
	built := dagtest.BuildFilled(s.t, s.text, func(n picture.Name, b *dag.Block) { b.Items = s.items[n.String()] })
	o := newObserver(s.t, built.Committee, Restored{})
	o.feed(built.Blocks, 1)
	checkSequence(s.t, o.commits)
	var out strings.Builder
	for _, c := range o.commits {
		fmt.Fprintf(&out, "commit %d, round %d, time %d:", c.Index, c.Round, c.Time)
		for _, r := range c.Blocks {
			fmt.Fprintf(&out, " %v", built.Names[r])
		}
		out.WriteString("\n")
		for _, a := range c.Accepted {
			fmt.Fprintf(&out, "  %v accepted %s\n", built.Names[c.Blocks[a.Block]], payloadOf(c.Bodies[a.Block], a.Item))
		}
		for _, d := range c.Dropped {
			fmt.Fprintf(&out, "  %v dropped %s: %v\n", built.Names[c.Blocks[d.Block]], payloadOf(c.Bodies[d.Block], d.Item), d.Reason)
		}
	}
	return out.String()
}

func payloadOf(b *dag.Verified, item uint32) string {
	raw := b.Block().Items[item].Raw
	return string(raw[bytes.LastIndexByte(raw, 0)+1:])
}
