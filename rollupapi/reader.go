package rollupapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// scope is the namespaces that a reader asked for, ascending and without repetition; none means all.
type scope []dag.Namespace

func newScope(namespaces []dag.Namespace) (scope, error) {
	if len(namespaces) > maxNamespaces {
		return nil, over(ReasonTooManyItems, maxNamespaces, "%d namespaces, limit %d: ask for all", len(namespaces), maxNamespaces).at("namespaces")
	}
	s := slices.Clone(namespaces)
	slices.Sort(s)
	return scope(slices.Compact(s)), nil
}

// holds reports whether the scope covers an item.
func (s scope) holds(item *dag.Item) bool {
	if len(s) == 0 {
		return true
	}
	if item.Kind == dag.KindTransaction {
		return slices.Contains(s, item.Namespace)
	}
	return slices.ContainsFunc(item.Namespaces(), func(ns dag.Namespace) bool { return slices.Contains(s, ns) })
}

// reader walks over the order from a position. It is used by one goroutine.
type reader struct {
	server    *Server
	history   History
	watcher   Watcher
	reveals   Reveals // nil for a reader that takes commits before they are revealed
	certified bool    // whether it takes only what is certified, too
	scope     scope
	at        position

	unchained int // commits since it was shown how far the chains reach

	// Commits of the scope's namespaces that were looked up ahead, ascending.
	ahead []dag.CommitIndex
}

// placed is one item with its index in its commit. Of a sealed item that is read at REVEALED the outcome
// is there, and its legs once Server.open was called.
type placed struct {
	index   uint32
	hash    crypto.Digest // for the cursor behind it
	item    *dag.Item
	outcome *reveal.Outcome
	legs    []dag.Leg
}

// head is up to where this reader reads.
func (r *reader) head(h Heads) dag.CommitIndex {
	switch {
	case r.certified:
		return min(h.Revealed, h.Certified)
	case r.reveals != nil:
		return h.Revealed
	}
	return h.Committed
}

// next reads the next commit that has something for the scope and was not read to its end, with
// its items behind the position; the caller sets at to what it has used. At the head it gives nil,
// and at has moved to the head, unless it stood behind it: what is committed need not be revealed. It reads
// up to the head of its beginning. Errors may be Refusals.
func (r *reader) next() (*ordering.Commit, []placed, error) {
	heads := r.history.Heads()
	if err := reachable(heads, r.at); err != nil {
		return nil, nil, err
	}
	head := r.head(heads)
	commit, err := r.nextCommit(head)
	if err != nil {
		return nil, nil, err
	}
	if commit == nil {
		return nil, nil, r.skip(head)
	}
	items, err := r.items(commit)
	r.trace(commit, items)
	return commit, items, err
}

// nextCommit is the commit to read next, at most head; nil for none. Near the head it is one that all readers share.
func (r *reader) nextCommit(head dag.CommitIndex) (*ordering.Commit, error) {
	if r.at.index == endOfCommit && r.at.commit < head {
		if commit, ok, err := r.server.recent.next(r.scope, r.at.commit, head); ok || err != nil {
			return commit, err
		}
	}
	index, err := r.nextIndex(head)
	if err != nil || index == 0 {
		return nil, err
	}
	commit, ok, err := r.history.Commit(index)
	if err != nil {
		return nil, fmt.Errorf("read commit %d: %w", index, err)
	}
	if !ok { // pruned since
		return nil, reachableOr(r.history.Heads(), r.at, index)
	}
	return commit, nil
}

// skip goes behind a commit up to which there is nothing for the scope.
func (r *reader) skip(to dag.CommitIndex) error {
	if r.at.commit >= to {
		return nil
	}
	hash := r.at.hash
	if len(r.scope) != 1 {
		var err error
		if hash, err = r.server.commitDigest(to); err != nil {
			return err
		}
	}
	r.at = position{to, endOfCommit, hash}
	return nil
}

