package keygen

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
)

func TestHappyPath(t *testing.T) {
	for _, n := range []int{1, 4, 5, 7, 10} {
		w := newWorld(t, n)
		k := w.until(3)
		want := Key{ID: 1, Threshold: 2*w.committee.Faults() + 1, Dealers: authors(0, n), From: 3, Public: k.Public, Shares: k.Shares}
		if diff := cmp.Diff(want, k); diff != "" {
			t.Errorf("n=%d: %s", n, diff)
		}
		if len(k.Shares) != n {
			t.Errorf("n=%d: %d public shares", n, len(k.Shares))
		}
		w.works(k, authors(0, n)...)
		if serving, ok := w.state.Serving(); !ok || serving.ID != k.ID {
			t.Errorf("n=%d: serving %v, %v", n, serving.ID, ok)
		}
		if said := w.said(); len(said) > 0 {
			t.Errorf("n=%d: %d messages when all is done", n, len(said))
		}
		origins := w.state.Origins(k.ID)
		if len(origins) != n || origins[n-1].Dealer != dag.Author(n-1) || origins[0].Commit != 1 || len(origins[0].Deal) != w.state.keys[0].maths.DealSize() {
			t.Errorf("n=%d: origins are wrong", n)
		}
	}
}

// f silent validators: the key comes, at the end of the window and not before, and works without them.
func TestSilentValidators(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newWorld(t, n)
		f := w.committee.Faults()
		for a := range f {
			w.silent[dag.Author(a)] = true
		}
		k := w.until(DealWindow + AckWindow + 10)
		closed := dag.CommitIndex(1 + DealWindow)
		if want := closed + AckWindow + 1; k.From != want {
			t.Errorf("n=%d: serves from %d, want %d", n, k.From, want)
		}
		if !slices.Equal(k.Dealers, authors(f, n)) {
			t.Errorf("n=%d: dealers %v", n, k.Dealers)
		}
		w.works(k, authors(f, n)...)
		for a := range f { // and who comes back gets a share
			if _, err := w.members[a].Share(w.state, k.ID); err != nil {
				t.Errorf("n=%d: %v", n, err)
			}
		}
	}
}

// Who deals late in the window still is a dealer; after it, not.
func TestDealWindow(t *testing.T) {
	w := newWorld(t, 7)
	for a := range dag.Author(5) {
		w.commit(entry{a, w.dealing(a)})
	}
	for range DealWindow - 1 {
		w.commit()
	}
	if s := w.state.Status(); s.Phase != Dealing || s.Deadline != 5+DealWindow {
		t.Fatalf("before the window's last commit: %+v", s)
	}
	late := entry{6, w.dealing(6)}
	w.commit(entry{5, w.dealing(5)})
	if s := w.state.Status(); s.Phase != Acknowledging || s.Deals != 6 || s.Deadline != 5+DealWindow+AckWindow {
		t.Fatalf("after it: %+v", s)
	}
	w.commit(late)
	if s := w.state.Status(); s.Deals != 6 {
		t.Fatalf("a deal after the window counts: %+v", s)
	}
	if k := w.until(2); !slices.Equal(k.Dealers, authors(0, 6)) {
		t.Errorf("dealers %v", k.Dealers)
	}
}

// Too few acknowledgements: the next attempt, with other deals.
func TestTooFewAcknowledgements(t *testing.T) {
	w := newWorld(t, 4)
	w.phase(Acknowledging)
	before := w.dealing(0)
	w.silent[0], w.silent[1] = true, true
	w.step()
	for range AckWindow - 2 {
		w.commit()
	}
	if s := w.state.Status(); s.Attempt != 0 || s.Acks != 2 || !slices.Equal(s.Missing, authors(0, 2)) || s.Advice() != "" {
		t.Fatalf("in the window: %+v", s)
	}
	w.commit()
	if s := w.state.Status(); s.Attempt != 1 || s.Phase != Dealing || s.Key != 1 || s.Deals+s.Acks != 0 || !slices.Equal(s.Missing, authors(0, 4)) || s.Stuck || !strings.Contains(s.Advice(), "the missing must run") {
		t.Fatalf("after it: %+v", s)
	}
	if bytes.Equal(before.Payload, w.dealing(0).Payload) {
		t.Error("the next attempt deals the same")
	}
	clear(w.silent)
	k := w.until(3)
	if k.ID != 1 || k.Attempt != 1 {
		t.Errorf("key %d, attempt %d", k.ID, k.Attempt)
	}
	w.works(k, authors(0, 4)...)
}

