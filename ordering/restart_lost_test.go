package ordering

import (
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// TestMoreLogsLostThanMayBe: while at most f have lost their logs, this one among them, it goes on. Beyond that
// the node stays silent and says whose disks are lost. Where one of them finds its disk again, it goes on.
func TestMoreLogsLostThanMayBe(t *testing.T) {
	for n, f := range map[string]int{"n=4": 1, "n=7": 2} {
		s := dagtest.Build(t, n+"\n"+fiveRounds)
		r := newReturning(t, s, Restored{LogLost: true})
		for _, b := range s.Blocks {
			r.step(BlockReceived{From: 1, Block: b})
		}
		others := Peer(s.Committee.Size() - 1)
		for from := Peer(1); from <= others; from++ {
			r.step(NewestAnswered{From: from, Newest: s.Named("A5"), Signed: 5, Lost: int(from) <= f})
		}
		r.pass(3)
		reason := r.engine.Status().Reason
		if len(r.spoken) > 0 || !strings.Contains(reason, "more than f disks are lost") || !strings.Contains(reason, "nor are those of "+r.engine.names(authorSet(1))) || !strings.Contains(reason, "docs/disaster.md") {
			t.Errorf("%s: with %d others that forgot: made %d blocks, says %q", n, f, len(r.spoken), reason)
		}
		asked := r.asked
		r.pass(3)
		if r.asked == asked {
			t.Errorf("%s: asks no more", n)
		}
		r.answer(1, s.Named("A5"), 5)
		r.pass(3)
		if r.engine.restart.asking() || r.engine.nextRound() != 7 {
			t.Errorf("%s: with %d others that forgot: asking %v, next own round %d, want 7", n, f-1, r.engine.restart.asking(), r.engine.nextRound())
		}
	}
}

func authorSet(of ...dag.Author) (set dag.AuthorSet) {
	for _, a := range of {
		set.Add(a)
	}
	return set
}

// TestForgetfulAnswers: who has lost its log says so when it is asked, until a block of its own stands above all
// that it may have lost.
func TestForgetfulAnswers(t *testing.T) {
	s := dagtest.Build(t, "n=4\n"+fiveRounds+"6: B C D\n")
	r := newReturning(t, s, Restored{LogLost: true})
	says := func(when string, lost bool) {
		t.Helper()
		r.engine.Step(NewestAsked{From: 2})
		sends := r.engine.Ready().Sends
		at := slices.IndexFunc(sends, func(s Send) bool { _, ok := s.Message.(AnswerNewest); return ok })
		if at < 0 || sends[at].Message.(AnswerNewest).Lost != lost {
			t.Fatalf("%s: answers %+v, want lost %v", when, sends, lost)
		}
	}
	for _, b := range s.Blocks {
		if b.Round() < 6 {
			r.step(BlockReceived{From: 1, Block: b})
		}
	}
	says("while it asks", true)
	for from := range Peer(3) {
		r.answer(from+1, s.Named("A5"), 5)
	}
	if r.engine.restart.asking() {
		t.Fatal("still asking")
	}
	says("before its first block", true)
	for _, name := range []string{"B6", "C6", "D6"} {
		r.step(BlockReceived{From: 1, Block: s.Named(name)})
	}
	r.pass(3)
	if r.first() != 7 {
		t.Fatalf("first own block of round %d, want 7", r.first())
	}
	says("after its first block", false)
	r = newReturning(t, s, disk(s, 5))
	says("with a whole log", false)
}

// TestSaysWhoIsSilent: while answers are missing, the status names whose.
func TestSaysWhoIsSilent(t *testing.T) {
	s := dagtest.Build(t, "n=4\n"+fiveRounds)
	for _, lost := range []bool{false, true} {
		restored := disk(s, 5)
		restored.LogLost = lost
		r := newReturning(t, s, restored)
		r.answer(2, nil, 5)
		reason := r.engine.Status().Reason
		if want := "none yet from " + r.engine.names(authorSet(1, 3)); !strings.Contains(reason, want) || strings.Contains(reason, "docs/disaster.md") != lost {
			t.Errorf("log lost %v: says %q, want %q in it", lost, reason, want)
		}
	}
}
