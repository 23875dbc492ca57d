package ordering

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

const (
	floodNamespace = dag.Namespace(1)
	quietNamespace = dag.Namespace(2)
)

// pickItem makes items with ids of their own.
type pickItem struct {
	t      testing.TB
	hasher *dag.ItemHasher
	made   uint64
}

func newPickItem(t testing.TB, network crypto.Digest) *pickItem {
	return &pickItem{t: t, hasher: dag.NewItemHasher(network)}
}

func (p *pickItem) payload(size int) []byte {
	p.made++
	return binary.BigEndian.AppendUint64(make([]byte, size-8, size), p.made)
}

func (p *pickItem) plain(ns dag.Namespace, size int) dag.Item {
	return p.must((&dag.Transaction{Namespace: ns, Payload: p.payload(size), ValidUntil: 4000}).Encode(p.hasher))
}

func (p *pickItem) sealed(namespaces ...dag.Namespace) dag.Item {
	return p.must((&dag.Sealed{Namespaces: namespaces, Ciphertext: p.payload(seal.SealedSize(1)), ValidUntil: 4000}).Encode(p.hasher))
}

func (p *pickItem) bundle(size int, namespaces ...dag.Namespace) dag.Item {
	b := dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: 4000}
	for _, ns := range namespaces {
		b.Legs = append(b.Legs, dag.Leg{Namespace: ns, Payload: p.payload(size)})
	}
	return p.must(b.Encode(p.hasher))
}

func (p *pickItem) must(item dag.Item, err error) dag.Item {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	return item
}

// latencies is how long 20 transactions a second of one rollup take at validator 0 until they are
// committed there, while another rollup offers flood bytes every tenth of a second, and what becomes of them.
func latencies(t *testing.T, flood int) (took []time.Duration, outcomes map[OutcomeState]int, flooded map[OutcomeState]int) {
	t.Helper()
	const length, floodItem, floodTicket, quietTicket = 2 * time.Second, 16 << 10, 1, 2
	c := newCluster(t, 4, 1)
	c.registry = mustRegistry(t, dag.NamespaceRule{ID: floodNamespace, Scheme: dag.SchemeOpen}, dag.NamespaceRule{ID: quietNamespace, Scheme: dag.SchemeOpen})
	c.adapt = func(cfg *Config) { cfg.Pool = PoolLimits{Bytes: 8 << 20} }
	c.delay = func(int, int) time.Duration { return time.Duration(40+c.random.IntN(5)) * time.Millisecond }
	for i := range c.nodes {
		c.start(i, Restored{})
	}
	pick, sent := newPickItem(t, c.committee.Network()), make(map[crypto.Digest]time.Duration)
	outcomes, flooded = make(map[OutcomeState]int), make(map[OutcomeState]int)
	c.seen = func(i int, r *Ready) {
		for _, o := range r.Outcomes {
			if o.Ticket == quietTicket {
				outcomes[o.State]++
			} else {
				flooded[o.State]++
			}
		}
		for _, commit := range r.Commits {
			for _, a := range commit.Accepted {
				if at, ours := sent[a.ID]; ours && i == 0 {
					took = append(took, c.now-at)
				}
			}
		}
	}
	c.run(time.Second)
	for at := c.now; at < time.Second+length; at += 50 * time.Millisecond {
		if at%(100*time.Millisecond) == 0 {
			var items []dag.Item
			for range flood / floodItem {
				items = append(items, pick.plain(floodNamespace, floodItem))
			}
			c.send(delivery{at: at, to: 0, event: Submitted{Ticket: floodTicket, Items: items}})
		}
		quiet := pick.plain(quietNamespace, 200)
		sent[quiet.ID] = at + 3*time.Millisecond
		c.send(delivery{at: at + 3*time.Millisecond, to: 0, event: Submitted{Ticket: quietTicket, Items: []dag.Item{quiet}}})
	}
	c.run(length + time.Second)
	c.agree()
	slices.Sort(took)
	return took, outcomes, flooded
}

