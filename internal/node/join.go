package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/store"
)

// Values of store.start.
const (
	startAuto     = "auto"
	startGenesis  = "genesis"
	startSnapshot = "snapshot"
)

func (c StoreConfig) checkStart() error {
	switch c.Start {
	case startAuto, startGenesis, startSnapshot:
		return nil
	}
	return fmt.Errorf("store.start %q: want %q, %q or %q", c.Start, startAuto, startGenesis, startSnapshot)
}

// givesUpHistory reports whether the node may leave out a part of the history that nobody has, or a new one all
// that went before.
func (c StoreConfig) givesUpHistory() bool {
	return c.Start == startSnapshot || c.Start == startAuto && c.Retention != archive
}

// Begin says where a node's history begins.
type Begin uint8

const (
	// BeginAsConfigured goes by store.start, where the store has no history yet.
	BeginAsConfigured Begin = iota
	// BeginFromSnapshot takes a snapshot in any case, in the place of what the store has, unless that is newer than
	// all that the others can prove.
	BeginFromSnapshot

	// beginHere goes on from what the store has, or from the first commit.
	beginHere
	// beginIfWorth takes a snapshot if there is much to catch up with.
	beginIfWorth
)

// beginning is what to do before the order goes on, by what was asked for and what the store holds.
func (n *node) beginning(asked Begin, found *store.Recovery) Begin {
	config := n.home.Config.Store
	others := n.committee.Size()
	if n.self != ordering.Observer {
		others--
	}
	switch {
	case others == 0:
		return beginHere
	case asked == BeginFromSnapshot:
		return BeginFromSnapshot
	case found.Head != nil || !config.givesUpHistory():
		return beginHere
	case config.Start == startSnapshot:
		return BeginFromSnapshot
	}
	return beginIfWorth
}

const (
	// askAgain is between questions which commits the others have.
	askAgain = 250 * time.Millisecond
	// joinPatience is how long a node that may begin with the first commit waits for others to answer.
	joinPatience = 15 * time.Second
	// newerPatience is how long a node with a history waits for a snapshot that is newer, once others have proven
	// one that is not.
	newerPatience = 5 * time.Second
	// worthSnapshot is how many commits there must be for a snapshot to save anything: of fewer it would hold all.
	worthSnapshot = dag.ValidityWindow

	// gapPatience is how long a node that is behind makes no commit before it asks whether anybody has the next.
	gapPatience = 10 * time.Second
	// gapEvery is between looks for it, and gapAgain how often a gap that stays is told again.
	gapEvery = time.Second
	gapAgain = 30 * time.Second
)

// beginAgain ends a node whose store is to be replaced by a snapshot.
type beginAgain struct{ snapshot *store.Staging }

// Error says what is going on, in case somebody sees it.
func (*beginAgain) Error() string { return "a snapshot has been taken: beginning again from it" }

// beginHistory decides where the history begins and takes a snapshot if that is where. It returns nil when
// the order is to go on from the store. The loop's goroutine calls it before the loop runs.
func (n *node) beginHistory(ctx context.Context) error {
	if n.begin == beginHere {
		return nil
	}
	watching, stop := context.WithCancel(ctx)
	peers := make(chan []ordering.Event, 1)
	go func() { peers <- n.watchPeers(watching) }()
	snapshot := n.begin == BeginFromSnapshot
	n.taking.look()
	if !snapshot {
		snapshot = n.worthSnapshot(ctx)
	}
	var err error
	if snapshot && ctx.Err() == nil {
		have := n.store.Head().Index
		if err = n.takeSnapshot(ctx, have, n.patience(have)); errors.Is(err, errNoProof) {
			n.sayNoSnapshot(have, err)
			err = nil
		}
	} else {
		n.taking.stop()
	}
	stop()
	for _, ev := range <-peers {
		n.loop.engine.Step(ev)
	}
	return err
}

// patience is how long the node waits for a proof that is newer than the newest commit that it has, 0 for ever.
func (n *node) patience(have dag.CommitIndex) time.Duration {
	switch {
	case have > 0:
		return newerPatience
	case n.begin == beginIfWorth:
		return joinPatience
	}
	return 0
}

// sayNoSnapshot says why there is none and how the node goes on.
func (n *node) sayNoSnapshot(have dag.CommitIndex, err error) {
	next := "nothing: the node begins with the first commit, and takes a snapshot later if nobody has that"
	if have > 0 {
		next = fmt.Sprintf("nothing: the history in the home is the newer one, and the node goes on from its commit %d. "+
			"To replace it all the same, start the node with --from-snapshot again when the others are further", have)
	}
	n.log.Warn("no_snapshot", "err", err, "next", next)
}

// watchPeers takes the network's events while the engine is not there for them, and gives what it must know of them
// afterwards: who is connected. Everything else is said again, or fetched.
func (n *node) watchPeers(ctx context.Context) []ordering.Event {
	var connected []ordering.Event
	for {
		select {
		case ev := <-n.network.Events():
			switch ev := ev.(type) {
			case ordering.PeerConnected:
				connected = append(connected, ev)
			case ordering.PeerDisconnected:
				connected = slices.DeleteFunc(connected, func(o ordering.Event) bool { return o == ordering.PeerConnected(ev) })
			}
		case <-ctx.Done():
			return connected
		}
	}
}