// trace fills in the hashes behind the items of a commit, which are all that it has for the scope behind the
// position.
func (r *reader) trace(commit *ordering.Commit, items []placed) {
	if len(r.scope) != 1 {
		for i := range items {
			items[i].hash = commit.Digest
		}
		return
	}
	chain := proof.NewChained(r.scope[0], r.at.hash)
	var room [dag.MaxBundleLegs]ordering.NamespaceLeaf
	for i := range items {
		for _, l := range ordering.AppendLeaves(room[:0], items[i].index, items[i].item) {
			if l.Namespace == chain.Namespace {
				chain.Link(commit.Index, &l)
			}
		}
		items[i].hash = chain.Hash
	}
}

// behind is the position behind an item.
func (p *placed) behind(commit dag.CommitIndex) position { return position{commit, p.index, p.hash} }

// pass goes behind a commit, of which items are the rest that it had for the scope.
func (r *reader) pass(commit *ordering.Commit, items []placed) {
	hash := r.at.hash
	switch {
	case len(r.scope) != 1:
		hash = commit.Digest
	case len(items) > 0:
		hash = items[len(items)-1].hash
	}
	r.at = position{commit.Index, endOfCommit, hash}
}

// nextIndex is the commit to read next, at most head; 0 for none.
func (r *reader) nextIndex(head dag.CommitIndex) (dag.CommitIndex, error) {
	switch {
	case r.at.index != endOfCommit && r.at.commit <= head:
		return r.at.commit, nil
	case r.at.commit >= head:
		return 0, nil
	case len(r.scope) == 0:
		return r.at.commit + 1, nil
	}
	for len(r.ahead) > 0 && r.ahead[0] <= r.at.commit {
		r.ahead = r.ahead[1:]
	}
	if len(r.ahead) == 0 {
		if err := r.look(); err != nil {
			return 0, err
		}
	}
	if len(r.ahead) == 0 || r.ahead[0] > head {
		return 0, nil
	}
	return r.ahead[0], nil
}

