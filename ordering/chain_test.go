package ordering

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

var chainNetwork = crypto.Hash("test/chains")

func testLeaf(ns dag.Namespace, index uint32) NamespaceLeaf {
	return NamespaceLeaf{Namespace: ns, Index: index, ID: crypto.Hash("test/item", []byte(fmt.Sprint(ns, index)))}
}

// chained are commits that extend the chains of the namespaces in each list.
func chained(lists [][]dag.Namespace) []*Commit {
	x := NewChains(chainNetwork)
	var commits []*Commit
	for i, list := range lists {
		c := &Commit{CommitHeader: CommitHeader{Index: dag.CommitIndex(i + 1)}}
		var leaves []NamespaceLeaf
		for k, ns := range list {
			leaves = append(leaves, testLeaf(ns, uint32(k)))
		}
		slices.SortStableFunc(leaves, func(a, b NamespaceLeaf) int { return cmp.Compare(a.Namespace, b.Namespace) })
		x.Extend(c, leaves)
		commits = append(commits, c)
	}
	return commits
}

// TestChains holds heads, steps and proofs against a chain that is computed leaf by leaf.
func TestChains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := rapid.SliceOfN(rapid.SliceOfN(rapid.Map(rapid.Uint64Range(1, 9), func(n uint64) dag.Namespace { return dag.Namespace(n) }), 0, 6), 1, 12).Draw(t, "commits")
		want, hasher := map[dag.Namespace]crypto.Digest{}, NewChainHasher()
		commits := chained(lists)
		for i, c := range commits {
			before := map[dag.Namespace]crypto.Digest{}
			for k, ns := range lists[i] {
				if _, known := want[ns]; !known {
					want[ns] = ChainStart(chainNetwork, ns)
				}
				if _, touched := before[ns]; !touched {
					before[ns] = want[ns]
				}
				leaf := testLeaf(ns, uint32(k))
				want[ns] = hasher.Next(want[ns], c.Index, &leaf)
			}
			if len(c.Chains) != len(before) {
				t.Fatalf("commit %d writes %d heads, want %d", c.Index, len(c.Chains), len(before))
			}
			for _, s := range c.Chains {
				if s.Before != before[s.Namespace] || s.After != want[s.Namespace] {
					t.Fatalf("commit %d, namespace %d: wrong step", c.Index, s.Namespace)
				}
			}
			heads, err := ChainHeads(chainNetwork, commits[:i+1])
			if err != nil || len(heads) != len(want) {
				t.Fatalf("%d heads, error %v, want %d", len(heads), err, len(want))
			}
			proveHeads(t, c.ChainRoot, heads, want)
		}
	})
}

func proveHeads(t *rapid.T, root crypto.Digest, heads []ChainHead, want map[dag.Namespace]crypto.Digest) {
	tree := NewChainTree(heads)
	if tree.Root() != root {
		t.Fatal("root of the heads is not the commit's")
	}
	for at, h := range heads {
		path := tree.Path(at)
		if h.Hash != want[h.Namespace] || !VerifyChainHead(root, h, at, len(heads), path) {
			t.Fatalf("head of namespace %d does not verify", h.Namespace)
		}
		other := h
		other.Hash[0] ^= 1
		lies := map[string]bool{
			"another head":      VerifyChainHead(root, other, at, len(heads), path),
			"another namespace": VerifyChainHead(root, ChainHead{h.Namespace + 1, h.Hash}, at, len(heads), path),
			"another place":     VerifyChainHead(root, h, at+1, len(heads), path) || VerifyChainHead(root, h, at-1, len(heads), path),
			"another number":    VerifyChainHead(root, h, at, len(heads)+1, path) || at < len(heads)-1 && VerifyChainHead(root, h, at, len(heads)-1, path),
			"a longer path":     VerifyChainHead(root, h, at, len(heads), append(slices.Clone(path), root)),
		}
		for what, passes := range lies {
			if passes {
				t.Fatalf("%s passes for number %d of %d", what, at, len(heads))
			}
		}
	}
}

// TestQuietChainsAreWrittenAgain: the last ChainRefresh commits hold the heads of namespaces that got nothing for
// long, and fewer do not.
func TestQuietChainsAreWrittenAgain(t *testing.T) {
	lists := make([][]dag.Namespace, 3*ChainRefresh+7)
	lists[0], lists[1], lists[ChainRefresh+3] = []dag.Namespace{7, 8}, []dag.Namespace{8}, []dag.Namespace{9}
	commits := chained(lists)
	for n := range commits {
		from := max(0, n+1-ChainRefresh)
		heads, err := ChainHeads(chainNetwork, commits[from:n+1])
		if err != nil || (n >= ChainRefresh+3) != (len(heads) == 3) {
			t.Fatalf("commits %d to %d: %d heads, error %v", from+1, n+1, len(heads), err)
		}
	}
	if _, err := ChainHeads(chainNetwork, commits[len(commits)-3:]); !errors.Is(err, ErrCommit) {
		t.Fatalf("heads of three commits: error %v, want %v", err, ErrCommit)
	}
}