func mustRegistry(t testing.TB, rules ...dag.NamespaceRule) *dag.Registry {
	t.Helper()
	r, err := dag.NewRegistry(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFloodStarvesNobody: a rollup that offers four times what its validator can propose does not delay
// another one's transactions, and has none of them refused.
func TestFloodStarvesNobody(t *testing.T) {
	calm, _, _ := latencies(t, 0)
	took, outcomes, flooded := latencies(t, 2<<20)
	t.Logf("p50 and p99 of %d: %v and %v calm, %v and %v in the flood; flood: %v", len(calm), calm[len(calm)/2], calm[len(calm)-1], took[len(took)/2], took[len(took)-1], flooded)
	if len(took) != 40 || len(calm) != 40 || outcomes[Included] != 40 {
		t.Errorf("%d and %d of 40 committed; outcomes %v", len(calm), len(took), outcomes)
	}
	if p99, before := took[len(took)-1], calm[len(calm)-1]; p99 > before+before/4 {
		t.Errorf("the slowest takes %v in the flood and %v without", p99, before)
	}
	if flooded[OverShare] == 0 || flooded[Busy] != 0 {
		t.Errorf("the flood is answered %v, want some over their share and none because the pool is full", flooded)
	}
}

// take makes payloads of so many blocks and counts their bytes by namespace.
func take(e *Engine, blocks int) map[dag.Namespace]int {
	out := make(map[dag.Namespace]int)
	for range blocks {
		items, _ := e.takeItems()
		for i := range items {
			out[items[i].Namespace] += len(items[i].Raw)
		}
	}
	return out
}

func fairEngine(t testing.TB, limits PoolLimits, rules ...dag.NamespaceRule) (*Engine, *pickItem) {
	t.Helper()
	for i := range rules {
		rules[i].Scheme = dag.SchemeOpen
	}
	e, err := NewEngine(Config{Committee: dagtest.Committee(1), Registry: mustRegistry(t, rules...), Self: 0, Signer: dagtest.Key(0), Pool: limits}, Restored{})
	if err != nil {
		t.Fatal(err)
	}
	return e, newPickItem(t, dagtest.Committee(1).Network())
}

func (p *pickItem) fill(e *Engine, item func() dag.Item) int {
	for n := 0; ; n++ {
		one := item()
		if refused := e.pool.add(&one, waiter{}); refused != 0 {
			return n
		}
	}
}

func TestBlocksAreSharedByWeight(t *testing.T) {
	e, pick := fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: 1}, dag.NamespaceRule{ID: 2, Weight: 3}, dag.NamespaceRule{ID: 3})
	sizes := map[dag.Namespace]int{1: 300, 2: 5000, 3: dag.MaxTransactionBytes}
	for ns := range dag.Namespace(3) {
		for range (6 << 20) / sizes[ns+1] {
			one := pick.plain(ns+1, sizes[ns+1])
			if refused := e.pool.add(&one, waiter{}); refused != 0 {
				t.Fatalf("namespace %d: %d", ns+1, refused)
			}
		}
	}
	got := take(e, 12)
	for ns, parts := range map[dag.Namespace]int{1: 1, 2: 3, 3: 1} {
		want := 12 * dag.MaxPayloadBytes * parts / 5
		if off := got[ns] - want; off < -2*dag.MaxTransactionBytes || off > 2*dag.MaxTransactionBytes {
			t.Errorf("namespace %d has %d bytes of 12 blocks, want about %d", ns, got[ns], want)
		}
	}
}

// TestSmallItemsPayForTheirNumber: blocks hold so many items, and a rollup of tiny ones takes no more of
// that than of the bytes.
func TestSmallItemsPayForTheirNumber(t *testing.T) {
	e, pick := fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: 1}, dag.NamespaceRule{ID: 2})
	for range 20_000 {
		tiny, big := pick.plain(1, 8), pick.plain(2, 200)
		if e.pool.add(&tiny, waiter{}) != 0 || e.pool.add(&big, waiter{}) != 0 {
			t.Fatal("no room")
		}
	}
	if got := take(e, 8); got[2] < 3*dag.MaxPayloadBytes {
		t.Errorf("%d bytes of 8 blocks beside tiny items, want almost half", got[2])
	}
}

