package frontrun

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// Limits of the bot.
const (
	remembered = 100     // rounds of blocks that it holds
	ownOffers  = 1 << 20 // bytes of own shares that it makes at a time
)

// bot is the Byzantine validator. It signs what it likes: it makes its blocks by itself, when and with
// what suits it, and lets an engine that only observes tell it the order.
type bot struct {
	*reader
	world  *world
	engine *ordering.Engine
	graph  *dag.DAG // every block there is, at once
	keygen *keygen.State
	member *keygen.Member
	last   dag.Ref // its own newest block
	made   dag.Round

	plot   // what it is up to in this trade
	guess  guess
	tried  tried
	stolen []*seal.SecretShare // of 2f+1 validators, in the control only
}

func newBot(w *world) (*bot, error) {
	engine, err := ordering.NewEngine(ordering.Config{
		Committee: w.committee, Registry: w.registry, Self: ordering.Observer, Created: wallStart, Sealing: ordering.WithSealing,
	}, ordering.Restored{})
	if err != nil {
		return nil, fmt.Errorf("start bot: %w", err)
	}
	state, err := keygen.New(w.committee, keygen.Sealing)
	if err != nil {
		return nil, fmt.Errorf("start bot: %w", err)
	}
	b := &bot{
		reader: newReader(w, botAuthor), world: w, engine: engine, graph: dag.New(w.committee), keygen: state,
		member: keygen.NewMember(botAuthor, w.secrets[botAuthor]), last: w.committee.Genesis(botAuthor),
	}
	w.after(1, b.act)
	return b, nil
}

// hear takes a block of somebody else, the moment that its author says it.
func (b *bot) hear(v *dag.Verified) {
	b.learn(v)
	for i := range v.Block().Items {
		b.notice(&v.Block().Items[i])
	}
	b.act()
}

// learn adds a block to what the bot knows, and follows the order.
func (b *bot) learn(v *dag.Verified) {
	b.graph.Add(v, uint32(v.Author()))
	if clock := b.graph.Clock(); clock > b.graph.Floor()+2*remembered {
		b.graph.SetFloor(clock - remembered)
	}
	b.engine.Step(ordering.Tick{Now: b.world.now, Wall: b.world.wall()})
	b.engine.Step(ordering.BlockReceived{From: ordering.Peer(v.Author()), Block: v})
	ready := b.engine.Ready()
	for _, c := range ready.Commits {
		b.committed(c)
	}
	for i := range ready.Keys {
		share, err := b.member.Share(b.keygen, ready.Keys[i].Key.ID)
		if err != nil {
			b.world.fail(fmt.Errorf("bot's share: %w", err))
			return
		}
		ready.Keys[i].Share = &share
	}
	if err := b.take(b.world, &ready); err != nil {
		b.world.fail(fmt.Errorf("bot: %w", err))
		return
	}
	// Its own shares are for itself alone.
	for _, s := range b.tracker.Offers(ownOffers) {
		_ = b.tracker.Share(botAuthor, s.Payload)
	}
	if err := b.open(); err != nil {
		b.world.fail(fmt.Errorf("bot: %w", err))
	}
}

// committed follows the key generation, of which the bot is a good member: without a key nobody seals.
func (b *bot) committed(c *ordering.Commit) {
	for _, body := range c.Bodies {
		for _, m := range body.Block().System {
			_ = b.keygen.Apply(c.Index, body.Author(), m) // its author's fault
		}
	}
	b.keygen.Close(c.Index)
}

// publish makes the bot's block of a round and says it. Rounds below the last one it has made stay
// empty for ever.
func (b *bot) publish(round dag.Round, items []dag.Item) {
	w := b.world
	parents := []dag.Ref{b.last}
	if round == 1 {
		for a := range botAuthor {
			parents = append(parents, w.committee.Genesis(a))
		}
	} else {
		for _, v := range b.graph.Arrived(round - 1) {
			if v.Author() != botAuthor {
				parents = append(parents, v.Ref())
			}
		}
	}
	sealed, err := dag.Seal(w.committee, dag.Block{
		Epoch: dag.FirstEpoch, Round: round, Author: botAuthor, Time: w.wall(), Parents: parents,
		System: b.member.Messages(b.keygen), Items: items,
	}, unsigned{})
	if err != nil {
		w.fail(fmt.Errorf("bot's block: %w", err))
		return
	}
	b.last, b.made = sealed.Ref(), round
	w.speak(sealed)
	b.learn(sealed)
}
