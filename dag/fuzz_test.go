package dag

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// golden is the genesis file of testGenesis.
func golden(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// FuzzVerify signs whatever bytes come, so that the fuzzer gets behind the signature. What is
// accepted encodes to the same bytes again.
func FuzzVerify(f *testing.F) {
	c := testCommittee(f, 4)
	for _, b := range []Block{knownBlock(f, c), laterBlock(c), firstBlock(c, 2)} {
		f.Add(byte(b.Author), b.encodeUnsigned(c.network))
	}
	f.Fuzz(func(t *testing.T, author byte, body []byte) {
		key := testKey(t, Author(author%4))
		raw := signBody(t, Author(author%4), body)
		v, err := Verify(c, raw)
		if err != nil {
			if !errors.Is(err, ErrBlock) {
				t.Fatalf("error %v does not wrap ErrBlock", err)
			}
			return
		}
		again, err := Seal(c, *v.Block(), key)
		if err != nil || !bytes.Equal(again.Bytes(), raw) || again.Ref() != v.Ref() {
			t.Fatalf("sealed again: error %v\n%x, want\n%x", err, again.Bytes(), raw)
		}
	})
}

// FuzzItem wants of what decodes that it encodes to the same bytes and id.
func FuzzItem(f *testing.F) {
	h := NewItemHasher(testNetwork)
	f.Add(testItem(f, "hello").Raw)
	for _, sender := range [][]byte{nil, testSender} {
		signature := testSignature[:2*len(sender)]
		for _, encode := range []func(*ItemHasher) (Item, error){
			(&Transaction{1, 2, sender, signature, []byte("x")}).Encode,
			(&Bundle{ModeInclusion, 2, sender, signature, testLegs}).Encode,
			testSealed(sender).Encode,
		} {
			item, err := encode(h)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(item.Raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		item, err := h.Decode(raw)
		if err != nil {
			if !errors.Is(err, ErrItem) {
				t.Fatalf("error %v does not wrap ErrItem", err)
			}
			return
		}
		if again := encodeAgain(t, h, &item); !bytes.Equal(again.Raw, raw) || again.ID != item.ID {
			t.Fatalf("encoded again: %x, want %x", again.Raw, raw)
		}
		if n := len(item.Namespaces()); n < 1 || n > MaxBundleNamespaces {
			t.Fatalf("item of %d namespaces", n)
		}
	})
}

// FuzzGenesis wants of what parses that it encodes to the same text but for space, and of what
// keeps the rules that committee and registry can be made of it. Proofs are left out: they take
// milliseconds and their bytes are of fixed length.
func FuzzGenesis(f *testing.F) {
	raw := golden(f)
	f.Add(raw)
	f.Add(bytes.Replace(raw, []byte("1001"), []byte("1003"), 1))
	f.Add([]byte(`{"version":2,"chain":"a","created":0,"sealing":{"scheme":"tdh2-ristretto255","privacy":0,"packing":1},"validators":[],"namespaces":[{"id":1,"name":"a","scheme":"open","chain_id":0,"allow_unprotected":false}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := parseGenesis(raw)
		if err == nil {
			again, err := parseGenesis(g.Encode())
			if err != nil || !bytes.Equal(again.Encode(), g.Encode()) {
				t.Fatalf("encoded again: error %v", err)
			}
			if err := sameText(raw, g.Encode()); err != nil {
				t.Fatal(err)
			}
			if err := g.checkRules(); err != nil {
				wantGenesisError(t, err)
				return
			}
			g.Registry()
			if _, err := g.Committee(); err != nil {
				t.Fatal(err)
			}
			return
		}
		wantGenesisError(t, err)
	})
}

func wantGenesisError(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrGenesis) {
		t.Fatalf("error %v does not wrap ErrGenesis", err)
	}
}
