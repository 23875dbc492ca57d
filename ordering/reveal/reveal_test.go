package reveal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// mixture is items of every verdict, with the verdicts.
func (w *network) mixture() ([]dag.Item, []Verdict) {
	w.t.Helper()
	content, err := dag.EncodeContent(legs("two", 7, 8))
	if err != nil {
		w.t.Fatal(err)
	}
	stale := w.good("another key")
	sealed := stale.Sealed()
	sealed.Ciphertext = slices.Clone(sealed.Ciphertext)
	sealed.Ciphertext[8]++ // the key's id
	copied := w.good("copied")
	other := copied.Sealed()
	other.ValidUntil++
	version := w.good("version")
	strange := version.Sealed()
	strange.Ciphertext = slices.Clone(strange.Ciphertext)
	strange.Ciphertext[0]++
	items := []dag.Item{
		w.plain("before"), w.good("first"), w.item(&other), w.item(&sealed), w.crafted(0, garbage()),
		w.sealed(0, content, 7), w.sealed(0, content, 8, 7), w.sealed(0, content, 7, 8), w.sealed(0, []byte("no legs"), 7),
		w.item(&strange), w.plain("between"), w.good("last"),
	}
	return items, []Verdict{
		Opened, CiphertextInvalid, KeyStale, DecryptFailed, ContentInvalid, ContentInvalid, Opened, ContentInvalid,
		CiphertextInvalid, Opened,
	}
}

