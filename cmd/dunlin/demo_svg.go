package main

import (
	"bytes"
	"fmt"
	"math"

	"github.com/dunlin-network/dunlin/internal/frontrun"
)

// Measures of the picture in pixels.
const (
	frontWidth  = 620
	frontHeight = 300
	frontLeft   = 80
	frontTop    = 50
	frontLegend = 80
	frontTicks  = 5   // on the axis of profits, at least
	frontPoints = 300 // of a line, at most
)

// frontPicture is the profits from front-running, trade by trade.
type frontPicture struct {
	trades    int
	low, high float64 // coins
	out       bytes.Buffer
}

// drawFrontrun draws what front-running has earned after each trade, for every flow, and for the sealed one
// the band of two standard errors around nothing: a bot without any edge stays in it.
func drawFrontrun(r *frontrun.Report) []byte {
	p := &frontPicture{trades: r.Trades}
	p.scale(r)
	width, height := frontLeft+frontWidth+30, frontTop+frontHeight+50+frontLegend
	fmt.Fprintf(&p.out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	p.out.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	fmt.Fprintf(&p.out, `<text x="%d" y="%d" font-weight="bold">what front-running has earned, in coins (a market holds a million)</text>`+"\n", frontLeft, frontTop-18)
	p.axes()
	p.band(r.Sealed.StandardError)
	p.line(0, "victims submit in the open", "#c0392b", "none", r.Plain.Cumulative)
	p.line(1, "sealed, and the bot holds 2f+1 keys", "#888888", "6 4", r.Leaked.Cumulative)
	p.line(2, "sealed", "#2f6db5", "none", r.Sealed.Cumulative)
	x, y := p.legend(3)
	fmt.Fprintf(&p.out, `<rect x="%.1f" y="%.1f" width="26" height="10" fill="#2f6db5" fill-opacity="0.15"/><text x="%.1f" y="%.1f">nothing, +- two standard errors</text>`+"\n", x, y-9, x+32, y)
	p.out.WriteString("</svg>\n")
	return p.out.Bytes()
}

// scale fits the axis of profits to everything that is drawn.
func (p *frontPicture) scale(r *frontrun.Report) {
	p.low, p.high = -2*r.Sealed.StandardError, 2*r.Sealed.StandardError
	for _, f := range frontrunFlows(r) {
		for _, at := range f.flow.Cumulative {
			p.low, p.high = min(p.low, at.Front), max(p.high, at.Front)
		}
	}
	if p.high-p.low < 1 {
		p.high = p.low + 1
	}
	step := p.step()
	p.low, p.high = math.Floor(p.low/step)*step, math.Ceil(p.high/step)*step
}

// step is a round distance between two marks.
func (p *frontPicture) step() float64 {
	rough := (p.high - p.low) / frontTicks
	ten := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, factor := range []float64{5, 2} {
		if rough >= factor*ten {
			return factor * ten
		}
	}
	return ten
}

func (p *frontPicture) x(trade int) float64 {
	return frontLeft + frontWidth*float64(trade)/float64(p.trades)
}

func (p *frontPicture) y(coins float64) float64 {
	return frontTop + frontHeight*(p.high-coins)/(p.high-p.low)
}

func (p *frontPicture) axes() {
	for v, step := p.low, p.step(); v <= p.high+step/2; v += step {
		colour := "#dddddd"
		if math.Abs(v) < step/2 {
			colour, v = "#888888", 0
		}
		fmt.Fprintf(&p.out, `<path d="M%d %.1fh%d" stroke="%s"/><text x="%d" y="%.1f" text-anchor="end" fill="#555555">%.0f</text>`+"\n",
			frontLeft, p.y(v), frontWidth, colour, frontLeft-8, p.y(v)+4, v)
	}
	for i := range frontTicks + 1 {
		trade := p.trades * i / frontTicks
		fmt.Fprintf(&p.out, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555555">%d</text>`+"\n", p.x(trade), frontTop+frontHeight+18, trade)
	}
	fmt.Fprintf(&p.out, `<text x="%d" y="%d" text-anchor="middle" fill="#555555">victims</text>`+"\n", frontLeft+frontWidth/2, frontTop+frontHeight+36)
}

// band is two standard errors around nothing, as they grow with the number of trades.
func (p *frontPicture) band(standardError float64) {
	var upper, lower bytes.Buffer
	const steps = 60
	for i := range steps + 1 {
		share := float64(i) / steps
		reach, x := 2*standardError*math.Sqrt(share), frontLeft+frontWidth*share
		fmt.Fprintf(&upper, "%.1f,%.1f ", x, p.y(reach))
		share = 1 - share
		fmt.Fprintf(&lower, "%.1f,%.1f ", frontLeft+frontWidth*share, p.y(-2*standardError*math.Sqrt(share)))
	}
	fmt.Fprintf(&p.out, `<polygon points="%s" fill="#2f6db5" fill-opacity="0.15"/>`+"\n", bytes.TrimSpace(append(upper.Bytes(), lower.Bytes()...)))
}

// legend is where an entry stands.
func (p *frontPicture) legend(i int) (x, y float64) {
	return frontLeft + float64(i%2)*frontWidth/2, float64(frontTop + frontHeight + 62 + 20*(i/2))
}

func (p *frontPicture) line(i int, label, colour, dash string, at []frontrun.Position) {
	points := bytes.NewBufferString(fmt.Sprintf("%.1f,%.1f", p.x(0), p.y(0)))
	every := max(1, len(at)/frontPoints)
	for k := range at {
		if (k+1)%every == 0 || k == len(at)-1 {
			fmt.Fprintf(points, " %.1f,%.1f", p.x(k+1), p.y(at[k].Front))
		}
	}
	style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"`, colour, dash)
	fmt.Fprintf(&p.out, `<polyline points="%s" %s/>`+"\n", points, style)
	x, y := p.legend(i)
	fmt.Fprintf(&p.out, `<path d="M%.1f %.1fh26" %s/><text x="%.1f" y="%.1f">%s</text>`+"\n", x, y-4, style, x+32, y, label)
}
