package rollupapi

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// chainState is the heads of all namespaces' chains after one commit.
type chainState struct {
	at    dag.CommitIndex
	heads []ordering.ChainHead // by namespace
	tree  *ordering.ChainTree
}

// head is a namespace's.
func (c *chainState) head(network crypto.Digest, ns dag.Namespace) crypto.Digest {
	for _, h := range c.heads {
		if h.Namespace == ns {
			return h.Hash
		}
	}
	return ordering.ChainStart(network, ns)
}

// chainBook makes states out of the newest commits' records and keeps a few: readers at the tip ask for the
// same ones. It is safe for concurrent use.
type chainBook struct {
	network crypto.Digest
	history History
	mu      sync.Mutex
	kept    []*chainState // the newest made last
}

// keptStates is how many states are kept, each of at most some 400 KiB.
const keptStates = 8

// errHeadsPruned says that a commit is so old that the commits which name the heads are no longer there.
var errHeadsPruned = errors.New("the heads of the chains are pruned")

// state is the state after a commit, which the node has. It wraps errHeadsPruned if records before it are missing.
func (b *chainBook) state(at dag.CommitIndex) (*chainState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.find(at); known != nil {
		return known, nil
	}
	var newest []*ordering.Commit
	for i := at - min(at, ordering.ChainRefresh) + 1; i <= at; i++ {
		record, ok, err := b.history.Record(i)
		if err != nil {
			return nil, fmt.Errorf("read commit %d: %w", i, err)
		}
		if !ok {
			return nil, fmt.Errorf("commit %d: %w", i, errHeadsPruned)
		}
		newest = append(newest, record)
	}
	heads, err := ordering.ChainHeads(b.network, newest)
	if err != nil {
		return nil, fmt.Errorf("chains after commit %d: %w", at, err)
	}
	made := &chainState{at, heads, ordering.NewChainTree(heads)}
	b.kept = append(b.kept, made)
	if len(b.kept) > keptStates {
		b.kept = b.kept[1:]
	}
	return made, nil
}

func (b *chainBook) find(at dag.CommitIndex) *chainState {
	i := slices.IndexFunc(b.kept, func(c *chainState) bool { return c.at == at })
	if i < 0 {
		return nil
	}
	return b.kept[i]
}

// chainHash is the hash of a namespace's chain at a position that this node can go on from.
func (s *Server) chainHash(ns dag.Namespace, at position) (crypto.Digest, error) {
	if at.index != endOfCommit {
		return s.chainHashWithin(ns, at)
	}
	if at.commit == 0 {
		return ordering.ChainStart(s.network, ns), nil
	}
	head := s.backend.History.Heads().Committed
	later, err := s.backend.Watcher.CommitsOfNamespace(ns, at.commit, 1)
	if err != nil {
		return crypto.Digest{}, fmt.Errorf("list commits of namespace %d: %w", ns, err)
	}
	if len(later) > 0 && later[0] <= head {
		step, err := s.chainStep(later[0], ns)
		return step.Before, err
	}
	state, err := s.chains.state(head)
	if err != nil {
		return crypto.Digest{}, err
	}
	return state.head(s.network, ns), nil
}

// chainStep is what a commit did to a namespace's chain.
func (s *Server) chainStep(index dag.CommitIndex, ns dag.Namespace) (ordering.ChainStep, error) {
	record, ok, err := s.backend.History.Record(index)
	if err != nil {
		return ordering.ChainStep{}, fmt.Errorf("read commit %d: %w", index, err)
	}
	if ok {
		for _, step := range record.Chains {
			if step.Namespace == ns {
				return step, nil
			}
		}
	}
	return ordering.ChainStep{}, reachableOr(s.backend.History.Heads(), after(index-1), index)
}

// chainHashWithin is the hash behind an item of a commit, or behind the last one of the namespace before it.
func (s *Server) chainHashWithin(ns dag.Namespace, at position) (crypto.Digest, error) {
	commit, err := s.commit(at.commit)
	if err != nil {
		return crypto.Digest{}, err
	}
	leaves, err := commit.Leaves()
	if err != nil {
		return crypto.Digest{}, err
	}
	leaves = slices.DeleteFunc(leaves, func(l ordering.NamespaceLeaf) bool { return l.Namespace != ns })
	if len(leaves) == 0 {
		return s.chainHash(ns, after(at.commit))
	}
	step, err := s.chainStep(at.commit, ns)
	if err != nil {
		return crypto.Digest{}, err
	}
	chain := proof.NewChained(ns, step.Before)
	for i := range leaves {
		if leaves[i].Index <= at.index {
			chain.Link(at.commit, &leaves[i])
		}
	}
	return chain.Hash, nil
}

// commitDigest is the digest of a commit that this node has or has just pruned; zero for 0.
func (s *Server) commitDigest(index dag.CommitIndex) (crypto.Digest, error) {
	if index == 0 {
		return crypto.Digest{}, nil
	}
	record, ok, err := s.backend.History.Record(index)
	if err != nil {
		return crypto.Digest{}, fmt.Errorf("read commit %d: %w", index, err)
	}
	if ok {
		return record.Digest, nil
	}
	next, ok, err := s.backend.History.Record(index + 1)
	if err != nil {
		return crypto.Digest{}, fmt.Errorf("read commit %d: %w", index+1, err)
	}
	if !ok {
		return crypto.Digest{}, reachableOr(s.backend.History.Heads(), after(index), index)
	}
	return next.Previous, nil
}

// positionHash is what a cursor of the scope at a position holds: of one namespace its chain's hash; of several or
// all the commit's digest, which covers all chains.
func (s *Server) positionHash(sc scope, at position) (crypto.Digest, error) {
	if len(sc) == 1 {
		return s.chainHash(sc[0], at)
	}
	return s.commitDigest(at.commit)
}