// TestEveryVerdict has items that end in every way, among plain ones.
func TestEveryVerdict(t *testing.T) {
	w := newNetwork(t, 4)
	trackers := w.trackers()
	items, want := w.mixture()
	c := w.commit(items...)
	for _, tracker := range trackers {
		tracker.Commit(c)
	}
	for a, said := range offers(trackers)[:3] {
		for _, o := range said {
			if err := trackers[0].Share(dag.Author(a), o.Payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := one(t, trackers[0])
	if diff := cmp.Diff(want, verdicts(r)); diff != "" {
		t.Error(diff)
	}
	if r.Commit != c.Ref() || r.Key != w.keys[0].ID {
		t.Errorf("record of %v with key %d", r.Commit, r.Key)
	}
	for i, at := range []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 11} {
		if r.Outcomes[i].Index != at {
			t.Errorf("outcome %d is that of item %d, want %d", i, r.Outcomes[i].Index, at)
		}
	}
	w.opens(items, r)
}

// opens checks the record as a reader does who knows the key and nothing of the committee.
func (w *network) opens(items []dag.Item, r *Record) {
	w.t.Helper()
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		sealed := items[o.Index].Sealed()
		opened, err := Open(w.sealing[0], &sealed, o.Opening)
		switch {
		case o.Verdict == Opened && (err != nil || len(opened) != len(sealed.Namespaces)):
			w.t.Errorf("item %d: %d legs, error %v", o.Index, len(opened), err)
		case o.Verdict == ContentInvalid && !errors.Is(err, dag.ErrContent):
			w.t.Errorf("item %d: error %v, want ErrContent", o.Index, err)
		case o.Verdict != Opened && o.Verdict != ContentInvalid && (o.Opening != seal.Opening{} || err == nil):
			w.t.Errorf("item %d: %v with an opening", o.Index, o.Verdict)
		}
	}
}

// TestSameVerdictsEverywhere gives every tracker the shares in an order of its own, with f bad ones, in
// pieces, and work done at any time: all come to the same records.
func TestSameVerdictsEverywhere(t *testing.T) {
	for _, n := range []int{4, 7} {
		t.Run(fmt.Sprint("n=", n), func(t *testing.T) {
			w := newNetwork(t, n)
			items, want := w.mixture()
			commits := []*ordering.Commit{w.commit(items...), w.commit(w.plain("x")), w.commit(w.good("later"))}
			w.head -= 3
			trackers := w.trackers()
			for _, tracker := range trackers {
				for _, c := range commits {
					tracker.Commit(c)
				}
			}
			said := offers(trackers)
			rapid.Check(t, func(rt *rapid.T) {
				liars := rapid.Permutation(order(n)).Draw(rt, "liars")[:(n-1)/3]
				type sent struct {
					from    int
					payload []byte
				}
				var all []sent
				for a, own := range said {
					for _, o := range own {
						payload := o.Payload
						if slices.Contains(liars, a) && rapid.Bool().Draw(rt, "lies") {
							payload = wrong(payload)
						}
						all = append(all, sent{a, payload})
					}
				}
				self := dag.Author(rapid.IntRange(0, n).Draw(rt, "self"))
				if int(self) == n {
					self = ordering.Observer
				}
				tracker := w.tracker(self)
				shown := 0
				for _, s := range rapid.Permutation(all).Draw(rt, "order") {
					if shown < len(commits) && rapid.Bool().Draw(rt, "commit") {
						tracker.Commit(commits[shown])
						shown++
					}
					if err := tracker.Share(dag.Author(s.from), s.payload); err != nil {
						rt.Fatal(err)
					}
					if rapid.Bool().Draw(rt, "work") {
						tracker.Work()
					}
				}
				for ; shown < len(commits); shown++ {
					tracker.Commit(commits[shown])
				}
				tracker.Work()
				records := tracker.Take()
				if len(records) != 2 || tracker.Open() != 0 || tracker.Revealed() != commits[2].Index {
					rt.Fatalf("%d records, %d commits open, revealed up to %d", len(records), tracker.Open(), tracker.Revealed())
				}
				if diff := cmp.Diff(want, verdicts(records[0])); diff != "" {
					rt.Fatal(diff)
				}
				w.opens(items, records[0])
				for a := range n {
					if bad := tracker.Bad(); bad.Has(dag.Author(a)) && !slices.Contains(liars, a) {
						rt.Fatalf("honest %d is said to have sent a bad share", a)
					}
				}
			})
		})
	}
}

func order(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestNoVerdictBeforeEnoughShares: without 2f+1 good shares nothing is decided, however many bad ones
// there are.
func TestNoVerdictBeforeEnoughShares(t *testing.T) {
	w := newNetwork(t, 7)
	trackers := w.trackers()
	c := w.commit(w.good("x"), w.crafted(0, garbage()))
	for _, tracker := range trackers {
		tracker.Commit(c)
	}
	said := offers(trackers)
	observer := w.trackerAfter(ordering.Observer, c.Index-1)
	observer.Commit(c)
	for a, own := range said[:6] {
		payload := own[0].Payload
		if a >= 4 {
			payload = wrong(payload)
		}
		if err := observer.Share(dag.Author(a), payload); err != nil {
			t.Fatal(err)
		}
		observer.Work()
	}
	if len(observer.Take()) != 0 {
		t.Fatal("a commit is revealed from four good shares of five")
	}
	have, need, missing, ok := observer.Progress(c.Index)
	if have != 4 || need != 5 || !slices.Equal(missing, []dag.Author{6}) || !ok {
		t.Errorf("progress %d of %d, missing %v, %v", have, need, missing, ok)
	}
	if bad := observer.Bad(); bad.Len() != 2 || !bad.Has(4) || !bad.Has(5) {
		t.Errorf("%d are said to have sent bad shares", bad.Len())
	}
	if err := observer.Share(6, said[6][0].Payload); err != nil {
		t.Fatal(err)
	}
	if got := verdicts(one(t, observer)); !slices.Equal(got, []Verdict{Opened, DecryptFailed}) {
		t.Errorf("verdicts %v", got)
	}
}

// TestRevealsInCommitOrder completes a later commit first.
func TestRevealsInCommitOrder(t *testing.T) {
	w := newNetwork(t, 4)
	trackers := w.trackers()
	first, between, second := w.commit(w.good("a")), w.commit(w.plain("p")), w.commit(w.good("b"))
	for _, tracker := range trackers {
		tracker.Commit(first)
		tracker.Commit(between)
		tracker.Commit(second)
	}
	said := offers(trackers)
	tracker := trackers[3]
	for k, commit := range []int{1, 0} {
		for a := range 3 {
			if err := tracker.Share(dag.Author(a), said[a][commit].Payload); err != nil {
				t.Fatal(err)
			}
		}
		tracker.Work()
		records := tracker.Take()
		if want := []int{0, 2}[k]; len(records) != want {
			t.Fatalf("%d records after the shares of commit %d, want %d", len(records), commit, want)
		}
		if k == 1 && (records[0].Commit != first.Ref() || records[1].Commit != second.Ref()) {
			t.Errorf("records of %v and %v", records[0].Commit, records[1].Commit)
		}
		if want := []dag.CommitIndex{first.Index - 1, second.Index}[k]; tracker.Revealed() != want {
			t.Errorf("revealed up to %d, want %d", tracker.Revealed(), want)
		}
	}
}

// TestManyParts has a commit with more sealed items than one batch holds.
func TestManyParts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newNetwork(t, 4)
	trackers := w.trackers()
	var items []dag.Item
	for i := range MaxPart + 1 {
		items = append(items, w.good(fmt.Sprint("item ", i)))
	}
	c := w.commit(items...)
	for _, tracker := range trackers {
		tracker.Commit(c)
	}
	said := offers(trackers)
	if len(said[0]) != 2 {
		t.Fatalf("%d shares, want 2", len(said[0]))
	}
	if size := len(said[0][0].Payload); size != messageHeader+seal.ShareSize(MaxPart) || size > dag.MaxSystemBytes {
		t.Errorf("a share of a full part takes %d bytes", size)
	}
	tracker := trackers[3]
	for _, part := range []int{1, 0} {
		tracker.Work()
		if len(tracker.Take()) != 0 {
			t.Fatal("revealed with one of two parts")
		}
		for a := range 3 {
			if err := tracker.Share(dag.Author(a), said[a][part].Payload); err != nil {
				t.Fatal(err)
			}
		}
		if have, _, _, _ := tracker.Progress(c.Index); have != 3*(1-part) {
			t.Errorf("after the shares of part %d progress is %d", part, have)
		}
	}
	r := one(t, tracker)
	if len(r.Outcomes) != MaxPart+1 || slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return o.Verdict != Opened }) {
		t.Errorf("%d outcomes, or some that are not opened", len(r.Outcomes))
	}
	sealed := items[MaxPart].Sealed()
	opened, err := Open(w.sealing[0], &sealed, r.Outcomes[MaxPart].Opening)
	if err != nil || !bytes.Equal(opened[0].Payload, fmt.Append(nil, "item ", MaxPart)) {
		t.Errorf("the last item holds %v, error %v", opened, err)
	}
}

