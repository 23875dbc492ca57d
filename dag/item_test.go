package dag

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
)

var (
	testSender    = bytes.Repeat([]byte{1}, 32)
	testSignature = bytes.Repeat([]byte{2}, 64)
	testLegs      = []Leg{{1001, []byte("a")}, {1002, []byte("bc")}}
)

// The values were computed by another program: a changed format needs a new domain.
func TestKnownItems(t *testing.T) {
	h := NewItemHasher(testNetwork)
	transaction := func(sender, signature []byte) (Item, error) {
		return (&Transaction{1001, 77, sender, signature, []byte("hello")}).Encode(h)
	}
	bundle := func(sender, signature []byte) (Item, error) {
		return (&Bundle{ModeInclusion, 77, sender, signature, testLegs}).Encode(h)
	}
	for _, c := range []struct {
		name, want        string
		encode            func(sender, signature []byte) (Item, error)
		sender, signature []byte
	}{
		{"unsigned transaction", "c71c314cd0dcce847274dfa458a1f3630e27daac96ec04bbe83fd92bc42605f7", transaction, nil, nil},
		{"signed transaction", "2c76a1407b1dbd58ba64e53774cc16eb5efd5108c9b5fea99ba7b3a830d65100", transaction, testSender, testSignature},
		{"unsigned bundle", "7f51bd96c2b4fbe46e42be90e9c95a885785fa83485a3bddd9f3db2d1c879853", bundle, nil, nil},
		{"signed bundle", "ea81b71646e86954dd0542c2296a5077578fe10c11cc0e5d519f1dc2b739aa3d", bundle, testSender, testSignature},
	} {
		item, err := c.encode(c.sender, c.signature)
		if err != nil || item.ID.String() != c.want || item.Signed != (c.sender != nil) || item.ValidUntil != 77 || item.Namespace != 1001 {
			t.Errorf("%s: %+v, error %v, want id %s", c.name, item, err, c.want)
		}
	}
}

func TestKnownSigningDigests(t *testing.T) {
	tx := Transaction{Namespace: 1001, ValidUntil: 77, Payload: []byte("hello")}
	if got, want := tx.SigningDigest(testNetwork).String(), "29e9e0b0c98e0620ae4a36abe3a03a52c72e1d9165a2d75a1897056fa7f76d43"; got != want {
		t.Errorf("transaction %s, want %s", got, want)
	}
	b := Bundle{Mode: ModeInclusion, ValidUntil: 77, Legs: testLegs}
	if got, want := b.SigningDigest(testNetwork).String(), "2825209e89c6b1abebc60ddba566e3f48fdc415480838510920353f7e3d267fc"; got != want {
		t.Errorf("bundle %s, want %s", got, want)
	}
}

// TestSigningDigestsBindEverything: a signature cannot be moved to another content.
func TestSigningDigestsBindEverything(t *testing.T) {
	other := crypto.Hash("test/other")
	seen := map[crypto.Digest]int{}
	for i, d := range []crypto.Digest{
		(&Transaction{Namespace: 1, ValidUntil: 2, Payload: []byte("x")}).SigningDigest(testNetwork),
		(&Transaction{Namespace: 2, ValidUntil: 2, Payload: []byte("x")}).SigningDigest(testNetwork),
		(&Transaction{Namespace: 1, ValidUntil: 3, Payload: []byte("x")}).SigningDigest(testNetwork),
		(&Transaction{Namespace: 1, ValidUntil: 2, Payload: []byte("y")}).SigningDigest(testNetwork),
		(&Transaction{Namespace: 1, ValidUntil: 2, Payload: []byte("x")}).SigningDigest(other),
		(&Bundle{ModeInclusion, 2, nil, nil, []Leg{{1, []byte("x")}}}).SigningDigest(testNetwork),
		(&Bundle{ModeInclusion, 3, nil, nil, []Leg{{1, []byte("x")}}}).SigningDigest(testNetwork),
		(&Bundle{2, 2, nil, nil, []Leg{{1, []byte("x")}}}).SigningDigest(testNetwork),
		(&Bundle{ModeInclusion, 2, nil, nil, []Leg{{1, []byte("x")}}}).SigningDigest(other),
		(&Bundle{ModeInclusion, 2, nil, nil, []Leg{{2, []byte("x")}}}).SigningDigest(testNetwork),
		(&Bundle{ModeInclusion, 2, nil, nil, []Leg{{1, []byte("x")}, {1, []byte("x")}}}).SigningDigest(testNetwork),
		(&Bundle{ModeInclusion, 2, nil, nil, []Leg{{1, []byte("xx")}}}).SigningDigest(testNetwork),
	} {
		if j, taken := seen[d]; taken {
			t.Errorf("contents %d and %d have one signing digest", i, j)
		}
		seen[d] = i
	}
}

