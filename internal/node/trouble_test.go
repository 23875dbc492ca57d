package node

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/p2p"
)

// TestTrouble: what stands still is told after a while, again every minute, and when it goes on; what is soon
// over is not told.
func TestTrouble(t *testing.T) {
	var told journal
	log := slog.New(slog.NewTextHandler(&told, nil))
	trouble := trouble{begins: "stands_still", ends: "goes_on"}
	start := time.UnixMilli(1_000_000)
	lines := func() (begins, ends int) {
		return strings.Count(told.take(), "stands_still"), strings.Count(told.take(), "goes_on")
	}
	for _, step := range []struct {
		after        time.Duration
		reason       string
		begins, ends int
	}{
		{0, "why", 0, 0},
		{troubleAfter - 1, "why", 0, 0},
		{troubleAfter, "", 0, 0},
		{troubleAfter + 1, "why", 0, 0},
		{2*troubleAfter + 1, "why", 1, 0},
		{2*troubleAfter + 2, "other", 1, 0},
		{2*troubleAfter + 1 + troubleEvery, "other", 2, 0},
		{2*troubleAfter + 2 + troubleEvery, "", 2, 1},
		{3*troubleAfter + troubleEvery, "", 2, 1},
	} {
		trouble.look(log, start.Add(step.after), step.reason)
		if begins, ends := lines(); begins != step.begins || ends != step.ends {
			t.Fatalf("after %v: told %d times and %d times that it goes on, want %d and %d", step.after, begins, ends, step.begins, step.ends)
		}
	}
}

// TestSilence: a validator that reaches too few of the committee says whom it misses, however many others it
// is connected to, and beside what its engine waits for.
func TestSilence(t *testing.T) {
	peer := func(name string, member, connected bool) p2p.PeerInfo {
		return p2p.PeerInfo{Name: name, Member: member, Connected: connected}
	}
	eclipsed := []p2p.PeerInfo{peer("ben", true, false), peer("cleo", true, true), peer("dora", true, false), peer("", false, true), peer("", false, true)}
	for name, test := range map[string]struct {
		self   dag.Author
		reason string
		peers  []p2p.PeerInfo
		want   []string
	}{
		"well":                {0, "", []p2p.PeerInfo{peer("ben", true, true), peer("cleo", true, true), peer("dora", true, false)}, nil},
		"eclipsed":            {0, "", eclipsed, []string{"connected to 1 other validators, 2 are needed", "missing ben dora", "2 nodes that are no validators", "p2p.peers"}},
		"eclipsed and asking": {0, "asking", eclipsed, []string{"asking; waiting for a quorum"}},
		"observer":            {ordering.Observer, "observer", eclipsed[3:], []string{"observer"}},
	} {
		n := &node{self: test.self, committee: dagtest.Committee(4), progress: &progress{}}
		got := n.silence(&ordering.Status{Reason: test.reason}, test.peers)
		for _, part := range test.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: says %q, want %q in it", name, got, part)
			}
		}
		if test.want == nil && got != "" {
			t.Errorf("%s: says %q", name, got)
		}
	}
}

// TestStandstill: a validator that reaches a quorum, and makes no round with it, says whose blocks are missing.
func TestStandstill(t *testing.T) {
	n := &node{committee: dagtest.Committee(4), progress: &progress{log: slog.New(slog.DiscardHandler)}}
	status := ordering.Status{Round: 7, Absent: []dag.Author{1, 3}}
	peers := []p2p.PeerInfo{{Member: true, Connected: true}, {Member: true, Connected: true}}
	now := time.Now()
	n.progress.look(standing{at: now.Add(-3 * troubleAfter), round: 6})
	n.progress.look(standing{at: now, round: 7})
	if got := n.silence(&status, peers); got != "" {
		t.Errorf("with a new round: %q", got)
	}
	n.progress = &progress{log: n.progress.log}
	n.progress.look(standing{at: now.Add(-2 * troubleAfter), round: 7})
	n.progress.look(standing{at: now, round: 7})
	want := "no block of round 7 yet from " + n.committee.Validator(1).Name + " " + n.committee.Validator(3).Name
	if got := n.silence(&status, peers); !strings.Contains(got, want) {
		t.Errorf("standing still: %q, want %q in it", got, want)
	}
}

// TestKeyless: a key generation that waits for others names them.
func TestKeyless(t *testing.T) {
	n := &node{committee: dagtest.Committee(4)}
	for _, test := range []struct {
		status keygen.Status
		want   string
	}{
		{keygen.Status{Phase: keygen.Ready, Key: 1, Serving: 1}, ""},
		{keygen.Status{Phase: keygen.Acknowledging, Key: 1, Deadline: 2020, Missing: []dag.Author{2}}, ""},
		{keygen.Status{Phase: keygen.Dealing, Key: 1, Missing: []dag.Author{1, 2}}, "attempt 1, DEALING: missing " + n.committee.Validator(1).Name + " " + n.committee.Validator(2).Name},
		{keygen.Status{Phase: keygen.Dealing, Key: 1, Attempt: 3, Stuck: true}, "docs/disaster.md"},
	} {
		if got := n.keyless(&test.status); !strings.Contains(got, test.want) || (test.want == "") != (got == "") {
			t.Errorf("%+v: says %q, want %q in it", test.status, got, test.want)
		}
	}
}
