package frontrun

import (
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// How long things may take, in virtual time.
const (
	tradePatience = time.Minute // one trade, which takes about a second
	keyPatience   = time.Hour   // until the validators have made a key
	raceEvery     = 4           // under sealing the bot races in every so many trades; in the others it guesses
)

// flow is how victims hand their orders in.
type flow uint8

const (
	plainFlow  flow = iota
	sealedFlow      // the bot has its own key alone
	leakedFlow      // and here those of 2f+1 validators
)

var tacticNames = [...]string{readAhead: "read, then stand in front", guessAhead: "guess the direction", raceAhead: "hold back until it opens"}

// tactic is the bot's in a trade.
func (f flow) tactic(i int) tactic {
	switch {
	case f != sealedFlow:
		return readAhead
	case i%raceEvery == 0:
		return raceAhead
	}
	return guessAhead
}

// outcome is one trade.
type outcome struct {
	tactic      tactic
	front, back int64
	ahead       bool
}

// runFlow plays all trades of one flow.
func runFlow(seed uint64, trades []victimTrade, f flow) (Flow, error) {
	w, err := newWorld(seed)
	if err != nil {
		return Flow{}, err
	}
	if err := w.run(keyPatience, func() bool { return len(w.bot.keys) > 0 && len(w.honest[0].keys) > 0 }); err != nil {
		return Flow{}, fmt.Errorf("key generation: %w", err)
	}
	if f == leakedFlow {
		if err := w.bot.steal(w.committee.Quorum()); err != nil {
			return Flow{}, err
		}
	}
	outcomes := make([]outcome, len(trades))
	for i := range trades {
		if outcomes[i], err = w.play(&trades[i], f, f.tactic(i)); err != nil {
			return Flow{}, fmt.Errorf("trade %d: %w", i+1, err)
		}
	}
	return summary(outcomes, &w.bot.tried), nil
}

// play is one trade, from the victim's order until the bot has done all it wants.
func (w *world) play(t *victimTrade, f flow, how tactic) (outcome, error) {
	gap := false
	w.after(t.gap, func() { gap = true })
	if err := w.run(tradePatience, func() bool { return gap }); err != nil {
		return outcome{}, err
	}
	for _, v := range w.honest {
		v.books.begin(t.trade())
	}
	w.bot.begin(t.trade(), how)
	item, err := w.victimItem(t, f)
	if err != nil {
		return outcome{}, err
	}
	if t.at == botAuthor {
		w.bot.handIn(item)
	} else {
		w.honest[t.at].submit(item)
	}
	books := w.honest[0].books
	if err := w.run(tradePatience, func() bool { return w.bot.over(books) }); err != nil {
		return outcome{}, err
	}
	if err := w.agree(); err != nil {
		return outcome{}, err
	}
	back := profitOf(nil, t.order)
	front := books.place(botFront)
	return outcome{
		tactic: how, back: back, front: books.won - back,
		ahead: front >= 0 && front < books.place(victim) && books.events[front].done,
	}, nil
}

// agree lets everybody catch up and compares the books of all readers.
func (w *world) agree() error {
	first := w.honest[0].books
	err := w.run(tradePatience, func() bool {
		for _, r := range w.readers() {
			if len(r.books.events) < len(first.events) {
				return false
			}
		}
		return true
	})
	for _, r := range w.readers() {
		if err == nil && (r.books.markets != first.markets || r.books.won != first.won) {
			err = errors.New("readers of one order have different books")
		}
	}
	return err
}

func (w *world) readers() []*reader {
	out := []*reader{w.bot.reader}
	for _, v := range w.honest {
		out = append(out, v.reader)
	}
	return out
}

// victimItem is the order as the victim hands it in.
func (w *world) victimItem(t *victimTrade, f flow) (dag.Item, error) {
	until := w.honest[0].tip + demoWindow
	if f == plainFlow {
		return t.item(w.hasher, until)
	}
	legs := t.dagLegs()
	content, err := dag.EncodeContent(legs)
	if err != nil {
		return dag.Item{}, err
	}
	s := dag.Sealed{ValidUntil: until}
	for _, l := range legs {
		s.Namespaces = append(s.Namespaces, l.Namespace)
	}
	if s.Ciphertext, err = w.servingKey().Encrypt(w.seals, s.Associated(), content); err != nil {
		return dag.Item{}, err
	}
	return s.Encode(w.hasher)
}

// servingKey is the newest key that validator 0 knows.
func (w *world) servingKey() *seal.Key {
	newest := uint64(0)
	for id := range w.honest[0].keys {
		newest = max(newest, id)
	}
	return w.honest[0].keys[newest]
}
