package ordering

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// controlled is a cluster whose registry two admins may change, one of them alone; the keys of validators 0 and
// 1 are theirs. Owners may register 3.
type controlled struct {
	*cluster
	pick *pickItem
}

func newControlled(t *testing.T) *controlled {
	t.Helper()
	c := &controlled{cluster: newCluster(t, 4, 3)}
	g := dag.Genesis{
		Namespaces: []dag.NamespaceRule{{ID: testNamespace, Name: "test", Scheme: dag.SchemeOpen}},
		Admin:      dag.AdminRule{Keys: []crypto.PublicKey{c.keys[0].Public(), c.keys[1].Public()}, Threshold: 1, Open: 3},
	}
	c.registry, c.pick = g.Registry(), newPickItem(t, c.committee.Network())
	for i := range c.nodes {
		c.start(i, Restored{})
	}
	c.run(time.Second)
	return c
}

// control is the item of a control signed by a validator's key.
func (c *controlled) control(kind dag.ControlKind, rule dag.NamespaceRule, signer int) dag.Item {
	c.t.Helper()
	control := dag.Control{Kind: kind, Rule: rule, Until: c.nodes[0].engine.Head().Index + 1000}
	control.Signatures = []dag.ControlSignature{{
		Key: c.keys[signer].Public(), Signature: c.keys[signer].Sign(crypto.DomainControl, control.SigningDigest(c.committee.Network())),
	}}
	raw, err := control.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.pick.must((&dag.Transaction{Namespace: dag.ControlNamespace, Payload: raw}).Encode(c.pick.hasher))
}

// order submits items at a node and gives what came of the first of them that is a control.
func (c *controlled) order(i int, items ...dag.Item) (*Commit, dag.ControlResult) {
	c.t.Helper()
	c.send(delivery{to: i, event: Submitted{Ticket: 99, Items: items}})
	c.run(time.Second)
	for _, commit := range c.nodes[i].commits {
		for _, r := range commit.Controls {
			if commit.Accepted[r.Accepted].ID == items[0].ID {
				return commit, r.Result
			}
		}
	}
	return nil, 0
}

func (c *controlled) dropped(i int, item *dag.Item) DropReason {
	for _, commit := range c.nodes[i].commits {
		for _, d := range commit.Dropped {
			if d.ID == item.ID {
				return d.Reason
			}
		}
	}
	return 0
}

// TestRegistryFollowsTheOrder: a namespace can be used from the commit after the one that registers it until
// the one that closes it, everywhere alike, also where a node was started again in between.
func TestRegistryFollowsTheOrder(t *testing.T) {
	c := newControlled(t)
	rule := dag.NamespaceRule{ID: 50, Name: "fifty", Scheme: dag.SchemeOpen, Owner: c.keys[3].Public(), Version: 1}
	early := c.pick.plain(50, 100)
	commit, result := c.order(0, c.control(dag.ControlRegister, rule, 0), early)
	if result != dag.Applied || len(commit.States) != 1 || commit.States[0].Kind != Namespaces || c.dropped(0, &early) != DropUnknownNamespace {
		t.Fatalf("registered: %v in commit %+v; what came with it: %v", result, commit, c.dropped(0, &early))
	}
	again, err := DecodeCommit(commit.Encode())
	if err != nil || !slices.Equal(again.Controls, commit.Controls) {
		t.Errorf("reads back as %v, %v", again.Controls, err)
	}
	used := c.pick.plain(50, 100)
	c.order(2, used)
	if c.committed(1)[used.ID] != 1 {
		t.Error("the new namespace cannot be used on another node")
	}

	c.kill(3)
	c.run(time.Second)
	r := c.restored(3)
	if r.States, err = ReadStates(r.Head, func(i dag.CommitIndex) (*Commit, error) { return c.nodes[3].commits[i-1], nil }); err != nil {
		t.Fatal(err)
	}
	c.start(3, r)
	c.connect(3)
	c.run(time.Second)
	if got, known := c.nodes[3].engine.Registry().Rule(50); !known || got != rule {
		t.Errorf("after a restart: %+v, %v", got, known)
	}
	rule.Name, rule.Version = "five-ten", 2
	if _, result := c.order(3, c.control(dag.ControlUpdate, rule, 3)); result != dag.Applied {
		t.Errorf("the owner's update: %v", result)
	}
	if _, result := c.order(1, c.control(dag.ControlUpdate, rule, 3)); result != dag.ControlVersion {
		t.Errorf("the same again, for other commits: %v", result)
	}
	if _, result := c.order(1, c.control(dag.ControlClose, dag.NamespaceRule{ID: 50, Version: 3}, 2)); result != dag.ControlForbidden {
		t.Errorf("a stranger's close: %v", result)
	}
	if _, result := c.order(1, c.control(dag.ControlClose, dag.NamespaceRule{ID: 50, Version: 3}, 3)); result != dag.Applied {
		t.Errorf("the owner's close: %v", result)
	}
	late := c.pick.plain(50, 100)
	c.order(2, late)
	if got := c.dropped(2, &late); got != DropClosedNamespace {
		t.Errorf("an item for the closed namespace: %v", got)
	}
	c.agree()
	for i, node := range c.nodes {
		if got, want := node.engine.Registry().Digest(), c.nodes[0].engine.Registry().Digest(); got != want {
			t.Errorf("node %d has registry %s, node 0 %s", i, got.Short(), want.Short())
		}
	}
}

