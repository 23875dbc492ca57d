package ordering

import (
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// TestAnUnrootedBlockBearsNothingOut: a liar signs a block far above the clock on parents that do not
// exist, and then names its round. Two rounds above the last of them is round 1 again.
func TestAnUnrootedBlockBearsNothingOut(t *testing.T) {
	for _, far := range []dag.Round{1 << 40, 1<<64 - 1} {
		s := dagtest.Build(t, "n=7\n"+fiveRounds)
		r := newReturning(t, s, Restored{LogLost: true})
		for _, b := range s.Blocks {
			r.step(BlockReceived{From: 1, Block: b})
		}
		lie := dag.Block{Epoch: s.Committee.Epoch(), Round: far, Author: 1}
		for k := range dag.Author(7) {
			lie.Parents = append(lie.Parents, dag.Ref{Round: far - 1, Author: (1 + k) % 7})
		}
		v, err := dag.Seal(s.Committee, lie, dagtest.Key(1))
		if err != nil {
			t.Fatal(err)
		}
		r.step(BlockReceived{From: 1, Block: v})
		r.answer(1, nil, far)
		for from := range Peer(4) {
			r.answer(from+2, nil, 5)
		}
		r.pass(3)
		if !r.engine.restart.asking() {
			t.Fatalf("a lie of round %d counts as an answer: next own round %d", far, r.engine.nextRound())
		}
		r.answer(6, nil, 5)
		r.pass(3)
		if r.engine.restart.asking() || r.engine.nextRound() != 7 {
			t.Errorf("asking %v, next own round %d, want 7 = 5 + 2", r.engine.restart.asking(), r.engine.nextRound())
		}
	}
}

// TestOwnBlockShownAfterTheAnswers: a lost own block turns up once enough have answered, in the round
// before the first that is allowed: the own chain goes on from it. It counted for the quorum of its
// round before, but was not referred to, and the block made of that was not valid.
func TestOwnBlockShownAfterTheAnswers(t *testing.T) {
	s := dagtest.Build(t, "n=4\n"+fiveRounds+"6: A B C\n")
	r := newReturning(t, s, Restored{LogLost: true})
	for _, b := range s.Blocks {
		if b.Round() <= 5 {
			r.step(BlockReceived{From: 1, Block: b})
		}
	}
	for from := range Peer(3) {
		r.answer(from+1, s.Named("A5"), 5)
	}
	if r.engine.restart.asking() || r.engine.nextRound() != 7 {
		t.Fatalf("asking %v, next own round %d, want 7", r.engine.restart.asking(), r.engine.nextRound())
	}
	for _, name := range []string{"B6", "C6", "A6"} {
		r.step(BlockReceived{From: 1, Block: s.Named(name)})
	}
	r.pass(3)
	if r.first() != 7 || r.spoken[0].Block().Parents[0] != s.Named("A6").Ref() {
		t.Errorf("first own block of round %d, want 7 on A6", r.first())
	}
}
