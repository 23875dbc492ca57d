package keygen

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// After every commit of a run with everything in it the state can be written and read, and goes on alike.
func TestEncodeAtEveryStep(t *testing.T) {
	w, _ := late(t, 4)
	other := w.fresh()
	phases := make(map[Phase]int)
	check := func(at int, entries []entry) {
		applied(other, dag.CommitIndex(at), entries)
		if at < DealWindow+10 || at > AckWindow {
			other = reopened(t, w, other)
			phases[other.Status().Phase]++
		}
	}
	for i, entries := range w.log {
		check(i+1, entries)
	}
	for range 6 {
		w.step()
		check(len(w.log), w.log[len(w.log)-1])
	}
	if other.Digest() != w.state.Digest() || len(other.Keys()) != 2 {
		t.Error("the state with restarts differs")
	}
	if phases[Dealing] < 1 || phases[Acknowledging] < 2 || phases[Ready] < 2 {
		t.Errorf("saw %v", phases)
	}
}

// The digest is still while nothing counts, so that the state need not be written with every commit.
func TestDigestIsStill(t *testing.T) {
	w := newWorld(t, 4)
	w.silent[3] = true
	changes, last := 0, w.state.Digest()
	var at []dag.CommitIndex
	for range DealWindow + AckWindow + 50 {
		w.step()
		if d := w.state.Digest(); d != last {
			changes, last = changes+1, d
			at = append(at, w.at)
		}
	}
	if changes > 4 { // deals, window, acknowledgements, key
		t.Errorf("%d changes, at %v", changes, at)
	}
}

// Everything that Encode writes is in the digest.
func TestDigestSeesAll(t *testing.T) {
	w, _ := late(t, 4)
	w.step()
	w.step()
	frame := w.state.frame()
	raw := w.state.Encode()
	good := w.state.Digest()
	read := 0
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		s, err := Decode(w.committee, w.purpose, changed)
		if err != nil {
			if !errors.Is(err, ErrState) {
				t.Fatalf("byte %d: %v", i, err)
			}
			continue
		}
		read++
		if s.Digest() == good {
			t.Fatalf("byte %d of %d is not in the digest (frame %d)", i, len(raw), len(frame))
		}
	}
	if read == 0 {
		t.Error("nothing changed could be read: the digest was not asked")
	}
}

func TestDecodeRefuses(t *testing.T) {
	w := newWorld(t, 4)
	k := w.until(3)
	other := newWorld(t, 7)
	raw := w.state.Encode()
	tests := map[string][]byte{
		"empty":      nil,
		"cut short":  raw[:len(raw)-1],
		"too long":   append(bytes.Clone(raw), 0),
		"other size": other.state.Encode(),
		"no run":     append(append(bytes.Clone(raw[:3+setSize]), 0, 0), 0),
		"many keys":  append(append(bytes.Clone(raw[:3+setSize]), 0, 3), raw[3+setSize+2:]...),
		"outsider":   func() []byte { b := bytes.Clone(raw); b[3] |= 1; return b }(),
	}
	const run = 3 + setSize + 2 // where the key's run begins
	changed := func(at int) []byte {
		b := bytes.Clone(raw)
		b[at] ^= 1
		return b
	}
	tests["ready without candidates"] = changed(run + 12 + 15)
	tests["deal of one that did not qualify"] = changed(run + 12 + 24 + 4*setSize + 7)
	tests["candidate that did not deal"] = changed(run + 12 + 24 + 7)
	tests["flagged without a word"] = changed(run + 12 + 24 + 3*setSize + 6)
	tests["another key id"] = changed(run + 7)
	for name, b := range tests {
		if _, err := Decode(w.committee, w.purpose, b); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w = newWorld(t, 4)
	w.phase(Acknowledging)
	present := w.state.Encode()
	present[3+setSize+2+1+12+24+5*setSize] ^= 1 // digest of the candidates
	if _, err := Decode(w.committee, w.purpose, present); !errors.Is(err, ErrState) {
		t.Errorf("other candidates: %v", err)
	}
	present[3+setSize+2+1+12+24+5*setSize] ^= 1
	present[3+setSize+2+1+12+24+3*setSize+7] ^= 1
	if _, err := Decode(w.committee, w.purpose, present); !errors.Is(err, ErrState) {
		t.Errorf("flagged without a word in the present run: %v", err)
	}
	first := w.fresh().Encode()
	first[3+setSize+2+1+7]++
	if _, err := Decode(w.committee, w.purpose, first); !errors.Is(err, ErrState) {
		t.Errorf("another first key: %v", err)
	}
	if s, err := Decode(w.committee, w.purpose, raw); err != nil || len(s.Keys()) != 1 || !bytes.Equal(s.Keys()[0].Public, k.Public) {
		t.Errorf("the good one: %v", err)
	}
}

func TestDecodeAckRefuses(t *testing.T) {
	about := func(dealers ...dag.Author) []byte {
		a := &ack{key: 1}
		for _, d := range dealers {
			a.complaints = append(a.complaints, complaint{dealer: d})
		}
		return a.encode()
	}
	tests := []struct {
		name string
		raw  []byte
		good bool
	}{
		{"no complaints", about(), true},
		{"about everybody", about(0, 1, 2, 3), true},
		{"empty", nil, false},
		{"version", append([]byte{2}, about()[1:]...), false},
		{"cut short", about(1)[:ackFixed+1], false},
		{"too long", append(about(1), 0), false},
		{"complaint left out", about(1)[:ackFixed], false},
		{"out of order", about(2, 1), false},
		{"one twice", about(1, 1), false},
		{"no member", about(4), false},
		{"far outside", about(1<<16 - 1), false},
	}
	for _, test := range tests {
		if _, err := decodeAck(test.raw, 4); (err == nil) != test.good || (err != nil && !errors.Is(err, ErrMalformed)) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
