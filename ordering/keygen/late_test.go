package keygen

import (
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// late is a world of n in which dealer 1 cheated 2, who was cut off for the whole window.
func late(t *testing.T, n int) (*world, Key) {
	t.Helper()
	w := newWorld(t, n)
	w.spoil([]dag.Author{2}, 1)
	w.step()
	w.silent[2] = true
	k := w.until(AckWindow + 3)
	if !slices.Contains(k.Dealers, dag.Author(1)) {
		t.Fatalf("dealers %v: the cheater was found out early", k.Dealers)
	}
	if _, err := w.members[2].Share(w.state, k.ID); err == nil {
		t.Fatal("the victim has a share")
	}
	delete(w.silent, 2)
	return w, k
}

// A valid late complaint starts a new key without the dealer; the old one serves until then, and what was
// sealed under it can still be opened.
func TestLateComplaint(t *testing.T) {
	w, old := late(t, 4)
	w.step()
	s := w.state.Status()
	if s.Key != old.ID+1 || s.Phase != Dealing || s.Serving != old.ID || !slices.Equal(s.Excluded, []dag.Author{1}) {
		t.Fatalf("after the complaint: %+v", s)
	}
	k := w.until(4)
	if k.ID != old.ID+1 || slices.Contains(k.Dealers, dag.Author(1)) {
		t.Errorf("key %d, dealers %v", k.ID, k.Dealers)
	}
	w.works(k, authors(0, 4)...)
	keys := w.state.Keys()
	if len(keys) != 2 || keys[0].ID != old.ID || keys[0].From != old.From || keys[0].Until != k.From-1 || keys[1].Until != 0 {
		t.Errorf("keys %+v", keys)
	}
	w.works(keys[0], 0, 1, 3)
	if joiner := w.replay(); joiner.Digest() != w.state.Digest() {
		t.Error("a late joiner has another state")
	}
	if said := w.said(); len(said) != 0 {
		t.Errorf("%d messages when all is done", len(said))
	}
	w.step()
	if s := w.state.Status(); s.Phase != Ready {
		t.Errorf("the same complaint makes another key: %+v", s)
	}
}

// A late acknowledgement without a true complaint changes no key.
func TestLateAcknowledgement(t *testing.T) {
	w := newWorld(t, 4)
	w.step()
	w.silent[2] = true
	w.until(AckWindow + 3)
	delete(w.silent, 2)
	r := w.state.serving()
	before := w.state.Digest()
	w.commit(w.said()...)
	if s := w.state.Status(); s.Phase != Ready || s.Acks != 4 || len(s.Flagged) > 0 || len(w.said()) > 0 {
		t.Errorf("clean: %+v", s)
	}
	if w.state.Digest() == before {
		t.Error("the digest does not see a late acknowledgement")
	}

	r.acked.Remove(2)
	lie := &ack{key: 1, candidates: r.digest, complaints: []complaint{{0, r.maths.Complain(r.deals[0].Deal, 2, w.secrets[2])}}}
	w.commit(entry{2, dag.SystemMessage{Kind: KindAck, Payload: lie.encode()}})
	if s := w.state.Status(); s.Phase != Ready || !slices.Equal(s.Flagged, []dag.Author{2}) || len(s.Excluded) > 0 {
		t.Errorf("lie: %+v", s)
	}
}

// While the new key is made, another late complaint about the old one takes its dealer out of the run.
func TestLateComplaintDuringRun(t *testing.T) {
	w := newWorld(t, 7)
	w.cheat = func(a dag.Author, m dag.SystemMessage) []dag.SystemMessage {
		if m.Kind == KindDeal && w.state.Status().Key == 1 && (a == 1 || a == 4) {
			m.Payload = w.spoilt(m.Payload, map[dag.Author]dag.Author{1: 2, 4: 5}[a])
		}
		return []dag.SystemMessage{m}
	}
	w.step()
	w.silent[2], w.silent[5] = true, true
	w.until(AckWindow + 3)
	delete(w.silent, 2)
	for range 2 { // the complaint of 2; then deals of all but 5, who is still cut off, and 1, who is out
		w.step()
	}
	if s := w.state.Status(); s.Phase != Dealing || s.Deals != 5 || s.Deadline == 0 {
		t.Fatalf("%+v", s)
	}
	complaint := w.members[5].Messages(w.state)[0]
	w.commit(entry{5, complaint})
	if s := w.state.Status(); s.Phase != Dealing || s.Deadline != 0 || !slices.Equal(s.Excluded, []dag.Author{1, 4}) {
		t.Fatalf("the window goes on without a quorum of dealers: %+v", s)
	}
	delete(w.silent, 5)
	w.phase(Acknowledging)
	reopened(t, w, w.state)
	k := w.until(4)
	if !slices.Equal(k.Dealers, []dag.Author{0, 2, 3, 5, 6}) || k.ID != 2 {
		t.Errorf("key %d, dealers %v", k.ID, k.Dealers)
	}
	w.works(k, authors(0, 7)...)
}

// Every further key costs the network a proven cheater: there are at most f+1, all in the state.
func TestKeysAreBounded(t *testing.T) {
	w := newWorld(t, 7)
	victim := dag.Author(6)
	w.cheat = func(a dag.Author, m dag.SystemMessage) []dag.SystemMessage {
		if m.Kind == KindDeal && uint64(a) == w.state.Status().Key {
			m.Payload = w.spoilt(m.Payload, victim)
		}
		return []dag.SystemMessage{m}
	}
	for id := uint64(1); id <= 2; id++ {
		w.step()
		w.silent[victim] = true
		if k := w.until(AckWindow + 3); k.ID != id {
			t.Fatalf("key %d, want %d", k.ID, id)
		}
		delete(w.silent, victim)
		w.step() // the complaint
	}
	if s := w.state.Status(); len(s.Excluded) != 2 {
		t.Fatalf("%+v", s)
	}
	w.cheat = nil
	k := w.until(4)
	if keys := w.state.Keys(); len(keys) != w.committee.Validity() || k.ID != 3 {
		t.Errorf("%d keys", len(keys))
	}
	reopened(t, w, w.state)
	for _, k := range w.state.Keys() {
		w.works(k, authors(0, 6)...)
	}
}
