package sim

import (
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// How the world behaves beside its faults.
const (
	wallStart      = 1_700_000_000_000     // Unix milliseconds at virtual time 0
	fetchTimeout   = 5 * time.Second       // as in p2p
	detectDown     = 20 * time.Millisecond // until a closed connection is noticed
	reconnectDelay = 30 * time.Millisecond // until two nodes that can reach each other are connected
	maxAnswer      = 4 << 20               // bytes of one answer to a fetch, as in p2p
)

// participant is a validator, honest or not. up is asked before anything is sent to it.
type participant interface {
	receive(what any)
}

// world is one run of a scenario.
type world struct {
	scenario  *Scenario
	committee *dag.Committee
	registry  *dag.Registry
	signers   []dag.Signer
	kem       []*crypto.KEMKey // nil ones in a network without sealing
	now       time.Duration
	queue     eventQueue
	scheduled uint64
	events    uint64

	peers       []participant
	nodes       []*node // by author; nil for adversaries
	adversaries []*adversary
	plot        *plot    // of the adversaries that hide; nil if none does
	lives       []uint32 // counts restarts; odd while up
	links       []link   // from*n + to
	loss        int      // of 1000 messages
	spoken      map[dag.Ref]*dag.Verified
	load        *load
	check       *checker
	trace       *trace
	calm        time.Duration // when all faults have ended
	invalid     uint64        // forged messages that were refused
}

// link is one direction between two validators.
type link struct {
	random *rand.Rand
	base   time.Duration
	extra  time.Duration // added by faults
	loss   int           // of 1000, added by faults
	cut    int           // how many partitions cut it
	linked bool          // whether a connection stands
}

// newWorld builds the scenario at virtual time 0. The scenario has been checked.
func newWorld(s *Scenario, wanted linesWanted) *world {
	n := s.Validators
	w := &world{
		scenario: s, peers: make([]participant, n), nodes: make([]*node, n), lives: make([]uint32, n),
		links: make([]link, n*n), loss: s.Loss, spoken: make(map[dag.Ref]*dag.Verified), trace: newTrace(wanted), calm: time.Duration(s.Horizon) + crashDeadline,
	}
	w.committee, w.registry, w.signers = newCommittee(s)
	w.kem = newKEMKeys(s)
	w.check = newChecker(w)
	for from := range n {
		for to := range n {
			w.links[from*n+to] = link{random: newStream(s.Seed, numbered(numbered("link", from), to)), base: s.Topology.base(from, to)}
		}
	}
	for _, a := range s.Adversaries {
		x := newAdversary(w, a)
		w.adversaries = append(w.adversaries, x)
		w.peers[a.Author] = x
		w.lives[a.Author] = 1
	}
	for a := range n {
		if w.peers[a] == nil {
			w.nodes[a] = newNode(w, dag.Author(a))
			w.peers[a] = w.nodes[a]
		}
	}
	for _, x := range w.nodes {
		if x != nil {
			x.start()
		}
	}
	for _, x := range w.adversaries {
		w.connectAll(x.self)
		w.hand(0, x.self, wake{})
	}
	for i := range s.Faults {
		w.arrange(i, &s.Faults[i])
	}
	w.at(w.calm, func() { w.loss = 0 })
	w.load = newLoad(w)
	return w
}

// at schedules an action on the world.
func (w *world) at(t time.Duration, act func()) {
	w.scheduled++
	w.queue.push(happening{at: max(t, w.now), order: w.scheduled, act: act})
}

// after schedules an action on the world some time from now.
func (w *world) after(d time.Duration, act func()) { w.at(w.now+d, act) }

// hand gives something to a participant after a delay, if it still lives then.
func (w *world) hand(delay time.Duration, to dag.Author, what any) {
	w.scheduled++
	w.queue.push(happening{at: w.now + delay, order: w.scheduled, to: to, life: w.lives[to], what: what})
}

// up reports whether a participant is running.
func (w *world) up(a dag.Author) bool { return w.lives[a]%2 == 1 }

// step lets the next thing happen and reports whether there was any.
func (w *world) step() bool {
	if len(w.queue.heap) == 0 {
		return false
	}
	h := w.queue.pop()
	w.now = h.at
	if h.act != nil {
		h.act()
		return true
	}
	if h.life == w.lives[h.to] && w.up(h.to) {
		w.events++
		w.peers[h.to].receive(h.what)
	}
	return true
}

func (w *world) link(from, to dag.Author) *link {
	return &w.links[int(from)*w.scenario.Validators+int(to)]
}

// send carries a message over a link: it may be cut, lost, delayed and overtaken.
func (w *world) send(from, to dag.Author, what any) {
	l := w.link(from, to)
	delay := w.scenario.Topology.delay(l.base, l.random) + l.extra
	lost := l.random.IntN(1000) < w.loss+l.loss
	if !l.linked || l.cut > 0 || lost || !w.up(to) {
		return
	}
	if r, ok := what.(ordering.BlockReceived); ok && w.scenario.Signing == SigningReal {
		w.sendBytes(delay, to, r)
		return
	}
	w.hand(delay, to, what)
}

// sendBytes is the delivery of a block that the receiver decodes and verifies.
func (w *world) sendBytes(delay time.Duration, to dag.Author, r ordering.BlockReceived) {
	b, err := dag.Verify(w.committee, r.Block.Bytes())
	if err != nil {
		w.check.fail("valid", "a sealed block does not pass Verify: "+err.Error(), to)
		return
	}
	w.hand(delay, to, ordering.BlockReceived{From: r.From, Block: b})
}

// speak notes that a block has left its author.
func (w *world) speak(b *dag.Verified) {
	if w.spoken[b.Ref()] == nil {
		w.spoken[b.Ref()] = b
		w.check.left(b)
	}
}

// connectAll connects a participant that has come up with all others that it can reach.
func (w *world) connectAll(a dag.Author) {
	for b := range dag.Author(w.scenario.Validators) {
		if b != a {
			w.connect(a, b)
		}
	}
}

// connect connects two participants after a while, unless one of them goes down or the link is cut
// meanwhile.
func (w *world) connect(a, b dag.Author) {
	lifeA, lifeB := w.lives[a], w.lives[b]
	if !w.up(a) || !w.up(b) {
		return
	}
	w.after(reconnectDelay+w.link(a, b).base, func() {
		ab, ba := w.link(a, b), w.link(b, a)
		if w.lives[a] != lifeA || w.lives[b] != lifeB || ab.cut > 0 || ba.cut > 0 || ab.linked {
			return
		}
		ab.linked, ba.linked = true, true
		w.hand(0, a, ordering.PeerConnected{Peer: ordering.Peer(b)})
		w.hand(0, b, ordering.PeerConnected{Peer: ordering.Peer(a)})
	})
}

// disconnect ends the connection of two participants; whoever is up notices after a while.
func (w *world) disconnect(a, b dag.Author) {
	ab, ba := w.link(a, b), w.link(b, a)
	if !ab.linked {
		return
	}
	ab.linked, ba.linked = false, false
	for _, pair := range [][2]dag.Author{{a, b}, {b, a}} {
		if w.up(pair[0]) {
			w.hand(detectDown, pair[0], ordering.PeerDisconnected{Peer: ordering.Peer(pair[1])})
		}
	}
}

// newCommittee makes the validators of a scenario, which depend on its seed and size alone.
func newCommittee(s *Scenario) (*dag.Committee, *dag.Registry, []dag.Signer) {
	random := newStream(s.Seed, "keys")
	validators := make([]dag.Validator, s.Validators)
	signers := make([]dag.Signer, s.Validators)
	kem := newKEMKeys(s)
	for i := range validators {
		var seed [crypto.SeedSize]byte
		for j := range seed {
			seed[j] = byte(random.Uint32())
		}
		validators[i], signers[i] = dag.Validator{Name: numbered("v", i), Identity: crypto.PublicKey(seed)}, fakeSigner{}
		if kem[i] != nil {
			validators[i].KEM = kem[i].Public()
		}
		if s.Signing == SigningReal {
			key, err := crypto.NewIdentityKey(seed[:])
			if err != nil {
				panic("sim: key of a full seed: " + err.Error())
			}
			validators[i].Identity, signers[i] = key.Public(), key
		}
	}
	committee, err := dag.NewCommittee(crypto.Hash(crypto.DomainGenesis, []byte("simulation")), dag.FirstEpoch, validators)
	if err != nil {
		panic("sim: committee of a checked scenario: " + err.Error())
	}
	return committee, newRegistry(s), signers
}

// fakeSigner signs without a key. Its blocks go from engine to engine as sealed and are never
// verified.
type fakeSigner struct{}

// Sign returns a signature that depends on the digest alone.
func (fakeSigner) Sign(_ crypto.Domain, d crypto.Digest) (s crypto.Signature) {
	copy(s[:], d[:])
	return s
}
