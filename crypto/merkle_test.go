package crypto

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

func testLeaves(n int) []Digest {
	leaves := make([]Digest, n)
	for i := range leaves {
		leaves[i] = Hash("test/leaf", binary.BigEndian.AppendUint32(nil, uint32(i)))
	}
	return leaves
}

// rfcRoot is section 2.1 of RFC 6962, word for word.
func rfcRoot(leaves []Digest) Digest {
	if len(leaves) == 1 {
		return Hash(DomainMerkleLeaf, leaves[0][:])
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	left, right := rfcRoot(leaves[:k]), rfcRoot(leaves[k:])
	return Hash(DomainMerkleNode, left[:], right[:])
}

func TestMerkleRootHasTheShapeOfRFC6962(t *testing.T) {
	for n := 1; n <= 130; n++ {
		if got, want := MerkleRoot(testLeaves(n)), rfcRoot(testLeaves(n)); got != want {
			t.Fatalf("%d leaves: root %v, want %v", n, got, want)
		}
	}
}

func TestMerkleKnownRoots(t *testing.T) {
	for n, want := range map[int]string{
		0: "02ff9d2b37227b98e05c723f4f10f921e42ca5652548e2b13507d0dc723f370d", 1: "6c0032dcbdeeb117af538103f7a911cfdad9b0f1862339b9668ab6c65bcff147", 2: "1ff01c648fe1c6936e97132084e9a650902a78a33fcd9cc0811fa04069ea9bd8", 7: "8c6e07af1ddeffe08898bc4089e43dffbae52c0888f15cd94150d739701e67fe", 100: "7b941ef757665b19763ffe6d4db6d4d0a04a6ede3beddc60c56c374f35886964",
	} {
		if got := MerkleRoot(testLeaves(n)).String(); got != want {
			t.Errorf("%d leaves: root %s, want %s: a changed format needs a new domain", n, got, want)
		}
	}
}

func TestMerkleRootLeavesItsInputAlone(t *testing.T) {
	leaves, same := testLeaves(9), testLeaves(9)
	MerkleRoot(leaves)
	MerkleProof(leaves, 3)
	for i := range leaves {
		if leaves[i] != same[i] {
			t.Fatalf("leaf %d was changed", i)
		}
	}
}

func TestMerkleProofs(t *testing.T) {
	for n := 1; n <= 40; n++ {
		leaves := testLeaves(n)
		root := MerkleRoot(leaves)
		for i := range n {
			proof := MerkleProof(leaves, i)
			if !VerifyMerkle(root, leaves[i], i, n, proof) {
				t.Fatalf("leaf %d of %d: own proof refused", i, n)
			}
			for j := range n {
				if j != i && VerifyMerkle(root, leaves[i], j, n, proof) {
					t.Fatalf("leaf %d of %d passes for leaf %d", i, n, j)
				}
			}
			if VerifyMerkle(root, leaves[i], i, n, append(proof, root)) {
				t.Fatalf("leaf %d of %d: proof with one more node accepted", i, n)
			}
			if len(proof) > 0 && VerifyMerkle(root, leaves[i], i, n, proof[:len(proof)-1]) {
				t.Fatalf("leaf %d of %d: proof cut short accepted", i, n)
			}
		}
	}
}

func TestVerifyMerkleRefusesWhatIsWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 300).Draw(t, "n")
		i := rapid.IntRange(0, n-1).Draw(t, "i")
		leaves := testLeaves(n)
		root, proof := MerkleRoot(leaves), MerkleProof(leaves, i)
		at, bit := rapid.IntRange(0, len(proof)-1).Draw(t, "at"), rapid.IntRange(0, 255).Draw(t, "bit")
		flip := func(d *Digest) { d[bit/8] ^= 1 << (bit % 8) }

		flip(&proof[at])
		if VerifyMerkle(root, leaves[i], i, n, proof) {
			t.Fatal("wrong sibling accepted")
		}
		flip(&proof[at])
		leaf := leaves[i]
		flip(&leaf)
		if VerifyMerkle(root, leaf, i, n, proof) {
			t.Fatal("wrong leaf accepted")
		}
		flip(&root)
		if VerifyMerkle(root, leaves[i], i, n, proof) {
			t.Fatal("wrong root accepted")
		}
	})
}

func TestVerifyMerkleRefusesIndicesOutside(t *testing.T) {
	leaves := testLeaves(3)
	root, proof := MerkleRoot(leaves), MerkleProof(leaves, 2)
	for _, at := range [][2]int{{-1, 3}, {3, 3}, {4, 3}, {0, 0}, {2, -3}} {
		if VerifyMerkle(root, leaves[2], at[0], at[1], proof) {
			t.Errorf("leaf %d of %d accepted", at[0], at[1])
		}
	}
	if VerifyMerkle(MerkleRoot(nil), Digest{}, 0, 0, nil) {
		t.Error("a leaf of the empty tree was accepted")
	}
}

// TestNoProofForIndicesOutside: beyond the last leaf the way to the root looks like that of others.
func TestNoProofForIndicesOutside(t *testing.T) {
	for n := 1; n <= 20; n++ {
		leaves := testLeaves(n)
		root := MerkleRoot(leaves)
		for i := range n {
			proof := MerkleProof(leaves, i)
			for outside := n; outside <= 4*n; outside++ {
				if VerifyMerkle(root, leaves[i], outside, n, proof) {
					t.Fatalf("leaf %d of %d passes for leaf %d", i, n, outside)
				}
			}
		}
	}
}

func TestMerkleInnerNodeIsNoLeaf(t *testing.T) {
	leaves := testLeaves(4)
	left := MerkleRoot(leaves[:2])
	if VerifyMerkle(MerkleRoot(leaves), left, 0, 2, []Digest{MerkleRoot(leaves[2:])}) {
		t.Error("an inner node passed for a leaf")
	}
}

func BenchmarkMerkleRoot(b *testing.B) {
	leaves := testLeaves(512)
	b.ReportAllocs()
	for b.Loop() {
		MerkleRoot(leaves)
	}
}
