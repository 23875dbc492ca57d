package keygen

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
)

// spoil makes the deals of the cheaters bad for the victims, in the first attempt for the first key.
func (w *world) spoil(victims []dag.Author, cheaters ...dag.Author) {
	w.cheat = func(a dag.Author, m dag.SystemMessage) []dag.SystemMessage {
		if m.Kind == w.purpose.Deal && slices.Contains(cheaters, a) {
			m.Payload = w.spoilt(m.Payload, victims...)
		}
		return []dag.SystemMessage{m}
	}
}

func TestCheatingDealers(t *testing.T) {
	tests := []struct {
		name     string
		n        int
		victims  []dag.Author
		cheaters []dag.Author
	}{
		{"bad share for one", 4, []dag.Author{2}, []dag.Author{1}},
		{"bad shares for all", 4, authors(0, 4), []dag.Author{1}},
		{"two dealers, one victim", 7, []dag.Author{6}, []dag.Author{0, 5}},
		{"two dealers, all victims", 7, authors(0, 7), []dag.Author{0, 1}},
		{"three dealers", 10, []dag.Author{3, 4}, []dag.Author{7, 8, 9}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.n)
			w.spoil(test.victims, test.cheaters...)
			k := w.until(3)
			s := w.state.Status()
			if !slices.Equal(s.Excluded, test.cheaters) || len(s.Flagged) > 0 || k.Attempt != 0 {
				t.Errorf("attempt %d: %+v", k.Attempt, s)
			}
			for _, a := range test.cheaters {
				if slices.Contains(k.Dealers, a) {
					t.Errorf("%v qualified", a)
				}
			}
			w.works(k, authors(0, test.n)...)
		})
	}
}

// Nobody waits for the acknowledgement of a proven cheater.
func TestCheaterIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, 4)
	cheat := func(a dag.Author, m dag.SystemMessage) []dag.SystemMessage {
		switch {
		case a != 1:
		case m.Kind == KindAck:
			return nil
		default:
			m.Payload = w.spoilt(m.Payload, 2)
		}
		return []dag.SystemMessage{m}
	}
	w.cheat = cheat
	w.until(3)
}

// Deals that everybody sees to be bad: the dealer is as good as silent, and gets no second try.
func TestBadDeals(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world, deal []byte) []byte
		want   error
	}{
		{"empty", func(*world, []byte) []byte { return nil }, ErrMalformed},
		{"cut short", func(_ *world, b []byte) []byte { return b[1:] }, ErrMalformed},
		{"another key", func(_ *world, b []byte) []byte { b[8]++; return b }, ErrMalformed},
		{"bad proof", func(_ *world, b []byte) []byte { b[13+32*4+3] ^= 1; return b }, ErrBadDeal},
		{"bad commitments", func(w *world, b []byte) []byte { copy(b[13+64:13+128], w.dealing(0).Payload[13+64:]); return b }, ErrBadDeal},
		{"identity", func(_ *world, b []byte) []byte { clear(b[13 : 13+32]); return b }, ErrBadDeal},
		{"another's ephemeral key", func(w *world, b []byte) []byte { copy(b[13:45], w.dealing(0).Payload[13:]); return b }, ErrBadDeal},
		{"another's deal", func(w *world, _ []byte) []byte { return w.dealing(0).Payload }, ErrBadDeal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, 4)
			bad := dag.SystemMessage{Kind: KindDeal, Payload: test.change(w, w.dealing(1).Payload)}
			w.commit(entry{0, w.dealing(0)})
			if err := w.state.Apply(2, 1, bad); !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			spent := errors.Is(test.want, ErrBadDeal)
			if err := w.state.Apply(2, 1, w.dealing(1)); errors.Is(err, ErrRepeated) != spent || (err == nil) == spent {
				t.Errorf("a good deal after it: %v", err)
			}
			w.silent[1] = true // its acknowledgement would be honest; it is down
			k := w.until(DealWindow + AckWindow + 10)
			if slices.Contains(k.Dealers, dag.Author(1)) == spent {
				t.Errorf("dealers %v", k.Dealers)
			}
			if len(w.state.Status().Excluded) > 0 {
				t.Error("excluded without a proof that others could check later")
			}
			w.works(k, 0, 2, 3)
		})
	}
}

