package dag

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
)

// wantBlockError checks that err wraps ErrBlock and says text.
func wantBlockError(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, ErrBlock) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}

func laterBlock(c *Committee) Block {
	b := Block{Epoch: c.Epoch(), Round: 5, Author: 1}
	for _, a := range []Author{1, 0, 2} {
		b.Parents = append(b.Parents, Ref{4, a, crypto.Digest{byte(a)}})
	}
	return b
}

func TestRulesOfBlocks(t *testing.T) {
	c := testCommittee(t, 4)
	for _, rule := range []struct {
		name, want string
		breakIt    func(*Block)
	}{
		{"epoch", "epoch 4, the committee serves 3", func(b *Block) { b.Epoch++ }},
		{"round 0", "round 0 holds genesis blocks only", func(b *Block) { b.Round = 0 }},
		{"no parents", "0 parents, want 1 to 4", func(b *Block) { b.Parents = nil }},
		{"too many parents", "5 parents, want 1 to 4", func(b *Block) { b.Parents = append(b.Parents, Ref{4, 3, crypto.Digest{}}, Ref{3, 3, crypto.Digest{}}) }},
		{"first parent of another", "first parent A4#0000 is not the author's own block", func(b *Block) { b.Parents[0], b.Parents[1] = b.Parents[1], b.Parents[0] }},
		{"parent of a stranger", "parent of author 4 of 4", func(b *Block) { b.Parents[1].Author = 4 }},
		{"parent of the same round", "parent A5#0000 is not older than round 5", func(b *Block) { b.Parents[1].Round = 5 }},
		{"parent of a later round", "parent A6#0000 is not older than round 5", func(b *Block) { b.Parents[1].Round = 6 }},
		{"made-up genesis", "parent D0#0000 is no genesis block of this network", func(b *Block) { b.Parents = append(b.Parents, Ref{0, 3, crypto.Digest{}}) }},
		{"genesis of another", "is no genesis block of this network", func(b *Block) { b.Parents = append(b.Parents, Ref{0, 3, c.Genesis(2).Digest}) }},
		{"two parents of one author", "two parents of A", func(b *Block) { b.Parents = append(b.Parents, Ref{4, 0, crypto.Digest{9}}) }},
		{"an older one of the same author", "two parents of A", func(b *Block) { b.Parents = append(b.Parents, Ref{3, 0, crypto.Digest{}}) }},
		{"no quorum", "2 parents in round 4, a quorum is 3", func(b *Block) { b.Parents = b.Parents[:2] }},
		{"old parents", "2 parents in round 4, a quorum is 3", func(b *Block) { b.Parents[0].Round = 3 }},
	} {
		t.Run(rule.name, func(t *testing.T) {
			b := laterBlock(c)
			if _, err := Verify(c, sign(t, c, &b)); err != nil {
				t.Fatalf("block refused before the rule was broken: %v", err)
			}
			rule.breakIt(&b)
			_, err := Verify(c, sign(t, c, &b))
			wantBlockError(t, err, rule.want)
			_, err = Seal(c, b, testKey(t, b.Author))
			wantBlockError(t, err, rule.want)
		})
	}
}

func TestBlockOfAStranger(t *testing.T) {
	c := testCommittee(t, 4)
	b := laterBlock(c)
	b.Author, b.Parents[0].Author = 4, 4
	_, err := Verify(c, sign(t, c, &b))
	wantBlockError(t, err, "author 4 of 4")
	_, err = Seal(c, b, testKey(t, 4))
	wantBlockError(t, err, "author 4 of 4")
}

