package devnet

import (
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
	drainPatience = time.Minute            // for acknowledged transactions to be committed everywhere
	drainEvery    = 500 * time.Millisecond // between two looks
	readPatience  = 5 * time.Minute        // for one node's order
	maxExpiryAsks = 1000                   // missing transactions that a node is asked about
)

// reading is one node's order, read back from genesis.
type reading struct {
	name   string
	client *client.Client

	cursor  string
	digests []crypto.Digest // of commit 1, 2, ...
	round   uint64          // of the last commit
	keys    []key           // of all items, in order
}

// errRead ends a stream that has been read far enough.
var errRead = errors.New("read far enough")

// readTo reads on up to a commit that the node has. It takes the node's word: what nodes say is compared afterwards.
func (r *reading) readTo(ctx context.Context, commit uint64) error {
	if uint64(len(r.digests)) >= commit {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	err := r.client.FollowEvents(ctx, client.Selection{Cursor: r.cursor, Content: client.IDs, Unproven: true}, func(e client.Event) error {
		r.cursor = e.Cursor
		if err := r.take(e); err != nil {
			return err
		}
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
	duplicates               uint64
	agreement                bool
	disagreement             string
	unreachable              []string
}

// audit reads the order back from every node that answers until all ids are found in all of them
// or drainPatience is over, and compares. It returns the readings as well.
func audit(ctx context.Context, nodes []Node, clients []*client.Client, ids []crypto.Digest) (readings []*reading, f finding, err error) {
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
	missing, err := drain(ctx, readings, ids)
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
	f.expired = expired(ctx, readings[0].client, missing)
	f.lost = uint64(len(missing)) - f.expired
	f.committed = uint64(len(ids) - len(missing))
	return readings, f, nil
}

// drain reads all nodes up to the commit that all have, again and again, and returns the ids that
// are missing in the node that misses most.
func drain(ctx context.Context, readings []*reading, ids []crypto.Digest) ([]crypto.Digest, error) {
	deadline := time.Now().Add(drainPatience)
	for {
		head, err := commonHead(ctx, readings)
		if err != nil {
			return nil, err
		}
		var group errgroup.Group
		for _, r := range readings {
			group.Go(func() error { return r.readTo(ctx, head) })
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
		if len(worst) == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			return worst, ctx.Err()
		}
		pause(ctx, drainEvery)
	}
}

func commonHead(ctx context.Context, readings []*reading) (uint64, error) {
	var head dag.CommitIndex
	for i, r := range readings {
		status, err := askStatus(ctx, r.client)
		if err != nil {
			return 0, fmt.Errorf("ask %s for its newest commit: %w", r.name, err)
		}
		if i == 0 || status.Commit < head {
			head = status.Commit
		}
	}
	return uint64(head), nil
}

// expired counts the ids that a node proves to be past their time.
func expired(ctx context.Context, c *client.Client, ids []crypto.Digest) uint64 {
	var n uint64
	for _, id := range ids[:min(len(ids), maxExpiryAsks)] {
		if r, err := c.Status(ctx, id); err == nil && r.State == client.Expired {
			n++
		}
	}
	return n
}
