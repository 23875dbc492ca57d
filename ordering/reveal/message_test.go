package reveal

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// TestOffers: oldest first, within the bytes asked for, once, and the same bytes when asked again.
func TestOffers(t *testing.T) {
	w := newNetwork(t, 4)
	tracker := w.tracker(2)
	observer := w.tracker(ordering.Observer)
	for range 3 {
		c := w.commit(w.good("x"), w.good("y"))
		tracker.Commit(c)
		observer.Commit(c)
	}
	if got := observer.Offers(1 << 20); len(got) != 0 {
		t.Errorf("an observer offers %d shares", len(got))
	}
	first := tracker.Offers(1)
	if len(first) != 1 {
		t.Fatalf("%d shares where one byte was asked for, want 1", len(first))
	}
	all := append(first, tracker.Offers(2*len(first[0].Payload))...)
	if len(all) != 3 || len(tracker.Offers(1<<20)) != 0 {
		t.Fatalf("%d shares, or some twice", len(all))
	}
	for i, o := range all {
		if at, ok := ShareCommit(o.Payload); o.Commit != w.head-2+dag.CommitIndex(i) || at != o.Commit || !ok {
			t.Errorf("share %d is for commit %d and says %d", i, o.Commit, at)
		}
	}
	tracker.OfferAgain()
	again := tracker.Offers(1 << 20)
	for i, o := range again {
		if !bytes.Equal(o.Payload, all[i].Payload) {
			t.Errorf("share %d is another one when it is offered again", i)
		}
	}
	if len(again) != 3 {
		t.Errorf("%d shares again, want 3", len(again))
	}
}

// TestOwnShareIsTheSameAfterARestart: two batch ids for one commit must never be signed, and two shares of one
// batch need not be.
func TestOwnShareIsTheSameAfterARestart(t *testing.T) {
	w := newNetwork(t, 4)
	before, after := w.tracker(1), w.tracker(1)
	c := w.commit(w.good("x"))
	before.Commit(c)
	after.Commit(c)
	if !bytes.Equal(before.Offers(1)[0].Payload, after.Offers(1)[0].Payload) {
		t.Error("the share after a restart is another one")
	}
}

// TestShareThatDoesNotFit is refused, and the right one is taken after it where the wrong one's author has
// not had its try.
func TestShareThatDoesNotFit(t *testing.T) {
	w := newNetwork(t, 4)
	trackers := w.trackers()
	first, second := w.commit(w.good("a")), w.commit(w.good("b"))
	for _, tracker := range trackers {
		tracker.Commit(first)
		tracker.Commit(second)
	}
	said := offers(trackers)
	changed := func(change func([]byte) []byte) []byte { return change(slices.Clone(said[1][0].Payload)) }
	for name, payload := range map[string][]byte{
		"of another commit": changed(func(b []byte) []byte { b[7]++; return b }),
		"of another part":   changed(func(b []byte) []byte { b[9]++; return b }),
		"of another author": said[2][0].Payload,
		"of another batch":  changed(func(b []byte) []byte { b[messageHeader+11] ^= 1; return b }),
		"cut short":         changed(func(b []byte) []byte { return b[:len(b)-1] }),
		"too long":          changed(func(b []byte) []byte { return append(b, 0) }),
		"no point":          changed(func(b []byte) []byte { b[messageHeader+45+31] |= 0x80; return b }),
		"empty":             nil,
		"a header":          said[1][0].Payload[:messageHeader],
	} {
		tracker := w.trackerAfter(3, first.Index-1)
		tracker.Commit(first)
		tracker.Commit(second)
		if err := tracker.Share(1, payload); !errors.Is(err, ErrShare) {
			t.Errorf("%s: error %v, want ErrShare", name, err)
		}
		tracker.Work()
		if have, _, missing, _ := tracker.Progress(first.Index); have != 0 || len(tracker.Take()) != 0 || len(missing) == 0 {
			t.Errorf("%s: counts as %d shares", name, have)
		}
	}
	if err := trackers[3].Share(0, said[0][0].Payload); err != nil {
		t.Fatal(err)
	}
	if have, _, _, _ := trackers[3].Progress(first.Index); have != 1 {
		t.Errorf("%d shares count, want 1", have)
	}
	if err := trackers[3].Share(0, said[0][0].Payload); err != nil {
		t.Errorf("the same share again: %v", err)
	}
}

// TestOneTryPerAuthor: of each author one share of a part is decoded, which costs a square root per point;
// an author that sends more of them makes nobody work.
func TestOneTryPerAuthor(t *testing.T) {
	w := newNetwork(t, 4)
	trackers := w.trackers()
	c := w.commit(w.good("a"))
	for _, tracker := range trackers {
		tracker.Commit(c)
	}
	payload := offers(trackers)[1][0].Payload
	bad := slices.Clone(payload)
	bad[messageHeader+45+31] |= 0x80
	if err := trackers[0].Share(1, bad); !errors.Is(err, ErrShare) {
		t.Fatalf("error %v, want ErrShare", err)
	}
	for range 3 {
		if err := trackers[0].Share(1, bad); err != nil {
			t.Fatalf("a second try is looked at: %v", err)
		}
	}
	if have, _, missing, _ := trackers[0].Progress(c.Index); have != 0 || !slices.Contains(missing, 0) {
		t.Errorf("%d shares, missing %v", have, missing)
	}
}

