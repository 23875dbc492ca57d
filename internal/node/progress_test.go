package node

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// A node that was 10,000 commits behind and nears the others by 100 a second says so now and then.
func TestProgress(t *testing.T) {
	var lines journal
	p := &progress{log: slog.New(slog.NewTextHandler(&lines, nil))}
	start := time.Unix(1000, 0)
	p.look(standing{at: start}) // it has heard of nobody yet
	const gap, speed, seconds = 10_000, 100, 99
	for i := range seconds + 1 {
		behind := dag.CommitIndex(gap - speed*i)
		p.look(standing{start.Add(time.Duration(i+1) * time.Second), dag.CommitIndex(2 * speed * i), behind, 0})
		want := time.Duration(behind/speed) * time.Second
		if got := p.eta(behind); i > 0 && (got-want).Abs() > time.Millisecond {
			t.Fatalf("%d behind: %s are left, want %s", behind, got, want)
		}
	}
	p.look(standing{start.Add(101 * time.Second), 20_000, catchingUp - 1, 0})
	if got := p.eta(catchingUp - 1); got != 0 {
		t.Errorf("%s are left when there is nothing to catch up with", got)
	}
	text := lines.take()
	if n := strings.Count(text, "msg=catching_up"); n < seconds/4 || n > seconds/3+1 {
		t.Errorf("%d lines in %d seconds, want one in three", n, seconds)
	}
	for _, want := range []string{"behind=10000 eta=unknown", "behind=9700 eta=1m37s", "msg=caught_up commit=20000 commits=20000 took=1m40s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q:\n%s", want, text)
		}
	}
	p.look(standing{start.Add(102 * time.Second), 20_001, 2, 0})
	if more := strings.TrimPrefix(lines.take(), text); more != "" {
		t.Errorf("near the newest commit it says %q", more)
	}
}

// A node that falls behind further does not say when it will be done.
func TestProgressBackwards(t *testing.T) {
	p := &progress{log: slog.New(slog.DiscardHandler)}
	for i := range 20 {
		p.look(standing{time.Unix(int64(i), 0), 10, dag.CommitIndex(100 + i), 0})
		if got := p.eta(dag.CommitIndex(100 + i)); got != 0 {
			t.Fatalf("%s are left while it falls behind", got)
		}
	}
}
