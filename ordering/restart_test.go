package ordering

import (
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// returning is validator A of n, started with what its disk holds, among others that are played by
// the test.
type returning struct {
	t      *testing.T
	s      *dagtest.Signed
	engine *Engine
	now    time.Duration
	spoken []*dag.Verified // own blocks that it made
	asked  int
	again  []*dag.Verified // own blocks that it said again
}

func newReturning(t *testing.T, s *dagtest.Signed, r Restored) *returning {
	t.Helper()
	e, err := NewEngine(Config{Committee: s.Committee, Registry: testRegistry(t), Self: 0, Signer: dagtest.Key(0)}, r)
	if err != nil {
		t.Fatal(err)
	}
	out := &returning{t: t, s: s, engine: e}
	out.step(Tick{Now: 1})
	return out
}

func (r *returning) step(e Event) {
	r.engine.Step(e)
	ready := r.engine.Ready()
	if len(ready.Evidence) > 0 {
		r.t.Fatalf("evidence at %v", ready.Evidence[0].Slot())
	}
	r.spoken = append(r.spoken, ready.Broadcast...)
	for _, s := range ready.Sends {
		switch m := s.Message.(type) {
		case AskNewest:
			r.asked++
		case BlockMessage:
			r.again = append(r.again, m.Block)
		}
	}
}

// pass lets time go by, a second at a time.
func (r *returning) pass(seconds int) {
	for range seconds {
		r.now += time.Second
		r.step(Tick{Now: r.now})
	}
}

func (r *returning) answer(from Peer, newest *dag.Verified, signed dag.Round) {
	r.step(NewestAnswered{From: from, Newest: newest, Signed: signed})
}

// first is the round of the first own block made, 0 if none was.
func (r *returning) first() dag.Round {
	if len(r.spoken) == 0 {
		return 0
	}
	return r.spoken[0].Round()
}

// disk is what A has on disk after the first blocks of the picture up to and with a round.
func disk(s *dagtest.Signed, upTo dag.Round) Restored {
	var r Restored
	for _, b := range s.Blocks {
		if b.Round() <= upTo {
			r.Blocks = append(r.Blocks, b)
			if b.Author() == 0 {
				r.Own = b
				r.OwnRecent = append(r.OwnRecent, b)
			}
		}
	}
	return r
}

const fiveRounds = "1: *\n2: *\n3: *\n4: *\n5: *\n"

func TestRestartWithAWholeLog(t *testing.T) {
	for _, test := range []struct {
		n      string
		needed int
	}{{"n=4", 2}, {"n=6", 2}, {"n=7", 3}, {"n=10", 4}} {
		s := dagtest.Build(t, test.n+"\n"+fiveRounds)
		r := newReturning(t, s, disk(s, 5))
		if r.asked == 0 {
			t.Fatalf("%s: nobody was asked", test.n)
		}
		for k := range test.needed {
			r.pass(2)
			if len(r.spoken) > 0 {
				t.Fatalf("%s: spoke after %d answers, want %d", test.n, k, test.needed)
			}
			r.answer(1, nil, 5) // the same one again counts once
			r.answer(0, nil, 5) // its own does not count
			r.answer(FirstStranger, nil, 5)
			r.answer(Peer(k+1), s.Named("A5"), 5)
		}
		r.pass(2)
		if r.first() != 6 {
			t.Errorf("%s: first own block of round %d, want 6", test.n, r.first())
		}
		if len(r.again) == 0 || r.again[0].Ref() != s.Named("A5").Ref() {
			t.Errorf("%s: the last own block was not said again", test.n)
		}
		if got := r.spoken[0].Block().Parents[0]; got != s.Named("A5").Ref() {
			t.Errorf("%s: the own reference is %v, want A5", test.n, got)
		}
	}
}

func TestRestartAsksAgain(t *testing.T) {
	s := dagtest.Build(t, "n=4\n"+fiveRounds)
	r := newReturning(t, s, disk(s, 5))
	before := r.asked
	r.pass(5)
	if r.asked < before+5 {
		t.Errorf("asked %d times in five seconds of silence", r.asked-before)
	}
	if status := r.engine.Status(); status.Proposing || status.Reason == "" {
		t.Errorf("status %+v while asking", status)
	}
}

// TestRestartWithoutALog: the log is lost, all three others must answer, and the first own block comes
// two rounds above the highest answer on top of the newest own block that anybody returned.
func TestRestartWithoutALog(t *testing.T) {
	s := dagtest.Build(t, "n=4\n"+fiveRounds+"6: B C D\n7: B C D\n8: B C D\n9: B C D\n")
	r := newReturning(t, s, Restored{LogLost: true})
	for _, b := range s.Blocks {
		if b.Author() != 0 || b.Round() <= 3 {
			r.step(BlockReceived{From: 1, Block: b})
		}
	}
	r.answer(1, s.Named("A3"), 6)
	r.answer(2, nil, 7)
	r.pass(3)
	if len(r.spoken) > 0 {
		t.Fatal("spoke after two answers, want three")
	}
	r.answer(3, s.Named("A4"), 5)
	for _, name := range []string{"A5"} { // arrives as an ancestor of others' blocks
		r.step(BlockReceived{From: 1, Block: s.Named(name)})
	}
	r.pass(3)
	if r.first() != 9 {
		t.Fatalf("first own block of round %d, want 9 = 7 + 2", r.first())
	}
	if got := r.spoken[0].Block().Parents[0]; got != s.Named("A5").Ref() && got != s.Named("A4").Ref() {
		t.Errorf("the own reference is %v, want the newest that was shown", got)
	}
}

// TestRestartFromABackup: the log looks whole, but somebody shows a newer own block.
func TestRestartFromABackup(t *testing.T) {
	s := dagtest.Build(t, "n=4\n"+fiveRounds+"6: B C D\n7: B C D\n8: B C D\n")
	rest := func(r *returning) {
		for _, b := range s.Blocks {
			if b.Round() > 3 {
				r.step(BlockReceived{From: 1, Block: b})
			}
		}
	}
	t.Run("in an answer", func(t *testing.T) {
		r := newReturning(t, s, disk(s, 3))
		r.answer(1, nil, 5)
		r.answer(2, s.Named("A5"), 5)
		r.pass(3)
		if len(r.spoken) > 0 {
			t.Fatalf("spoke in round %d after two answers, one of which shows A5", r.first())
		}
		r.answer(3, nil, 6)
		rest(r)
		r.pass(3)
		if r.first() != 8 {
			t.Errorf("first own block of round %d, want 8 = 6 + 2", r.first())
		}
	})
	t.Run("as an ordinary block", func(t *testing.T) {
		r := newReturning(t, s, disk(s, 3))
		rest(r)
		r.answer(1, nil, 5)
		r.answer(2, nil, 5)
		r.pass(3)
		if len(r.spoken) > 0 {
			t.Fatalf("spoke in round %d after two answers, although A5 was seen", r.first())
		}
		r.answer(3, nil, 6)
		r.pass(3)
		if r.first() != 8 {
			t.Errorf("first own block of round %d, want 8 = 6 + 2", r.first())
		}
	})
	t.Run("after it spoke", func(t *testing.T) {
		r := newReturning(t, s, disk(s, 3))
		r.answer(1, nil, 3)
		r.answer(2, nil, 3)
		r.engine.graph.Clock()
		r.pass(3)
		if r.first() != 4 {
			t.Fatalf("first own block of round %d, want 4", r.first())
		}
		made := len(r.spoken)
		r.engine.Step(BlockReceived{From: 1, Block: s.Named("A5")})
		r.engine.Ready()
		for _, name := range []string{"B4", "C4", "D4", "B5", "C5", "D5"} {
			r.engine.Step(BlockReceived{From: 1, Block: s.Named(name)})
		}
		for range 3 {
			r.now += time.Second
			r.engine.Step(Tick{Now: r.now})
			r.spoken = append(r.spoken, r.engine.Ready().Broadcast...)
		}
		if len(r.spoken) > made {
			t.Errorf("made %d more blocks after another copy's A5 was seen", len(r.spoken)-made)
		}
	})
}

// TestEverybodyRestarts: nobody has anybody to ask who is not asking.
func TestRecoveringNodesAnswer(t *testing.T) {
	s := dagtest.Build(t, "n=4\n"+fiveRounds)
	r := newReturning(t, s, disk(s, 5))
	r.engine.Step(NewestAsked{From: 2})
	ready := r.engine.Ready()
	at := slices.IndexFunc(ready.Sends, func(s Send) bool { _, ok := s.Message.(AnswerNewest); return ok })
	if at < 0 {
		t.Fatal("no answer while asking itself")
	}
	answer := ready.Sends[at].Message.(AnswerNewest)
	if ready.Sends[at].To != 2 || answer.Newest == nil || answer.Newest.Ref() != s.Named("C5").Ref() || answer.Signed != 5 {
		t.Errorf("answer %+v to %d, want C5 and 5 to 2", answer, ready.Sends[at].To)
	}
	r.engine.Step(NewestAsked{From: FirstStranger})
	for _, s := range r.engine.Ready().Sends {
		if _, ok := s.Message.(AnswerNewest); ok {
			t.Error("answered a stranger")
		}
	}
}
