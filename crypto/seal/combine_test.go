package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func verdicts(results []Result) (out []Verdict) {
	for _, r := range results {
		out = append(out, r.Verdict)
	}
	return out
}

func TestCombineOpensAtThreshold(t *testing.T) {
	c := newCommittee(t, 7, 1)
	b := c.sealed(t, []byte("first"), nil, bytes.Repeat([]byte("long"), 1000))
	combiner := c.combiner(t, b)
	for have := range 5 {
		if got := verdicts(combiner.Combine()); !slices.Equal(got, []Verdict{Undecided, Undecided, Undecided}) {
			t.Fatalf("%d of 5 shares: %v", have, got)
		}
		if err := combiner.Add(c.share(t, b, 7-have)); err != nil {
			t.Fatal(err)
		}
	}
	results := combiner.Combine()
	for i, want := range [][]byte{[]byte("first"), nil, bytes.Repeat([]byte("long"), 1000)} {
		if results[i].Verdict != Opened || !bytes.Equal(results[i].Message, want) {
			t.Errorf("member %d: %v %q", i, results[i].Verdict, results[i].Message)
		}
	}
	if diff := cmp.Diff([]int{3, 4, 5, 6, 7}, combiner.Usable()); diff != "" || !combiner.Done() || len(combiner.Bad()) > 0 {
		t.Errorf("usable %s done %v bad %v", diff, combiner.Done(), combiner.Bad())
	}
	if err := combiner.Add(c.share(t, b, 1)); err != nil || len(combiner.waiting) > 0 {
		t.Errorf("late share: %v, %d kept", err, len(combiner.waiting))
	}
}

func TestCombineLargeCommittees(t *testing.T) {
	for _, n := range []int{16, 64, 100, MaxCommittee} {
		c := newCommittee(t, n, 1)
		b := c.sealed(t, []byte("a"), []byte("b"))
		spoiled := tampered(t, c.share(t, b, n), movePoint(shareHeaderSize))
		combiner := c.combiner(t, b, spoiled)
		for k := n - 1; len(combiner.Usable()) < Threshold(n); k-- {
			if err := combiner.Add(c.share(t, b, k)); err != nil {
				t.Fatal(err)
			}
			combiner.Combine()
		}
		if diff := cmp.Diff([]Verdict{Opened, Opened}, verdicts(combiner.Combine())); diff != "" {
			t.Errorf("n=%d: %s", n, diff)
		}
		if diff := cmp.Diff([]int{n}, combiner.Bad()); diff != "" {
			t.Errorf("n=%d: %s", n, diff)
		}
	}
}

// What is said to be safe for concurrent use is used so; the race detector judges.
func TestConcurrentUse(t *testing.T) {
	c := newCommittee(t, 7, 11)
	aad := []byte("aad")
	ct := c.encrypt(t, aad, []byte("content"))
	b := c.batch(t, c.verified(t, aad, ct), c.garbage(t, nil))
	var group sync.WaitGroup
	for first := range 3 {
		group.Go(func() {
			if _, err := c.key.Verify(aad, ct); err != nil {
				t.Error(err)
			}
			combiner, err := c.public.NewCombiner(b)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 5 {
				s, err := c.secrets[first+i].Decrypt(b)
				if err == nil {
					err = combiner.Add(s)
				}
				if err != nil {
					t.Error(err)
				}
			}
			if diff := cmp.Diff([]Verdict{Opened, Invalid}, verdicts(combiner.Combine())); diff != "" {
				t.Error(diff)
			}
		})
	}
	group.Wait()
}

func TestCombinerRefusesShares(t *testing.T) {
	c := newCommittee(t, 4, 2)
	b := c.sealed(t, []byte("a"))
	combiner := c.combiner(t, b, c.share(t, b, 1))
	for want, s := range map[error]*Share{
		ErrRepeated: c.share(t, b, 1),
		ErrBatch:    c.share(t, c.sealed(t, []byte("a")), 2),
		ErrKeyID:    tampered(t, c.share(t, b, 2), func(e []byte) { e[8]++ }),
		ErrIndex:    tampered(t, c.share(t, b, 2), func(e []byte) { e[10] = 5 }),
	} {
		if err := combiner.Add(s); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if diff := cmp.Diff([]int{1}, combiner.Usable()); diff != "" {
		t.Error(diff)
	}
}

// Invalid takes t verified shares: bad ones do not make it, and while they are dropped the answer is
// "undecided".
func TestInvalidOnlyFromVerifiedShares(t *testing.T) {
	c := newCommittee(t, 4, 3)
	good := c.verified(t, []byte("good"), c.encrypt(t, []byte("good"), []byte("content")))
	b := c.batch(t, good, c.garbage(t, []byte("garbage")), c.otherSigma(t, []byte("sigma"), Opening{1}))
	spoiled := tampered(t, c.share(t, b, 2), movePoint(shareHeaderSize))
	combiner := c.combiner(t, b, c.share(t, b, 1), spoiled, c.share(t, b, 3))
	if diff := cmp.Diff([]Verdict{Undecided, Undecided, Undecided}, verdicts(combiner.Combine())); diff != "" {
		t.Fatalf("two right shares of three: %s", diff)
	}
	if diff := cmp.Diff([]int{2}, combiner.Bad()); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]int{1, 3}, combiner.Usable()); diff != "" {
		t.Fatal(diff)
	}
	if err := combiner.Add(c.share(t, b, 2)); !errors.Is(err, ErrRepeated) {
		t.Fatalf("a second share of the bad validator: %v", err)
	}
	if err := combiner.Add(c.share(t, b, 4)); err != nil {
		t.Fatal(err)
	}
	results := combiner.Combine()
	if diff := cmp.Diff([]Verdict{Opened, Invalid, Invalid}, verdicts(results)); diff != "" || string(results[0].Message) != "content" {
		t.Errorf("three right shares: %s %q", diff, results[0].Message)
	}
	for _, r := range results[1:] {
		if r.Message != nil || r.Opening != (Opening{}) {
			t.Errorf("invalid with content: %+v", r)
		}
	}
}

