package rollupapi

import (
	"cmp"
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
// same ones, or for the next. It is safe for concurrent use.
type chainBook struct {
	network crypto.Digest
	history History

	mu   sync.Mutex
	kept []*chainState // the newest made last

	// gathering is held over the reading of ordering.ChainRefresh records: who asks for old states waits for others like
	// it, and not who reads at the tip.
	gathering sync.Mutex
}

// keptStates is how many states are kept, each of at most some 400 KiB, and nearStates how many commits one may be
// behind to be carried on.
const keptStates, nearStates = 8, 64

// errHeadsPruned says that a commit is so old that the commits which name the heads are no longer there.
var errHeadsPruned = errors.New("the heads of the chains are pruned")

// state is the state after a commit, which the node has. It wraps errHeadsPruned if records before it are missing.
func (b *chainBook) state(at dag.CommitIndex) (*chainState, error) {
	from := b.nearest(at)
	if from == nil {
		b.gathering.Lock()
		defer b.gathering.Unlock()
		from = b.nearest(at)
	}
	switch {
	case from == nil:
		return b.keep(b.gather(at))
	case from.at == at:
		return from, nil
	}
	return b.keep(b.carryOn(from, at))
}

// nearest is the kept state after a commit, or one from which that is near; nil for none.
func (b *chainBook) nearest(at dag.CommitIndex) (found *chainState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.kept {
		if s.at <= at && at-s.at <= nearStates && (found == nil || s.at > found.at) {
			found = s
		}
	}
	return found
}

// keep keeps a state that was made. The one of the newest commit stays, whoever asks for old ones.
func (b *chainBook) keep(made *chainState, err error) (*chainState, error) {
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept = append(b.kept, made); len(b.kept) > keptStates {
		oldest := 0
		if b.kept[0].at == slices.MaxFunc(b.kept, func(x, y *chainState) int { return cmp.Compare(x.at, y.at) }).at {
			oldest = 1
		}
		b.kept = slices.Delete(b.kept, oldest, oldest+1)
	}
	return made, nil
}

func (b *chainBook) record(i dag.CommitIndex) (*ordering.Commit, error) {
	record, ok, err := b.history.Record(i)
	if err != nil {
		return nil, fmt.Errorf("read commit %d: %w", i, err)
	}
	if !ok {
		return nil, fmt.Errorf("commit %d: %w", i, errHeadsPruned)
	}
	return record, nil
}

// gather makes a state out of the records that hold all heads.
func (b *chainBook) gather(at dag.CommitIndex) (*chainState, error) {
	var newest []*ordering.Commit
	for i := at - min(at, ordering.ChainRefresh) + 1; i <= at; i++ {
		record, err := b.record(i)
		if err != nil {
			return nil, err
		}
		newest = append(newest, record)
	}
	heads, err := ordering.ChainHeads(b.network, newest)
	if err != nil {
		return nil, fmt.Errorf("chains after commit %d: %w", at, err)
	}
	return &chainState{at, heads, ordering.NewChainTree(heads)}, nil
}

// carryOn makes a state out of an earlier one and the records since.
func (b *chainBook) carryOn(from *chainState, at dag.CommitIndex) (*chainState, error) {
	made := &chainState{at: at, heads: slices.Clone(from.heads)}
	var root crypto.Digest
	for i := from.at + 1; i <= at; i++ {
		record, err := b.record(i)
		if err != nil {
			return nil, err
		}
		for _, step := range record.Chains {
			place, known := slices.BinarySearchFunc(made.heads, step.Namespace, func(h ordering.ChainHead, ns dag.Namespace) int { return cmp.Compare(h.Namespace, ns) })
			if !known {
				made.heads = slices.Insert(made.heads, place, ordering.ChainHead{Namespace: step.Namespace})
			}
			made.heads[place].Hash = step.After
		}
		root = record.ChainRoot
	}
	if made.tree = ordering.NewChainTree(made.heads); made.tree.Root() != root {
		return nil, fmt.Errorf("chains after commit %d: %w: the heads are not those that it names", at, ordering.ErrCommit)
	}
	return made, nil
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
