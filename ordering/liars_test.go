package ordering

import (
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// TestLiarsMakeNoCommit: whoever reaches only nodes that lie, with the keys of f validators among them, is shown what the
// committee made up to some round, whatever the liars sign on top of it, and claims of commits that nobody made.
// It commits what the committee committed and nothing else, and goes on as soon as it hears the truth.
func TestLiarsMakeNoCommit(t *testing.T) {
	for text, faults := range map[string]int{"n=4": 1, "n=7": 2} {
		const shown, rounds = 12, 24
		picture := text + "\n"
		for r := 1; r <= rounds; r++ {
			picture += string(rune('0'+r/10)) + string(rune('0'+r%10)) + ": *\n"
		}
		s := dagtest.Build(t, picture)
		honest := newObserver(t, s.Committee, Restored{})
		honest.feed(s.Blocks, 1)
		truth := digests(honest.commits)
		if len(truth) < rounds-4 {
			t.Fatalf("%s: the committee made %d commits", text, len(truth))
		}
		var early []*dag.Verified
		for _, b := range s.Blocks {
			if b.Round() <= shown {
				early = append(early, b)
			}
		}
		o := newObserver(t, s.Committee, Restored{})
		o.feed(early, 1)
		before := len(o.commits)
		o.feed(lies(t, s, faults, shown, rounds), 1)
		for i := range 20 { // also after it has waited
			o.engine.Step(Tick{Now: time.Duration(i) * time.Second})
			o.take()
		}
		if got := digests(o.commits); len(got) != before || before == 0 || !slices.Equal(got, truth[:before]) {
			t.Fatalf("%s: %d commits of %d after the lies, were %d", text, len(got), len(truth), before)
		}
		if behind := o.engine.Status().BehindCommits; behind != 0 {
			t.Errorf("%s: it believes the liars that it is %d commits behind", text, behind)
		}
		o.feed(s.Blocks, 1)
		if got := digests(o.commits); len(got) < rounds-4 || !slices.Equal(got, truth[:len(got)]) {
			t.Errorf("%s: %d commits of %d after the truth", text, len(got), len(truth))
		}
	}
}

// lies is blocks of the last f validators for the rounds after shown: they cite each other, blocks of others that
// do not exist, and claim commits that nobody made.
func lies(t *testing.T, s *dagtest.Signed, faults int, shown, rounds dag.Round) []*dag.Verified {
	t.Helper()
	n := s.Committee.Size()
	newest := make([]dag.Ref, n)
	for _, b := range s.Blocks {
		if b.Round() == shown {
			newest[b.Author()] = b.Ref()
		}
	}
	var out []*dag.Verified
	for r := shown + 1; r <= rounds; r++ {
		next := slices.Clone(newest)
		for a := range newest {
			next[a] = dag.Ref{Round: r, Author: dag.Author(a), Digest: crypto.Hash("test/nothing", []byte{byte(r), byte(a)})}
		}
		for a := n - faults; a < n; a++ {
			parents := append([]dag.Ref{newest[a]}, append(slices.Clone(newest[:a]), newest[a+1:]...)...)
			b, err := dag.Seal(s.Committee, dag.Block{
				Epoch: s.Committee.Epoch(), Round: r, Author: dag.Author(a), Time: uint64(r), Parents: parents,
				LastCommit: dag.CommitRef{Index: 1000 + dag.CommitIndex(r), Digest: crypto.Hash("test/no commit")},
			}, dagtest.Key(dag.Author(a)))
			if err != nil {
				t.Fatal(err)
			}
			out, next[a] = append(out, b), b.Ref()
		}
		newest = next
	}
	return out
}
