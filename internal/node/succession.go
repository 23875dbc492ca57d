package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store/chronicle"
)

// ErrForked says that two histories of one network, both verified, name different commits: more
// validators have contradicted themselves than the order bears.
var ErrForked = errors.New("two histories of one network contradict each other")

// Legacy is what of a history a new network takes over. It takes 32 bytes per commit.
type Legacy struct {
	Genesis *dag.Genesis
	Head    dag.CommitRef // the newest commit that the blocks prove
	Name    string        // of the file, for errors

	digests  []crypto.Digest // of the commits from 1 on
	registry *dag.Registry   // as of the newest commit
}

// ReadLegacy verifies what ExportHome wrote, as VerifyHistory does, and keeps what a new network needs of it.
func ReadLegacy(ctx context.Context, r io.Reader, name string) (*Legacy, error) {
	l := &Legacy{Name: name}
	sum, err := chronicle.Verify(ctx, r, features, l)
	l.Head = sum.Head
	return l, err
}

// Files keeps the genesis.
func (l *Legacy) Files(genesis *dag.Genesis, _ map[string][]byte) error {
	l.Genesis, l.registry = genesis, genesis.Registry()
	return nil
}

// Blocks keeps none.
func (l *Legacy) Blocks([]*dag.Verified) error { return nil }

// Commits keeps their digests and what they make of the registry.
func (l *Legacy) Commits(commits []*ordering.Commit) error {
	for _, c := range commits {
		l.digests = append(l.digests, c.Digest)
		for _, s := range c.States {
			if s.Kind != ordering.Namespaces {
				continue
			}
			registry, err := l.Genesis.Registry().Decode(s.Encoded)
			if err != nil {
				return fmt.Errorf("namespaces as of commit %d: %w", c.Index, err)
			}
			l.registry = registry
		}
	}
	return nil
}

// Longest picks the history that reaches furthest of at least one; all others must be beginnings of it. What
// any of them holds may have been acted upon, so none may be left behind.
func Longest(all []*Legacy) (*Legacy, error) {
	longest := all[0]
	for _, l := range all[1:] {
		if l.Genesis.Network() != longest.Genesis.Network() {
			return nil, fmt.Errorf("%s is of network %s, %s of network %s", longest.Name, longest.Genesis.Network(), l.Name, l.Genesis.Network())
		}
		short, long := l, longest
		if len(l.digests) > len(longest.digests) {
			short, long = longest, l
		}
		// Digests are chained: from the first different one on, all are.
		at := sort.Search(len(short.digests), func(i int) bool { return short.digests[i] != long.digests[i] })
		if at < len(short.digests) {
			return nil, fmt.Errorf("%w: commit %d is %v in %s and %v in %s", ErrForked, at+1, short.digests[at], short.Name, long.digests[at], long.Name)
		}
		longest = long
	}
	return longest, nil
}

// Successor is the genesis of the network that takes over, with the old one's validators, and the
// namespaces as its order left them.
// The caller may change the validators before it checks the genesis.
func (l *Legacy) Successor(created uint64) *dag.Genesis {
	g := &dag.Genesis{
		Version: dag.GenesisVersion, Chain: l.Genesis.Chain, Created: created,
		Continues:  &dag.Continuation{Network: l.Genesis.Network(), Commit: l.Head.Index, Digest: l.Head.Digest},
		Validators: append([]dag.GenesisValidator(nil), l.Genesis.Validators...),
		Namespaces: l.registry.All(), Admin: l.registry.Admin(),
	}
	g.Admin.Open -= l.registry.Opened()
	return g
}
