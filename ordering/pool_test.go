package ordering

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// alone is an engine that is the whole committee.
type alone struct {
	t      *testing.T
	engine *Engine
	now    time.Duration
	ready  Ready
	ticket uint64
}

func newAlone(t *testing.T, limits PoolLimits) *alone {
	t.Helper()
	e, err := NewEngine(Config{Committee: dagtest.Committee(1), Registry: testRegistry(t), Self: 0, Signer: dagtest.Key(0), Pool: limits}, Restored{})
	if err != nil {
		t.Fatal(err)
	}
	a := &alone{t: t, engine: e}
	a.pass(10)
	if !e.Status().Proposing {
		t.Fatalf("does not propose: %+v", e.Status())
	}
	return a
}

// pass lets so many tenths of a second go by and keeps the last Ready's work with all before.
func (a *alone) pass(tenths int) {
	a.ready = Ready{}
	for range tenths {
		a.now += 100 * time.Millisecond
		a.engine.Step(Tick{Now: a.now})
		a.take()
	}
}

func (a *alone) take() {
	r := a.engine.Ready()
	a.ready.Broadcast = append(a.ready.Broadcast, r.Broadcast...)
	a.ready.Commits = append(a.ready.Commits, r.Commits...)
	a.ready.Outcomes = append(a.ready.Outcomes, r.Outcomes...)
}