func TestPoolKeepsRoomForOthers(t *testing.T) {
	const flooders = 10
	var rules []dag.NamespaceRule
	for i := range dag.Namespace(flooders + 1) {
		rules = append(rules, dag.NamespaceRule{ID: i + 1})
	}
	limits := PoolLimits{Bytes: 4 << 20}
	e, pick := fairEngine(t, limits, rules...)
	if lone := pick.fill(e, func() dag.Item { return pick.plain(1, 1000) }); lone*1026 < limits.Bytes*2/3 {
		t.Errorf("a lone namespace has %d bytes of %d", lone*1026, limits.Bytes)
	}
	for ns := range dag.Namespace(flooders) {
		pick.fill(e, func() dag.Item { return pick.plain(ns+1, 1000) })
	}
	if n := pick.fill(e, func() dag.Item { return pick.plain(flooders+1, 1000) }); n < 12 {
		t.Errorf("%d items of a namespace that comes last found room", n)
	}
	for range 150 { // blocks later they have come to terms
		take(e, 1)
		for range 100 {
			for ns := range dag.Namespace(flooders) {
				one := pick.plain(ns+1, 1000)
				e.pool.add(&one, waiter{})
			}
		}
	}
	for ns := range dag.Namespace(flooders) {
		if has := e.pool.lanes[ns+1].bytes; has < limits.Bytes/(2*flooders) || has > 2*limits.Bytes/flooders {
			t.Errorf("flooder %d has %d bytes of %d", ns+1, has, limits.Bytes)
		}
	}
	if e.pool.bytes > limits.Bytes || e.pool.items > e.pool.limits.Items {
		t.Errorf("%d bytes in %d items wait, beyond the limits", e.pool.bytes, e.pool.items)
	}
}

// TestQuota: a namespace with a quota gets it on average, after what it had saved up; what it leaves is
// others'; and no more of it waits than its quota takes in a while.
func TestQuota(t *testing.T) {
	const quota, size = 10_000, 1000
	e, pick := fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: 1, Quota: quota}, dag.NamespaceRule{ID: 2})
	waiting := pick.fill(e, func() dag.Item { return pick.plain(1, size) })
	if bytes := e.pool.lanes[1].bytes; bytes > quotaBacklog*quota || bytes < quotaBacklog*quota-2*size {
		t.Errorf("%d items of %d bytes wait, want up to %d", waiting, bytes, quotaBacklog*quota)
	}
	if got := take(e, 1)[1]; got < quotaBurst*quota || got > quotaBurst*quota+2*size {
		t.Errorf("%d bytes in the first block, want the burst of %d", got, quotaBurst*quota)
	}
	if got := take(e, 50)[1]; got < 49*quota || got > 50*quota+2*size {
		t.Errorf("%d bytes in 50 blocks, want 50 times the quota of %d", got, quota)
	}
	pick.fill(e, func() dag.Item { return pick.plain(2, size) })
	if got := take(e, 10); got[1] > 11*quota || got[2] < 10*(dag.MaxPayloadBytes-2*quota) {
		t.Errorf("in 10 blocks: %v", got)
	}
	large := pick.plain(1, dag.MaxTransactionBytes)
	e, _ = fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: 1, Quota: 100})
	if e.pool.add(&large, waiter{}) != 0 || take(e, 1)[1] != len(large.Raw) {
		t.Error("an item larger than a quota never gets in")
	}
	small := pick.plain(1, size)
	if e.pool.add(&small, waiter{}) != 0 || take(e, len(large.Raw)/100-2*quotaBurst)[1] != 0 {
		t.Error("a large item is not paid off")
	}
	if got := take(e, 3*quotaBurst)[1]; got != len(small.Raw) {
		t.Errorf("%d bytes come in when it is", got)
	}
}

