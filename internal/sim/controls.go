package sim

import (
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// How changes of the registry come into a run.
const (
	controlDraw                   = 3 // one in so many scenarios has some
	minControlEvery               = 1 * time.Millisecond
	openControlled                = 24                  // namespaces that owners may register by themselves
	controlledFrom  dag.Namespace = 100                 // ids of namespaces that come and go
	controlValid                  = dag.CommitIndex(40) // commits that a control stays good for
)

// drawControls is how often a change of the registry is submitted; 0 for a network without.
func drawControls(random *rand.Rand) Duration {
	every := Duration(time.Duration(40+random.IntN(200)) * time.Millisecond)
	if random.IntN(controlDraw) != 0 {
		return 0
	}
	return every
}

// controlKeys are those of the admin and of two owners.
func controlKeys(seed uint64) (keys [3]*crypto.IdentityKey) {
	source := newSource(seed, "control keys")
	for i := range keys {
		var err error
		var raw [crypto.SeedSize]byte
		if _, err = source.Read(raw[:]); err == nil {
			keys[i], err = crypto.NewIdentityKey(raw[:])
		}
		if err != nil {
			panic("sim: draw control key: " + err.Error())
		}
	}
	return keys
}

// newRegistry is the registry at genesis, which changes in scenarios with controls.
func newRegistry(s *Scenario) *dag.Registry {
	g := dag.Genesis{Namespaces: []dag.NamespaceRule{{ID: loadNamespace, Name: "load", Scheme: dag.SchemeOpen}}}
	if s.ControlEvery > 0 {
		g.Admin = dag.AdminRule{Keys: []crypto.PublicKey{controlKeys(s.Seed)[0].Public()}, Threshold: 1, Open: openControlled}
	}
	return g.Registry()
}

// registrant registers, changes and closes namespaces, in order and out of it, and submits items for them.
type registrant struct {
	load    *load
	random  *rand.Rand
	keys    [3]*crypto.IdentityKey
	next    dag.Namespace
	payload []byte // of the last control, for repetitions
}

// newRegistrant starts the registrant of a scenario with controls.
func newRegistrant(l *load) {
	w := l.world
	if w.scenario.ControlEvery == 0 {
		return
	}
	r := &registrant{load: l, random: newStream(w.scenario.Seed, "registrant"), keys: controlKeys(w.scenario.Seed), next: controlledFrom}
	w.after(time.Duration(w.scenario.ControlEvery), r.tick)
}

func (r *registrant) tick() {
	w := r.load.world
	if w.check.phase >= draining {
		return
	}
	w.after(time.Duration(w.scenario.ControlEvery), r.tick)
	to, other := r.load.honest[r.random.IntN(len(r.load.honest))], r.load.honest[r.random.IntN(len(r.load.honest))]
	what, pick, key, good := r.random.IntN(10), r.random.IntN(1<<16), r.random.IntN(3), r.random.IntN(4) > 0
	if !w.up(to.self) {
		return
	}
	registry := to.engine.Registry()
	known := registry.All()
	rule := known[pick%len(known)]
	switch {
	case what < 4:
		r.next++
		rule = dag.NamespaceRule{ID: r.next, Scheme: dag.SchemeOpen, Owner: r.keys[1+pick%2].Public(), Version: 1}
		r.submit(to, dag.ControlRegister, rule, key, good)
	case what < 7:
		rule.Version++
		rule.Closed, rule.Name = false, "name-"+string(rune('a'+pick%4))
		r.submit(to, dag.ControlUpdate, rule, key, good)
		rule.Name, rule.Quota = "", 500+pick
		r.submit(other, dag.ControlUpdate, rule, 0, true) // only one of the two can be applied
	case what == 7 && rule.ID >= controlledFrom:
		r.submit(to, dag.ControlClose, dag.NamespaceRule{ID: rule.ID, Version: rule.Version + 1}, key, good)
	case what == 8:
		r.enter(to, dag.ControlNamespace, r.load.payload())
	case r.payload != nil:
		r.enter(to, dag.ControlNamespace, r.payload)
	}
	if rule, known := registry.Rule(rule.ID); known && !rule.Closed {
		r.enter(to, rule.ID, r.load.payload())
	}
}

// submit submits a control signed by one of the keys; a bad one's signature is for something else.
func (r *registrant) submit(to *node, kind dag.ControlKind, rule dag.NamespaceRule, key int, good bool) {
	w := r.load.world
	c := dag.Control{Kind: kind, Rule: rule, Until: w.check.longest() + controlValid}
	digest := c.SigningDigest(w.committee.Network())
	if !good {
		digest[0] ^= 1
	}
	c.Signatures = []dag.ControlSignature{{Key: r.keys[key].Public(), Signature: r.keys[key].Sign(crypto.DomainControl, digest)}}
	payload, err := c.Encode()
	if err != nil {
		panic("sim: control: " + err.Error())
	}
	r.payload = payload
	r.enter(to, dag.ControlNamespace, payload)
}

func (r *registrant) enter(to *node, ns dag.Namespace, payload []byte) {
	r.load.submit(to, dag.Transaction{Namespace: ns, Payload: payload})
}