// A share that is wrong for one ciphertext only lets the others open at once.
func TestCombineBelievesWhatProvesItself(t *testing.T) {
	c := newCommittee(t, 4, 4)
	b := c.sealed(t, []byte("a"), []byte("b"), []byte("c"))
	spoiled := tampered(t, c.share(t, b, 2), movePoint(shareHeaderSize+pointSize))
	combiner := c.combiner(t, b, c.share(t, b, 1), spoiled, c.share(t, b, 3))
	if diff := cmp.Diff([]Verdict{Opened, Undecided, Opened}, verdicts(combiner.Combine())); diff != "" {
		t.Error(diff)
	}
}

// The padding is strict, and whoever breaks it is invalid with every quorum.
func TestCombineRefusesBadPadding(t *testing.T) {
	c := newCommittee(t, 4, 5)
	var members []*Ciphertext
	tooLong := make([]byte, maxPaddedSize)
	copy(tooLong, []byte{0, 2, 0, 1})
	for i, padded := range [][]byte{
		append([]byte{0, 0, 0, 253}, make([]byte, 252)...),  // needs two buckets
		append(pad(make([]byte, 10)), make([]byte, 256)...), // would fit one
		append(pad(make([]byte, 10))[:255], 1),              // not zero
		append([]byte{255, 255, 255, 255}, pad(nil)[4:]...), // length of 4 GiB
		tooLong, // 128 KiB + 1, which fits the last bucket
	} {
		aad := []byte{byte(i)}
		members = append(members, c.verified(t, aad, c.key.encrypt(Opening{byte(i)}, []byte("fresh"), aad, padded)))
		if _, err := c.key.Open(aad, c.key.encrypt(Opening{byte(i)}, []byte("fresh"), aad, padded), Opening{byte(i)}); !errors.Is(err, ErrOpening) {
			t.Errorf("padding %d opens: %v", i, err)
		}
	}
	b := c.batch(t, members...)
	for _, r := range c.combiner(t, b, c.share(t, b, 1), c.share(t, b, 2), c.share(t, b, 4)).Combine() {
		if r.Verdict != Invalid {
			t.Errorf("bad padding is %v", r.Verdict)
		}
	}
}