// TestBundlesAreChargedToAllTheyName: legs count for the quotas of their namespaces, and a namespace
// that others name is not in debt for ever.
func TestBundlesAreChargedToAllTheyName(t *testing.T) {
	const quota, size = 1000, 500
	for name, item := range map[string]func(*pickItem) dag.Item{
		"bundle": func(p *pickItem) dag.Item { return p.bundle(size, 1, 2) },
		"sealed": func(p *pickItem) dag.Item { return p.sealed(1, 2) },
	} {
		e, pick := fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: 1}, dag.NamespaceRule{ID: 2, Quota: quota})
		for range 200 {
			one := item(pick)
			if e.pool.add(&one, waiter{}) != 0 {
				t.Fatal("no room")
			}
		}
		for len(e.pool.waiting) > 0 {
			take(e, 1)
		}
		if credit := e.pool.lanes[2].credit; credit > 0 || credit < -quotaBurst*quota {
			t.Errorf("%s: a credit of %d is left of namespace 2", name, credit)
		}
		plain := pick.plain(2, size)
		if e.pool.add(&plain, waiter{}) != 0 {
			t.Fatal("no room")
		}
		if got := take(e, quotaBurst+1); got[2] == 0 {
			t.Errorf("%s: namespace 2 still waits after %d blocks", name, quotaBurst+1)
		}
	}
}

// TestPoolBooks drives the pool at random: every item comes out once, in the order of its line, within the
// limits, and nothing is left over.
func TestPoolBooks(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 2))
		e, pick := fairEngine(t, PoolLimits{Items: 3000, Bytes: 4 << 20},
			dag.NamespaceRule{ID: 1}, dag.NamespaceRule{ID: 2, Quota: 2000}, dag.NamespaceRule{ID: 3, Weight: 7, Quota: 300}, dag.NamespaceRule{ID: 4, Weight: 2})
		added, out := make(map[dag.Namespace][]crypto.Digest), make(map[dag.Namespace][]crypto.Digest)
		line := func(i *dag.Item) dag.Namespace { return i.Namespace + 100*dag.Namespace(i.Kind/dag.KindSealed) }
		for range 200 {
			for range random.IntN(60) {
				ns := dag.Namespace(1 + random.IntN(4))
				one := pick.plain(ns, 8+random.IntN(1<<random.IntN(16)))
				switch random.IntN(8) {
				case 0:
					one = pick.sealed(ns, ns%4+1)
				case 1:
					one = pick.bundle(100, ns, ns%4+1)
				}
				if e.pool.add(&one, waiter{}) == 0 {
					added[line(&one)] = append(added[line(&one)], one.ID)
				}
			}
			for range random.IntN(3) {
				bytes := 0
				items, _ := e.takeItems()
				for i := range items {
					bytes += len(items[i].Raw)
					out[line(&items[i])] = append(out[line(&items[i])], items[i].ID)
				}
				if bytes > dag.MaxPayloadBytes || len(items) > dag.MaxItems {
					t.Fatalf("seed %d: a payload of %d bytes in %d items", seed, bytes, len(items))
				}
			}
			checkBooks(t, e.pool)
		}
		for range 100_000 {
			if len(e.pool.waiting) == 0 {
				break
			}
			items, _ := e.takeItems()
			for i := range items {
				out[line(&items[i])] = append(out[line(&items[i])], items[i].ID)
			}
		}
		checkBooks(t, e.pool)
		for l, ids := range added {
			if !slices.Equal(ids, out[l]) {
				t.Errorf("seed %d: line %d took %d items and gave %d, or in another order", seed, l, len(ids), len(out[l]))
			}
		}
		if e.pool.items != 0 || e.pool.bytes != 0 || len(e.pool.lanes) > 2 {
			t.Errorf("seed %d: %d items of %d bytes and %d lanes are left, want the two with quotas", seed, e.pool.items, e.pool.bytes, len(e.pool.lanes))
		}
	}
}

func checkBooks(t *testing.T, p *pool) {
	t.Helper()
	items, bytes := 0, 0
	for ns, l := range p.lanes {
		if l.namespace != ns || l.items < 0 || l.bytes < 0 || (l.items == 0) != (l.plain.first == nil && l.sealed.first == nil) {
			t.Fatalf("lane %d: %+v", ns, l)
		}
		items, bytes = items+l.items, bytes+l.bytes
	}
	if items != p.items || bytes != p.bytes || items != len(p.waiting) {
		t.Fatalf("lanes hold %d items of %d bytes, the pool %d of %d, %d of them by id", items, bytes, p.items, p.bytes, len(p.waiting))
	}
}
