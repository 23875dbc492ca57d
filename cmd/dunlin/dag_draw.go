package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// What stands behind a block in the terminal picture.
const dagLegend = "+ committed   - skipped   (+) (-) the same, decided by a later anchor   ? undecided   no mark: no anchor slot"

// print draws the DAG for a terminal, oldest round first, and explains one slot if asked to.
func (d *drawing) print(out io.Writer, about *dag.Slot) error {
	committee := d.graph.Committee()
	fmt.Fprintf(out, "%s: %d validators, quorum %d, %d rounds\n\n", d.name, committee.Size(), committee.Quorum(), d.graph.Highest())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for r := dag.Round(1); r <= d.graph.Highest(); r++ {
		fmt.Fprintf(w, "%d", r)
		for a := range dag.Author(committee.Size()) {
			fmt.Fprintf(w, "\t%s", d.cell(dag.Slot{Round: r, Author: a}))
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", dagLegend)
	d.printGaps(out)
	if d.fault != nil {
		fmt.Fprintf(out, "\nno order: %v\n", d.fault)
	}
	if about != nil {
		return d.explain(out, *about)
	}
	return nil
}

// cell is the blocks of a slot and its mark.
func (d *drawing) cell(s dag.Slot) string {
	text := d.list(d.graph.At(s))
	if text == "" {
		text = "."
	}
	return strings.TrimSpace(text + " " + d.mark(s))
}

func (d *drawing) mark(s dag.Slot) string {
	v, decided := d.verdicts[s]
	if !decided {
		if slices.Contains(d.schedule(s.Round), s.Author) {
			return "?"
		}
		return ""
	}
	mark := map[ordering.Verdict]string{ordering.SlotCommitted: "+", ordering.SlotSkipped: "-"}[v.Verdict]
	switch {
	case mark == "":
		return "?"
	case !v.Direct:
		return "(" + mark + ")"
	}
	return mark
}

func (d *drawing) list(vertices []*dag.Vertex) string {
	ids := make([]string, len(vertices))
	for i, v := range vertices {
		ids[i] = d.ids[v]
	}
	return strings.Join(ids, " ")
}

// printGaps lists the references that are not to all of the round before.
func (d *drawing) printGaps(out io.Writer) {
	var lines []string
	for r := dag.Round(2); r <= d.graph.Highest(); r++ {
		for a := range dag.Author(d.graph.Committee().Size()) {
			for _, v := range d.graph.At(dag.Slot{Round: r, Author: a}) {
				if gap := d.gap(v); gap != "" {
					lines = append(lines, fmt.Sprintf("  %s %s", d.ids[v], gap))
				}
			}
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nAll refer to all of the round before, but:\n%s\n", strings.Join(lines, "\n"))
	}
}

func (d *drawing) gap(v *dag.Vertex) string {
	var missed, older []*dag.Vertex
	for _, p := range d.graph.Arrived(v.Round() - 1) {
		if !slices.Contains(v.Parents(), p) {
			missed = append(missed, p)
		}
	}
	for _, p := range v.Parents() {
		if p.Round() < v.Round()-1 {
			older = append(older, p)
		}
	}
	var parts []string
	if len(missed) > 0 {
		parts = append(parts, "passes over "+d.list(missed))
	}
	if len(older) > 0 {
		parts = append(parts, "refers to older "+d.list(older))
	}
	return strings.Join(parts, ", ")
}

// explain says what the verdict on a slot rests on.
func (d *drawing) explain(out io.Writer, s dag.Slot) error {
	e, err := d.committer.Explain(s)
	if errors.Is(err, ordering.ErrFault) {
		return nil // print has said so
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nslot %v: %s\n", s, d.verdict(s, e))
	if len(e.Candidates) == 0 {
		fmt.Fprintf(out, "  no block\n")
	}
	quorum := d.graph.Committee().Quorum()
	for i := range e.Candidates {
		c := &e.Candidates[i]
		fmt.Fprintf(out, "  block %s\n", d.ids[c.Block])
		d.count(out, "votes", c.Votes, quorum)
		d.count(out, "passed over by", c.Blames, quorum)
		d.count(out, "certificates", c.Certificates, quorum)
		if e.By != nil && e.By.Verdict == ordering.SlotCommitted {
			fmt.Fprintf(out, "    %-15s %s\n", "below "+d.ids[e.By.Anchor], orNone(d.list(c.Seen)))
		}
	}
	return nil
}

func (d *drawing) count(out io.Writer, what string, vertices []*dag.Vertex, quorum int) {
	var authors dag.AuthorSet
	for _, v := range vertices {
		authors.Add(v.Author())
	}
	fmt.Fprintf(out, "    %-15s %s (%d authors, quorum %d)\n", what, orNone(d.list(vertices)), authors.Len(), quorum)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// verdict is the decision on a slot in words.
func (d *drawing) verdict(s dag.Slot, e ordering.Explanation) string {
	by := "no later anchor slot decides it yet"
	if e.By != nil {
		by = fmt.Sprintf("%v, the first slot from round %d on that is not skipped, is undecided itself", e.By.Slot, s.Round+3)
	}
	switch {
	case !slices.Contains(d.schedule(s.Round), s.Author):
		return "no anchor slot"
	case e.Verdict == ordering.SlotUndecided:
		return "undecided; " + by
	case e.Verdict == ordering.SlotCommitted && e.Direct:
		return fmt.Sprintf("%s committed by a quorum of certificates", d.ids[e.Anchor])
	case e.Verdict == ordering.SlotCommitted:
		return fmt.Sprintf("%s committed: a certificate stands below the anchor %s", d.ids[e.Anchor], d.anchor(e.By))
	case e.Direct:
		return "skipped by a quorum that passes over it"
	}
	return fmt.Sprintf("skipped: no certificate stands below the anchor %s", d.anchor(e.By))
}

// anchor is the block that decided; nil where the slot has been decided directly since.
func (d *drawing) anchor(by *ordering.Decision) string {
	if by == nil || by.Anchor == nil {
		return "that decided it"
	}
	return d.ids[by.Anchor]
}
