package devnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// Times of the check at the end.
const (
	drainPatience = time.Minute            // for acknowledged transactions to be committed everywhere,
	drainMost     = 5 * time.Minute        // at most while a validator still catches up
	drainEvery    = 500 * time.Millisecond // between two looks
	readPatience  = 5 * time.Minute        // for the next piece of one node's order
	maxAsks       = 1000                   // missing transactions that nodes are asked about
	farBehind     = 50                     // commits that a validator lacks which is catching up
)

// reading is one node's order, read back from genesis.
type reading struct {
	name   string
	client *client.Client

	cursor  string
	digests []crypto.Digest // of commit 1, 2, ...
	round   uint64          // of the last commit
	keys    []key           // of all items, in order
	tell    *teller
}

// errRead ends a stream that has been read far enough.
var errRead = errors.New("read far enough")

// readTo reads on up to a commit that the node has. It takes the node's word: what nodes say is compared afterwards.
func (r *reading) readTo(ctx context.Context, commit uint64) error {
	if uint64(len(r.digests)) >= commit {
		return nil
	}
	ctx, stirred, stop := untilSilent(ctx, readPatience)
	defer stop()
	err := r.client.FollowEvents(ctx, client.Selection{Cursor: r.cursor, Content: client.IDs, Unproven: true}, func(e client.Event) error {
		r.cursor = e.Cursor
		if err := r.take(e); err != nil {
			return err
		}
		stirred()
		r.tell.at(uint64(len(r.digests)), commit)
		if uint64(len(r.digests)) >= commit {
			return errRead
		}
		return nil
	})
	if !errors.Is(err, errRead) {
		return fmt.Errorf("read back %s: %w", r.name, err)
	}
	return nil
}

func (r *reading) take(e client.Event) error {
	for i := range e.Items {
		if e.Items[i].ID.IsZero() {
			return fmt.Errorf("it serves an item of commit %d without an id", e.Items[i].Commit)
		}
		r.keys = append(r.keys, keyOf(e.Items[i].ID))
	}
	if e.Commit == nil {
		return nil
	}
	if want := uint64(len(r.digests)) + 1; e.Commit.GetIndex() != want || len(e.Commit.GetDigest()) != crypto.DigestSize {
		return fmt.Errorf("it serves commit %d where %d is next", e.Commit.GetIndex(), want)
	}
	r.digests = append(r.digests, crypto.Digest(e.Commit.GetDigest()))
	r.round = e.Commit.GetRound()
	return nil
}

// duplicates is how many items stand in the order again.
func (r *reading) duplicates() uint64 {
	sorted := slices.Clone(r.keys)
	slices.Sort(sorted)
	return uint64(len(sorted) - len(slices.Compact(sorted)))
}

// missing lists the ids that are not in the order.
func (r *reading) missing(ids []crypto.Digest) []crypto.Digest {
	sorted := slices.Clone(r.keys)
	slices.Sort(sorted)
	var out []crypto.Digest
	for _, id := range ids {
		if _, found := slices.BinarySearch(sorted, keyOf(id)); !found {
			out = append(out, id)
		}
	}
	return out
}

// disagreement says where two orders first differ; empty if nowhere up to the shorter one's end.
func disagreement(readings []*reading) string {
	first := readings[0]
	for _, r := range readings[1:] {
		for i := range min(len(first.digests), len(r.digests)) {
			if first.digests[i] != r.digests[i] {
				return fmt.Sprintf("commit %d: %s has %s, %s has %s", i+1, first.name, first.digests[i].Short(), r.name, r.digests[i].Short())
			}
		}
	}
	return ""
}

// finding is the outcome of the check.
type finding struct {
	commits, rounds          uint64
	committed, lost, expired uint64
	late                     uint64   // neither in every order nor lost, as far as anybody can tell
	behind                   []string // validators that were catching up when the check ended
	duplicates               uint64
	agreement                bool
	disagreement             string
	unreachable              []string
}