func item(t *testing.T, payload string, until dag.CommitIndex) dag.Item {
	t.Helper()
	i, err := (&dag.Transaction{Namespace: testNamespace, Payload: []byte(payload), ValidUntil: until}).Encode(dag.NewItemHasher(dagtest.Committee(1).Network()))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// submit gives items to the pool without letting a block be made.
func (a *alone) submit(items ...dag.Item) uint64 {
	a.ticket++
	a.engine.Step(Submitted{Ticket: a.ticket, Items: items})
	return a.ticket
}

// outcomes is what became of one submission, in the order of its items.
func (a *alone) outcomes(ticket uint64) []OutcomeState {
	var out []Outcome
	for _, o := range append(a.ready.Outcomes, a.engine.ready.Outcomes...) {
		if o.Ticket == ticket {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(x, y Outcome) int { return x.Index - y.Index })
	var states []OutcomeState
	for _, o := range out {
		states = append(states, o.State)
	}
	return states
}

func (a *alone) expect(what string, ticket uint64, want ...OutcomeState) {
	a.t.Helper()
	if diff := cmp.Diff(want, a.outcomes(ticket)); diff != "" {
		a.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestPoolLimits(t *testing.T) {
	a := newAlone(t, PoolLimits{Items: 3, Bytes: 1 << 20})
	first := a.submit(item(t, "a", 0), item(t, "b", 0), item(t, "c", 0), item(t, "d", 0))
	a.expect("the fourth of three", first, Busy)
	a.pass(1)
	a.expect("after a block", first, Included, Included, Included, Busy)
	if got := a.engine.Status(); got.PoolItems != 0 || got.PoolBytes != 0 {
		t.Errorf("%d items of %d bytes are left", got.PoolItems, got.PoolBytes)
	}
	a.expect("again", a.submit(item(t, "d", 0)))

	size := len(item(t, "a", 0).Raw)
	a = newAlone(t, PoolLimits{Items: 100, Bytes: 2*size*8/7 + 8})
	a.expect("two and a bit in bytes", a.submit(item(t, "a", 0), item(t, "b", 0), item(t, "c", 0), item(t, "d", 0)), Busy, Busy)
}

func TestPoolIsFirstInFirstOut(t *testing.T) {
	a := newAlone(t, PoolLimits{})
	var want, got []crypto.Digest
	for i := range 300 {
		one := item(t, fmt.Sprint("payload ", i), 0)
		want = append(want, one.ID)
		a.submit(one)
	}
	big := make([]dag.Item, 6) // more than a block holds
	for i := range big {
		big[i] = item(t, string(make([]byte, dag.MaxTransactionBytes-i)), 0)
		want = append(want, big[i].ID)
	}
	a.submit(big...)
	a.pass(10)
	blocks := 0
	for _, b := range a.ready.Broadcast {
		if len(b.Block().Items) > 0 {
			blocks++
		}
		for _, i := range b.Block().Items {
			got = append(got, i.ID)
		}
	}
	if !slices.Equal(want, got) || blocks < 2 {
		t.Errorf("%d items in %d blocks, in order: %v", len(got), blocks, slices.Equal(want, got))
	}
}

func TestPoolDuplicates(t *testing.T) {
	a := newAlone(t, PoolLimits{})
	one := item(t, "one", 0)
	first, second := a.submit(one), a.submit(one, one)
	if got := a.engine.Status().PoolItems; got != 1 {
		t.Errorf("%d items wait, want 1", got)
	}
	a.pass(1)
	a.expect("first", first, Included)
	a.expect("while it waited", second, Included, Included)
	a.expect("while it stands in a block", a.submit(one), Included)
	a.pass(10)
	a.expect("when it is committed", a.submit(one), Committed)

	two := item(t, "two", 0)
	for range maxWaiters {
		a.submit(two)
	}
	a.expect("one more than may wait for an item", a.submit(two), Busy)
}

func TestPoolExpiry(t *testing.T) {
	a := newAlone(t, PoolLimits{})
	head := a.engine.Head().Index
	if head < 5 {
		t.Fatalf("commit %d, want some", head)
	}
	ticket := a.submit(item(t, "a", head), item(t, "b", head+dag.ValidityWindow+1))
	a.expect("outside the window", ticket, Expired, TooFarAhead)
	ticket = a.submit(item(t, "c", head+1), item(t, "d", head+dag.ValidityWindow))
	a.expect("at its edges", ticket)
	a.engine.Step(DiskSpace{Enough: true})
	late := a.submit(item(t, "e", head+2))
	a.engine.head.Index += 2 // commits that others made come first
	a.pass(1)
	a.expect("what expired while it waited", ticket, Expired, Included)
	a.expect("at its last commit", late, Expired)

	unset := item(t, "f", 0)
	head = a.engine.Head().Index
	a.submit(unset)
	a.pass(1)
	for _, b := range a.ready.Broadcast {
		for _, i := range b.Block().Items {
			if i.ID == unset.ID && (i.ValidUntil < head+dag.ValidityWindow || i.ValidUntil > head+dag.ValidityWindow+5) {
				t.Errorf("the engine set valid_until %d at commit %d", i.ValidUntil, head)
			}
		}
	}
}

func TestPoolWithoutProposing(t *testing.T) {
	a := newAlone(t, PoolLimits{})
	waiting := a.submit(item(t, "a", 0))
	a.engine.pool.giveBack([]dag.Item{item(t, "acknowledged", 1000)})
	a.engine.Step(DiskSpace{Enough: false})
	a.expect("while the disk is full", a.submit(item(t, "b", 0)), NotProposing)
	a.pass(1)
	a.expect("what waited", waiting, NotProposing)
	if got := a.engine.Status().PoolItems; got != 1 {
		t.Errorf("%d items wait, want the one that was acknowledged before", got)
	}
	a.engine.Step(DiskSpace{Enough: true})
	again := a.submit(item(t, "a", 0))
	a.pass(1)
	a.expect("when there is space", again, Included)
}

// TestPoolGivesBack: what own blocks held and the order did not take comes back when it is collected,
// in order, before what was submitted later, and is not counted twice.
func TestPoolGivesBack(t *testing.T) {
	hasher := dag.NewItemHasher(dagtest.Committee(4).Network())
	build := func(payload string) dag.Item {
		i, err := (&dag.Transaction{Namespace: testNamespace, Payload: []byte(payload), ValidUntil: 50}).Encode(hasher)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	p := newPool(PoolLimits{Items: 1, Bytes: 1 << 20}, testRegistry(t))
	block := func(r dag.Round, payloads ...string) *dag.Verified {
		b := dag.Block{Epoch: dagtest.Epoch, Round: r}
		for a := range dag.Author(4) {
			b.Parents = append(b.Parents, dag.Ref{Round: r - 1, Author: a})
		}
		for _, text := range payloads {
			b.Items = append(b.Items, build(text))
		}
		v, err := dag.Seal(dagtest.Committee(4), b, dagtest.Key(0))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	two, three, five := block(2, "a", "b"), block(3, "c"), block(5, "d", "e")
	for _, b := range []*dag.Verified{two, three, five} {
		p.included(b)
	}
	later := build("later")
	if p.add(&later, waiter{}) != 0 {
		t.Fatal("no room")
	}
	p.ordered(three)
	p.collected(4)
	var got []string
	for _, from := range []line{&p.resume, &p.plain} {
		for next := from.front(); next != nil; next = from.front() {
			tx := next.item.Transaction()
			got = append(got, string(tx.Payload))
			from.pop()
			p.uncount(next)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "later"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if p.items != 0 || p.bytes != 0 || len(p.waiting) != 0 || len(p.proposed) != 2 {
		t.Errorf("%d items, %d bytes, %d waiting, %d proposed are left, want 2 proposed", p.items, p.bytes, len(p.waiting), len(p.proposed))
	}
	p.collected(5)
	p.collected(5)
	if p.items != 2 || len(p.proposed) != 0 {
		t.Errorf("%d items came back from round 5, want 2", p.items)
	}
}

// TestSealedItemsAreRationed: a block holds only so many, and a flood of them holds up nobody else.
func TestSealedItemsAreRationed(t *testing.T) {
	c := newCluster(t, 4, 1)
	e := c.nodes[0].engine
	hasher := dag.NewItemHasher(c.committee.Network())
	limit := dag.MaxSealedItems(4)
	for i := range 2*limit + 1 {
		s := dag.Sealed{ValidUntil: 100, Namespaces: []dag.Namespace{1}, Ciphertext: make([]byte, seal.SealedSize(1))}
		s.Ciphertext[0], s.Ciphertext[1] = byte(i), byte(i>>8)
		item, err := s.Encode(hasher)
		if err != nil {
			t.Fatal(err)
		}
		if e.pool.add(&item, waiter{}) != 0 {
			t.Fatal("no room")
		}
	}
	plain := dag.Transaction{Namespace: 1, ValidUntil: 100, Payload: []byte("plain")}
	item, err := plain.Encode(hasher)
	if err != nil {
		t.Fatal(err)
	}
	e.pool.add(&item, waiter{})
	for _, want := range []struct{ sealed, plain int }{{limit, 1}, {limit, 0}, {1, 0}, {0, 0}} {
		items, _ := e.takeItems()
		sealed := 0
		for i := range items {
			if items[i].Kind == dag.KindSealed {
				sealed++
			}
		}
		if sealed != want.sealed || len(items)-sealed != want.plain {
			t.Errorf("%d sealed and %d plain items, want %+v", sealed, len(items)-sealed, want)
		}
	}
	if e.pool.items != 0 || e.pool.bytes != 0 {
		t.Errorf("%d items of %d bytes are left", e.pool.items, e.pool.bytes)
	}
}

// TestNothingOvertakesWhatCameBack: an item that came back from a collected block comes before younger ones of its sender,
// also where the next block has no room for it.
func TestNothingOvertakesWhatCameBack(t *testing.T) {
	e, _ := fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: floodNamespace})
	limit := dag.MaxSealedItems(e.cfg.Committee.Size())
	for name, back := range map[string]func(p *pickItem) []dag.Item{
		"behind more sealed items than a block takes": func(p *pickItem) (out []dag.Item) {
			for range limit + 1 {
				out = append(out, p.sealed(floodNamespace))
			}
			return append(out, p.plain(floodNamespace, 100))
		},
		"larger than what is left of a block": func(p *pickItem) (out []dag.Item) {
			for range 5 {
				out = append(out, p.plain(floodNamespace, 120<<10))
			}
			return out
		},
	} {
		e, pick := fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: floodNamespace})
		items := back(pick)
		e.pool.giveBack(items)
		for _, younger := range []dag.Item{pick.plain(floodNamespace, 100), pick.sealed(floodNamespace)} {
			if e.pool.add(&younger, waiter{}) != 0 {
				t.Fatal("no room")
			}
			items = append(items, younger)
		}
		var plain, sealed, gotPlain, gotSealed []crypto.Digest
		sort := func(from []dag.Item, plain, sealed *[]crypto.Digest) {
			for i := range from {
				if from[i].Kind == dag.KindSealed {
					*sealed = append(*sealed, from[i].ID)
				} else {
					*plain = append(*plain, from[i].ID)
				}
			}
		}
		sort(items, &plain, &sealed)
		for range 4 {
			got, _ := e.takeItems()
			sort(got, &gotPlain, &gotSealed)
		}
		if !slices.Equal(plain, gotPlain) || !slices.Equal(sealed, gotSealed) {
			t.Errorf("%s: blocks hold another order", name)
		}
	}
}
