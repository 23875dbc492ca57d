package frontrun

// front is the bot's order before a victim's that earns most, alone and with what follows it, if
// nothing comes between; none if none earns anything beyond back-running.
func front(target order) (order, bool) {
	best := profitOf(nil, target)
	var found order
	for step := uint64(1); step <= frontSteps; step++ {
		o := frontOf(target, step*frontStep)
		if p := profitOf(&o, target); p > best {
			best, found = p, o
		}
	}
	return found, len(found.legs) > 0
}

// The bot tries amounts of one thousand coins to forty thousand.
const (
	frontStep  = 1_000 * coin
	frontSteps = 40
)

// frontOf takes the direction of a target on every market with the same amount, at the price of the
// moment or not at all.
func frontOf(target order, amount uint64) order {
	var o order
	for i := range target.legs {
		t := &target.legs[i]
		m := newMarket()
		o.legs = append(o.legs, leg{t.on, swap{
			trade: t.trade, by: botFront, side: t.side, amount: amount, least: m.quote(t.side, amount),
		}})
	}
	return o
}

// profitOf is what the bot wins with a trade: with its order before the target's or with none, and with
// the best orders behind it.
func profitOf(ahead *order, target order) int64 {
	b := newBooks()
	b.begin(target.trade())
	if ahead != nil {
		b.apply(*ahead, 0)
	}
	b.apply(target, 0)
	if o, ok := after(b); ok {
		b.apply(o, 0)
	}
	return b.won
}

// after is the best order behind a victim's, once the books hold it: each market is brought back to the
// outside price as far as that pays.
func after(b *books) (order, bool) {
	var o order
	for on := range b.markets {
		s, amount, profit := b.markets[on].best()
		if profit > 0 {
			o.legs = append(o.legs, leg{on, swap{trade: b.trade, by: botAfter, side: s, amount: amount, least: smallestTail}})
		}
	}
	return o, len(o.legs) > 0
}

// guess is an order before a victim's that nobody can read yet. Of the envelope the bot knows the rollups;
// the direction on each is the one that was more frequent so far under such an envelope.
type guess struct {
	seen [1 << marketsNum][marketsNum][sell + 1]int // by rollups that the envelope names, rollup, side
}

// learn counts what an envelope turned out to hold.
func (g *guess) learn(target order) {
	for i := range target.legs {
		g.seen[envelope(target)][target.legs[i].on][target.legs[i].side]++
	}
}

// order is the guess for an envelope that names these rollups; the amount is what would earn most if it
// were right about a victim of middling size.
func (g *guess) order(trade uint32, rollups []int) order {
	var imagined order
	for _, on := range rollups {
		imagined.legs = append(imagined.legs, leg{on, swap{trade: trade, by: victim, amount: typicalSwap, least: 1}})
	}
	counts := &g.seen[envelope(imagined)]
	for i := range imagined.legs {
		l := &imagined.legs[i]
		l.side = buy
		if counts[l.on][sell] > counts[l.on][buy] {
			l.side = sell
		}
		*l = victimLeg(int(trade)-1, l.on, l.side, typicalSwap)
	}
	o, ok := front(imagined)
	if !ok {
		panic("frontrun: no front order earns anything before a middling swap")
	}
	return o
}

// envelope is which rollups an order trades on, as a set of bits.
func envelope(o order) int {
	set := 0
	for i := range o.legs {
		set |= 1 << o.legs[i].on
	}
	return set
}