// audit reads the order back from every node that answers until all ids are found in all of them
// or it has waited long enough, and compares. It returns the readings as well. tell hears how far the first node is read.
func audit(ctx context.Context, nodes []Node, clients []*client.Client, ids []crypto.Digest, tell *teller) (readings []*reading, f finding, err error) {
	for i, c := range clients {
		if _, err := askStatus(ctx, c); err != nil {
			f.unreachable = append(f.unreachable, nodes[i].Name)
			continue
		}
		readings = append(readings, &reading{name: nodes[i].Name, client: c, cursor: "genesis"})
	}
	if len(readings) == 0 {
		return nil, f, fmt.Errorf("check the order: no node answers")
	}
	readings[0].tell = tell
	missing, err := drain(ctx, readings, ids, drainPatience)
	if err != nil {
		return nil, f, err
	}
	f.disagreement = disagreement(readings)
	f.agreement = f.disagreement == ""
	for _, r := range readings {
		f.commits = max(f.commits, uint64(len(r.digests)))
		f.rounds = max(f.rounds, r.round)
		f.duplicates = max(f.duplicates, r.duplicates())
	}
	if len(missing) > 0 {
		f.judge(ctx, readings, missing)
	}
	f.committed = uint64(len(ids) - len(missing))
	return readings, f, nil
}

// drain reads all nodes up to the commit that all have, again and again, and returns the ids that
// are missing in the node that misses most. It ends when two disagree, or after patience, but waits on for a node that was
// behind at the beginning and comes nearer.
func drain(ctx context.Context, readings []*reading, ids []crypto.Digest, patience time.Duration) ([]crypto.Digest, error) {
	began := time.Now()
	moved := began
	var goal, before dag.CommitIndex
	for {
		lowest, newest, err := heads(ctx, readings)
		if err != nil {
			return nil, err
		}
		goal = cmp.Or(goal, newest)
		nearer := lowest > before && before < goal && time.Since(began) < drainMost
		before = lowest
		var group errgroup.Group
		for _, r := range readings {
			group.Go(func() error { return r.readTo(ctx, uint64(lowest)) })
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		var worst []crypto.Digest
		for _, r := range readings {
			if missing := r.missing(ids); len(missing) > len(worst) {
				worst = missing
			}
		}
		if nearer {
			moved = time.Now()
		}
		if len(worst) == 0 || disagreement(readings) != "" || !nearer && time.Since(moved) > patience || ctx.Err() != nil {
			return worst, ctx.Err()
		}
		pause(ctx, drainEvery)
	}
}

// heads is the lowest and the newest of the nodes' newest commits.
func heads(ctx context.Context, readings []*reading) (lowest, newest dag.CommitIndex, err error) {
	for i, r := range readings {
		status, err := askStatus(ctx, r.client)
		if err != nil {
			return 0, 0, fmt.Errorf("ask %s for its newest commit: %w", r.name, err)
		}
		if i == 0 || status.Commit < lowest {
			lowest = status.Commit
		}
		newest = max(newest, status.Commit)
	}
	return lowest, newest, nil
}

// judge says what became of acknowledged transactions that are not in every order: expired if a node proves it, late if
// one has it in its order, or holds it while a validator is behind, whose blocks may wait for it to catch up; lost
// otherwise.
func (f *finding) judge(ctx context.Context, readings []*reading, missing []crypto.Digest) {
	f.behind = catchingUp(ctx, readings)
	for _, id := range missing[:min(len(missing), maxAsks)] {
		var committed, held, expired bool
		for _, r := range readings {
			status, err := r.client.Status(ctx, id)
			if err != nil {
				continue
			}
			switch status.State {
			case client.Expired:
				expired = true
			case client.Received, client.Included:
				held = true
			case client.Committed, client.Revealed, client.RevealFailed:
				committed = true
			}
		}
		switch {
		case expired && !committed:
			f.expired++
		case committed, held && len(f.behind) > 0:
			f.late++
		}
	}
	f.lost = uint64(len(missing)) - f.expired - f.late
}

// catchingUp names the validators that lack commits or take no part.
func catchingUp(ctx context.Context, readings []*reading) []string {
	var out []string
	_, newest, err := heads(ctx, readings)
	for _, r := range readings {
		status, asked := askStatus(ctx, r.client)
		if err != nil || asked != nil || status.Behind >= farBehind || status.Commit+farBehind <= newest || !status.Proposing {
			out = append(out, r.name)
		}
	}
	return out
}
