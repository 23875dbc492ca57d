package ordering

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// TestStatesAreWrittenWhereTheyChange: a commit holds the states that it changed and no others, and
// every commit names where each was written last.
func TestStatesAreWrittenWhereTheyChange(t *testing.T) {
	s := newSealingCluster(t, 4, 4)
	s.until("everybody has a key", s.everybodyHasAKey)
	s.run(time.Second)
	last := StateRef{Kind: SealingKey}
	written := 0
	for _, c := range s.nodes[1].commits {
		refs := c.StateRefs()
		if len(refs) != 1 || refs[0].Kind != SealingKey {
			t.Fatalf("commit %d names %+v", c.Index, refs)
		}
		changed := last.Digest != refs[0].Digest && c.Index > 1
		if c.Index == 1 {
			changed = len(c.States) > 0
		}
		want := last.Commit
		if changed {
			want, written = c.Index, written+1
		}
		if refs[0].Commit != want || (len(c.States) == 1) != changed {
			t.Fatalf("commit %d holds %d states and names %+v; before it %+v", c.Index, len(c.States), refs[0], last)
		}
		last = refs[0]
		again, err := DecodeCommit(c.Encode())
		if err != nil || !reflect.DeepEqual(again.States, c.States) || !reflect.DeepEqual(again.StateRefs(), refs) {
			t.Fatalf("commit %d reads back as %+v, %v", c.Index, again, err)
		}
	}
	if written < 2 || written > len(s.nodes[1].commits)/2 {
		t.Errorf("%d of %d commits hold a state", written, len(s.nodes[1].commits))
	}
}

// TestRestartRefusesOtherStates: what a commit names must be what this network carries.
func TestRestartRefusesOtherStates(t *testing.T) {
	s := newSealingCluster(t, 4, 4)
	s.until("everybody has a key", s.everybodyHasAKey)
	cfg := Config{Committee: s.committee, Registry: s.registry, Self: Observer}
	s.adapt(&cfg)
	for name, change := range map[string]func([]byte) []byte{
		"none":      func(b []byte) []byte { return append([]byte{0}, b[1+stateRefSize:]...) },
		"cut":       func(b []byte) []byte { return b[:stateRefSize] },
		"empty":     func([]byte) []byte { return nil },
		"other":     func(b []byte) []byte { b[1] = 77; return b },
		"unwritten": func(b []byte) []byte { clear(b[2:10]); return b },
	} {
		r := s.restored(0)
		r.States = s.statesOf(r.Head)
		head := *r.Head
		head.Resume = change(append([]byte(nil), head.Resume...))
		r.Head = &head
		if _, err := NewEngine(cfg, r); !errors.Is(err, ErrCommit) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestReadStatesNamesWhatIsMissing: a commit that is not there, or that does not hold what it should.
func TestReadStatesNamesWhatIsMissing(t *testing.T) {
	gone := errors.New("gone")
	e := &Engine{carried: []carried{{StateRef: StateRef{Kind: SealingKey, Commit: 5, Digest: crypto.Digest{1}}, state: fixedState{}}}}
	head := &Commit{CommitHeader: CommitHeader{Index: 9}}
	e.carried[0].Digest = fixedState{}.Digest()
	e.writeStates(head)
	if _, err := ReadStates(head, func(i dag.CommitIndex) (*Commit, error) {
		if i != 5 {
			t.Errorf("asked for commit %d", i)
		}
		return nil, gone
	}); !errors.Is(err, gone) {
		t.Errorf("a commit that is gone: %v", err)
	}
	if _, err := ReadStates(head, func(dag.CommitIndex) (*Commit, error) { return &Commit{}, nil }); !errors.Is(err, ErrCommit) {
		t.Errorf("a commit without the state: %v", err)
	}
	if states, err := ReadStates(nil, nil); err != nil || states != nil {
		t.Errorf("genesis: %v, %v", states, err)
	}
}

type fixedState struct{}

func (fixedState) Digest() crypto.Digest { return crypto.Digest{7} }
func (fixedState) Encode() []byte        { return []byte("fixed") }
