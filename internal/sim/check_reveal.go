package sim

import (
	"bytes"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// reveals holds what nodes do about sealed items against the commit sequence: it runs a key generation
// of its own on it, and lays out the batches of every commit once more.
type reveals struct {
	check    *checker
	state    *keygen.State
	keys     []keygen.Key
	sealing  []*seal.Key // beside keys
	commits  []*ordering.Commit
	contents map[crypto.Digest][]dag.Leg // of honest clients' items
	layouts  map[dag.CommitIndex]*layout
	records  map[dag.CommitIndex]*reveal.Record
	upTo     []dag.CommitIndex // per node: the newest record in this life
	newest   []uint64          // per node: the newest key that it has announced in this life
	shared   []int             // per node: shares in its blocks since its last start
	lost     map[uint64]int    // honest validators without a share, by key
	heard    map[uint64]bool   // keys that everybody acknowledged
	opened   int
	target   dag.CommitIndex // what all must have revealed at the end
}

// newReveals is nil for a network without sealing.
func newReveals(c *checker) *reveals {
	w := c.world
	if w.scenario.SealedEvery == 0 {
		return nil
	}
	state, err := keygen.New(w.committee, keygen.Sealing)
	if err != nil {
		panic("sim: key generation of drawn keys: " + err.Error())
	}
	return &reveals{
		check: c, state: state, contents: make(map[crypto.Digest][]dag.Leg), layouts: make(map[dag.CommitIndex]*layout),
		records: make(map[dag.CommitIndex]*reveal.Record), upTo: make([]dag.CommitIndex, w.scenario.Validators),
		newest: make([]uint64, w.scenario.Validators), shared: make([]int, w.scenario.Validators),
		lost: make(map[uint64]int), heard: make(map[uint64]bool),
	}
}

// serving is the key that clients seal with; nil before there is one.
func (r *reveals) serving() *seal.Key {
	if len(r.sealing) == 0 {
		return nil
	}
	return r.sealing[len(r.sealing)-1]
}

// extend takes a commit that is the first of its index.
func (r *reveals) extend(node dag.Author, c *ordering.Commit) {
	if r == nil {
		return
	}
	r.commits = append(r.commits, c)
	r.lay(c)
	for _, b := range c.Bodies {
		for _, m := range b.Block().System {
			_ = r.state.Apply(c.Index, b.Author(), m) // an adversary's
		}
	}
	before := r.state.Status()
	key := r.state.Close(c.Index)
	if key == nil {
		return
	}
	for _, a := range key.Dealers {
		if slices.Contains(before.Excluded, a) {
			r.check.failf("key", node, "key %d is made with the deal of %v, which was proven to cheat", key.ID, a)
		}
	}
	sealing, err := seal.NewKey(r.check.world.committee.Network(), key.ID, key.Public[:])
	if err != nil {
		r.check.fail("key", err.Error(), node)
		return
	}
	r.keys, r.sealing = append(r.keys, *key), append(r.sealing, sealing)
	r.heard[key.ID] = before.Acks == r.check.world.scenario.Validators
}

// keyReady holds a key that a node announces against the sequence's.
func (r *reveals) keyReady(node dag.Author, k *ordering.KeyReady) {
	i := slices.IndexFunc(r.keys, func(o keygen.Key) bool { return o.ID == k.Key.ID })
	if i < 0 {
		r.check.failf("key", node, "key %d is ready here, and no commit has made it", k.Key.ID)
		return
	}
	want := &r.keys[i]
	r.newest[node] = max(r.newest[node], want.ID)
	if !bytes.Equal(k.Key.Public, want.Public) || k.Key.From != want.From || !slices.EqualFunc(k.Key.Shares, want.Shares, bytes.Equal) || !slices.Equal(k.Key.Dealers, want.Dealers) {
		r.check.failf("key", node, "key %d is %x from commit %d here and %x from commit %d elsewhere", want.ID,
			k.Key.Public[:2], k.Key.From, want.Public[:2], want.From)
	}
	if k.Lost != nil {
		r.lost[want.ID]++
		if r.heard[want.ID] {
			r.check.failf("key", node, "everybody acknowledged key %d, and its share is lost here: %v", want.ID, k.Lost)
		}
	}
}

// resumed notes up to which commit a node that starts has revealed.
func (r *reveals) resumed(node dag.Author, revealed dag.CommitIndex) {
	r.upTo[node], r.newest[node], r.shared[node] = revealed, 0, 0
}

// left looks at the shares in a block of an honest validator: each is for a commit that it has made, and for the
// batch that the sequence has there.
func (r *reveals) left(b *dag.Verified) {
	if r == nil {
		return
	}
	for _, m := range b.Block().System {
		if m.Kind != ordering.KindShare {
			continue
		}
		r.shared[b.Author()]++
		i, ok := reveal.ShareCommit(m.Payload)
		if head := r.check.heads[b.Author()]; !ok || i > head {
			r.check.failf("early-share", b.Author(), "%v holds a share for commit %d, its author has made %d", b.Ref(), i, head)
			return
		}
		if l := r.layouts[i]; l == nil || !l.has(m.Payload) {
			r.check.failf("batch", b.Author(), "%v holds a share for a batch that commit %d does not have", b.Ref(), i)
		}
	}
}

// revealed takes a record of a node.
func (r *reveals) revealed(node dag.Author, record *reveal.Record) {
	w, i := r.check.world, record.Commit.Index
	w.trace.note('r', w.now, node, uint64(i), crypto.Hash(crypto.DomainState, record.Encode()))
	w.trace.say(w.now, node, "reveals commit %d: %d items", i, len(record.Outcomes))
	if i <= r.upTo[node] {
		r.check.failf("reveal-order", node, "commit %d is revealed after commit %d", i, r.upTo[node])
	}
	r.upTo[node] = i
	l := r.layouts[i]
	if l == nil || record.Commit != l.ref {
		r.check.failf("reveal", node, "the record is of commit %v, which is not the sequence's or holds nothing sealed", record.Commit)
		return
	}
	first, known := r.records[i]
	if !known {
		r.records[i] = record
		r.judge(node, l, record)
		return
	}
	if record.Key != first.Key || !slices.Equal(record.Outcomes, first.Outcomes) {
		r.check.failf("verdict", node, "commit %d is revealed as %v here and as %v elsewhere", i, short(record), short(first))
	}
}

func short(r *reveal.Record) []string {
	var out []string
	for i := range r.Outcomes {
		out = append(out, sprintf("%d %v %x", r.Outcomes[i].Index, r.Outcomes[i].Verdict, r.Outcomes[i].Opening[:2]))
	}
	return out
}

// unrevealed says what a node has not revealed at the end; empty for nothing that it could have.
func (r *reveals) unrevealed(n *node) string {
	if r == nil {
		return ""
	}
	if r.target == 0 {
		r.target = r.check.longest()
	}
	for _, k := range r.keys {
		if k.From <= r.target && r.newest[n.self] < k.ID {
			return sprintf("key %d serves from commit %d on and is not ready here", k.ID, k.From)
		}
	}
	at := n.revealer.tracker.Revealed() + 1
	if at > r.target {
		return ""
	}
	honest := r.check.world.scenario.Validators - len(r.check.world.scenario.Adversaries)
	for _, k := range r.keys {
		if r.layouts[at] != nil && r.layouts[at].key == k.ID && honest-r.lost[k.ID] < k.Threshold {
			return "" // who was cut off for a whole window may have lost its share to a cheating dealer
		}
	}
	have, need, missing, _ := n.revealer.tracker.Progress(at)
	return sprintf("commit %d is not revealed: %d of %d shares, missing %v", at, have, need, missing)
}
