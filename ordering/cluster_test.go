package ordering

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// cluster drives engines through virtual time over a network with random delays.
type cluster struct {
	t         testing.TB
	committee *dag.Committee
	registry  *dag.Registry
	keys      []*crypto.IdentityKey
	nodes     []*clusterNode
	now       time.Duration
	queue     deliveries
	random    *rand.Rand
	delay     func(from, to int) time.Duration
	sequence  int
	adapt     func(*Config)     // changes what engines are made of; nil for nothing
	seen      func(int, *Ready) // sees what they hand out; nil for nobody
	// shape changes what a node answers to a question for rounds; false for no answer. Nil for nothing.
	shape func(d delivery, found []*dag.Verified) ([]*dag.Verified, bool)
}

type clusterNode struct {
	engine   *Engine
	down     bool
	disk     []*dag.Verified
	own      []*dag.Verified
	commits  []*Commit
	outcomes []Outcome
	wake     time.Duration
}

type delivery struct {
	at    time.Duration
	order int
	to    int
	event Event // nil: a tick
	ask   *Fetch
	from  int
}

type deliveries []delivery

func (d deliveries) Len() int { return len(d) }
func (d deliveries) Less(i, j int) bool {
	return d[i].at < d[j].at || (d[i].at == d[j].at && d[i].order < d[j].order)
}
func (d deliveries) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *deliveries) Push(x any)   { *d = append(*d, x.(delivery)) }
func (d *deliveries) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

const testNamespace = dag.Namespace(7)

func newCluster(t testing.TB, n int, seed uint64) *cluster {
	t.Helper()
	c := &cluster{t: t, random: rand.New(rand.NewPCG(seed, 1))}
	var validators []dag.Validator
	for i := range n {
		s := make([]byte, 32)
		s[0] = byte(i + 1)
		key, err := crypto.NewIdentityKey(s)
		if err != nil {
			t.Fatal(err)
		}
		c.keys = append(c.keys, key)
		validators = append(validators, dag.Validator{Name: fmt.Sprint("v", i), Identity: key.Public()})
	}
	var err error
	if c.committee, err = dag.NewCommittee(crypto.Hash("test"), 0, validators); err != nil {
		t.Fatal(err)
	}
	if c.registry, err = dag.NewRegistry([]dag.NamespaceRule{{ID: testNamespace, Name: "test", Scheme: dag.SchemeOpen}}); err != nil {
		t.Fatal(err)
	}
	c.delay = func(int, int) time.Duration { return time.Duration(1+c.random.IntN(5)) * time.Millisecond }
	for i := range n {
		c.nodes = append(c.nodes, &clusterNode{})
		c.start(i, Restored{})
	}
	for i := range n {
		c.connect(i)
	}
	return c
}

func (c *cluster) start(i int, r Restored) {
	c.t.Helper()
	cfg := Config{Committee: c.committee, Registry: c.registry, Self: dag.Author(i), Signer: c.keys[i]}
	if c.adapt != nil {
		c.adapt(&cfg)
	}
	e, err := NewEngine(cfg, r)
	if err != nil {
		c.t.Fatal(err)
	}
	node := c.nodes[i]
	node.engine, node.down, node.wake = e, false, 0
	c.send(delivery{to: i})
}

func (c *cluster) connect(i int) {
	for j := range c.nodes {
		if j != i && !c.nodes[j].down {
			c.send(delivery{to: i, event: PeerConnected{Peer(j)}})
			c.send(delivery{to: j, event: PeerConnected{Peer(i)}})
		}
	}
}

func (c *cluster) send(d delivery) {
	c.sequence++
	d.order = c.sequence
	d.at = max(d.at, c.now)
	heap.Push(&c.queue, d)
}

// run lets virtual time pass.
func (c *cluster) run(d time.Duration) {
	c.t.Helper()
	end := c.now + d
	for len(c.queue) > 0 && c.queue[0].at <= end {
		next := heap.Pop(&c.queue).(delivery)
		c.now = next.at
		c.deliver(next)
	}
	c.now = end
}

func (c *cluster) deliver(d delivery) {
	node := c.nodes[d.to]
	if node.down || (d.event == nil && d.ask == nil && node.wake != d.at && node.wake != 0) {
		return
	}
	if d.ask != nil {
		c.serve(d)
		return
	}
	node.engine.Step(Tick{Now: c.now, Wall: 1_000_000 + uint64(c.now/time.Millisecond)})
	if d.event != nil {
		node.engine.Step(d.event)
	}
	c.carryOut(d.to, node.engine.Ready())
}