// A member is silent as soon as the log shows its message, while others still talk.
func TestSaidOnce(t *testing.T) {
	w := newWorld(t, 4)
	for _, phase := range []Phase{Dealing, Acknowledging} {
		w.phase(phase)
		m := w.members[0].Messages(w.state)
		if len(m) != 1 {
			t.Fatalf("%v: %d messages", phase, len(m))
		}
		w.commit(entry{0, m[0]})
		if m := w.members[0].Messages(w.state); len(m) != 0 {
			t.Errorf("%v: said again", phase)
		}
		if m := w.members[1].Messages(w.state); len(m) != 1 {
			t.Errorf("%v: the others say %d messages", phase, len(m))
		}
	}
}

// A member that crashes at any point makes the same messages again, from its secret and the state.
func TestCrashMakesTheSameMessages(t *testing.T) {
	w := newWorld(t, 4)
	spoil := func(a dag.Author, m dag.SystemMessage) []dag.SystemMessage {
		if a == 1 && m.Kind == KindDeal {
			m.Payload = w.spoilt(m.Payload, 2)
		}
		return []dag.SystemMessage{m}
	}
	w.cheat = spoil
	kinds := make(map[dag.SystemKind]int)
	for range 4 {
		for a := range w.members {
			first := w.members[a].Messages(w.state)
			again := NewMember(dag.Author(a), w.secrets[a]).Messages(reopened(t, w, w.state))
			if diff := cmp.Diff(first, again); diff != "" {
				t.Fatalf("commit %d, member %d: %s", w.at, a, diff)
			}
			if diff := cmp.Diff(first, w.members[a].Messages(w.state)); diff != "" {
				t.Fatalf("commit %d, member %d, asked again: %s", w.at, a, diff)
			}
			for _, m := range first {
				kinds[m.Kind]++
			}
			w.members[a] = NewMember(dag.Author(a), w.secrets[a])
		}
		// Half of them are committed first: the others' acknowledgements must not change by it.
		w.silent[0], w.silent[3] = w.at%2 == 0, w.at%2 == 0
		w.step()
	}
	if kinds[KindDeal] < 4 || kinds[KindAck] < 4 {
		t.Errorf("compared %v", kinds)
	}
}

// Acknowledgements depend on the candidates alone, not on who was found out in the meantime.
func TestAcknowledgementStays(t *testing.T) {
	w := newWorld(t, 7)
	w.cheat = func(a dag.Author, m dag.SystemMessage) []dag.SystemMessage {
		if a == 1 && m.Kind == KindDeal {
			m.Payload = w.spoilt(m.Payload, 2, 3)
		}
		return []dag.SystemMessage{m}
	}
	w.phase(Acknowledging)
	first := w.members[3].Messages(w.state)
	w.commit(entry{2, w.members[2].Messages(w.state)[0]})
	if got := w.state.Status().Excluded; !slices.Equal(got, []dag.Author{1}) {
		t.Fatalf("excluded %v", got)
	}
	if diff := cmp.Diff(first, NewMember(3, w.secrets[3]).Messages(w.state)); diff != "" {
		t.Error(diff)
	}
}

func TestLateJoinerComputesTheSameKey(t *testing.T) {
	w := newWorld(t, 7)
	w.silent[3] = true
	k := w.until(DealWindow + AckWindow + 10)
	joiner := w.replay()
	got, ok := joiner.Serving()
	if diff := cmp.Diff(k, got); !ok || diff != "" {
		t.Error(diff)
	}
	if joiner.Digest() != w.state.Digest() {
		t.Error("digests differ")
	}
}

// A validator with nothing left but its key file and a snapshot has its share again.
func TestLostDisk(t *testing.T) {
	w := newWorld(t, 4)
	k := w.until(3)
	want, err := w.members[2].Share(w.state, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewMember(2, w.secrets[2]).Share(reopened(t, w, w.state), k.ID)
	if err != nil || got != want {
		t.Errorf("another share: %v", err)
	}
	if _, err := w.members[2].Share(w.state, 9); err == nil {
		t.Error("a share of a key that is not there")
	}
}

func reopened(t testing.TB, w *world, s *State) *State {
	t.Helper()
	raw := s.Encode()
	out, err := Decode(w.committee, w.purpose, raw)
	if err != nil {
		t.Fatal(err)
	}
	if out.Digest() != s.Digest() || !bytes.Equal(out.Encode(), raw) {
		t.Fatal("the state that is read is not the one that was written")
	}
	return out
}