// TestNewKey has commits on both sides of a change of keys: each opens with the key that served in it.
func TestNewKey(t *testing.T) {
	w := newNetwork(t, 4)
	second := w.keys[0]
	second.ID++ // the same numbers under another name: ciphertexts of one are not those of the other
	second.From = w.head + 3
	tracker := w.tracker(0)
	w.addKey(second)
	if err := tracker.AddKey(second, w.share(0, w.keys[0].ID)); err != nil {
		t.Fatal(err)
	}
	content, err := dag.EncodeContent(legs("x", 7))
	if err != nil {
		t.Fatal(err)
	}
	if tracker.keys.In(w.keys[0].From-1) != nil {
		t.Error("a key serves before it is ready")
	}
	for i, want := range [][]Verdict{{0, KeyStale}, {0, KeyStale}, {KeyStale, 0}} {
		c := newCommit(w.commit(w.sealed(0, content, 7), w.sealed(1, content, 7)), tracker.keys.In(w.head))
		if diff := cmp.Diff(want, verdicts(c.record())); diff != "" {
			t.Errorf("commit %d: %s", i, diff)
		}
	}
}

// TestNoKey has sealed items in a commit that no key served in: they are stale at once.
func TestNoKey(t *testing.T) {
	w := newNetwork(t, 4)
	tracker := New(w.committee, ordering.Observer, w.head)
	tracker.Commit(w.commit(w.good("too early")))
	r := one(t, tracker)
	if got := verdicts(r); !slices.Equal(got, []Verdict{KeyStale}) || r.Key != 0 {
		t.Errorf("verdicts %v, key %d", got, r.Key)
	}
}

// TestKeyOfNoLog is refused.
func TestKeyOfNoLog(t *testing.T) {
	w := newNetwork(t, 4)
	share := w.share(0, 1)
	for name, change := range map[string]func(*keygen.Key){
		"public key": func(k *keygen.Key) { k.Public[0] ^= 1 },
		"shares":     func(k *keygen.Key) { k.Shares = slices.Clone(k.Shares); slices.Reverse(k.Shares) },
		"threshold":  func(k *keygen.Key) { k.Threshold = 2 },
	} {
		k := w.keys[0]
		change(&k)
		if err := New(w.committee, 0, w.head).AddKey(k, share); err == nil {
			t.Errorf("a key with another %s is taken", name)
		}
	}
}
