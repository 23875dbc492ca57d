package node

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

const (
	// progressEvery is how often it is looked how far the node has come.
	progressEvery = time.Second
	// progressLogEvery is how far apart lines of the log about catching up are.
	progressLogEvery = 3 * time.Second
	// progressWindow is how many looks the speed is measured over.
	progressWindow = 10
	// catchingUp is how many commits behind a node is worth a line; some are always on their way.
	catchingUp = 50
)

// standing is how far a node has come at one moment.
type standing struct {
	at     time.Time
	commit dag.CommitIndex
	behind dag.CommitIndex
	round  dag.Round // the threshold clock
}

// progress is how fast the node nears the newest commit. It is safe for concurrent use.
type progress struct {
	log *slog.Logger

	mu    sync.Mutex
	looks []standing // the newest, at most progressWindow
	since *standing  // where catching up began; nil while the node is near the newest commit
	said  time.Time

	round dag.Round // the newest that was seen
	moved time.Time // when it was new; zero before the first look
}

// watchProgress looks again and again until ctx ends.
func (n *node) watchProgress(ctx context.Context) {
	silent := trouble{begins: "not_proposing", ends: "proposing_again"}
	keyless := trouble{begins: "key_generation_waits", ends: "key_generation_goes_on"}
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		e := n.loop.status.Load()
		now := time.Now()
		n.progress.look(standing{now, e.Commit.Index, e.BehindCommits, e.Round})
		if n.self != ordering.Observer {
			silent.look(n.log, now, n.silence(e, n.network.Peers()))
		}
		keyless.look(n.log, now, n.keyless(&e.Keygen))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// look notes how the node stands, and says so in the log every few seconds while it catches up.
func (p *progress) look(s standing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.looks) == progressWindow {
		p.looks = append(p.looks[:0], p.looks[1:]...)
	}
	p.looks = append(p.looks, s)
	if s.round != p.round || p.moved.IsZero() {
		p.round, p.moved = s.round, s.at
	}
	switch {
	case s.behind < catchingUp && p.since == nil:
	case s.behind < catchingUp:
		p.log.Info("caught_up", "commit", s.commit, "commits", s.commit-p.since.commit, "took", s.at.Sub(p.since.at).Round(time.Millisecond))
		p.since = nil
	case p.since == nil || s.at.Sub(p.said) >= progressLogEvery:
		if p.since == nil {
			p.since = &s
		}
		p.said = s.at
		eta := "unknown"
		if left := p.left(s.behind); left > 0 {
			eta = left.Round(time.Second).String()
		}
		p.log.Info("catching_up", "commit", s.commit, "behind", s.behind, "eta", eta)
	}
}

// stood is for how long there has been no new round.
func (p *progress) stood(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moved.IsZero() {
		return 0
	}
	return now.Sub(p.moved)
}

// eta is how long it will take to catch up with so many commits at the present speed; 0 if that is
// unknown, or there is nothing to catch up with.
func (p *progress) eta(behind dag.CommitIndex) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if behind < catchingUp {
		return 0
	}
	return p.left(behind)
}

// left is eta under the lock: what is left, by how much less it has become since the oldest look.
func (p *progress) left(behind dag.CommitIndex) time.Duration {
	if len(p.looks) < 2 {
		return 0
	}
	first, last := p.looks[0], p.looks[len(p.looks)-1]
	for i := range p.looks { // before it heard of the others, it did not know that it was behind
		if p.looks[i].behind > first.behind {
			first = p.looks[i]
		}
	}
	if last.behind >= first.behind || !last.at.After(first.at) {
		return 0
	}
	speed := float64(first.behind-last.behind) / last.at.Sub(first.at).Seconds()
	return time.Duration(float64(behind) / speed * float64(time.Second))
}
