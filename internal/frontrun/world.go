package frontrun

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// The network. The bot owns the last validator.
const (
	validators = 4
	botAuthor  = dag.Author(validators - 1)
	linkDelay  = 15 * time.Millisecond // between two honest validators, at least
	linkJitter = 10 * time.Millisecond // and so much more, by chance
	openDelay  = time.Millisecond      // until a share that was made stands before its engine
	wallStart  = 1_700_000_000_000     // Unix milliseconds at virtual time 0
)

// world is four validators in virtual time; single-threaded.
type world struct {
	committee *dag.Committee
	registry  *dag.Registry
	hasher    *dag.ItemHasher
	secrets   []*crypto.KEMKey
	random    *rand.Rand    // delays and victims
	seals     *rand.ChaCha8 // what users seal with
	now       time.Duration
	queue     happenings
	scheduled uint64
	honest    []*validator
	bot       *bot
	spoken    map[dag.Ref]*dag.Verified // every block that has left its author
	err       error                     // of the first thing that must not happen
}

// unsigned stands in for the validators' signatures: blocks go from engine to engine as they were sealed.
type unsigned struct{}

func (unsigned) Sign(_ crypto.Domain, d crypto.Digest) (s crypto.Signature) {
	copy(s[:], d[:])
	return s
}

func newWorld(seed uint64) (*world, error) {
	source := rand.NewChaCha8(crypto.Hash("demo/frontrun", fmt.Appendf(nil, "%d", seed)))
	w := &world{random: rand.New(rand.NewPCG(seed, 1)), seals: source, spoken: make(map[dag.Ref]*dag.Verified)}
	var members []dag.Validator
	for a := range validators {
		secret, err := crypto.GenerateKEMKey(source)
		if err != nil {
			return nil, fmt.Errorf("draw keys: %w", err)
		}
		w.secrets = append(w.secrets, secret)
		members = append(members, dag.Validator{Name: fmt.Sprintf("v%d", a), Identity: crypto.PublicKey{byte(a + 1)}, KEM: secret.Public()})
	}
	var err error
	if w.committee, err = dag.NewCommittee(crypto.Hash("demo/frontrun"), dag.FirstEpoch, members); err != nil {
		return nil, fmt.Errorf("make committee: %w", err)
	}
	w.registry, err = dag.NewRegistry([]dag.NamespaceRule{
		{ID: rollupA, Name: "rollup-a", Scheme: dag.SchemeOpen}, {ID: rollupB, Name: "rollup-b", Scheme: dag.SchemeOpen},
	})
	if err != nil {
		return nil, fmt.Errorf("make registry: %w", err)
	}
	w.hasher = dag.NewItemHasher(w.committee.Network())
	for a := range dag.Author(validators) {
		if a == botAuthor {
			continue
		}
		v, err := newValidator(w, a)
		if err != nil {
			return nil, err
		}
		w.honest = append(w.honest, v)
	}
	if w.bot, err = newBot(w); err != nil {
		return nil, err
	}
	for _, v := range w.honest {
		for a := range ordering.Peer(validators) {
			if dag.Author(a) != v.self {
				v.step(ordering.PeerConnected{Peer: a})
			}
		}
	}
	return w, nil
}

// happening is something that is due at a time.
type happening struct {
	at    time.Duration
	order uint64 // of scheduling; breaks ties
	act   func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop are heap's.
func (h *happenings) Push(x any) { *h = append(*h, x.(happening)) }

// Pop takes the last entry off.
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (w *world) after(d time.Duration, act func()) {
	w.scheduled++
	heap.Push(&w.queue, happening{w.now + d, w.scheduled, act})
}

// run lets things happen until done holds. It ends with an error where that takes longer than limit.
func (w *world) run(limit time.Duration, done func() bool) error {
	end := w.now + limit
	for !done() {
		if w.err != nil {
			return w.err
		}
		if len(w.queue) == 0 || w.now > end {
			return fmt.Errorf("the network stands still at %v", w.now)
		}
		next := heap.Pop(&w.queue).(happening)
		w.now = next.at
		next.act()
	}
	return w.err
}

func (w *world) wall() uint64 { return uint64(wallStart + w.now.Milliseconds()) }

// delay is how long a message takes: the bot's links take nothing in both directions.
func (w *world) delay(from, to dag.Author) time.Duration {
	if from == botAuthor || to == botAuthor {
		return 0
	}
	return linkDelay + time.Duration(w.random.Int64N(int64(linkJitter)))
}

// speak sends a block from its author to everybody else.
func (w *world) speak(b *dag.Verified) {
	w.spoken[b.Ref()] = b
	if b.Author() != botAuthor {
		w.after(0, func() { w.bot.hear(b) })
	}
	for _, v := range w.honest {
		if v.self != b.Author() {
			w.after(w.delay(b.Author(), v.self), func() {
				v.step(ordering.BlockReceived{From: ordering.Peer(b.Author()), Block: b})
			})
		}
	}
}

// send carries a message between honest validators; the bot answers nothing.
func (w *world) send(from dag.Author, s *ordering.Send) {
	for _, v := range w.honest {
		if v.self == from || s.To != ordering.Everyone && s.To != ordering.Peer(v.self) {
			continue
		}
		var event ordering.Event
		switch m := s.Message.(type) {
		case ordering.BlockMessage:
			event = ordering.BlockReceived{From: ordering.Peer(from), Block: m.Block}
		case ordering.FrontierMessage:
			event = ordering.FrontierReceived{From: ordering.Peer(from), Newest: m.Newest}
		case ordering.AskNewest:
			event = ordering.NewestAsked{From: ordering.Peer(from)}
		case ordering.AnswerNewest:
			event = ordering.NewestAnswered{From: ordering.Peer(from), Newest: m.Newest, Signed: m.Signed, Lost: m.Lost}
		}
		w.after(w.delay(from, v.self), func() { v.step(event) })
	}
}

// fetch answers a question for blocks from all that was ever said.
func (w *world) fetch(v *validator, f ordering.Fetch) {
	var found []*dag.Verified
	for _, r := range f.Refs {
		if b := w.spoken[r]; b != nil {
			found = append(found, b)
		}
	}
	w.after(2*linkDelay, func() {
		for _, b := range found {
			v.step(ordering.BlockReceived{From: f.To, Block: b})
		}
		v.step(ordering.FetchEnded{Fetch: f, Blocks: len(found)})
	})
}

// fail notes something that must not happen.
func (w *world) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// key is the sealing key as users have it.
func (w *world) key(k *keygen.Key) (*seal.Key, error) {
	return seal.NewKey(w.committee.Network(), k.ID, k.Public[:])
}

// fixed reports whether an honest validator has a commit.
func (w *world) fixed(i dag.CommitIndex) bool {
	for _, v := range w.honest {
		if v.tip >= i {
			return true
		}
	}
	return false
}
