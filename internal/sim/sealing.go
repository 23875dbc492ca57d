package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// How sealed items come into a run.
const (
	sealedDraw      = 4  // one in so many scenarios has some
	maxSealedDrawn  = 13 // validators of a drawn one: the cryptography is real, and each of them computes
	sealedValid     = 60 // commits that a sealed item stays valid
	badSealedPermil = 250
	revealAgain     = time.Second          // after which shares of unrevealed commits are looked for again
	shareTime       = time.Millisecond     // until an own share is made
	minSealedEvery  = 1 * time.Millisecond // more are no other test
)

// SealingChoice says which scenarios of a sweep have sealed items.
type SealingChoice string

// The choices.
const (
	SealingDrawn  SealingChoice = ""       // some
	SealingAlways SealingChoice = "always" // all
	SealingNever  SealingChoice = "never"  // none
)

// drawSealing is how often a sealed item is submitted; 0 for a network without sealing.
func drawSealing(random *rand.Rand, o Options) Duration {
	every := Duration(time.Duration(200+random.IntN(400)) * time.Millisecond)
	drawn := random.IntN(sealedDraw) == 0 && o.Validators <= maxSealedDrawn
	if o.Sealing == SealingNever || (o.Sealing == SealingDrawn && !drawn) {
		return 0
	}
	return every
}

// sealingBehaviours are those that act on sealing only. Scenarios with sealing draw them beside the others.
var sealingBehaviours = []string{"badshares", "noshares", "earlyshares", "baddeals", "twodeals", "nodeals", "complain"}

// orderBehaviours are all others.
func orderBehaviours() []string {
	return slices.DeleteFunc(Behaviours(), func(name string) bool {
		return slices.Contains(sealingBehaviours, name) || slices.Contains(certifyingBehaviours, name)
	})
}

// drawSealers gives every adversary up to two behaviours of sealing.
func (s *Scenario) drawSealers(random *rand.Rand) {
	for i := range s.Adversaries {
		a := &s.Adversaries[i]
		for range random.IntN(3) {
			if name := sealingBehaviours[random.IntN(len(sealingBehaviours))]; !slices.Contains(a.Behaviours, name) {
				a.Behaviours = append(a.Behaviours, name)
			}
		}
	}
}

// newSource is a stream of bytes that belongs to one name under a seed.
func newSource(seed uint64, name string) *rand.ChaCha8 {
	stream := newStream(seed, name)
	var key [32]byte
	for i := range key {
		key[i] = byte(stream.Uint32())
	}
	return rand.NewChaCha8(key)
}

// newKEMKeys draws the keys of all validators for the key generation; none in a network without sealing.
func newKEMKeys(s *Scenario) []*crypto.KEMKey {
	out := make([]*crypto.KEMKey, s.Validators)
	if s.SealedEvery == 0 {
		return out
	}
	source := newSource(s.Seed, "kem")
	for i := range out {
		key, err := crypto.GenerateKEMKey(source)
		if err != nil {
			panic("sim: draw kem key: " + err.Error())
		}
		out[i] = key
	}
	return out
}

// client seals items with the key that serves and submits them to honest validators.
type client struct {
	load   *load
	random *rand.Rand
	source *rand.ChaCha8
	count  uint64
	last   *dag.Sealed // what it sealed last, for copies
}

// newClient starts the client of a scenario with sealed items.
func newClient(l *load) {
	w := l.world
	if w.scenario.SealedEvery == 0 {
		return
	}
	c := &client{load: l, random: newStream(w.scenario.Seed, "client"), source: newSource(w.scenario.Seed, "client source")}
	w.after(time.Duration(w.scenario.SealedEvery), c.tick)
}

func (c *client) tick() {
	w := c.load.world
	if w.check.phase >= draining {
		return
	}
	w.after(time.Duration(w.scenario.SealedEvery), c.tick)
	to := c.load.honest[c.random.IntN(len(c.load.honest))]
	bad, how := c.random.IntN(1000) < badSealedPermil, c.random.IntN(3)
	key := w.check.reveals.serving()
	if key == nil {
		return
	}
	legs := c.legs()
	s := &dag.Sealed{ValidUntil: w.check.longest() + sealedValid, Namespaces: []dag.Namespace{loadNamespace}}
	switch {
	case bad && how == 0:
		legs[0].Namespace++ // not what the envelope names
	case bad && how == 1 && c.last != nil:
		s.Ciphertext = c.last.Ciphertext // another's, under an envelope of its own
	}
	if s.Ciphertext == nil {
		s.Ciphertext = c.sealed(key, s.Associated(), legs)
	}
	if bad && how == 2 {
		s.Ciphertext[8]++ // of a key that there never was
	}
	item, err := s.Encode(c.load.hasher)
	if err != nil {
		panic("sim: sealed item that does not encode: " + err.Error())
	}
	if !bad {
		w.check.reveals.contents[item.ID] = legs
	}
	c.last = s
	c.load.enter(to, item)
}

// legs is content that occurs once.
func (c *client) legs() []dag.Leg {
	c.count++
	payload := binary.BigEndian.AppendUint64(nil, c.load.world.scenario.Seed)
	return []dag.Leg{{Namespace: loadNamespace, Payload: binary.BigEndian.AppendUint64(payload, c.count)}}
}

func (c *client) sealed(key *seal.Key, associated []byte, legs []dag.Leg) []byte {
	content, err := dag.EncodeContent(legs)
	if err != nil {
		panic("sim: legs that do not encode: " + err.Error())
	}
	out, err := key.Encrypt(c.source, associated, content)
	if err != nil {
		panic("sim: seal: " + err.Error())
	}
	return out
}
