package keygen

import (
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// embedded is what a tracker keeps of a key.
type embedded struct {
	Key
	secret byte
}

func TestSuccession(t *testing.T) {
	var s Succession[*embedded]
	if s.In(1) != nil {
		t.Error("an empty succession has a key")
	}
	s.Add(&embedded{Key{ID: 1, From: 5}, 1})
	s.Add(&embedded{Key{ID: 2, From: 9, Until: 12}, 2}) // as restored: when it ends is known
	s.Add(&embedded{Key{ID: 3, From: 13}, 3})
	for i, want := range map[dag.CommitIndex]byte{0: 0, 4: 0, 5: 1, 8: 1, 9: 2, 12: 2, 13: 3, 1 << 40: 3} {
		k := s.In(i)
		if (k == nil) != (want == 0) || k != nil && (k.secret != want || !k.Serves(i)) {
			t.Errorf("commit %d: %+v, want key %d", i, k, want)
		}
	}
}