// look fills ahead. Each namespace is asked for a limited number of commits; where one has more,
// nothing is known of it behind the last of them, so that what others have there is left for later.
func (r *reader) look() error {
	known := dag.CommitIndex(0)
	var found []dag.CommitIndex
	for _, ns := range r.scope {
		commits, err := r.watcher.CommitsOfNamespace(ns, r.at.commit, namespaceLook)
		if err != nil {
			return fmt.Errorf("list commits of namespace %d: %w", ns, err)
		}
		if n := len(commits); n >= namespaceLook && (known == 0 || commits[n-1] < known) {
			known = commits[n-1]
		}
		found = append(found, commits...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if known != 0 {
		end, _ := slices.BinarySearch(found, known+1)
		found = found[:end]
	}
	r.ahead = found
	return nil
}

// items picks the scope's items of a commit behind the position.
func (r *reader) items(commit *ordering.Commit) ([]placed, error) {
	first := 0
	if r.at.commit == commit.Index {
		if r.at.index == endOfCommit {
			return nil, nil
		}
		first = int(r.at.index) + 1
	}
	var out []placed
	for i := first; i < len(commit.Accepted); i++ {
		item, err := commit.Item(i)
		if err != nil {
			return nil, err
		}
		if r.scope.holds(item) {
			out = append(out, placed{index: uint32(i), item: item})
		}
	}
	if r.reveals == nil {
		return out, nil
	}
	return out, r.outcomes(commit, out)
}

// outcomes fills in what became of the sealed ones of a revealed commit's items.
func (r *reader) outcomes(commit *ordering.Commit, items []placed) error {
	var record *reveal.Record
	for i := range items {
		if items[i].item.Kind != dag.KindSealed {
			continue
		}
		if record == nil {
			found, ok, err := r.reveals.Reveal(commit.Index)
			if err != nil {
				return fmt.Errorf("read reveal of commit %d: %w", commit.Index, err)
			}
			if !ok {
				return reachableOr(r.history.Heads(), r.at, commit.Index)
			}
			record = found
		}
		outcome, ok := record.Find(items[i].index)
		if !ok {
			return fmt.Errorf("the reveal of commit %d lacks item %d", commit.Index, items[i].index)
		}
		items[i].outcome = &outcome
	}
	return nil
}

// reachable refuses a position that this node cannot go on from.
func reachable(heads Heads, at position) error {
	next := at.commit
	if at.index == endOfCommit {
		next++
	}
	switch {
	case at.commit > heads.Committed:
		return refuse(ReasonNotSynced, "the cursor stands at commit %d, this node has %d", at.commit, heads.Committed).at("cursor")
	case next < heads.Earliest:
		r := over(ReasonPruned, int(heads.Earliest), "commit %d is no longer kept, the oldest is %d: start from commit:%d", next, heads.Earliest, heads.Earliest-1)
		return r.at("cursor")
	}
	return nil
}

// reachableOr says why a commit that should be there is not.
func reachableOr(heads Heads, at position, index dag.CommitIndex) error {
	if err := reachable(heads, at); err != nil {
		return err
	}
	if index < heads.Earliest {
		return over(ReasonPruned, int(heads.Earliest), "commit %d is no longer kept, the oldest is %d", index, heads.Earliest)
	}
	return fmt.Errorf("commit %d is missing below the head %d", index, heads.Committed)
}

// start is the position that a cursor's text names, or what is taken without one. A cursor whose hash is not what
// this node has there is refused.
func (s *Server) start(sc scope, text, without string) (position, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		text = without
	}
	if text == cursorTip {
		if err := s.synced(); err != nil {
			return position{}, err
		}
	}
	heads := s.backend.History.Heads()
	at, kind, err := parseCursor(s.network, sc, text, heads.Committed)
	if err == nil {
		err = reachable(heads, at)
	}
	if err != nil {
		return position{}, err
	}
	claimed := at.hash
	if at.hash, err = s.positionHash(sc, at); err != nil || kind == cursorWord {
		return at, err
	}
	have := at.hash
	if kind == cursorWhole {
		have, err = s.commitDigest(at.commit)
	}
	if err == nil && have != claimed {
		err = refuse(ReasonCursorDiverged, "what was read up to item %d of commit %d is not what this node has there", at.index, at.commit).at("cursor")
	}
	return at, err
}

// newReader is a reader of commits that have come as far as state says.
func (s *Server) newReader(sc scope, at position, state pb.MinState) *reader {
	r := &reader{server: s, history: s.backend.History, watcher: s.backend.Watcher, scope: sc, at: at}
	if state != pb.MinState_MIN_STATE_COMMITTED {
		r.reveals = s.backend.Reveals
	}
	r.certified = state == pb.MinState_MIN_STATE_CERTIFIED
	return r
}

// minState is what a client asks for, or what is taken if it does not say.
func minState(asked, without pb.MinState) (pb.MinState, error) {
	switch asked {
	case pb.MinState_MIN_STATE_UNSPECIFIED:
		return without, nil
	case pb.MinState_MIN_STATE_COMMITTED, pb.MinState_MIN_STATE_REVEALED, pb.MinState_MIN_STATE_CERTIFIED:
		return asked, nil
	}
	return 0, refuse(ReasonRequestMalformed, "min_state %d is none of COMMITTED, REVEALED, CERTIFIED", asked).at("min_state")
}

// parseMinState reads the word of a min_state; none leaves it open.
func parseMinState(word string) (pb.MinState, error) {
	switch strings.ToUpper(word) {
	case "":
		return pb.MinState_MIN_STATE_UNSPECIFIED, nil
	case "COMMITTED":
		return pb.MinState_MIN_STATE_COMMITTED, nil
	case "REVEALED":
		return pb.MinState_MIN_STATE_REVEALED, nil
	case "CERTIFIED":
		return pb.MinState_MIN_STATE_CERTIFIED, nil
	}
	return 0, refuse(ReasonRequestMalformed, "min_state %q is none of committed, revealed, certified", clip(word)).at("min_state")
}
