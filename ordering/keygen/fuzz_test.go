package keygen

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// FuzzAck: what is read has one encoding.
func FuzzAck(f *testing.F) {
	w := newWorld(f, 4)
	w.spoil([]dag.Author{2}, 1)
	w.phase(Acknowledging)
	for _, m := range w.members {
		f.Add(m.Messages(w.state)[0].Payload)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := decodeAck(raw, 4)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(a.encode(), raw) {
			t.Fatal("an acknowledgement has two encodings")
		}
	})
}

// FuzzState: what is read is what would be written, and can be gone on with.
func FuzzState(f *testing.F) {
	w := newWorld(f, 4)
	f.Add(w.state.Encode())
	for range 3 {
		w.step()
		f.Add(w.state.Encode())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Decode(w.committee, w.purpose, raw)
		if err != nil {
			if !errors.Is(err, ErrState) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(s.Encode(), raw) {
			t.Fatal("a state has two encodings")
		}
		const now = 1 << 41
		for _, r := range s.runs() {
			if max(r.closeAt, r.closedAt, r.readyAt) > now/2 {
				return // no commit is so far
			}
		}
		s.Digest()
		s.Status()
		for i := range w.members {
			for _, m := range NewMember(dag.Author(i), w.secrets[i]).Messages(s) {
				_ = s.Apply(now, dag.Author(i), m)
			}
		}
		s.Close(now)
		if _, err := Decode(w.committee, w.purpose, s.Encode()); err != nil {
			t.Fatalf("it goes on to a state that cannot be read: %v", err)
		}
	})
}

// FuzzApply: no message of one author moves a state but in the ways of one author.
func FuzzApply(f *testing.F) {
	w := newWorld(f, 4)
	w.spoil([]dag.Author{2}, 1)
	f.Add(uint8(KindDeal), w.dealing(3).Payload)
	dealing := w.state.Encode()
	w.phase(Acknowledging)
	f.Add(uint8(KindAck), w.members[3].Messages(w.state)[0].Payload)
	acknowledging := w.state.Encode()
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		for _, raw := range [][]byte{dealing, acknowledging} {
			s, err := Decode(w.committee, w.purpose, raw)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Apply(100, 3, dag.SystemMessage{Kind: dag.SystemKind(kind), Payload: payload})
			st := s.Status()
			if len(st.Excluded) > 0 { // 3 has a good share of every deal
				t.Fatalf("3 got %v excluded", st.Excluded)
			}
			if err != nil && st.Acks > 0 {
				t.Fatalf("%v, and it counts", err)
			}
			reopened(t, w, s)
		}
	})
}