func TestRulesAtTheEdge(t *testing.T) {
	c := testCommittee(t, 4)
	for name, change := range map[string]func(*Block){
		"all parents":                  func(b *Block) { b.Parents = append(b.Parents, Ref{4, 3, crypto.Digest{}}) },
		"one more, older":              func(b *Block) { b.Parents = append(b.Parents, Ref{1, 3, crypto.Digest{}}) },
		"one more, genesis":            func(b *Block) { b.Parents = append(b.Parents, c.Genesis(3)) },
		"own parent older":             func(b *Block) { b.Parents[0].Round, b.Parents = 2, append(b.Parents, Ref{4, 3, crypto.Digest{}}) },
		"time is never a reason":       func(b *Block) { b.Time = 1<<64 - 1 },
		"last commit is not looked at": func(b *Block) { b.LastCommit.Index = 1<<64 - 1 },
		"unknown system message":       func(b *Block) { b.System = []SystemMessage{{Kind: 255}} },
	} {
		b := laterBlock(c)
		change(&b)
		if _, err := Verify(c, sign(t, c, &b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyRefusesForeignBytes(t *testing.T) {
	c := testCommittee(t, 4)
	b := laterBlock(c)
	good := sign(t, c, &b)
	other, err := NewCommittee(crypto.Hash("test/other"), testEpoch, c.validators)
	if err != nil {
		t.Fatal(err)
	}
	version := bytes.Clone(good)
	version[1] = ProtocolVersion + 1
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	for _, foreign := range []struct {
		name, want string
		raw        []byte
	}{
		{"nothing", fmt.Sprintf("0 bytes, want %d to %d", minBlock, MaxBlockBytes), nil},
		{"too short", fmt.Sprintf("%d bytes, want", minBlock-1), make([]byte, minBlock-1)},
		{"too long", fmt.Sprintf("%d bytes, want", MaxBlockBytes+1), make([]byte, MaxBlockBytes+1)},
		{"other version", fmt.Sprintf("protocol version %d, this node speaks %d", ProtocolVersion+1, ProtocolVersion), version},
		{"other network", "made for another network", sign(t, other, &b)},
		{"signed by another", "has a signature that B did not make", signBody(t, 2, b.encodeUnsigned(c.network))},
		{"forged", "has a signature that B did not make", forged},
	} {
		_, err := Verify(c, foreign.raw)
		t.Run(foreign.name, func(t *testing.T) { wantBlockError(t, err, foreign.want) })
	}
}

// limitCase makes a block at n of something that is limited.
type limitCase struct {
	name  string
	limit int
	want  string // of limit+1
	make  func(n int) Block
}

func limitCases(t *testing.T, c *Committee) []limitCase {
	with := func(change func(*Block)) Block {
		b := laterBlock(c)
		change(&b)
		return b
	}
	raw := func(n int) Item { return Item{Kind: KindMalformed, Raw: make([]byte, n)} }
	return []limitCase{
		{"items", MaxItems, "8193 items, limit 8192", func(n int) Block {
			return with(func(b *Block) { b.Items = make([]Item, n) })
		}},
		{"payload", MaxPayloadBytes, "items of 524289 bytes, limit 524288", func(n int) Block {
			return with(func(b *Block) { b.Items = []Item{raw(1000), raw(n - 1000)} })
		}},
		{"system messages", MaxSystemMessages, "257 system messages, limit 256", func(n int) Block {
			return with(func(b *Block) { b.System = make([]SystemMessage, n) })
		}},
		{"system bytes", MaxSystemBytes, "system messages of 196609 bytes, limit 196608", func(n int) Block {
			return with(func(b *Block) {
				b.System = []SystemMessage{{Payload: make([]byte, 100)}, {Payload: make([]byte, n-100-2*systemPrefix)}}
			})
		}},
	}
}

func TestLimitsOfBlocks(t *testing.T) {
	c := testCommittee(t, 4)
	for _, l := range limitCases(t, c) {
		t.Run(l.name, func(t *testing.T) {
			b := l.make(l.limit)
			sealed, err := Seal(c, b, testKey(t, b.Author))
			if err != nil {
				t.Fatalf("seal at the limit: %v", err)
			}
			if _, err := Verify(c, sealed.Bytes()); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			b = l.make(l.limit + 1)
			_, err = Verify(c, sign(t, c, &b))
			wantBlockError(t, err, l.want)
			_, err = Seal(c, b, testKey(t, b.Author))
			wantBlockError(t, err, l.want)
		})
	}
}

// TestLargestBlock fills every part to its limit at once: the whole keeps MaxBlockBytes.
func TestLargestBlock(t *testing.T) {
	c := testCommittee(t, MaxCommittee)
	b := firstBlock(c, 200)
	b.System = []SystemMessage{{Payload: make([]byte, MaxSystemBytes-systemPrefix)}}
	b.Items = make([]Item, MaxItems)
	for i := range b.Items {
		b.Items[i] = Item{Kind: KindMalformed, Raw: make([]byte, MaxPayloadBytes/MaxItems)}
	}
	sealed, err := Seal(c, b, testKey(t, 200))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(sealed.Bytes()); n != MaxBlockBytes {
		t.Errorf("block of %d bytes, limit %d", n, MaxBlockBytes)
	}
	if _, err := Verify(c, sealed.Bytes()); err != nil {
		t.Error(err)
	}
}

func TestParentsAreLimitedBeforeTheCommitteeIsAsked(t *testing.T) {
	c := testCommittee(t, 4)
	b := laterBlock(c)
	b.Parents = make([]Ref, MaxCommittee+1)
	_, err := Verify(c, sign(t, c, &b))
	wantBlockError(t, err, "257 parents, limit 256")
}

// TestSealedItemsAreLimited: their number hangs on the size of the committee.
func TestSealedItemsAreLimited(t *testing.T) {
	c := testCommittee(t, 4)
	item, err := testSealed(nil).Encode(NewItemHasher(c.Network()))
	if err != nil {
		t.Fatal(err)
	}
	b := laterBlock(c)
	for range MaxSealedItems(4) {
		b.Items = append(b.Items, item)
	}
	if _, err := Verify(c, sign(t, c, &b)); err != nil {
		t.Error(err)
	}
	b.Items = append(b.Items, item)
	_, err = Verify(c, sign(t, c, &b))
	wantBlockError(t, err, "65 sealed items, limit 64")
	if few, many := MaxSealedItems(100), MaxSealedItems(4); few != 8 || many != 64 {
		t.Errorf("limits of %d and %d", few, many)
	}
}

// TestItemsDoNotMakeABlockInvalid: what an author puts in is dropped later, by all alike.
func TestItemsDoNotMakeABlockInvalid(t *testing.T) {
	c := testCommittee(t, 4)
	b := laterBlock(c)
	good := testItem(t, "x")
	for _, raw := range []string{"", "\x00", "\x01", "\x03234567890", string(good.Raw[:len(good.Raw)-1]), string(good.Raw)} {
		b.Items = append(b.Items, Item{Raw: []byte(raw)})
	}
	v, err := Verify(c, sign(t, c, &b))
	if err != nil {
		t.Fatal(err)
	}
	for i, item := range v.Block().Items[:5] {
		if item.Kind != KindMalformed || !item.ID.IsZero() || !bytes.Equal(item.Raw, b.Items[i].Raw) {
			t.Errorf("item %d: %+v, want a malformed one", i, item)
		}
	}
	if diff := cmp.Diff(good, v.Block().Items[5]); diff != "" {
		t.Error(diff)
	}
}

// TestVerifyBatchSaysWhatVerifySays spoils blocks at random places.
func TestVerifyBatchSaysWhatVerifySays(t *testing.T) {
	c := testCommittee(t, 4)
	base := knownBlock(t, c)
	pool := make([][]byte, 12)
	for i := range pool {
		base.Time = uint64(i)
		pool[i] = sign(t, c, &base)
	}
	rapid.Check(t, func(t *rapid.T) {
		raws := make([][]byte, rapid.IntRange(0, len(pool)).Draw(t, "blocks"))
		for i := range raws {
			raws[i] = bytes.Clone(pool[i])
			if rapid.IntRange(0, 2).Draw(t, "spoil") == 0 {
				raws[i][rapid.IntRange(0, len(raws[i])-1).Draw(t, "at")] ^= 1
			}
		}
		blocks, errs := VerifyBatch(c, raws)
		for i, raw := range raws {
			want, wantErr := Verify(c, raw)
			if fmt.Sprint(wantErr) != fmt.Sprint(errs[i]) || (want == nil) != (blocks[i] == nil) {
				t.Fatalf("block %d: batch says %v, %v; alone %v, %v", i, blocks[i], errs[i], want, wantErr)
			}
			if diff := cmp.Diff(want, blocks[i], cmp.AllowUnexported(Verified{})); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// fullBlock holds 100 items of 512 bytes.
func fullBlock(b *testing.B, c *Committee, n byte) []byte {
	block := laterBlock(c)
	for i := range byte(100) {
		block.Items = append(block.Items, testItem(b, strings.Repeat(string(rune('0'+i)), 400)+string(bytes.Repeat([]byte{n}, 94))))
	}
	return sign(b, c, &block)
}

func BenchmarkVerifyBlock(b *testing.B) {
	c := testCommittee(b, 4)
	raw := fullBlock(b, c, 0)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(c, raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyBatchOf16(b *testing.B) {
	c := testCommittee(b, 4)
	raws := make([][]byte, 16)
	for i := range raws {
		raws[i] = fullBlock(b, c, byte(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		VerifyBatch(c, raws)
	}
}
