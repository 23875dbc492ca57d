package dag

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
)

func TestTextForms(t *testing.T) {
	d := crypto.Digest{0x9f, 0x2a}
	for _, c := range []struct{ got, want string }{
		{Author(0).String(), "A"},
		{Author(25).String(), "Z"},
		{Author(26).String(), "N26"},
		{Slot{3, 1}.String(), "B3"},
		{Slot{3, 26}.String(), "N26_3"},
		{Ref{3, 1, d}.String(), "B3#9f2a"},
		{Ref{3, 26, d}.String(), "N26_3#9f2a"},
		{CommitRef{17, d}.String(), "17#9f2a"},
	} {
		if c.got != c.want {
			t.Errorf("text %s, want %s", c.got, c.want)
		}
	}
}

func drawSlot(t *rapid.T) Slot {
	return Slot{Round: Round(rapid.Uint64().Draw(t, "round")), Author: Author(rapid.Uint16().Draw(t, "author"))}
}

func TestTextFormsParseBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slot := drawSlot(t)
		if back, err := ParseAuthor(slot.Author.String()); err != nil || back != slot.Author {
			t.Fatalf("%v read as %v, error %v", slot.Author, back, err)
		}
		if back, err := ParseSlot(slot.String()); err != nil || back != slot {
			t.Fatalf("%v read as %v, error %v", slot, back, err)
		}
		ref := Ref{slot.Round, slot.Author, drawDigest(t)}
		text, err := ref.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Ref
		if err := back.UnmarshalText(text); err != nil || back != ref {
			t.Fatalf("%s read as %v, error %v", text, back, err)
		}
		if back := DecodeRef(ref.Append(nil)); back != ref {
			t.Fatalf("%v decoded as %v", ref, back)
		}
	})
}

// TestWhatParsesIsTheText: nothing but the one text of a value is read.
func TestWhatParsesIsTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[A-Z]?[0-9]{0,3}_?[0-9]{0,3}`).Draw(t, "text")
		if a, err := ParseAuthor(text); err == nil && a.String() != text {
			t.Fatalf("%q read as author %v", text, a)
		}
		if s, err := ParseSlot(text); err == nil && s.String() != text {
			t.Fatalf("%q read as slot %v", text, s)
		}
	})
}

func TestTextsThatDoNotParse(t *testing.T) {
	for _, bad := range []string{"", "a", "AA", "N25", "N026", "N+26", "N65536", "26", "N-1", "é"} {
		if a, err := ParseAuthor(bad); err == nil {
			t.Errorf("%q read as author %v", bad, a)
		}
	}
	for _, bad := range []string{"", "B", "3", "B03", "B-3", "B+3", "b3", "B_3", "N26_", "N26_03", "_3", "B18446744073709551616", "é3"} {
		if s, err := ParseSlot(bad); err == nil {
			t.Errorf("%q read as slot %v", bad, s)
		}
	}
	hex := crypto.Hash("x").String()
	for _, bad := range []string{"", "B3", "B3#", "B3#9f2a", "#" + hex, "B3#" + hex + "0", "B3##" + hex, "B3_" + hex} {
		ref := Ref{Round: 7}
		if err := ref.UnmarshalText([]byte(bad)); err == nil || ref != (Ref{Round: 7}) {
			t.Errorf("%q read as ref %v", bad, ref)
		}
	}
}

func TestRefsAreOrderedByRoundAuthorDigest(t *testing.T) {
	refs := []Ref{
		{},
		{0, 0, crypto.Digest{31: 1}},
		{0, 0, crypto.Digest{1}},
		{0, 1, crypto.Digest{}},
		{0, math.MaxUint16, crypto.Digest{255}},
		{1, 0, crypto.Digest{}},
		{math.MaxUint64, 0, crypto.Digest{}},
	}
	for i, a := range refs {
		for j, b := range refs {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("%v against %v: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestAuthorSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set AuthorSet
		model := map[Author]bool{}
		for _, n := range rapid.SliceOfN(rapid.IntRange(-MaxCommittee, MaxCommittee-1), 0, 50).Draw(t, "steps") {
			if n >= 0 {
				set.Add(Author(n))
				model[Author(n)] = true
			} else {
				set.Remove(Author(-n - 1))
				delete(model, Author(-n-1))
			}
		}
		if set.Len() != len(model) {
			t.Fatalf("%d authors, want %d", set.Len(), len(model))
		}
		for a := range Author(MaxCommittee) {
			if set.Has(a) != model[a] {
				t.Fatalf("author %v: in the set %v", a, set.Has(a))
			}
		}
	})
}

func TestCommitteeSizes(t *testing.T) {
	for _, c := range []struct{ n, faults, quorum, validity int }{
		{1, 0, 1, 1}, {3, 0, 3, 1}, {4, 1, 3, 2}, {5, 1, 4, 2}, {6, 1, 5, 2}, {7, 2, 5, 3}, {100, 33, 67, 34},
	} {
		committee := testCommittee(t, c.n)
		if got := []int{committee.Size(), committee.Faults(), committee.Quorum(), committee.Validity()}; !slices.Equal(got, []int{c.n, c.faults, c.quorum, c.validity}) {
			t.Errorf("size, faults, quorum, validity %v, want %v", got, c)
		}
	}
}

func TestCommitteeFindsItsMembers(t *testing.T) {
	c := testCommittee(t, 4)
	for a := range Author(4) {
		if got, ok := c.AuthorOf(testKey(t, a).Public()); !ok || got != a || c.Validator(a).Identity != testKey(t, a).Public() || !c.Has(a) {
			t.Errorf("member %v found as %v, %v", a, got, ok)
		}
	}
	if got, ok := c.AuthorOf(testKey(t, 4).Public()); ok || c.Has(4) {
		t.Errorf("a stranger found as %v", got)
	}
	if c.Network() != testNetwork || c.Epoch() != testEpoch {
		t.Errorf("network %v, epoch %v", c.Network(), c.Epoch())
	}
}

func TestCommitteeRefuses(t *testing.T) {
	one := Validator{Identity: testKey(t, 0).Public()}
	for name, validators := range map[string][]Validator{"nobody": nil, "twice": {one, one}, "too many": make([]Validator, MaxCommittee+1)} {
		if _, err := NewCommittee(testNetwork, testEpoch, validators); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestGenesisBlocksDiffer(t *testing.T) {
	seen := map[crypto.Digest]bool{}
	for _, network := range []crypto.Digest{testNetwork, crypto.Hash("test/other")} {
		for epoch := range Epoch(3) {
			c, err := NewCommittee(network, epoch, make([]Validator, 1))
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []Author{0, 1, 255} {
				g := c.Genesis(a)
				if seen[g.Digest] || g.Round != 0 || g.Author != a {
					t.Errorf("genesis block %v of epoch %d", g, epoch)
				}
				seen[g.Digest] = true
			}
		}
	}
}
