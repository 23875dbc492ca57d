package dag

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
)

var testNetwork = crypto.Hash("test/network")

const testEpoch Epoch = 3

func testKey(t testing.TB, a Author) *crypto.IdentityKey {
	t.Helper()
	k, err := crypto.NewIdentityKey(bytes.Repeat([]byte{byte(a) + 1}, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testCommittee(t testing.TB, n int) *Committee {
	t.Helper()
	validators := make([]Validator, n)
	for i := range validators {
		validators[i] = Validator{Identity: testKey(t, Author(i)).Public()}
	}
	c, err := NewCommittee(testNetwork, testEpoch, validators)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// firstBlock is a valid block of round 1 that refers to all genesis blocks.
func firstBlock(c *Committee, a Author) Block {
	b := Block{Epoch: c.Epoch(), Round: 1, Author: a, Parents: []Ref{c.Genesis(a)}}
	for p := range Author(c.Size()) {
		if p != a {
			b.Parents = append(b.Parents, c.Genesis(p))
		}
	}
	return b
}

// sign makes the encoding of b without asking whether b is valid.
func sign(t testing.TB, c *Committee, b *Block) []byte {
	t.Helper()
	return signBody(t, b.Author, b.encodeUnsigned(c.network))
}

func signBody(t testing.TB, a Author, body []byte) []byte {
	t.Helper()
	s := testKey(t, a).Sign(crypto.DomainBlock, crypto.Hash(crypto.DomainBlock, body))
	return append(bytes.Clone(body), s[:]...)
}

func testItem(t testing.TB, payload string) Item {
	t.Helper()
	item, err := (&Transaction{Namespace: 1001, ValidUntil: 77, Payload: []byte(payload)}).Encode(NewItemHasher(testNetwork))
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// knownBlock uses every field.
func knownBlock(t testing.TB, c *Committee) Block {
	t.Helper()
	b := firstBlock(c, 1)
	b.Time, b.LastCommit = 1700000000000, CommitRef{Index: 9, Digest: crypto.Hash("test/commit")}
	b.System = []SystemMessage{{Kind: 7, Payload: []byte("sys")}}
	b.Items = []Item{testItem(t, "hello"), {Kind: KindMalformed, Raw: []byte("bad")}}
	return b
}

// The values were computed by another program: a changed format needs another protocol version.
func TestKnownBlock(t *testing.T) {
	c := testCommittee(t, 4)
	if got, want := c.Genesis(1).Digest.String(), "e2cf2b2a9ede126a3c96eaebc40f7195905a7e691fbfd2e72c9570bb2038933a"; got != want {
		t.Errorf("genesis block %s, want %s", got, want)
	}
	v, err := Seal(c, knownBlock(t, c), testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.Ref().Digest.String(), "ae01eb4ec9467ae7d4676d1810900ba9cf11aecfc22c88cbb674dab155b9f745"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	want := "11fe01158ba3fdce9a164a6e2d3321984be36d2a91352292c9c308af3be118bf38d34c17f832441a4e77b94448c0c09b44013fac5f8751b9d593bcb552d9b403"
	if got := hex.EncodeToString(v.Bytes()[len(v.Bytes())-crypto.SignatureSize:]); got != want || len(v.Bytes()) != 382 {
		t.Errorf("%d bytes with signature %s, want 382 with %s", len(v.Bytes()), got, want)
	}
	if v.Slot() != (Slot{1, 1}) || v.Round() != 1 || v.Author() != 1 || v.Ref().Slot() != v.Slot() {
		t.Errorf("block stands in %v, ref %v", v.Slot(), v.Ref())
	}
}

func drawItem(t *rapid.T) Item {
	payload := rapid.SliceOfN(rapid.Byte(), 1, 40)
	namespace := rapid.Custom(func(t *rapid.T) Namespace { return Namespace(rapid.Uint64Range(1, 5).Draw(t, "namespace")) })
	var sender, signature []byte
	if rapid.Bool().Draw(t, "signed") {
		sender = rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sender")
		signature = rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "signature")
	}
	until, hasher := CommitIndex(rapid.Uint64().Draw(t, "until")), NewItemHasher(testNetwork)
	var item Item
	var err error
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		return Item{Kind: KindMalformed, Raw: append([]byte{9}, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "raw")...)}
	case 1:
		item, err = (&Transaction{namespace.Draw(t, "ns"), until, sender, signature, payload.Draw(t, "payload")}).Encode(hasher)
	case 2:
		legs := make([]Leg, rapid.IntRange(1, MaxBundleLegs).Draw(t, "legs"))
		for i := range legs {
			legs[i] = Leg{namespace.Draw(t, "ns"), payload.Draw(t, "payload")}
		}
		item, err = (&Bundle{ModeInclusion, until, sender, signature, legs}).Encode(hasher)
	}
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// drawBlock draws a valid block of any author, with parents of the round before and older ones.
func drawBlock(t *rapid.T, c *Committee) Block {
	b := Block{
		Epoch: c.Epoch(), Round: Round(rapid.Uint64Range(2, 1<<62).Draw(t, "round")),
		Author: Author(rapid.IntRange(0, c.Size()-1).Draw(t, "author")), Time: rapid.Uint64().Draw(t, "time"),
		LastCommit: CommitRef{Index: CommitIndex(rapid.Uint64().Draw(t, "index")), Digest: drawDigest(t)},
	}
	authors := []Author{b.Author}
	for _, a := range rapid.Permutation(allAuthors(c)).Draw(t, "order") {
		if a != b.Author {
			authors = append(authors, a)
		}
	}
	for i, a := range authors[:rapid.IntRange(c.Quorum(), c.Size()).Draw(t, "parents")] {
		round := b.Round - 1
		if i >= c.Quorum() {
			round = Round(rapid.Uint64Range(1, uint64(b.Round)-1).Draw(t, "parent round"))
		}
		b.Parents = append(b.Parents, Ref{Round: round, Author: a, Digest: drawDigest(t)})
	}
	for range rapid.IntRange(0, 3).Draw(t, "system") {
		b.System = append(b.System, SystemMessage{
			Kind: SystemKind(rapid.Byte().Draw(t, "kind")), Payload: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload"),
		})
	}
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		b.Items = append(b.Items, drawItem(t))
	}
	return b
}

func allAuthors(c *Committee) []Author {
	out := make([]Author, c.Size())
	for i := range out {
		out[i] = Author(i)
	}
	return out
}

func drawDigest(t *rapid.T) crypto.Digest {
	return crypto.Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
}

func TestBlockRoundTrip(t *testing.T) {
	c := testCommittee(t, 7)
	keys := make([]*crypto.IdentityKey, c.Size())
	for a := range keys {
		keys[a] = testKey(t, Author(a))
	}
	rapid.Check(t, func(t *rapid.T) {
		b := drawBlock(t, c)
		sealed, err := Seal(c, b, keys[b.Author])
		if err != nil {
			t.Fatal(err)
		}
		back, err := Verify(c, sealed.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&b, back.Block()); diff != "" {
			t.Fatal(diff)
		}
		again, err := Seal(c, *back.Block(), keys[b.Author])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), sealed.Bytes()) || back.Ref() != sealed.Ref() || again.Ref() != sealed.Ref() {
			t.Fatal("the block did not keep its bytes")
		}
	})
}

// TestBlockMutations changes every byte: the block is refused, and where the change is signed
// again by its author it is refused or has another digest.
func TestBlockMutations(t *testing.T) {
	c := testCommittee(t, 4)
	b := knownBlock(t, c)
	good := sign(t, c, &b)
	want, err := Verify(c, good)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for _, change := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= change
			if _, err := Verify(c, bad); err == nil {
				t.Fatalf("byte %d changed by %x: accepted", i, change)
			}
			if i >= len(good)-crypto.SignatureSize {
				continue
			}
			v, err := Verify(c, signBody(t, 1, bad[:len(bad)-crypto.SignatureSize]))
			if err == nil && v.Ref().Digest == want.Ref().Digest {
				t.Fatalf("byte %d changed by %x: same digest", i, change)
			}
		}
	}
}

// TestBlockCutShort cuts the block everywhere, signs what is left, and wants it refused; so with
// bytes too many.
func TestBlockCutShort(t *testing.T) {
	c := testCommittee(t, 4)
	b := knownBlock(t, c)
	body := b.encodeUnsigned(c.network)
	for n := range body {
		if _, err := Verify(c, signBody(t, 1, body[:n])); err == nil {
			t.Fatalf("block cut to %d bytes accepted", n)
		}
	}
	good := signBody(t, 1, body)
	for n := range good {
		if _, err := Verify(c, good[:n]); err == nil {
			t.Fatalf("encoding cut to %d bytes accepted", n)
		}
	}
	for n := 1; n < 100; n++ {
		if _, err := Verify(c, signBody(t, 1, append(bytes.Clone(body), make([]byte, n)...))); err == nil {
			t.Fatalf("block with %d bytes more accepted", n)
		}
	}
}