// worthSnapshot asks the others how far they are until f+1 validators have answered, or nobody has for a while. Nobody's word
// is believed: a snapshot is proven, and who begins with the first commit notices when nobody has it.
func (n *node) worthSnapshot(ctx context.Context) bool {
	for began := time.Now(); ; {
		answers := reaches(ctx, n.network)
		if len(answers) > 0 && (members(answers) >= n.answersWanted() || time.Since(began) > joinPatience) {
			newest, whole := summary(answers, n.answersWanted())
			n.log.Info("others_asked", "answers", len(answers), "newest_commit", newest, "from_the_first", whole)
			return newest > worthSnapshot || newest > 0 && !whole
		}
		if time.Since(began) > joinPatience {
			n.log.Warn("no_answers", "next", "nothing: the node begins with the first commit, and takes a snapshot later if nobody has that")
			return false
		}
		if !pause(ctx, askAgain) {
			return false
		}
	}
}

// answersWanted is how many validators hold one that is honest, of those that there are beside this node.
func (n *node) answersWanted() int {
	others := n.committee.Size()
	if n.self != ordering.Observer {
		others--
	}
	return min(n.committee.Validity(), others)
}

func members(answers []reach) (count int) {
	for _, a := range answers {
		if a.member {
			count++
		}
	}
	return count
}

// summary is the newest commit that as many validators say they have as hold one that is honest, or of fewer answers
// the highest word, and whether somebody has all from the first.
func summary(answers []reach, honest int) (newest dag.CommitIndex, whole bool) {
	var words, voices []dag.CommitIndex
	for _, a := range answers {
		words = append(words, a.Newest)
		if a.member {
			voices = append(voices, a.Newest)
		}
		whole = whole || a.Earliest <= 1
	}
	if slices.Sort(voices); len(voices) >= honest {
		return voices[len(voices)-honest], whole
	}
	return slices.Max(words), whole
}

// takeSnapshot takes one with a head beyond a commit and gives a *beginAgain. Where nobody proves such a head for as long
// as patience the error wraps errNoProof; see taker. Where this node's own disk is at fault it says what to do.
func (n *node) takeSnapshot(ctx context.Context, beyond dag.CommitIndex, patience time.Duration) error {
	t := &taker{
		mesh: n.network, store: n.store, log: n.log, told: &n.taking, patience: patience,
		order: ordering.Config{
			Committee: n.committee, Registry: n.home.Genesis.Registry(), Created: n.home.Genesis.Created,
			Sealing: features.Sealing, Certification: features.Certification,
		},
	}
	n.taking.look()
	staging, err := t.take(ctx, beyond)
	n.taking.end(err)
	if ctx.Err() != nil {
		return nil
	}
	if errors.Is(err, errOwnStore) {
		return n.home.snapshotError(err)
	}
	if err != nil {
		return err
	}
	return &beginAgain{staging}
}

// watchGap looks whether the node is behind and stands still because nobody has what it lacks. Where the history may
// have a gap it takes a snapshot, else it says what to do.
func (n *node) watchGap(ctx context.Context, patience time.Duration) error {
	moved, at, looks := time.Now(), dag.CommitIndex(0), 0
	said := time.Time{}
	for pause(ctx, gapEvery) {
		e := n.loop.status.Load()
		if e.Commit.Index != at || e.BehindCommits < catchingUp {
			moved, at, looks = time.Now(), e.Commit.Index, 0
			n.gap.Store(nil)
			continue
		}
		if time.Since(moved) < patience {
			continue
		}
		moved, looks = time.Now(), looks+1 // ask again after as long
		earliest, gone := n.nobodyHas(ctx, at+1, looks)
		if !gone {
			continue
		}
		if n.home.Config.Store.givesUpHistory() {
			n.log.Warn("history_gone", "commit", at, "others_begin_at", earliest, "next", "nothing: this node takes a snapshot and goes on from there")
			return n.takeSnapshot(ctx, at, 0)
		}
		text := fmt.Sprintf("no connected node has commit %d: the earliest that one has is %d", at+1, earliest)
		n.gap.Store(&text)
		if time.Since(said) >= gapAgain {
			said = time.Now()
			n.log.Error("history_gone", "commit", at, "others_begin_at", earliest, "next", n.afterGap())
		}
	}
	return nil
}

// afterGap is what an operator can do whose node keeps everything and lacks what nobody has.
func (n *node) afterGap() string {
	return fmt.Sprintf("add a node that has it to p2p.peers, or make the home again with dunlin backup restore, or give up what is gone: dunlin run --home %s --from-snapshot", n.home.Dir)
}

// nobodyHas reports whether f+1 validators no longer have commit i, and nobody says that it has; and the earliest that
// one of them has. Who says so and has given nothing until the node looked some times is not heard any more.
func (n *node) nobodyHas(ctx context.Context, i dag.CommitIndex, looks int) (earliest dag.CommitIndex, gone bool) {
	return goneFor(reaches(ctx, n.network), i, n.answersWanted(), looks)
}

// believedLooks is for how many looks somebody's word that it has a commit counts against f+1 others'.
const believedLooks = 3

func goneFor(answers []reach, i dag.CommitIndex, honest, looks int) (earliest dag.CommitIndex, gone bool) {
	without := slices.DeleteFunc(slices.Clone(answers), func(r reach) bool { return r.Newest < i || r.Earliest <= i })
	with := slices.ContainsFunc(answers, func(r reach) bool { return r.Newest >= i && r.Earliest <= i })
	if members(without) < honest || with && looks <= believedLooks {
		return 0, false
	}
	return slices.MinFunc(without, func(a, b reach) int { return cmp.Compare(a.Earliest, b.Earliest) }).Earliest, true
}

// tellBeginning puts into the status what the node does before the order goes on.
func (n *node) tellBeginning(s *rollupapi.NodeStatus) {
	if reason, to, eta, ok := n.taking.standing(); ok {
		s.Proposing, s.Reason, s.ETA = false, reason, eta.Milliseconds()
		s.Behind = max(s.Behind, max(to, s.Commit)-s.Commit)
	}
	if text := n.gap.Load(); text != nil {
		s.Proposing, s.Reason = false, *text+"; "+n.afterGap()
	}
}
