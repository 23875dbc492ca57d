package devnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// revealPatience is how long a node may reveal nothing more before what it has not revealed counts as such.
const revealPatience = time.Minute

// openedItem is what a node says became of a sealed item.
type openedItem struct {
	verdict reveal.Verdict
	answer  crypto.Digest // of all that it says
}

// revealReading is everything that one node has revealed, read back from genesis.
type revealReading struct {
	name   string
	client *client.Client
	keys   []*client.EncryptionKey // with which every answer is checked; nil to believe it
	items  map[key]openedItem
	head   uint64
	fault  string // the first answer that does not hold
	tell   *teller
}

// readTo reads the order as it was revealed, up to a commit or until nothing more is revealed.
func (r *revealReading) readTo(ctx context.Context, commit uint64) error {
	ctx, stirred, stop := untilSilent(ctx, revealPatience)
	defer stop()
	err := r.client.FollowEvents(ctx, client.Selection{Cursor: "genesis", MinState: client.Revealed}, func(e client.Event) error {
		for i := range e.Items {
			if e.Items[i].Kind == dag.KindSealed {
				r.take(&e.Items[i])
			}
		}
		if e.Commit != nil {
			r.head = e.Commit.GetIndex()
			stirred()
			r.tell.at(r.head, commit)
		}
		if r.head >= commit {
			return errRead
		}
		return nil
	})
	if errors.Is(err, errRead) || errors.Is(context.Cause(ctx), errSilent) {
		return nil
	}
	return fmt.Errorf("read back what %s has revealed: %w", r.name, err)
}

// take notes one sealed item, and checks it with its opening and the public key alone.
func (r *revealReading) take(item *client.Item) {
	r.items[keyOf(item.ID)] = openedItem{item.Verdict, answerOf(item)}
	if r.keys == nil || r.fault != "" {
		return
	}
	key := servingIn(r.keys, item.Commit)
	if key == nil {
		r.fault = fmt.Sprintf("%s: no key served in commit %d", r.name, item.Commit)
		return
	}
	if err := key.VerifyReveal(item); err != nil && !errors.Is(err, client.ErrUnproven) {
		r.fault = fmt.Sprintf("%s: item %d of commit %d: %v", r.name, item.Index, item.Commit, err)
	}
}

// answerOf is a digest of everything that a node says about a sealed item.
func answerOf(item *client.Item) crypto.Digest {
	parts := [][]byte{
		item.ID[:], binary.BigEndian.AppendUint64(nil, uint64(item.Commit)), binary.BigEndian.AppendUint32(nil, item.Index),
		{byte(item.Verdict)},
		item.Opening[:], item.Ciphertext,
	}
	for i := range item.Legs {
		parts = append(parts, binary.BigEndian.AppendUint64(nil, uint64(item.Legs[i].Namespace)), item.Legs[i].Payload)
	}
	return crypto.Hash("devnet/reveal", parts...)
}

// servingIn is the key that served in a commit; nil for none.
func servingIn(keys []*client.EncryptionKey, commit dag.CommitIndex) *client.EncryptionKey {
	for _, k := range keys {
		if k.From <= commit && (k.Until == 0 || commit <= k.Until) {
			return k
		}
	}
	return nil
}

// provenKeys is all keys of a network, each proven from its deals.
func provenKeys(ctx context.Context, c *client.Client, committee *dag.Committee) ([]*client.EncryptionKey, error) {
	var keys []*client.EncryptionKey
	for id := uint64(0); id == 0 || id < keys[0].ID; id++ {
		k, err := c.KeyWithDeals(ctx, id) // 0 gives the newest
		if err == nil {
			err = k.Prove(committee)
		}
		if err != nil {
			return nil, fmt.Errorf("check sealing keys: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// revealFinding is what came of the sealed items.
type revealFinding struct {
	revealed, failed uint64
	unrevealed       uint64 // acknowledged, and not revealed by every node in time
	waits            string // what one of these waits for
	fault            string // an answer that does not hold, or differs between nodes
}

// auditReveals reads back what every reachable node has revealed, checks it with openings alone - without
// the committee - and compares the nodes. tell hears how far the first node is checked.
func auditReveals(ctx context.Context, readings []*reading, committee *dag.Committee, ids []crypto.Digest, tell *teller) (revealFinding, error) {
	var f revealFinding
	keys, err := provenKeys(ctx, readings[0].client, committee)
	if err != nil {
		return f, err
	}
	opened := make([]*revealReading, len(readings))
	var group errgroup.Group
	for i, r := range readings {
		o := &revealReading{name: r.name, client: r.client, items: make(map[key]openedItem)}
		if opened[i] = o; i == 0 {
			o.keys, o.tell = keys, tell
		}
		group.Go(func() error { return o.readTo(ctx, uint64(len(r.digests))) })
	}
	if err := group.Wait(); err != nil {
		return f, err
	}
	f.fault = revealFault(opened)
	for _, id := range ids {
		switch verdict := verdictOf(opened, keyOf(id)); {
		case verdict == reveal.Opened:
			f.revealed++
		case verdict != 0:
			f.failed++
		default:
			if f.unrevealed++; f.waits == "" {
				if r, err := readings[0].client.Status(ctx, id); err == nil {
					f.waits = r.Reveal
				}
			}
		}
	}
	return f, nil
}

// verdictOf is what all nodes say of an item; 0 where one of them says nothing.
func verdictOf(opened []*revealReading, k key) reveal.Verdict {
	for _, o := range opened {
		if _, ok := o.items[k]; !ok {
			return 0
		}
	}
	return opened[0].items[k].verdict
}

// revealFault says which answer does not hold, or where two nodes differ about an item that both have.
func revealFault(opened []*revealReading) string {
	first := opened[0]
	if first.fault != "" {
		return first.fault
	}
	for _, o := range opened[1:] {
		for k, item := range o.items {
			if known, ok := first.items[k]; ok && known != item {
				return fmt.Sprintf("%s and %s reveal item %016x differently: %s and %s", first.name, o.name, uint64(k), known.verdict, item.verdict)
			}
		}
	}
	return ""
}

// teller says in the view how far something has come.
func (d *devnet) teller(what string) *teller {
	return &teller{what: what, printf: d.view.printf, said: time.Now()}
}

// checkReveals audits the reveals of a run with sealed load and fills them in.
func (d *devnet) checkReveals(ctx context.Context, readings []*reading, r *Result) error {
	r.Sealed = d.ledger.ciphertexts
	if len(d.sealers) == 0 || !r.Agreement { // where orders differ openings do, too
		return nil
	}
	f, err := auditReveals(ctx, readings, d.committee, d.ledger.sealedIDs, d.teller("checking what was revealed"))
	if err != nil {
		return err
	}
	if f.waits != "" {
		d.view.printf("a sealed transaction still waits: %s", f.waits)
	}
	r.Revealed, r.RevealFailed, r.Unrevealed, r.RevealFault = f.revealed, f.failed, f.unrevealed, f.fault
	return nil
}