// Who has shown a bad deal is not waited for: the candidates are fixed when all others have dealt.
func TestBadDealerIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, 4)
	bad := w.dealing(1)
	bad.Payload[60] ^= 1
	w.commit(entry{0, w.dealing(0)}, entry{1, bad}, entry{2, w.dealing(2)}, entry{3, w.dealing(3)})
	if s := w.state.Status(); s.Phase != Acknowledging || s.Deals != 3 {
		t.Errorf("%+v", s)
	}
}

// Two deals of one author: the first in the log counts, whichever it is, for all alike.
func TestEquivocatingDealer(t *testing.T) {
	var digests []any
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		w := newWorld(t, 4)
		deals := []dag.SystemMessage{w.dealing(1), w.dealing(1)}
		deals[1].Payload = w.spoilt(deals[1].Payload, 0)
		w.silent[1] = true
		w.commit(entry{1, deals[order[0]]}, entry{0, w.dealing(0)}, entry{1, deals[order[1]]})
		if err := w.state.Apply(1, 1, deals[order[1]]); !errors.Is(err, ErrRepeated) {
			t.Errorf("the second deal: %v", err)
		}
		delete(w.silent, 1)
		k := w.until(4)
		if got, want := slices.Contains(k.Dealers, dag.Author(1)), order[0] == 0; got != want {
			t.Errorf("order %v: dealers %v", order, k.Dealers)
		}
		w.works(k, authors(0, 4)...)
		if w.replay().Digest() != w.state.Digest() {
			t.Error("another reader of the log has another state")
		}
		digests = append(digests, w.state.Digest())
	}
	if digests[0] == digests[1] {
		t.Error("the order of the log makes no difference to the digest")
	}
}

// The accuser of an honest dealer is flagged and the dealer stays; what else the accuser says is not looked at.
func TestFalseComplaints(t *testing.T) {
	w := newWorld(t, 7)
	w.spoil([]dag.Author{5}, 4) // dealer 4 cheats 5
	w.phase(Acknowledging)
	r := w.state.current
	complain := func(a dag.Author, dealers ...dag.Author) entry {
		out := &ack{key: 1, candidates: r.digest}
		for _, d := range dealers {
			out.complaints = append(out.complaints, complaint{d, r.maths.Complain(r.deals[d].Deal, int(a), w.secrets[a])})
		}
		return entry{a, dag.SystemMessage{Kind: KindAck, Payload: out.encode()}}
	}
	stolen := complain(6, 0)
	stolen.author = 3 // 6's words from 3's mouth
	w.commit(complain(5, 2, 4), complain(6, 0), stolen)
	if s := w.state.Status(); !slices.Equal(s.Flagged, []dag.Author{3, 5, 6}) || len(s.Excluded) > 0 || s.Acks != 3 {
		t.Fatalf("%+v", s)
	}
	k := w.until(2)
	if len(k.Dealers) != 7 {
		t.Errorf("dealers %v", k.Dealers)
	}
	// 5 threw its true complaint away by the false one; all others hold good shares.
	w.works(k, 0, 1, 2, 3, 4, 6)
}

func TestOutsiders(t *testing.T) {
	w := newWorld(t, 4)
	w.silent[1] = true
	w.spoil(nil)
	for range DealWindow + 1 {
		w.step()
	}
	r := w.state.current
	about := complaint{dealer: 1, opened: r.maths.Complain(r.deals[0].Deal, 2, w.secrets[2])}
	w.commit(entry{2, dag.SystemMessage{Kind: KindAck, Payload: (&ack{key: 1, candidates: r.digest, complaints: []complaint{about}}).encode()}})
	if s := w.state.Status(); !slices.Equal(s.Flagged, []dag.Author{2}) || len(s.Excluded) > 0 {
		t.Errorf("a complaint about no candidate: %+v", s)
	}
}

