package keygen

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// An author gets one deal checked per run, however many it sends.
func TestOneCheckPerAuthor(t *testing.T) {
	w := newWorld(t, 4)
	bad := w.dealing(1)
	bad.Payload[50] ^= 1
	checked := 0
	for range 50 {
		if err := w.state.Apply(1, 1, bad); errors.Is(err, ErrBadDeal) {
			checked++
		} else if !errors.Is(err, ErrRepeated) {
			t.Fatal(err)
		}
	}
	if checked != 1 {
		t.Errorf("%d deals of one author were checked", checked)
	}
}

// The state does not hold on to the block that a deal came in.
func TestApplyKeepsNoPayload(t *testing.T) {
	w := newWorld(t, 4)
	m := w.dealing(1)
	if err := w.state.Apply(1, 1, m); err != nil {
		t.Fatal(err)
	}
	before := w.state.Encode()
	clear(m.Payload)
	if !bytes.Equal(before, w.state.Encode()) {
		t.Error("the state changes with the payload")
	}
}

// A liar gets one judgement per run: what stands behind the first false complaint is not looked at, so
// that a true complaint there has no effect, and no second acknowledgement counts.
func TestOneFalseComplaintPerAuthor(t *testing.T) {
	w := newWorld(t, 7)
	w.spoil([]dag.Author{3}, 1, 4)
	w.phase(Acknowledging)
	r := w.state.current
	about := func(dealer dag.Author) complaint {
		return complaint{dealer, r.maths.Complain(r.deals[dealer].Deal, 3, w.secrets[3])}
	}
	said := func(complaints ...complaint) dag.SystemMessage {
		return dag.SystemMessage{Kind: KindAck, Payload: (&ack{key: 1, candidates: r.digest, complaints: complaints}).encode()}
	}
	if err := w.state.Apply(9, 3, said(about(1), about(2), about(4))); err != nil {
		t.Fatal(err)
	}
	if s := w.state.Status(); len(s.Excluded) != 1 || s.Excluded[0] != 1 || len(s.Flagged) != 1 {
		t.Errorf("%+v", s)
	}
	if err := w.state.Apply(9, 3, said(about(4))); !errors.Is(err, ErrRepeated) {
		t.Errorf("a second acknowledgement: %v", err)
	}
}

// Messages are small enough for a block, and a state for a snapshot.
func TestSizes(t *testing.T) {
	for _, n := range []int{4, 100, dag.MaxCommittee} {
		sum := 0
		for _, purpose := range []Purpose{Sealing, Certificates} {
			w := newWorldFor(t, n, purpose)
			deal := w.state.current.maths.DealSize()
			acknowledgement := ackFixed + n*complaintSize
			sum += deal + 2*acknowledgement + 3*5
			t.Logf("n=%d: deal in %s %d bytes, acknowledgement %d bytes with a complaint about everybody", n, purpose.Group.Name(), deal, acknowledgement)
		}
		if sum > dag.MaxSystemBytes {
			t.Errorf("n=%d: a deal and two acknowledgements of each key take %d bytes", n, sum)
		}
	}
}

// A hundred validators, a third of them cheating one more third.
func TestHundred(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 100)
	w.spoil(authors(40, 43), authors(0, 33)...)
	k := w.until(3)
	if len(k.Dealers) != 67 || len(w.state.Status().Excluded) != 33 {
		t.Errorf("%d dealers, %+v", len(k.Dealers), w.state.Status())
	}
	w.works(k, authors(20, 90)...)
	reopened(t, w, w.state)
}

// BenchmarkKeygen is what a whole key generation costs one node of a hundred, by part.
func BenchmarkKeygen(b *testing.B) {
	for _, purpose := range []Purpose{Sealing, Certificates} {
		b.Run(purpose.Group.Name(), func(b *testing.B) { benchmarkPurpose(b, newWorldFor(b, 100, purpose)) })
	}
}

func benchmarkPurpose(b *testing.B, w *world) {
	deals := w.said()
	w.commit(deals...)
	acks := w.said()
	w.commit(acks...)
	key := w.state.Keys()[0]
	raw := w.state.Encode()
	replay := func(entries ...[]entry) *State {
		s := w.fresh()
		for i, e := range entries {
			applied(s, dag.CommitIndex(i+1), e)
		}
		return s
	}
	dealt := replay(deals)
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"deal", func() { NewMember(1, w.secrets[1]).Messages(w.fresh()) }},
		{"apply-deals", func() { replay(deals) }},
		{"acknowledge", func() { NewMember(99, w.secrets[99]).Messages(dealt) }},
		{"apply-all", func() { replay(deals, acks) }},
		{"share", func() { _, _ = w.members[99].Share(w.state, key.ID) }},
		{"digest", func() { w.state.changed = true; w.state.Digest() }},
		{"encode", func() { w.state.Encode() }},
		{"decode", func() { _, _ = Decode(w.committee, w.purpose, raw) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				part.do()
			}
			b.ReportMetric(float64(len(raw)), "state-bytes")
		})
	}
}
