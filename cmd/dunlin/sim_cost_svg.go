package main

import (
	"bytes"
	"fmt"
	"math"

	"github.com/dunlin-network/dunlin/internal/sim"
)

// Measures of the plot in pixels.
const (
	plotWidth  = 360 // of a panel
	plotHeight = 300
	plotLeft   = 70 // of the first panel; room for the labels
	plotTop    = 50
	plotGap    = 90 // between the panels
	plotLegend = 70
)

// plotLine is one line of a panel.
type plotLine struct {
	label, colour, dash string
	at                  []plotPoint
}

type plotPoint struct{ n, value float64 }

// plotPanel is a diagram with logarithmic axes.
type plotPanel struct {
	left         float64
	title        string
	low, high    float64 // decades of the values
	fewest, most float64 // validators
	lines        []plotLine
}

// plot draws the report: CPU at the left, bytes at the right, both by the number of validators.
func (r *costReport) plot() []byte {
	line := func(label, colour, dash string, costs []sim.Cost, value func(*sim.Cost) float64) plotLine {
		l := plotLine{label: label, colour: colour, dash: dash}
		for i := range costs {
			if v := value(&costs[i]); v > 0 {
				l.at = append(l.at, plotPoint{float64(costs[i].Validators), v})
			}
		}
		return l
	}
	panels := []plotPanel{
		{left: plotLeft, title: "CPU of one validator per round, µs", lines: []plotLine{
			line("all, under load", "#222222", "none", r.Loaded, func(c *sim.Cost) float64 { return c.CPU }),
			line("all, without load", "#222222", "6 4", r.Idle, func(c *sim.Cost) float64 { return c.CPU }),
			line("verify", "#c0392b", "none", r.Loaded, func(c *sim.Cost) float64 { return c.Verify }),
			line("add to the DAG", "#2f6db5", "none", r.Loaded, func(c *sim.Cost) float64 { return c.Add }),
			line("commit rule and order", "#3c8d50", "none", r.Loaded, func(c *sim.Cost) float64 { return c.Commit }),
			line("propose", "#b7791f", "none", r.Loaded, func(c *sim.Cost) float64 { return c.Propose }),
		}},
		{left: plotLeft + plotWidth + plotGap, title: "bytes pushed by one validator per round", lines: []plotLine{
			line("headers", "#c0392b", "none", r.Idle, func(c *sim.Cost) float64 { return c.Header }),
			line("48 B x n x n", "#888888", "2 4", r.Idle, func(c *sim.Cost) float64 { return c.Reference }),
			line(fmt.Sprintf("payload, %d x %d B per validator", r.Transactions, r.Bytes), "#2f6db5", "none", r.Loaded, func(c *sim.Cost) float64 { return c.Payload }),
		}},
	}
	var out bytes.Buffer
	width, height := 2*plotWidth+plotGap+plotLeft+30, plotTop+plotHeight+50+plotLegend
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	out.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i := range panels {
		panels[i].scale()
		panels[i].draw(&out)
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// scale fits the axes to the lines: whole decades of values.
func (p *plotPanel) scale() {
	p.low, p.high, p.fewest, p.most = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range p.lines {
		for _, at := range l.at {
			p.low, p.high = min(p.low, math.Floor(math.Log10(at.value))), max(p.high, math.Ceil(math.Log10(at.value)))
			p.fewest, p.most = min(p.fewest, at.n), max(p.most, at.n)
		}
	}
	if p.most <= p.fewest {
		p.most = p.fewest + 1
	}
	if p.high <= p.low {
		p.high = p.low + 1
	}
}

func (p *plotPanel) x(n float64) float64 {
	return p.left + plotWidth*math.Log(n/p.fewest)/math.Log(p.most/p.fewest)
}

func (p *plotPanel) y(value float64) float64 {
	return plotTop + plotHeight*(p.high-math.Log10(value))/(p.high-p.low)
}

func (p *plotPanel) draw(out *bytes.Buffer) {
	fmt.Fprintf(out, `<text x="%.0f" y="%d" font-weight="bold">%s</text>`+"\n", p.left, plotTop-18, p.title)
	for d := p.low; d <= p.high; d++ {
		y := p.y(math.Pow(10, d))
		fmt.Fprintf(out, `<path d="M%.1f %.1fh%d" stroke="#dddddd"/><text x="%.1f" y="%.1f" text-anchor="end" fill="#555555">%s</text>`+"\n",
			p.left, y, plotWidth, p.left-8, y+4, decade(d))
	}
	for _, at := range p.lines[0].at {
		fmt.Fprintf(out, `<path d="M%.1f %dv%d" stroke="#eeeeee"/><text x="%.1f" y="%d" text-anchor="middle" fill="#555555">%.0f</text>`+"\n",
			p.x(at.n), plotTop, plotHeight, p.x(at.n), plotTop+plotHeight+18, at.n)
	}
	fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555555">validators n</text>`+"\n", p.left+plotWidth/2, plotTop+plotHeight+36)
	for i, l := range p.lines {
		var points bytes.Buffer
		for _, at := range l.at {
			fmt.Fprintf(&points, "%.1f,%.1f ", p.x(at.n), p.y(at.value))
			fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>`+"\n", p.x(at.n), p.y(at.value), l.colour)
		}
		style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"`, l.colour, l.dash)
		fmt.Fprintf(out, `<polyline points="%s" %s/>`+"\n", bytes.TrimSpace(points.Bytes()), style)
		x, y := p.left+float64(i%2)*plotWidth/2, plotTop+plotHeight+62+20*(i/2)
		fmt.Fprintf(out, `<path d="M%.1f %dh26" %s/><text x="%.1f" y="%d">%s</text>`+"\n", x, y-4, style, x+32, y, l.label)
	}
}

// decade writes a power of ten.
func decade(d float64) string {
	units := []string{"", "k", "M", "G"}
	if d < 0 || int(d)/3 >= len(units) {
		return fmt.Sprintf("1e%.0f", d)
	}
	return fmt.Sprintf("%.0f%s", math.Pow(10, float64(int(d)%3)), units[int(d)/3])
}