func TestItemRoundTrip(t *testing.T) {
	h := NewItemHasher(testNetwork)
	rapid.Check(t, func(t *rapid.T) {
		item := drawItem(t)
		if item.Kind == KindMalformed {
			t.Skip("no item")
		}
		back, err := h.Decode(item.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(item, back); diff != "" {
			t.Fatal(diff)
		}
		if again := encodeAgain(t, h, &back); !bytes.Equal(again.Raw, item.Raw) || again.ID != item.ID {
			t.Fatalf("encoded again: %x, want %x", again.Raw, item.Raw)
		}
	})
}

// fataler is what encodeAgain needs of a test.
type fataler interface{ Fatal(...any) }

// encodeAgain takes an item apart and encodes the parts.
func encodeAgain(t fataler, h *ItemHasher, item *Item) Item {
	var again Item
	var err error
	switch item.Kind {
	case KindTransaction:
		tx := item.Transaction()
		again, err = tx.Encode(h)
	case KindSealed:
		sealed := item.Sealed()
		again, err = sealed.Encode(h)
	default:
		bundle := item.Bundle()
		again, err = bundle.Encode(h)
	}
	if err != nil {
		t.Fatal("decoded item does not encode: ", err)
	}
	return again
}

// TestItemBytesAreBound changes every byte of signed items, and all but valid_until of unsigned
// ones: the item is refused or has another id.
func TestItemBytesAreBound(t *testing.T) {
	h := NewItemHasher(testNetwork)
	rapid.Check(t, func(t *rapid.T) {
		item := drawItem(t)
		if item.Kind == KindMalformed {
			t.Skip("no item")
		}
		i, bit := rapid.IntRange(0, len(item.Raw)-1).Draw(t, "at"), rapid.IntRange(0, 7).Draw(t, "bit")
		bad := bytes.Clone(item.Raw)
		bad[i] ^= 1 << bit
		other, err := h.Decode(bad)
		if err != nil {
			return
		}
		free := !item.Signed && i >= 1 && i < itemHeader
		if (other.ID == item.ID) != free {
			t.Fatalf("byte %d changed of %x: same id %v", i, item.Raw, other.ID == item.ID)
		}
	})
}

func TestIDsDependOnTheNetwork(t *testing.T) {
	item := testItem(t, "x")
	other, err := NewItemHasher(crypto.Hash("test/other")).Decode(item.Raw)
	if err != nil || other.ID == item.ID {
		t.Errorf("id %v on both networks, error %v", other.ID, err)
	}
}

func TestSetValidUntil(t *testing.T) {
	item := testItem(t, "x")
	id := item.ID
	item.SetValidUntil(99)
	back, err := NewItemHasher(testNetwork).Decode(item.Raw)
	if err != nil || back.ValidUntil != 99 || item.ValidUntil != 99 || back.ID != id {
		t.Errorf("valid until %d, id %v (was %v), error %v", back.ValidUntil, back.ID, id, err)
	}
	signed, err := (&Transaction{1, 2, testSender, testSignature, []byte("x")}).Encode(NewItemHasher(testNetwork))
	if err != nil {
		t.Fatal(err)
	}
	mustPanic(t, "SetValidUntil of a signed item", func() { signed.SetValidUntil(3) })
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}

func TestItemsOfAnotherKindPanic(t *testing.T) {
	tx := testItem(t, "x")
	mustPanic(t, "Bundle of a transaction", func() { tx.Bundle() })
	malformed := Item{Raw: []byte("bad")}
	mustPanic(t, "Transaction of malformed bytes", func() { malformed.Transaction() })
}

func TestNamespacesOfItems(t *testing.T) {
	tx := testItem(t, "x")
	if got := tx.Namespaces(); !slices.Equal(got, []Namespace{1001}) {
		t.Errorf("transaction: %v", got)
	}
	legs := []Leg{{3, []byte("a")}, {1, []byte("b")}, {3, []byte("c")}, {2, []byte("d")}, {1, []byte("e")}}
	bundle, err := (&Bundle{Mode: ModeInclusion, Legs: legs}).Encode(NewItemHasher(testNetwork))
	if err != nil {
		t.Fatal(err)
	}
	if got := bundle.Namespaces(); !slices.Equal(got, []Namespace{3, 1, 2}) || bundle.Namespace != 3 {
		t.Errorf("bundle: %v, first %d", got, bundle.Namespace)
	}
}

func legsOf(n int, namespaces Namespace) []Leg {
	legs := make([]Leg, n)
	for i := range legs {
		legs[i] = Leg{1 + Namespace(i)%namespaces, []byte("x")}
	}
	return legs
}

// TestRulesOfItems has every rule with what keeps and what breaks it, both for who encodes and,
// where the bytes can be made, for who decodes.
func TestRulesOfItems(t *testing.T) {
	h := NewItemHasher(testNetwork)
	half := make([]byte, MaxTransactionBytes/2)
	tx := func(sender, signature, payload []byte) func() (Item, error) {
		return func() (Item, error) { return (&Transaction{1, 2, sender, signature, payload}).Encode(h) }
	}
	bundle := func(mode BundleMode, sender []byte, legs ...Leg) func() (Item, error) {
		return func() (Item, error) {
			signature := testSignature
			if sender == nil {
				signature = nil
			}
			return (&Bundle{mode, 2, sender, signature, legs}).Encode(h)
		}
	}
	for _, c := range []struct {
		name, want string // want "" for no error
		encode     func() (Item, error)
	}{
		{"payload of one byte", "", tx(nil, nil, []byte("x"))},
		{"largest payload", "", tx(nil, nil, make([]byte, MaxTransactionBytes))},
		{"largest signed payload", "", tx(testSender, testSignature, make([]byte, MaxTransactionBytes))},
		{"empty payload", "empty payload", tx(nil, nil, nil)},
		{"payload over the limit", "payload of 131073 bytes, limit 131072", tx(nil, nil, make([]byte, MaxTransactionBytes+1))},
		{"sender alone", "sender of 32 and signature of 0 bytes, want 32 and 64 or neither", tx(testSender, nil, []byte("x"))},
		{"signature alone", "sender of 0 and signature of 64 bytes", tx(nil, testSignature, []byte("x"))},
		{"short sender", "sender of 31 and", tx(testSender[1:], testSignature, []byte("x"))},
		{"long signature", "signature of 65 bytes", tx(testSender, append(bytes.Clone(testSignature), 0), []byte("x"))},
		{"one leg", "", bundle(ModeInclusion, nil, legsOf(1, 1)...)},
		{"most legs and namespaces", "", bundle(ModeInclusion, testSender, legsOf(MaxBundleLegs, MaxBundleNamespaces)...)},
		{"no legs", "number of legs, want 1 to 16", bundle(ModeInclusion, nil)},
		{"legs over the limit", "17 legs, limit 16", bundle(ModeInclusion, nil, legsOf(MaxBundleLegs+1, 1)...)},
		{"namespaces over the limit", "legs in 9 namespaces, limit 8", bundle(ModeInclusion, nil, legsOf(9, 9)...)},
		{"mode 0", "bundle mode 0 is unknown", bundle(0, nil, legsOf(1, 1)...)},
		{"mode 2", "bundle mode 2 is unknown", bundle(2, nil, legsOf(1, 1)...)},
		{"empty leg", "leg 1 of 0 bytes", bundle(ModeInclusion, nil, Leg{1, []byte("x")}, Leg{2, nil})},
		{"largest legs", "", bundle(ModeInclusion, nil, Leg{1, half}, Leg{2, half})},
		{"legs over the limit of bytes", "legs of 131073 bytes in all, limit 131072", bundle(ModeInclusion, nil, Leg{1, half}, Leg{2, half}, Leg{1, []byte("x")})},
		{"bad sender of a bundle", "sender of 31 and", bundle(ModeInclusion, testSender[1:], legsOf(1, 1)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			item, err := c.encode()
			if c.want != "" {
				wantItemError(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Decode(item.Raw); err != nil {
				t.Errorf("decode: %v", err)
			}
		})
	}
}

func wantItemError(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, ErrItem) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}

// TestBytesThatAreNoItem has what Encode cannot make.
func TestBytesThatAreNoItem(t *testing.T) {
	h := NewItemHasher(testNetwork)
	header := func(kind ItemKind, rest ...byte) []byte {
		return append(append([]byte{byte(kind)}, make([]byte, 8)...), rest...)
	}
	namespace := make([]byte, 8)
	transaction := func(rest ...byte) []byte { return append(header(KindTransaction, namespace...), rest...) }
	leg := append(binary.BigEndian.AppendUint32(bytes.Clone(namespace), 1), 'x')
	bundle := func(legs byte, rest ...byte) []byte {
		return append(header(KindBundle, byte(ModeInclusion), senderless, legs), rest...)
	}
	huge := binary.BigEndian.AppendUint32(bytes.Clone(namespace), 1<<32-1)
	for _, c := range []struct {
		name, want string
		raw        []byte
	}{
		{"nothing", "0 bytes", nil},
		{"half a header", "8 bytes", make([]byte, 8)},
		{"kind 0", "kind 0 is unknown", header(KindMalformed, 1, 2, 3)},
		{"kind 4", "kind 4 is unknown", header(4, 1, 2, 3)},
		{"transaction without sender mark", "transaction of 17 bytes", transaction()},
		{"transaction without payload", "payload of 0 bytes", transaction(senderless)},
		{"mark 2", "sender", transaction(2, 'x')},
		{"sender cut short", "sender", transaction(append([]byte{withSender}, make([]byte, signatureBytes-1)...)...)},
		{"sender without payload", "payload of 0 bytes", transaction(append([]byte{withSender}, make([]byte, signatureBytes)...)...)},
		{"payload over the limit", "payload of 131073 bytes, limit 131072", transaction(make([]byte, 1+MaxTransactionBytes+1)...)},
		{"bundle cut short", "bundle of 11 bytes", header(KindBundle, byte(ModeInclusion), senderless)},
		{"bundle without legs", "number of legs, want 1 to 16", bundle(0)},
		{"17 legs", "number of legs, want 1 to 16", bundle(17, bytes.Repeat(leg, 17)...)},
		{"leg cut short", "leg 0 cut short", bundle(1, leg[:legHeader-1]...)},
		{"payload of a leg cut short", "leg 0 of 1 bytes", bundle(1, leg[:legHeader]...)},
		{"leg of 4 GiB", "leg 0 of 4294967295 bytes", bundle(1, huge...)},
		{"leg missing", "leg 1 cut short", bundle(2, leg...)},
		{"bytes left over", "1 bytes after the last leg", bundle(1, append(bytes.Clone(leg), 0)...)},
		{"bundle with mark 2", "sender", append(header(KindBundle, byte(ModeInclusion), 2, 1), leg...)},
	} {
		_, err := h.Decode(c.raw)
		t.Run(c.name, func(t *testing.T) { wantItemError(t, err, c.want) })
	}
}

func BenchmarkItemID(b *testing.B) {
	raw := testItem(b, strings.Repeat("x", 512-txFixed)).Raw
	h := NewItemHasher(testNetwork)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}
