package devnet

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/internal/node"
)

// Screen says how the state of the network is shown.
type Screen string

// The screens.
const (
	ScreenLive  Screen = "live"  // lines that refresh in place, for a terminal
	ScreenPlain Screen = "plain" // new lines every few seconds, for everything else
)

// How often the view is drawn.
const (
	liveEvery    = 500 * time.Millisecond
	plainEvery   = 5 * time.Second
	windowLength = 5 * time.Second // of the recent latency
)

// view shows a line per validator.
type view struct {
	out    io.Writer
	screen Screen
	width  func() int // columns of the terminal
	fleet  *fleet
	nodes  []*watch
	ledger *ledger

	mu    sync.Mutex // held while writing
	drawn int        // lines that the next drawing goes over
	at    time.Time  // of the last drawing
	items []uint64   // seen until then, per node
}

// printf writes a line that stays.
func (v *view) printf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.out, format+"\n", args...)
	v.drawn = 0
}

// run draws until ctx ends.
func (v *view) run(ctx context.Context) {
	every := liveEvery
	if v.screen == ScreenPlain {
		every = plainEvery
	}
	v.items, v.at = make([]uint64, len(v.nodes)), time.Now()
	turned := time.Now()
	for pause(ctx, every); ctx.Err() == nil; pause(ctx, every) {
		if time.Since(turned) >= windowLength {
			turned = time.Now()
			for _, w := range v.nodes {
				w.turn()
			}
		}
		v.draw()
	}
}

func (v *view) draw() {
	now := time.Now()
	seconds := now.Sub(v.at).Seconds()
	nodes := v.fleet.snapshot()
	lines := make([]string, 0, len(nodes)+1)
	for i, w := range v.nodes {
		f := w.figures()
		rate := 0.0
		if seconds > 0 {
			rate = float64(f.items-v.items[i]) / seconds
		}
		v.items[i] = f.items
		lines = append(lines, nodeLine(&nodes[i], v.fleet.ended(i), f, rate, len(nodes)-1))
	}
	v.at = now
	lines = append(lines, v.ledger.line())
	v.write(lines)
}

func (v *view) write(lines []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.screen == ScreenPlain {
		fmt.Fprintln(v.out, strings.Join(lines, "\n"))
		return
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	width := v.width()
	for _, line := range lines {
		b.WriteString("\x1b[2K" + cut(line, width) + "\n")
	}
	fmt.Fprint(v.out, b.String())
	v.drawn = len(lines)
}

// cut shortens a line of ASCII to the terminal, where a wrapped line would spoil the refresh.
func cut(line string, width int) string {
	if width > 0 && len(line) > width {
		return line[:width]
	}
	return line
}

func nodeLine(n *Node, ended string, f figures, rate float64, others int) string {
	switch {
	case ended != "":
		return fmt.Sprintf("%-4s does not run (%s); log: %s", n.Name, ended, filepath.Join(n.Home, node.LogFile))
	case !f.reached:
		return fmt.Sprintf("%-4s does not answer", n.Name)
	}
	line := fmt.Sprintf("%-4s round %-7d commit %-7d %7.0f tx/s  latency p50 %5.0f ms  p99 %5.0f ms  peers %d/%d",
		n.Name, f.status.Round, f.status.Commit, rate, milliseconds(f.p50), milliseconds(f.p99), f.status.Peers, others)
	if f.reveals > 0 {
		line += fmt.Sprintf("  reveal p50 %4.0f ms", milliseconds(f.opened))
	}
	if !f.status.Proposing {
		line += "  not proposing: " + f.status.Reason
	}
	return line
}

func (l *ledger) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("     submitted %d  acknowledged %d", l.submitted, l.acknowledged)
	if l.ciphertexts > 0 {
		line += fmt.Sprintf("  sealed %d", l.ciphertexts)
	}
	if l.refused > 0 {
		line += fmt.Sprintf("  refused %d", l.refused)
	}
	if l.unanswered > 0 {
		line += fmt.Sprintf("  unanswered %d", l.unanswered)
	}
	return line
}