// TestRegistryIsPartOfTheState: nodes whose registries differ have other digests, and a node does not go on
// from another registry than its head names.
func TestRegistryIsPartOfTheState(t *testing.T) {
	c := newControlled(t)
	c.order(0, c.control(dag.ControlRegister, dag.NamespaceRule{ID: 50, Scheme: dag.SchemeOpen, Version: 1}, 0))
	r := c.restored(1)
	var err error
	if r.States, err = ReadStates(r.Head, func(i dag.CommitIndex) (*Commit, error) { return c.nodes[1].commits[i-1], nil }); err != nil {
		t.Fatal(err)
	}
	for name, encoded := range map[string][]byte{"the genesis'": c.registry.Encode(), "none": nil, "garbage": []byte("garbage")} {
		other := r
		other.States = []State{{Namespaces, encoded}}
		cfg := Config{Committee: c.committee, Registry: c.registry, Self: Observer}
		if _, err := NewEngine(cfg, other); !errors.Is(err, ErrCommit) && !errors.Is(err, dag.ErrControl) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestControlsAreRationed: a faulty validator that fills its block with controls makes nobody check more
// signatures than the limit, and an honest one's block has its own.
func TestControlsAreRationed(t *testing.T) {
	c := newControlled(t)
	var items []dag.Item
	for i := range maxControlChecks + 3 {
		items = append(items, c.control(dag.ControlRegister, dag.NamespaceRule{ID: dag.Namespace(100 + i), Scheme: dag.SchemeOpen, Version: 1}, 0))
	}
	commit, _ := c.order(0, items...)
	counts := make(map[dag.ControlResult]int)
	for _, r := range commit.Controls {
		counts[r.Result]++
	}
	if counts[dag.Applied] != maxControlChecks || counts[dag.ControlCrowded] != 3 {
		t.Errorf("results %v", counts)
	}
	garbage := c.pick.plain(dag.ControlNamespace, 100)
	if _, result := c.order(0, garbage); result != dag.ControlMalformed {
		t.Errorf("garbage: %v", result)
	}
	c.agree()
}

// TestClosingTurnsAwayWhatWaits: what waits for a namespace that is closed is answered, and nothing else.
func TestClosingTurnsAwayWhatWaits(t *testing.T) {
	for _, quota := range []int{0, 100} {
		rules := []dag.NamespaceRule{{ID: 1}, {ID: 2, Quota: quota}, {ID: 3}}
		e, pick := fairEngine(t, PoolLimits{}, rules...)
		for i := range 30 {
			items := []dag.Item{pick.plain(dag.Namespace(1+i%3), 100)}
			if i%4 == 0 {
				items = append(items, pick.sealed(2))
			}
			for k := range items {
				e.pool.add(&items[k], waiter{ticket: uint64(items[k].Namespace)})
			}
		}
		e.pool.plain.last = e.pool.plain.last.next // somebody else's turn
		admin, err := crypto.NewIdentityKey(make([]byte, crypto.SeedSize))
		if err != nil {
			t.Fatal(err)
		}
		g := dag.Genesis{Namespaces: rules, Admin: dag.AdminRule{Keys: []crypto.PublicKey{admin.Public()}, Threshold: 1}}
		control := dag.Control{Kind: dag.ControlClose, Rule: dag.NamespaceRule{ID: 2, Version: 1}, Until: 10}
		control.Signatures = []dag.ControlSignature{{Key: admin.Public(), Signature: admin.Sign(crypto.DomainControl, control.SigningDigest(e.cfg.Committee.Network()))}}
		closed, result := g.Registry().Apply(e.cfg.Committee.Network(), &control, 1)
		if result != dag.Applied {
			t.Fatal(result)
		}
		e.registrar.registry = closed
		e.ruleChanged(2)
		answered := make(map[string]int)
		for _, o := range e.ready.Outcomes {
			answered[fmt.Sprint(o.Ticket, " ", o.State == NamespaceClosed)]++
		}
		checkBooks(t, e.pool)
		if len(answered) != 1 || answered["2 true"] != 18 || e.pool.items != 20 {
			t.Errorf("quota %d: answered %v, %d items wait", quota, answered, e.pool.items)
		}
		if got := take(e, 3); got[1] == 0 || got[3] == 0 || got[2] != 0 || e.pool.items != 0 {
			t.Errorf("quota %d: the others take %v, %d items are left", quota, got, e.pool.items)
		}
	}
}

// TestChangedQuota: what is owed or saved up under one quota is at most a burst of the next one, and a change of something else
// forgives nothing.
func TestChangedQuota(t *testing.T) {
	const size = 500
	for name, test := range map[string]struct {
		before, after, credit int
		atMost                int // blocks until an item gets in
	}{
		"lowered in debt":     {dag.MaxPayloadBytes, 1000, -quotaBurst * dag.MaxPayloadBytes, quotaBurst + 1},
		"raised in debt":      {100, 1000, -dag.MaxTransactionBytes, quotaBurst + 1},
		"lifted in debt":      {100, 0, -dag.MaxTransactionBytes, 1},
		"set":                 {0, 1000, 0, 1},
		"lowered with credit": {dag.MaxPayloadBytes, 1000, quotaBurst * dag.MaxPayloadBytes, 1},
		"the same":            {1000, 1000, -200 * 1000, 201},
	} {
		e, pick := fairEngine(t, PoolLimits{}, dag.NamespaceRule{ID: 1, Quota: test.before}, dag.NamespaceRule{ID: 2})
		for range 100 { // or as many as find room
			one := pick.plain(1, size)
			e.pool.add(&one, waiter{})
		}
		e.pool.lanes[1].credit = test.credit
		e.registrar.registry = mustRegistry(t, dag.NamespaceRule{ID: 1, Quota: test.after, Scheme: dag.SchemeOpen}, dag.NamespaceRule{ID: 2, Scheme: dag.SchemeOpen})
		e.ruleChanged(1)
		blocks, got := 0, 0
		for ; got == 0 && blocks < 1000; blocks++ {
			got = take(e, 1)[1]
		}
		if blocks > test.atMost || test.credit < -quotaBurst*test.after && blocks < test.atMost-1 && test.after != 0 {
			t.Errorf("%s: %d blocks until something gets in, want %d", name, blocks, test.atMost)
		}
		if test.after != 0 && got > quotaBurst*test.after+2*size {
			t.Errorf("%s: %d bytes in one block of a quota of %d", name, got, test.after)
		}
	}
}
