package frontrun

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// books is both rollups as they follow from the order: the state of the markets and what the bot has
// won. Everybody who reads the same order has the same books.
type books struct {
	trade   uint32 // the present one
	markets [marketsNum]market
	won     int64   // by the bot in this trade, at the outside price
	events  []event // of this trade, in order
}

// event is an order that the rollups have seen.
type event struct {
	order
	commit dag.CommitIndex
	done   bool // false if a leg would have paid too little
}

func newBooks() *books { return &books{markets: freshMarkets()} }

func freshMarkets() [marketsNum]market { return [marketsNum]market{newMarket(), newMarket()} }

// begin closes a trade and opens the next: outsiders have brought the markets back to the outside price.
func (b *books) begin(trade uint32) {
	*b = books{trade: trade, markets: freshMarkets()}
}

// apply carries an order of a commit out, all of it or nothing. Orders of other trades come too late.
func (b *books) apply(o order, commit dag.CommitIndex) {
	if o.trade() != b.trade {
		return
	}
	markets, won := b.markets, b.won
	done := true
	for i := range o.legs {
		l := &o.legs[i]
		got := markets[l.on].swap(l.side, l.amount)
		done = done && got >= l.least
		if l.by != victim {
			won += int64(got) - int64(l.amount)
		}
	}
	if done {
		b.markets, b.won = markets, won
	}
	b.events = append(b.events, event{o, commit, done})
}

// place is where the order of a trader stands among the events; -1 if it is not there.
func (b *books) place(by trader) int {
	for i := range b.events {
		if b.events[i].by() == by {
			return i
		}
	}
	return -1
}

// read applies what a commit holds. Of sealed items it takes what the record says that they hold.
func (b *books) read(c *ordering.Commit, record *reveal.Record, open func(*dag.Sealed, *reveal.Outcome) ([]dag.Leg, error)) error {
	for i := range c.Accepted {
		a := &c.Accepted[i]
		item := &c.Bodies[a.Block].Block().Items[a.Item]
		legs := openLegs(item)
		if item.Kind == dag.KindSealed {
			outcome, ok := record.Find(uint32(i))
			if !ok || outcome.Verdict != reveal.Opened {
				continue
			}
			sealed := item.Sealed()
			var err error
			if legs, err = open(&sealed, &outcome); err != nil {
				return err
			}
		}
		if o, err := readOrder(legs); err == nil {
			b.apply(o, c.Index)
		}
	}
	return nil
}
