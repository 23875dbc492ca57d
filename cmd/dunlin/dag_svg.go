package main

import (
	"bytes"
	"fmt"
	"html"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Measures of the drawing in pixels.
const (
	svgStep   = 90 // from round to round
	svgRow    = 60 // from author to author
	svgRadius = 16
	svgTwin   = 22 // how far a twin stands from the block before it
	svgMargin = 60
)

// Colours of the drawing.
const (
	svgPlain     = "#f4f1ea"
	svgCommitted = "#8fc99a"
	svgSkipped   = "#e0a3a0"
	svgUndecided = "#f2d58a"
	svgEdge      = "#b9b4aa"
	svgVote      = "#2f6db5"
	svgBlame     = "#c0392b"
	svgInk       = "#333333"
)

// svg is the DAG as a drawing: rounds from left to right, authors from top to bottom, blocks
// coloured by the verdict on their slot. Of a slot that is asked about, votes and certificates have
// blue rings and what passes over it red ones.
func (d *drawing) svg(about *dag.Slot) []byte {
	var out bytes.Buffer
	width := int(d.graph.Highest())*svgStep + 2*svgMargin
	height := d.graph.Committee().Size()*svgRow + 2*svgMargin
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" fill="white"/><text x="10" y="20" fill="%s">%s</text>`+"\n", svgInk, html.EscapeString(d.name))
	rings := d.rings(about)
	for r := dag.Round(1); r <= d.graph.Highest(); r++ {
		fmt.Fprintf(&out, `<text x="%d" y="%d" fill="%s" text-anchor="middle">%d</text>`+"\n", svgColumn(r), svgMargin/2+10, svgInk, r)
		for _, v := range d.graph.Arrived(r) {
			for _, p := range v.Parents() {
				d.edge(&out, v, p, about)
			}
		}
	}
	for r := dag.Round(1); r <= d.graph.Highest(); r++ {
		for a := range dag.Author(d.graph.Committee().Size()) {
			d.slot(&out, dag.Slot{Round: r, Author: a}, rings)
		}
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func svgColumn(r dag.Round) int { return svgMargin + int(r-1)*svgStep + svgStep/2 }

// place is where a block stands.
func (d *drawing) place(v *dag.Vertex) (x, y int) {
	x, y = svgColumn(v.Round()), svgMargin+int(v.Author())*svgRow+svgRow/2
	for _, w := range d.graph.At(v.Slot()) {
		if w == v {
			break
		}
		x, y = x+svgTwin, y+svgTwin
	}
	return x, y
}

func (d *drawing) edge(out *bytes.Buffer, v, p *dag.Vertex, about *dag.Slot) {
	x, y := d.place(v)
	px, py := d.place(p)
	colour, style := svgEdge, ""
	if about != nil && p.Slot() == *about && v.Round() == p.Round()+1 {
		colour = svgVote
	}
	if p.Round()+1 < v.Round() {
		style = ` stroke-dasharray="4 3"`
	}
	fmt.Fprintf(out, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s"%s/>`+"\n", x, y, px, py, colour, style)
}

// slot draws the blocks of a slot, or a dashed circle where an anchor slot has none.
func (d *drawing) slot(out *bytes.Buffer, s dag.Slot, rings map[*dag.Vertex]string) {
	blocks, mark := d.graph.At(s), d.mark(s)
	if len(blocks) == 0 && mark != "" {
		x, y := svgColumn(s.Round), svgMargin+int(s.Author)*svgRow+svgRow/2
		fmt.Fprintf(out, `<circle cx="%d" cy="%d" r="%d" fill="%s" stroke="%s" stroke-dasharray="3 3"/>`+"\n", x, y, svgRadius, d.colour(s, nil), svgEdge)
	}
	for _, v := range blocks {
		x, y := d.place(v)
		stroke, width := svgInk, 1
		if rings[v] != "" {
			stroke, width = rings[v], 3
		}
		fmt.Fprintf(out, `<circle cx="%d" cy="%d" r="%d" fill="%s" stroke="%s" stroke-width="%d"/>`, x, y, svgRadius, d.colour(s, v), stroke, width)
		fmt.Fprintf(out, `<text x="%d" y="%d" fill="%s" text-anchor="middle">%s</text>`+"\n", x, y+4, svgInk, html.EscapeString(d.ids[v]))
	}
	if mark != "" {
		fmt.Fprintf(out, `<text x="%d" y="%d" fill="%s" text-anchor="middle">%s</text>`+"\n",
			svgColumn(s.Round), svgMargin+int(s.Author)*svgRow+svgRow/2-svgRadius-3, svgInk, mark)
	}
}

// colour is what a block's slot has come to; a twin of the committed block stays undecided for ever
// and is drawn as skipped.
func (d *drawing) colour(s dag.Slot, v *dag.Vertex) string {
	mark := d.mark(s)
	verdict := d.verdicts[s]
	switch {
	case mark == "":
		return svgPlain
	case verdict.Verdict == ordering.SlotUndecided:
		return svgUndecided
	case verdict.Verdict == ordering.SlotCommitted && verdict.Anchor == v:
		return svgCommitted
	}
	return svgSkipped
}

// rings are the colours of what a verdict rests on.
func (d *drawing) rings(about *dag.Slot) map[*dag.Vertex]string {
	out := make(map[*dag.Vertex]string)
	if about == nil {
		return out
	}
	e, err := d.committer.Explain(*about)
	if err != nil {
		return out // the terminal picture says what is wrong with the DAG
	}
	for _, c := range e.Candidates {
		for _, v := range c.Blames {
			out[v] = svgBlame
		}
	}
	for _, c := range e.Candidates {
		for _, v := range append(c.Votes, c.Certificates...) {
			out[v] = svgVote
		}
	}
	return out
}