func TestOpenings(t *testing.T) {
	c := newCommittee(t, 4, 6)
	aad := []byte("envelope")
	ct := c.encrypt(t, aad, []byte("content"))
	b := c.batch(t, c.verified(t, aad, ct), c.garbage(t, nil))
	combiner := c.combiner(t, b, c.share(t, b, 1), c.share(t, b, 2), c.share(t, b, 3))
	sigma := combiner.Combine()[0].Opening

	reader, err := NewKey(testNetwork, testKeyID, c.key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if m, err := reader.Open(aad, ct, sigma); err != nil || string(m) != "content" {
		t.Errorf("%q %v", m, err)
	}
	wrong := sigma
	wrong[0] ^= 1
	mauled := bytes.Clone(ct)
	mauled[len(mauled)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"wrong opening":         func() ([]byte, error) { return reader.Open(aad, ct, wrong) },
		"other associated data": func() ([]byte, error) { return reader.Open(nil, ct, sigma) },
		"mauled":                func() ([]byte, error) { return reader.Open(aad, mauled, sigma) },
	} {
		if m, err := open(); !errors.Is(err, ErrOpening) || m != nil {
			t.Errorf("%s: %q %v", name, m, err)
		}
	}
	if _, err := reader.Open(aad, ct[:50], sigma); !errors.Is(err, ErrForm) {
		t.Errorf("cut: %v", err)
	}
	if _, err := reader.Open(make([]byte, MaxAssociatedSize+1), ct, sigma); !errors.Is(err, ErrSize) {
		t.Errorf("associated data of 64 KiB + 1: %v", err)
	}

	late := c.combiner(t, b)
	if err := late.Offer(0, wrong); !errors.Is(err, ErrOpening) || late.Combine()[0].Verdict != Undecided {
		t.Errorf("wrong offer: %v", err)
	}
	for _, member := range []int{-1, 2} {
		if err := late.Offer(member, sigma); !errors.Is(err, ErrIndex) {
			t.Errorf("offer for member %d: %v", member, err)
		}
	}
	for range 2 {
		if err := late.Offer(0, sigma); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(Result{Verdict: Opened, Message: []byte("content"), Opening: sigma}, late.Combine()[0]); diff != "" || late.Done() {
		t.Errorf("after the offer: %s", diff)
	}
}

// A sender who knows r can put another sigma inside than the one that r came from. The committee calls
// that invalid; no opening may say otherwise.
func TestOpenRefusesWhatTheCommitteeRefuses(t *testing.T) {
	c := newCommittee(t, 4, 7)
	sigma, other := Opening{1}, Opening{2}
	ctx := c.key.context(nil)
	r := randomness(sigma, &ctx)
	v := c.craft(t, nil, r, func(mask [pointSize]byte, ctx *[contextSize]byte, u [pointSize]byte) []byte {
		return sealPayload(payloadKey(mask, ctx, u), ctx, other, pad([]byte("content")))
	})
	b := c.batch(t, v)
	combiner := c.combiner(t, b, c.share(t, b, 2), c.share(t, b, 3), c.share(t, b, 4))
	for _, s := range []Opening{sigma, other} {
		if err := combiner.Offer(0, s); !errors.Is(err, ErrOpening) {
			t.Errorf("opens with %x: %v", s[0], err)
		}
	}
	if got := combiner.Combine()[0].Verdict; got != Invalid {
		t.Errorf("the committee says %v", got)
	}
}

// Whatever the order of the shares, whoever f of the validators spoil, and whenever a node looks: each
// node has the same verdicts in the end, and until then no other than these.
func TestVerdictsAreTheSameEverywhere(t *testing.T) {
	committees := make(map[int]*committee)
	for _, n := range []int{1, 2, 4, 5, 7, 10} {
		committees[n] = newCommittee(t, n, uint64(n))
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 4, 5, 7, 10}).Draw(rt, "n")
		c, f := committees[n], (n-1)/3
		var members []*Ciphertext
		var want []Verdict
		var messages []string
		for i := range rapid.IntRange(1, 4).Draw(rt, "members") {
			aad, message := []byte{byte(i)}, fmt.Sprintf("message %d", i)
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				members, want, message = append(members, c.garbage(t, aad)), append(want, Invalid), ""
			case 1:
				members, want, message = append(members, c.otherSigma(t, aad, Opening{3})), append(want, Invalid), ""
			default:
				members, want = append(members, c.verified(t, aad, c.encrypt(t, aad, []byte(message)))), append(want, Opened)
			}
			messages = append(messages, message)
		}
		b := c.batch(t, members...)
		spoilers := rapid.Permutation(indices(n)).Draw(rt, "spoilers")[:rapid.IntRange(0, f).Draw(rt, "bad")]
		shares := make(map[int]*Share)
		for k := 1; k <= n; k++ {
			shares[k] = c.share(t, b, k)
			if slices.Contains(spoilers, k) {
				shares[k] = tampered(t, shares[k], spoil(rt, b.Len()))
			}
		}
		for range 2 { // nodes
			combiner := c.combiner(t, b)
			for _, k := range rapid.Permutation(indices(n)).Draw(rt, "order") {
				if err := combiner.Add(shares[k]); err != nil {
					rt.Fatal(err)
				}
				if rapid.Bool().Draw(rt, "look") {
					for i, r := range combiner.Combine() {
						if r.Verdict != Undecided && r.Verdict != want[i] {
							rt.Fatalf("member %d is %v, want %v", i, r.Verdict, want[i])
						}
					}
				}
			}
			results := combiner.Combine()
			if diff := cmp.Diff(want, verdicts(results)); diff != "" {
				rt.Fatal(diff)
			}
			for i, r := range results {
				if string(r.Message) != messages[i] {
					rt.Fatalf("member %d: %q", i, r.Message)
				}
			}
			for _, k := range combiner.Bad() {
				if !slices.Contains(spoilers, k) {
					rt.Fatalf("validator %d is called bad", k)
				}
			}
		}
	})
}

// spoil changes an encoded share in a way that still decodes.
func spoil(rt *rapid.T, members int) func([]byte) {
	proof := shareHeaderSize + members*pointSize
	switch rapid.IntRange(0, 2).Draw(rt, "spoil") {
	case 0:
		return movePoint(shareHeaderSize + pointSize*rapid.IntRange(0, members-1).Draw(rt, "point"))
	case 1:
		return movePoint(proof + pointSize*rapid.IntRange(0, 1).Draw(rt, "commitment"))
	default:
		return func(e []byte) { e[proof+2*pointSize] ^= 1 }
	}
}