func (c *cluster) carryOut(i int, r Ready) {
	c.t.Helper()
	node := c.nodes[i]
	if r.Fault != nil {
		c.t.Fatalf("node %d: %v", i, r.Fault)
	}
	for _, ev := range r.Evidence {
		c.t.Fatalf("node %d: evidence at %v", i, ev.Slot())
	}
	node.disk = append(node.disk, r.Persist...)
	node.commits = append(node.commits, r.Commits...)
	node.outcomes = append(node.outcomes, r.Outcomes...)
	if c.seen != nil {
		c.seen(i, &r)
	}
	for _, b := range r.Broadcast {
		node.own = append(node.own, b)
		for j := range c.nodes {
			if j != i {
				c.send(delivery{at: c.now + c.delay(i, j), to: j, event: BlockReceived{Peer(i), b}})
			}
		}
	}
	for _, s := range r.Sends {
		for j := range c.nodes {
			if j == i || (s.To != Everyone && s.To != Peer(j)) {
				continue
			}
			c.send(delivery{at: c.now + c.delay(i, j), to: j, event: received(Peer(i), s.Message)})
		}
	}
	for _, f := range r.Fetches {
		c.send(delivery{at: c.now + c.delay(i, int(f.To)), to: int(f.To), ask: &f, from: i})
		if c.nodes[f.To].down {
			c.send(delivery{at: c.now + time.Second, to: i, event: FetchEnded{Fetch: f}})
		}
	}
	node.wake = r.WakeAt
	if r.WakeAt > 0 {
		c.send(delivery{at: r.WakeAt, to: i})
	}
}

func received(from Peer, m Message) Event {
	switch m := m.(type) {
	case BlockMessage:
		return BlockReceived{from, m.Block}
	case FrontierMessage:
		return FrontierReceived{from, m.Newest}
	case AskNewest:
		return NewestAsked{from}
	case AnswerNewest:
		return NewestAnswered{from, m.Newest, m.Signed, m.Lost}
	}
	panic("unknown message")
}

// serve answers a fetch from a node's disk.
func (c *cluster) serve(d delivery) {
	var found []*dag.Verified
	for _, b := range c.nodes[d.to].disk {
		wanted := len(d.ask.Refs) == 0 && b.Round() >= d.ask.FromRound && b.Round() <= d.ask.ToRound
		for _, r := range d.ask.Refs {
			wanted = wanted || r == b.Ref()
		}
		if wanted {
			found = append(found, b)
		}
	}
	at := c.now + c.delay(d.to, d.from)
	if c.shape != nil && len(d.ask.Refs) == 0 {
		slices.SortStableFunc(found, func(a, b *dag.Verified) int { return cmp.Compare(a.Round(), b.Round()) })
		var answers bool
		if found, answers = c.shape(d, found); !answers {
			at += 5 * time.Second
		}
	}
	for _, b := range found {
		c.send(delivery{at: at, to: d.from, event: BlockReceived{Peer(d.to), b}})
	}
	c.send(delivery{at: at, to: d.from, event: FetchEnded{Fetch: *d.ask, Blocks: len(found)}})
}

func (c *cluster) kill(i int) {
	c.nodes[i].down = true
	for j := range c.nodes {
		if j != i {
			c.send(delivery{to: j, event: PeerDisconnected{Peer(i)}})
		}
	}
}

// restored is what node i's disk holds.
func (c *cluster) restored(i int) Restored {
	node := c.nodes[i]
	r := Restored{Blocks: nil, Window: node.commits}
	if n := len(node.commits); n > 0 {
		r.Head = node.commits[n-1]
		r.Window = node.commits[max(0, n-dag.ValidityWindow):]
	}
	floor := dag.Round(0)
	if r.Head != nil {
		floor = gcRound(r.Head.Round, GCDepth)
	}
	for _, b := range node.disk {
		if b.Round() > floor {
			r.Blocks = append(r.Blocks, b)
		}
		if b.Author() == dag.Author(i) {
			r.Own = b
			r.OwnRecent = append(r.OwnRecent, b)
		}
	}
	return r
}

func (c *cluster) submit(i int, payload string) dag.Item {
	c.t.Helper()
	tx := dag.Transaction{Namespace: testNamespace, Payload: []byte(payload)}
	item, err := tx.Encode(dag.NewItemHasher(c.committee.Network()))
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(delivery{to: i, event: Submitted{Ticket: uint64(c.sequence), Items: []dag.Item{item}}})
	return item
}

// agree checks that all commit sequences are prefixes of the longest, and returns its length.
func (c *cluster) agree() int {
	c.t.Helper()
	longest := 0
	for i, node := range c.nodes {
		if len(node.commits) > len(c.nodes[longest].commits) {
			longest = i
		}
	}
	for i, node := range c.nodes {
		for k, commit := range node.commits {
			if want := c.nodes[longest].commits[k]; commit.Digest != want.Digest || commit.Index != dag.CommitIndex(k+1) {
				c.t.Fatalf("commit %d: node %d has %d %v of round %d, node %d has %v of round %d",
					k+1, i, commit.Index, commit.Digest.Short(), commit.Round, longest, want.Digest.Short(), want.Round)
			}
		}
	}
	return len(c.nodes[longest].commits)
}

// committed counts how often each id was accepted in node i's sequence.
func (c *cluster) committed(i int) map[crypto.Digest]int {
	out := make(map[crypto.Digest]int)
	for _, commit := range c.nodes[i].commits {
		for _, a := range commit.Accepted {
			out[a.ID]++
		}
	}
	return out
}