// Trap T15: a dealer shows the ephemeral key of an honest one, to have its victims open the honest dealer's
// shares by their complaints. The deal must not count at all.
func TestReusedEphemeralKey(t *testing.T) {
	w := newWorld(t, 4)
	honest, own := w.dealing(0), w.dealing(1)
	for name, parts := range map[string][][2]int{
		"key alone":                 {{13, 45}},
		"key and its proof":         {{13, 45}, {13 + 128, 13 + 128 + 64}},
		"key, proof and shares":     {{13, 45}, {13 + 128, 13 + 128 + 64}, {13 + 256, len(own.Payload)}},
		"everything but the header": {{13, len(own.Payload)}},
	} {
		s := w.fresh()
		if err := s.Apply(1, 0, honest); err != nil {
			t.Fatal(err)
		}
		copied := bytes.Clone(own.Payload)
		for _, p := range parts {
			copy(copied[p[0]:p[1]], honest.Payload[p[0]:p[1]])
		}
		if err := s.Apply(1, 1, dag.SystemMessage{Kind: KindDeal, Payload: copied}); !errors.Is(err, ErrBadDeal) {
			t.Errorf("%s: %v", name, err)
		}
		if s.Status().Deals != 1 {
			t.Errorf("%s: %d deals count", name, s.Status().Deals)
		}
	}
}

// Two dealers that share the secret of one ephemeral key pass all proofs; the second does not count.
func TestSharedEphemeralKey(t *testing.T) {
	w := newWorld(t, 4)
	m := w.dealing(1)
	d, err := w.state.current.maths.CheckDeal(1, m.Payload)
	if err != nil {
		t.Fatal(err)
	}
	w.state.current.deals[0] = &dealt{d, 1} // as if 0 had dealt with it
	if err := w.state.Apply(1, 1, m); !errors.Is(err, ErrBadDeal) {
		t.Errorf("got %v", err)
	}
}

// With one of n-f candidates gone there are too few: the next attempt begins at once, without the cheater.
func TestTooFewQualified(t *testing.T) {
	w := newWorld(t, 4)
	w.silent[3] = true
	w.spoil([]dag.Author{2}, 1)
	w.phase(Acknowledging)
	w.step()
	if s := w.state.Status(); s.Attempt != 1 || s.Phase != Dealing || !slices.Equal(s.Excluded, []dag.Author{1}) {
		t.Fatalf("%+v", s)
	}
	if err := w.state.Apply(w.at+1, 1, w.dealing(1)); !errors.Is(err, ErrExcluded) {
		t.Errorf("the cheater deals again: %v", err)
	}
	delete(w.silent, 3)
	k := w.until(3)
	if !slices.Equal(k.Dealers, []dag.Author{0, 2, 3}) || k.Attempt != 1 {
		t.Errorf("attempt %d, dealers %v", k.Attempt, k.Dealers)
	}
	w.works(k, authors(0, 4)...)
}

// More than f proven cheaters are beyond what the network promises: no key, and nothing breaks.
func TestTooManyCheaters(t *testing.T) {
	w := newWorld(t, 4)
	w.spoil([]dag.Author{3}, 0, 1)
	for range 3 * AckWindow {
		w.step()
	}
	s := w.state.Status()
	if s.Phase != Dealing || s.Serving != 0 || !slices.Equal(s.Excluded, []dag.Author{0, 1}) || !s.Stuck || !strings.Contains(s.Advice(), "docs/disaster.md") {
		t.Errorf("%+v: %s", s, s.Advice())
	}
}

func TestOutOfPlace(t *testing.T) {
	w := newWorld(t, 4)
	acked := func(change func(*ack)) dag.SystemMessage {
		r := w.state.current
		a := &ack{key: 1, candidates: r.digest}
		change(a)
		return dag.SystemMessage{Kind: KindAck, Payload: a.encode()}
	}
	asked := func(m dag.SystemMessage, want error) {
		t.Helper()
		before := w.state.Encode()
		if err := w.state.Apply(w.at+1, 0, m); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if diff := cmp.Diff(before, w.state.Encode()); diff != "" {
			t.Error("a message that does not count changes the state")
		}
	}
	asked(acked(func(*ack) {}), ErrOutOfPlace)
	deal := w.dealing(0)
	w.phase(Acknowledging)
	asked(deal, ErrOutOfPlace)
	asked(acked(func(a *ack) { a.key++ }), ErrOutOfPlace)
	asked(acked(func(a *ack) { a.attempt++ }), ErrOutOfPlace)
	asked(acked(func(a *ack) { a.candidates[0]++ }), ErrCandidates)
	asked(dag.SystemMessage{Kind: KindAck, Payload: []byte{1}}, ErrMalformed)
	asked(dag.SystemMessage{Kind: 99, Payload: []byte{1}}, nil)
	done := acked(func(*ack) {})
	w.until(3)
	asked(deal, ErrOutOfPlace)
	asked(done, ErrRepeated)
}
