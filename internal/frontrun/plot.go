package frontrun

import (
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// tactic is how the bot goes about one trade.
type tactic uint8

const (
	// readAhead reads the victim's order as soon as any block holds it, and puts its own before it.
	readAhead tactic = iota
	// guessAhead cannot read it, guesses the direction from the envelope, and puts its order before it.
	guessAhead
	// raceAhead holds its blocks back until the shares of the others open the order, then publishes its
	// own in the old round that it has kept free.
	raceAhead
)

// plot is the bot's plan for one trade.
type plot struct {
	trade   uint32
	tactic  tactic
	users   []dag.Item // handed in at its own validator, for its next block
	seen    bool       // the victim's order stands in some block, or was handed in here
	rollups []int      // that its envelope names
	target  *order     // what it says; nil while that is hidden
	ahead   *order     // the bot's order that should stand before it, not said yet
	behind  *order     // the one after it, not said yet
	said    saying     // what has been said of both
}

// saying is which of its orders the bot has put into blocks.
type saying struct{ ahead, behind, closed bool }

// tried counts what the bot tried against sealing.
type tried struct {
	openedEarly int // orders that it could read before any honest validator had fixed their place
	copiesTaken int // ciphertexts under an envelope of its own that validators would take
}

// begin opens a trade.
func (b *bot) begin(trade uint32, t tactic) {
	b.books.begin(trade)
	b.plot = plot{trade: trade, tactic: t}
}

// handIn takes a user's item at the bot's own validator.
func (b *bot) handIn(item dag.Item) {
	b.users = append(b.users, item)
	b.notice(&item)
	b.act()
}

// notice looks at an item the moment that the bot sees it.
func (b *bot) notice(item *dag.Item) {
	if b.seen {
		return
	}
	if item.Kind == dag.KindSealed {
		s := item.Sealed()
		b.seen = true
		for _, ns := range s.Namespaces {
			b.rollups = append(b.rollups, int(ns-rollupA))
		}
		b.copy(s)
		switch {
		case b.stolen != nil:
			b.peek(&s)
		case b.tactic == guessAhead:
			o := b.guess.order(b.trade, b.rollups)
			b.ahead = &o
		}
		return
	}
	if o, err := readOrder(openLegs(item)); err == nil && o.by() == victim && o.trade() == b.trade {
		b.seen, b.target = true, &o
		b.wantFront()
	}
}

// wantFront plans the best order before a target that the bot can read.
func (b *bot) wantFront() {
	if o, ok := front(*b.target); ok {
		b.ahead = &o
	}
}

// copy tries what needs no reading: the ciphertext in an envelope that is the bot's, so that it would be
// opened for it.
func (b *bot) copy(s dag.Sealed) {
	s.ValidUntil++
	id, err := seal.KeyID(s.Ciphertext)
	if err != nil {
		b.world.fail(fmt.Errorf("victim's ciphertext: %w", err))
		return
	}
	switch _, err := b.keys[id].Verify(s.Associated(), s.Ciphertext); {
	case err == nil:
		b.tried.copiesTaken++
	case !errors.Is(err, seal.ErrCiphertext):
		b.world.fail(fmt.Errorf("copied ciphertext: %w", err))
	}
}

// act says whatever it is time to say.
func (b *bot) act() {
	b.follow()
	for b.graph.Clock() > b.made && !b.holds() {
		b.publish(b.nextRound(), b.takeItems())
		b.follow()
	}
}

// nextRound is the oldest round in which the bot's block can still matter: its next one, unless it has
// fallen far behind with nothing to put there.
func (b *bot) nextRound() dag.Round {
	next, clock := b.made+1, b.graph.Clock()
	if b.ahead == nil && clock > next+1 {
		return clock
	}
	return next
}

// holds reports whether the bot keeps its next block back. In the one of four rounds in which its block
// would stand first it does, until it has seen what stands in that round and, since blocks of an older
// round stand before all of a newer one, in the next. More often would cost it its anchor slots.
func (b *bot) holds() bool {
	next := b.made + 1
	switch {
	case b.tactic == raceAhead && b.seen && b.target == nil && len(b.users) == 0:
		return true
	case len(b.users) > 0 || b.ahead != nil || b.behind != nil:
		return false
	case (next+dag.Round(botAuthor))%validators != 0:
		return false
	}
	others := b.graph.Authors(next + 1)
	return others.Len() < validators-1
}

// takeItems is what the next block holds: the order that should stand in front, what users handed in, and
// what should stand behind.
func (b *bot) takeItems() []dag.Item {
	var out []dag.Item
	if b.ahead != nil {
		out = append(out, b.item(b.ahead))
		b.ahead, b.said.ahead = nil, true
	}
	out = append(out, b.users...)
	b.users = nil
	if b.behind != nil {
		out = append(out, b.item(b.behind))
		b.behind, b.said.behind = nil, true
	}
	return out
}

func (b *bot) item(o *order) dag.Item {
	item, err := o.item(b.world.hasher, b.tip+demoWindow)
	if err != nil {
		panic("frontrun: own order does not encode: " + err.Error())
	}
	return item
}

// follow looks at what the order has come to: it reads the victim's order where that was hidden, and once
// that has been carried out plans what to do behind it.
func (b *bot) follow() {
	at := b.books.place(victim)
	if at < 0 || b.said.closed {
		return
	}
	if b.target == nil {
		e := &b.books.events[at]
		b.target = &e.order
		b.guess.learn(e.order)
		if !b.world.fixed(e.commit) {
			b.tried.openedEarly++
		}
		if b.tactic == raceAhead {
			b.wantFront()
		}
	}
	if b.ahead != nil || b.said.ahead && b.books.place(botFront) < 0 {
		return // its order in front may still come
	}
	b.said.closed = true
	if o, ok := after(b.books); ok {
		b.behind = &o
	}
}

// over reports whether the bot is done with the trade, as somebody with these books sees it.
func (b *bot) over(books *books) bool {
	switch {
	case !b.said.closed || b.behind != nil || books.place(victim) < 0:
		return false
	case b.said.ahead && books.place(botFront) < 0:
		return false
	}
	return !b.said.behind || books.place(botAfter) >= 0
}
