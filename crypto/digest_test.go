package crypto

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The values were computed by another program; a changed format needs a new domain.
func TestKnownDigests(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts [][]byte
		want  string
	}{
		{"no part", nil, "f7f425a027a0444e693d065f6fd582b6f3ce482c80b6903d5eb6ba05ccfc9456"},
		{"empty part", [][]byte{{}}, "b9b603df0bc099d812543a5e24bb88c949e9c343c49f04143e65415b70416ea4"},
		{"ab|c", [][]byte{[]byte("ab"), []byte("c")}, "e3d9c88b9fbc378c7d0ba9150e44365106ecf1f8edf06f560d0fe18e85b7f4d6"},
		{"a|bc", [][]byte{[]byte("a"), []byte("bc")}, "ca00d4df0e63f76c013882149096886dfea42a30dbc70563dbb906f8323bc46d"},
	} {
		if got := Hash(DomainBlock, c.parts...).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDomainsAreDifferent(t *testing.T) {
	domains := []Domain{
		DomainGenesis, DomainBlock, DomainTransaction, DomainTxSignature, DomainCommit, DomainMerkleLeaf,
		DomainMerkleNode, DomainState, DomainDedupe, DomainGossip, DomainKEMPossess, DomainBLSPossess,
		DomainNodeStatus, DomainReceipt, DomainIdempotency, DomainNamespaceRun, domainKEMNonce,
		DomainSealed, DomainSealBatch, DomainSealPart, DomainPayload, DomainOrderedDAG, DomainChainHeads,
	}
	seen := map[Domain]bool{}
	for _, d := range domains {
		if seen[d] {
			t.Errorf("domain %s stands twice", d)
		}
		if strings.ContainsRune(string(d), 0) {
			t.Errorf("domain %q holds the byte that ends it in a signed message", d)
		}
		seen[d] = true
	}
}

func TestHasherGivesTheDigestsOfHash(t *testing.T) {
	part := rapid.SliceOfN(rapid.Byte(), 0, 200)
	h := NewHasher(DomainBlock, []byte("context"))
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(part, 0, 5).Draw(t, "parts")
		want := Hash(DomainBlock, append([][]byte{[]byte("context")}, parts...)...)
		if got := h.Sum(parts...); got != want {
			t.Fatalf("hasher %v, hash %v", got, want)
		}
	})
}

func TestDigestsOfOtherCutsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 2, 100).Draw(t, "content")
		i := rapid.IntRange(0, len(content)).Draw(t, "i")
		j := rapid.IntRange(0, len(content)).Draw(t, "j")
		same := Hash(DomainBlock, content[:i], content[i:]) == Hash(DomainBlock, content[:j], content[j:])
		if same != (i == j) {
			t.Fatalf("cuts at %d and %d: same digest %v", i, j, same)
		}
	})
}

func TestDigestText(t *testing.T) {
	d := Hash(DomainBlock)
	text, err := d.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back Digest
	if err := back.UnmarshalText(text); err != nil || back != d {
		t.Fatalf("%s read as %v, error %v", text, back, err)
	}
	if d.Short() != string(text[:4]) || d.String() != string(text) {
		t.Errorf("short %s, string %s of %s", d.Short(), d, text)
	}
	for _, bad := range []string{"", "00", string(text[1:]), string(text) + "0", strings.ToUpper(string(text)), "x" + string(text[1:]), strings.Repeat("0", 62) + "é"} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as a digest", bad)
		}
		if back != d {
			t.Fatalf("an error of %q changed the digest", bad)
		}
	}
}

func TestHasherDoesNotAllocate(t *testing.T) {
	h, part := NewHasher(DomainBlock), bytes.Repeat([]byte{7}, 512)
	if n := testing.AllocsPerRun(100, func() { h.Sum(part[:1], part[9:]) }); n != 0 {
		t.Errorf("%v allocations for each digest, want none", n)
	}
}

func BenchmarkHasher512(b *testing.B) {
	h, part := NewHasher(DomainTransaction, make([]byte, 32)), make([]byte, 512)
	b.SetBytes(512)
	b.ReportAllocs()
	for b.Loop() {
		h.Sum(part[:1], part[9:])
	}
}