// TestEarlyShares come before their commit and count from it on.
func TestEarlyShares(t *testing.T) {
	w := newNetwork(t, 4)
	others := w.trackers()
	tracker := w.tracker(3)
	c := w.commit(w.good("x"))
	for a, other := range others[:3] {
		other.Commit(c)
		for _, o := range other.Offers(1 << 20) {
			if err := tracker.Share(dag.Author(a), o.Payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	tracker.Work()
	if len(tracker.Take()) != 0 {
		t.Fatal("revealed before the commit")
	}
	if len(tracker.Offers(1<<20)) != 0 {
		t.Fatal("a share is made before the commit")
	}
	tracker.Commit(c)
	if got := verdicts(one(t, tracker)); !slices.Equal(got, []Verdict{Opened}) {
		t.Errorf("verdicts %v", got)
	}
	if slices.Max(tracker.byAuthor) != 0 || len(tracker.early) != 0 {
		t.Error("shares that were taken still count as early")
	}
}

// TestEarlySharesAreBounded by bytes of each author and by how far ahead they are.
func TestEarlySharesAreBounded(t *testing.T) {
	w := newNetwork(t, 4)
	tracker := w.tracker(0)
	early := func(author dag.Author, ahead dag.CommitIndex, size int) error {
		return tracker.Share(author, message{commit: tracker.head + ahead, share: make([]byte, size)}.encode())
	}
	if err := early(1, maxEarlyCommits+1, 100); !errors.Is(err, ErrShare) {
		t.Errorf("%d commits ahead: %v", maxEarlyCommits+1, err)
	}
	taken := 0
	for early(1, maxEarlyCommits, 100<<10) == nil {
		if taken++; taken > 100 {
			t.Fatal("no end to what one author may keep waiting")
		}
	}
	if taken != 10 {
		t.Errorf("%d shares of 100 KiB were taken, want 10", taken)
	}
	count := 0
	for early(2, 1, 1) == nil {
		if count++; count > maxEarlyBytes/64 {
			t.Fatal("the smallest shares cost nothing")
		}
	}
	if err := early(3, 1, 100<<10); err != nil {
		t.Errorf("another author pays for it: %v", err)
	}
	tracker.Skip(tracker.head + maxEarlyCommits)
	if slices.Max(tracker.byAuthor) != 0 || len(tracker.early) != 0 {
		t.Error("shares of commits that were skipped still count as early")
	}
}

// TestLateShares of commits that are revealed are passed over.
func TestLateShares(t *testing.T) {
	w := newNetwork(t, 4)
	trackers := w.trackers()
	c := w.commit(w.good("x"))
	for _, tracker := range trackers {
		tracker.Commit(c)
	}
	said := offers(trackers)
	for a := range 3 {
		if err := trackers[0].Share(dag.Author(a), said[a][0].Payload); err != nil {
			t.Fatal(err)
		}
	}
	one(t, trackers[0])
	if err := trackers[0].Share(3, said[3][0].Payload); err != nil {
		t.Error(err)
	}
	if _, _, _, ok := trackers[0].Progress(c.Index); ok {
		t.Error("a revealed commit still has progress")
	}
}

func FuzzShare(f *testing.F) {
	w := newNetwork(f, 4)
	trackers := w.trackers()
	c := w.commit(w.good("x"), w.good("y"))
	for _, tracker := range trackers {
		tracker.Commit(c)
	}
	said := offers(trackers)
	for a := range said {
		f.Add(uint8(a), said[a][0].Payload)
		f.Add(uint8(a), wrong(said[a][0].Payload))
	}
	items := c.Bodies[0].Block().Items
	f.Fuzz(func(t *testing.T, author uint8, payload []byte) {
		tracker := New(w.committee, 0, c.Index-1)
		tracker.keys = trackers[0].keys // immutable, and dear to make
		if author%2 == 0 {
			tracker.Commit(c)
		}
		if err := tracker.Share(dag.Author(author%4), payload); err != nil && !errors.Is(err, ErrShare) {
			t.Fatal(err)
		}
		if author%2 != 0 {
			tracker.Commit(c)
		}
		for a := range said {
			if dag.Author(a) != dag.Author(author%4) {
				if err := tracker.Share(dag.Author(a), said[a][0].Payload); err != nil {
					t.Fatal(err)
				}
			}
		}
		r := one(t, tracker)
		for i := range r.Outcomes {
			sealed := items[i].Sealed()
			if _, err := Open(w.sealing[0], &sealed, r.Outcomes[i].Opening); err != nil || r.Outcomes[i].Verdict != Opened {
				t.Fatalf("item %d: %v, %v", i, r.Outcomes[i].Verdict, err)
			}
		}
	})
}
