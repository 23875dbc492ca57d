package ordering

import (
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// TestFrontiersLeaveRoom: made-up blocks in frontiers do not keep out what a block refers to.
func TestFrontiersLeaveRoom(t *testing.T) {
	s := dagtest.Build(t, "n=4\n1: *\n2: *\n")
	e := newObserver(t, s.Committee, Restored{}).engine
	for k := range 2 * minQuota {
		ref := dag.Ref{Round: 1, Author: 3}
		ref.Digest[0], ref.Digest[1], ref.Digest[2] = byte(k), byte(k>>8), byte(k>>16)
		e.Step(FrontierReceived{From: 3, Newest: []dag.Ref{ref}})
	}
	if got := len(e.sync.wants.blocks); got != minQuota/2 {
		t.Errorf("%d made-up blocks are wanted, limit %d", got, minQuota/2)
	}
	e.Step(BlockReceived{From: 1, Block: s.Named("B2")})
	for _, name := range []string{"A1", "B1", "C1", "D1"} {
		if w := e.sync.wants.blocks[s.Named(name).Ref()]; w == nil || w.hint {
			t.Errorf("%s, which B2 refers to, is not wanted", name)
		}
	}
}
