package p2p

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Loud strangers share what there is and wait for their turns, quiet ones and members do not.
func TestWorkOfStrangers(t *testing.T) {
	now := time.Now()
	stranger := func() *remote { return &remote{allowance: newBucket(strangerWork, strangerSaved)} }
	n := &Network{shared: newBucket(strangersWork, strangersWork)}
	loud, quiet := []*remote{stranger(), stranger(), stranger()}, stranger()
	const seconds = 20
	done := make(map[time.Duration]int) // by the second in which it is due
	for ms := range seconds * 1000 {
		at := now.Add(time.Duration(ms) * time.Millisecond)
		for _, r := range loud {
			if wait, ok := n.turn(at, r, workStream, workPatience); ok {
				done[(time.Duration(ms)*time.Millisecond+wait)/time.Second] += workStream
			} else if wait != 0 {
				t.Fatalf("a refused turn is due in %s", wait)
			}
		}
		if ms%1000 == 0 {
			if wait, ok := n.turn(at, quiet, workStream, workPatience); !ok || wait != 0 {
				t.Fatalf("a quiet stranger waits for %s at %d ms", wait, ms)
			}
		}
	}
	want := strangersWork + len(loud)*strangerWork
	for s := time.Duration(5); s < seconds; s++ { // what was saved is used up
		if got := done[s]; got < want*9/10 || got > want*11/10 {
			t.Errorf("in second %d strangers have work of %d microseconds done, want %d", s, got, want)
		}
	}
	if !n.afford(t.Context(), &remote{member: true}, 1<<30) {
		t.Error("a member was refused")
	}
}

// A flood that is over keeps nobody waiting.
func TestWorkIsNotOwedForLong(t *testing.T) {
	n := &Network{shared: newBucket(strangersWork, strangersWork)}
	loud := &remote{allowance: newBucket(0, 0)} // it has saved nothing
	for range 100_000 {
		n.spend(loud, workStream) // 15 s of work, four minutes of what strangers share
	}
	if wait, ok := n.turn(time.Now().Add(workPatience+time.Second), loud, workStream, workPatience); !ok || wait > 0 {
		t.Errorf("after %s work waits for another %s, taken: %t", workPatience+time.Second, wait, ok)
	}
}

// What a loud stranger gossips waits with it; what a quiet one does is taken, and nobody is at fault.
func TestLoudGossipWaits(t *testing.T) {
	const messages = 3000 // saved work is enough for 1,250
	c := committee(t, 4)
	validator := start(t, c, 0, admit, limited(func(l *Limits) { l.StrangersWork = 1 }))
	loud, quiet := start(t, c, 10, knows(validator)), start(t, c, 11, knows(validator))
	for _, n := range []*node{loud, quiet} {
		n.waitConnected(t, validator)
		eventually(t, "the validator's topic is known", func() bool { return len(n.gossip.transactions.ListPeers()) > 0 })
	}
	for i := range messages {
		if err := loud.PublishTransaction(t.Context(), fmt.Appendf(nil, "good and loud %d", i)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the sender's own queue is short
	}
	if err := quiet.PublishTransaction(t.Context(), []byte("good and quiet")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the quiet one's transaction is taken", func() bool { return validator.hasItem("good and quiet") })
	taken := 0
	validator.mu.Lock()
	for _, item := range validator.items {
		if strings.HasPrefix(string(item), "good and loud") {
			taken++
		}
	}
	validator.mu.Unlock()
	if taken < 500 || taken > messages*3/4 {
		t.Errorf("%d of %d loud messages were taken, want about 1,250", taken, messages)
	}
	if s := validator.Stats(); s.Faults != 0 {
		t.Errorf("%d faults, want none", s.Faults)
	}
}

// A stranger that gossips what is invalid is disconnected, and does not only speak to deaf ears.
func TestInvalidGossipCostsTheConnection(t *testing.T) {
	c := committee(t, 4)
	validator := start(t, c, 0, admit)
	stranger := start(t, c, 10, knows(validator))
	stranger.waitConnected(t, validator)
	sent := 0
	eventually(t, "the stranger is at fault", func() bool {
		sent++
		_ = stranger.PublishTransaction(t.Context(), fmt.Appendf(nil, "bad %d", sent))
		return validator.Stats().Faults > 0
	})
	if sent < maxRejected || validator.Stats().GossipRejected < maxRejected {
		t.Errorf("at fault after %d messages, of which %d were refused; want %d", sent, validator.Stats().GossipRejected, maxRejected)
	}
	eventually(t, "it is disconnected", func() bool { return !validator.isConnected(stranger.ID()) || validator.gate.barred(stranger.ID()) })
}
